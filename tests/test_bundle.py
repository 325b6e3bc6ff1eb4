from __future__ import annotations

import dataclasses
import io
import json
import re
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser import bundle as bundle_module
from edge_ser.bundle import LIMIT_BYTES, MANIFEST_LIMIT_BYTES, Bundle, read_bundle, write_bundle
from edge_ser.errors import InputError
from edge_ser.files import sha256_hex
from edge_ser.npz import npy_bytes, npz_bytes
from edge_ser.spec import AcousticSpec, KeywordSpec, SystemSpec

Member = tuple[zipfile.ZipInfo, bytes]


def _make(**more: bytes) -> Bundle:
    spec = SystemSpec(
        name="test",
        keyword=KeywordSpec(words=("yes", "no")),
        acoustic=AcousticSpec(classes=("anger", "neutral")),
    )
    members = {
        "keyword.tflite": b"keyword net",
        "acoustic.tflite": bytes(range(256)) * 4,
        "frontend_tables.npz": npz_bytes({"window": np.arange(8, dtype=np.int16)}),
        "fusion.npz": npz_bytes({"weights": np.ones((2, 3), np.int16), "scale": np.array(0.25)}),
        "golden/scores.npy": npy_bytes(np.array([3, -4], np.int32)),
        "reports/train.json": b'{"macro_f1": 0.5}',
    }
    return Bundle(spec, {**members, **more}, {"corpora": ["synthetic"], "seed": 1, "commit": None})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.edgeser"


def _members(path: Path) -> list[Member]:
    with zipfile.ZipFile(path) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def _rewrite(path: Path, members: list[Member]) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of doubled names
        for info, data in members:
            archive.writestr(info, data)


def _change_manifest(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the bundle again with its manifest changed, as somebody who wants to deceive would."""
    members = _members(path)
    for index, (info, data) in enumerate(members):
        if info.filename == "manifest.json":
            manifest = json.loads(data)
            change(manifest)
            members[index] = (info, json.dumps(manifest).encode())
    _rewrite(path, members)


def _refused(path: Path, found: str) -> None:
    with pytest.raises(InputError, match=found) as caught:
        read_bundle(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


class TestBundle:
    def test_what_it_says_of_itself(self) -> None:
        bundle = _make()
        assert bundle.labels == ("anger", "neutral")
        assert bundle.keywords == ("yes", "no", "_unknown_", "_silence_")
        assert bundle.report("train") == {"macro_f1": 0.5}
        assert bundle.report("bench") is None
        assert bundle.array("golden/scores.npy").tolist() == [3, -4]
        arrays = bundle.arrays("fusion.npz")
        assert arrays["weights"].dtype == np.int16
        assert float(arrays["scale"]) == 0.25

    def test_a_missing_member_is_named(self) -> None:
        for ask in (Bundle.member, Bundle.array, Bundle.arrays):
            with pytest.raises(InputError, match=r"has no 'keyword_edgetpu\.tflite'"):
                ask(_make(), "keyword_edgetpu.tflite")

    def test_members_that_are_not_what_they_are_called(self) -> None:
        bundle = _make(**{"reports/bad.json": b"[]", "bad.npz": b"text", "bad.npy": b"text"})
        for ask in (
            lambda: bundle.report("bad"),
            lambda: bundle.arrays("bad.npz"),
            lambda: bundle.array("bad.npy"),
        ):
            with pytest.raises(InputError, match=r"^bundle test: .*bad"):
                ask()

    def test_with_members_adds_and_replaces_in_a_copy(self) -> None:
        before = _make()
        after = before.with_members({"keyword.tflite": b"other", "keyword_edgetpu.tflite": b"compiled"})
        assert after.member("keyword.tflite") == b"other"
        assert after.member("keyword_edgetpu.tflite") == b"compiled"
        assert after.member("acoustic.tflite") == before.member("acoustic.tflite")
        assert before == _make()

    def test_it_does_not_change_with_what_it_was_made_of(self) -> None:
        members = dict(_make().members)
        provenance: dict[str, Any] = {"seeds": [1]}
        bundle = dataclasses.replace(_make(), members=members, provenance=provenance)
        members.clear()
        provenance["seeds"].append(2)
        assert bundle.members == _make().members
        assert bundle.provenance == {"seeds": [1]}

    @pytest.mark.parametrize("value", [float("nan"), Path("x"), {1, 2}])
    def test_provenance_must_be_json(self, value: object) -> None:
        with pytest.raises(InputError, match="provenance"):
            dataclasses.replace(_make(), provenance={"value": value})

    def test_a_file_keeps_its_build_id_when_specs_learn_new_entries(self, path: Path) -> None:
        write_bundle(path, _make())
        # As a file of a version that knew no [stream] yet.
        _change_manifest(path, lambda manifest: manifest["spec"].pop("stream"))
        (written,) = [data for info, data in _members(path) if info.filename == "manifest.json"]
        read = read_bundle(path)
        assert read.build_id == sha256_hex(written) != _make().build_id
        again = path.with_name("again.edgeser")
        write_bundle(again, read)
        assert read_bundle(again).build_id == read.build_id
        assert read.with_members({"reports/more.json": b"{}"}).build_id != read.build_id

    def test_the_build_id_changes_with_anything_inside(self) -> None:
        bundle = _make()
        others = [
            bundle.with_members({"keyword.tflite": b"keyword nET"}),
            bundle.with_members({"more.bin": b""}),
            dataclasses.replace(bundle, provenance={"seed": 2}),
            dataclasses.replace(bundle, spec=dataclasses.replace(bundle.spec, name="other")),
        ]
        assert len({bundle.build_id, *(other.build_id for other in others)}) == 5
        assert bundle.build_id == _make().build_id


class TestRoundTrip:
    def test_what_is_written_is_read(self, path: Path) -> None:
        write_bundle(path, _make())
        read = read_bundle(path)
        assert read == _make()
        assert read.build_id == _make().build_id

    def test_the_manifest_holds_what_the_contract_says(self, path: Path) -> None:
        bundle = _make()
        write_bundle(path, bundle)
        data = {info.filename: data for info, data in _members(path)}
        manifest = json.loads(data["manifest.json"])
        assert sha256_hex(data["manifest.json"]) == bundle.build_id
        assert manifest["format"] == {"name": "edgeser", "major": 1, "minor": 0}
        assert manifest["labels"] == ["anger", "neutral"]
        assert manifest["keywords"] == ["yes", "no", "_unknown_", "_silence_"]
        assert manifest["spec"] == bundle.spec.to_dict()
        assert manifest["provenance"] == bundle.provenance
        assert manifest["frontend_tables_sha256"] == sha256_hex(data["frontend_tables.npz"])
        assert manifest["members"].keys() == data.keys() - {"manifest.json"}
        for name, entry in manifest["members"].items():
            assert entry == {"bytes": len(data[name]), "sha256": sha256_hex(data[name])}

    def test_equal_bundles_give_equal_bytes(self, tmp_path: Path) -> None:
        bundle = _make()
        turned = dataclasses.replace(
            bundle,
            members=dict(reversed(bundle.members.items())),
            provenance=dict(reversed(bundle.provenance.items())),
        )
        write_bundle(tmp_path / "a", bundle)
        write_bundle(tmp_path / "b", turned)
        write_bundle(tmp_path / "c", read_bundle(tmp_path / "a"))
        contents = {(tmp_path / name).read_bytes() for name in "abc"}
        assert len(contents) == 1
        infos = [info for info, _ in _members(tmp_path / "a")]
        assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
        assert [info.filename for info in infos] == sorted(info.filename for info in infos)

    def test_one_made_by_another_version_keeps_its_identity(self, path: Path) -> None:
        old = dataclasses.replace(_make(), made_by="0.0.1")
        write_bundle(path, old)
        assert read_bundle(path).made_by == "0.0.1"
        assert read_bundle(path).build_id == old.build_id != _make().build_id

    def test_one_that_was_compressed_by_hand_is_the_same_bundle(self, path: Path) -> None:
        write_bundle(path, _make())
        members = _members(path)
        for info, _ in members:
            info.compress_type = zipfile.ZIP_DEFLATED
        _rewrite(path, members)
        assert read_bundle(path) == _make()

    def test_a_newer_minor_version_with_keys_unknown_here_is_read(self, path: Path) -> None:
        def change(manifest: dict[str, Any]) -> None:
            manifest["format"]["minor"] = 7
            manifest["signature"] = "abc"

        write_bundle(path, _make())
        _change_manifest(path, change)
        assert read_bundle(path) == _make()

    @settings(max_examples=25, deadline=None)
    @given(
        st.dictionaries(
            st.from_regex(r"(golden|reports)/[a-z0-9_]{1,8}\.[a-z]{2,4}", fullmatch=True),
            st.binary(max_size=300),
            max_size=4,
        )
    )
    def test_any_members(self, tmp_path_factory: pytest.TempPathFactory, more: dict[str, bytes]) -> None:
        path = tmp_path_factory.mktemp("any") / "x.edgeser"
        write_bundle(path, _make(**more))
        assert read_bundle(path) == _make(**more)


class TestWriteRefuses:
    @pytest.mark.parametrize("name", bundle_module.REQUIRED_MEMBERS)
    def test_a_bundle_without_a_required_member(self, path: Path, name: str) -> None:
        bundle = _make()
        members = {key: data for key, data in bundle.members.items() if key != name}
        with pytest.raises(InputError, match=re.escape(name)):
            write_bundle(path, dataclasses.replace(bundle, members=members))
        assert not path.exists()

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/x",
            "../x",
            "a/../x",
            "a\\x",
            "C:x",
            "",
            ".",
            "a/",
            "a//b",
            "a/.x",
            "a\nb",
            "a\0b",
            "naïve",
            "manifest.json",
        ],
    )
    def test_a_member_that_could_not_be_read_again(self, path: Path, name: str) -> None:
        with pytest.raises(InputError):
            write_bundle(path, _make(**{name: b""}))
        assert not path.exists()

    def test_too_much(self, path: Path) -> None:
        with pytest.raises(InputError, match=f"at most {LIMIT_BYTES}"):
            write_bundle(path, _make(**{"golden/big.bin": bytes(LIMIT_BYTES)}))
        with pytest.raises(InputError, match="shorten the provenance"):
            write_bundle(path, dataclasses.replace(_make(), provenance={"log": "x" * MANIFEST_LIMIT_BYTES}))


class TestReadRefuses:
    """Every hostile or damaged bundle is built for real."""

    @pytest.fixture(autouse=True)
    def _a_good_bundle(self, path: Path) -> None:
        write_bundle(path, _make())

    def test_missing_or_a_folder(self, tmp_path: Path) -> None:
        _refused(tmp_path / "none.edgeser", "No such file")
        _refused(tmp_path, "Is a directory")

    @pytest.mark.parametrize("content", [b"", b"PK", b"text that is no zip", b"\0" * 100])
    def test_no_zip(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        _refused(path, "not a bundle")

    def test_any_other_zip(self, path: Path) -> None:
        _rewrite(path, [(zipfile.ZipInfo("x.txt"), b"text")])
        _refused(path, r"no manifest\.json")

    def test_cut_short_anywhere(self, path: Path) -> None:
        content = path.read_bytes()
        for length in range(0, len(content), 37):
            path.write_bytes(content[:length])
            _refused(path, "cut short|not a bundle")
        path.write_bytes(content[:-1])
        _refused(path, "cut short")

    def test_followed_by_other_data(self, path: Path) -> None:
        path.write_bytes(path.read_bytes() + b"more")
        _refused(path, "followed by other data")

    @pytest.mark.parametrize(
        "manifest",
        [b"", b"{", b"[]", b"\xff", b"null", b"{}", b"[" * 10_000, b'{"format": 1}', b'{"format": {}}'],
    )
    def test_manifest_that_is_none(self, path: Path, manifest: bytes) -> None:
        members = [
            (info, manifest if info.filename == "manifest.json" else data) for info, data in _members(path)
        ]
        _rewrite(path, members)
        _refused(path, r"manifest\.json: (not valid JSON|holds a JSON|does not say)")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("edge_ser", 1),
            ("spec", []),
            ("labels", "anger"),
            ("keywords", [1]),
            ("members", []),
            ("members", {"keyword.tflite": {"bytes": "1", "sha256": "0" * 64}}),
            ("members", {"keyword.tflite": {"bytes": -1, "sha256": "0" * 64}}),
            ("members", {"keyword.tflite": {"bytes": 1, "sha256": "xyz"}}),
            ("members", {"keyword.tflite": {"bytes": 10**30, "sha256": "0" * 64}}),
            ("provenance", "none"),
            ("frontend_tables_sha256", None),
        ],
    )
    def test_manifest_of_wrong_types(self, path: Path, key: str, value: object) -> None:
        _change_manifest(path, lambda manifest: manifest.update({key: value}))
        _refused(path, rf"manifest\.json: (key '{key}|lacks)")

    @pytest.mark.parametrize(
        "key", ["edge_ser", "spec", "labels", "keywords", "members", "frontend_tables_sha256"]
    )
    def test_manifest_without_a_key(self, path: Path, key: str) -> None:
        _change_manifest(path, lambda manifest: manifest.pop(key))
        _refused(path, key)

    def test_newer_and_older_major_versions(self, path: Path) -> None:
        _change_manifest(path, lambda manifest: manifest["format"].update(major=2))
        _refused(path, "made by a newer edge-ser.*upgrade")
        _change_manifest(path, lambda manifest: manifest["format"].update(major=0))
        _refused(path, "format 0; expected 1")

    def test_a_newer_major_version_is_told_before_anything_else_is_looked_at(self, path: Path) -> None:
        newer = json.dumps({"format": {"name": "edgeser", "major": 9}}).encode()
        _rewrite(path, [(zipfile.ZipInfo("manifest.json"), newer), (zipfile.ZipInfo("unheard_of"), b"")])
        _refused(path, "made by a newer edge-ser")

    def test_spec_that_breaks_a_rule(self, path: Path) -> None:
        _change_manifest(path, lambda manifest: manifest["spec"]["keyword"].update(width=7))
        _refused(path, r"keyword\.width.*multiple of 4")

    def test_labels_that_disagree_with_the_spec(self, path: Path) -> None:
        _change_manifest(path, lambda manifest: manifest["labels"].reverse())
        _refused(path, "labels or keywords")

    def test_keywords_that_disagree_with_the_spec(self, path: Path) -> None:
        _change_manifest(path, lambda manifest: manifest["keywords"].append("maybe"))
        _refused(path, "labels or keywords")

    def test_manifest_of_other_front_end_tables(self, path: Path) -> None:
        _change_manifest(path, lambda manifest: manifest.update(frontend_tables_sha256="0" * 64))
        _refused(path, "front-end tables")

    @pytest.mark.parametrize("name", bundle_module.REQUIRED_MEMBERS)
    def test_required_member_in_neither_zip_nor_manifest(self, path: Path, name: str) -> None:
        _change_manifest(path, lambda manifest: manifest["members"].pop(name))
        _rewrite(path, [(info, data) for info, data in _members(path) if info.filename != name])
        _refused(path, f"lacks {re.escape(name)}")

    @pytest.mark.parametrize("name", ["keyword.tflite", "golden/scores.npy"])
    def test_member_of_the_manifest_that_is_not_there(self, path: Path, name: str) -> None:
        _rewrite(path, [(info, data) for info, data in _members(path) if info.filename != name])
        _refused(path, f"lacks '{name}'")

    def test_member_that_the_manifest_does_not_name(self, path: Path) -> None:
        _rewrite(path, [*_members(path), (zipfile.ZipInfo("extra.bin"), b"")])
        _refused(path, "'extra.bin', which its manifest does not name")

    @pytest.mark.parametrize("order", [1, -1])
    def test_member_that_is_there_twice(self, path: Path, order: int) -> None:
        doubled = [*_members(path), (zipfile.ZipInfo("keyword.tflite"), b"other net")]
        _rewrite(path, doubled[::order])
        _refused(path, "'keyword.tflite' twice")

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd",
            "../../x",
            "golden/../../x",
            "golden\\x",
            "C:/x",
            "c:x",
            "//host/x",
            "golden/",
            "./x",
        ],
    )
    @pytest.mark.parametrize("named", [False, True])
    def test_member_that_leaves_the_bundle(self, path: Path, name: str, named: bool) -> None:
        if named:
            entry = {"bytes": 1, "sha256": sha256_hex(b"x")}
            _change_manifest(path, lambda manifest: manifest["members"].update({name: entry}))
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        _rewrite(path, [*_members(path), (info, b"x")])
        _refused(path, "could leave the bundle")

    def test_manifest_that_names_a_member_outside(self, path: Path) -> None:
        entry = {"bytes": 0, "sha256": sha256_hex(b"")}
        _change_manifest(path, lambda manifest: manifest["members"].update({"../x": entry}))
        _refused(path, "could leave the bundle")

    def test_name_with_a_hidden_end(self, path: Path) -> None:
        # zipfile cuts a name at a NUL, so that two readers see two names.
        content = path.read_bytes().replace(b"reports/train.json", b"reports/train\0json")
        path.write_bytes(content)
        _refused(path, "could leave the bundle|damaged")

    def test_symbolic_link(self, path: Path) -> None:
        members = _members(path)
        for info, _ in members:
            if info.filename == "keyword.tflite":
                info.external_attr = 0o120777 << 16
        _rewrite(path, members)
        _refused(path, "symbolic link")

    def test_encrypted(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        at = content.find(b"PK\x01\x02")
        content[at + 8] |= 1  # general purpose flag, bit 0 (PKWARE APPNOTE 4.4.4)
        path.write_bytes(content)
        _refused(path, "encrypted")

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_unusual_compression(self, path: Path, method: int) -> None:
        members = _members(path)
        members[0][0].compress_type = method
        _rewrite(path, members)
        _refused(path, "unusual")

    def test_content_that_was_changed(self, path: Path) -> None:
        members = [(info, data.replace(b"net", b"NET")) for info, data in _members(path)]
        _rewrite(path, members)
        _refused(path, "'keyword.tflite' is not what its manifest says")

    @pytest.mark.parametrize("size", [0, 10, 12, 1000])
    def test_size_that_is_not_the_manifests(self, path: Path, size: int) -> None:
        assert len(_make().member("keyword.tflite")) == 11
        _change_manifest(path, lambda manifest: manifest["members"]["keyword.tflite"].update(bytes=size))
        _refused(path, "'keyword.tflite' is (larger|not what)")

    def test_manifest_that_promises_too_much(self, path: Path) -> None:
        _change_manifest(
            path, lambda manifest: manifest["members"]["keyword.tflite"].update(bytes=LIMIT_BYTES)
        )
        _refused(path, f"expected at most {LIMIT_BYTES}")

    def test_too_large_a_file(self, path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(LIMIT_BYTES * 2)
        _refused(path, "at most")

    def test_64_bit_zip(self, path: Path) -> None:
        content = path.read_bytes()
        locator = b"PK\x06\x07" + bytes(16)
        path.write_bytes(content[:-22] + locator + content[-22:])
        _refused(path, "list of members")

    def test_huge_list_of_members_is_not_read(self, path: Path) -> None:
        members = [(zipfile.ZipInfo(f"{index:030}"), b"") for index in range(20_000)]
        _rewrite(path, members)
        tracemalloc.start()
        _refused(path, "list of members")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**20

    @pytest.mark.parametrize("name", ["manifest.json", "keyword.tflite"])
    @pytest.mark.parametrize("honest", [True, False])
    def test_bomb_takes_no_more_memory_than_the_manifest_allows(
        self, path: Path, name: str, honest: bool
    ) -> None:
        size = 64 * 2**20
        members = [(info, data) for info, data in _members(path) if info.filename != name]
        _rewrite(path, members)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
            for _ in range(size // 2**20):
                member.write(bytes(2**20))
        content = bytearray(path.read_bytes())
        assert len(content) < 2**20
        if not honest:
            content = content.replace(size.to_bytes(4, "little"), (11).to_bytes(4, "little"))
            path.write_bytes(content)
        tracemalloc.start()
        _refused(path, "larger than|damaged")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * MANIFEST_LIMIT_BYTES

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_any_damaged_byte_is_refused_or_changes_nothing(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "damaged.edgeser"
        write_bundle(path, _make())
        content = bytearray(path.read_bytes())
        start = content.find(b"PK\x01\x02")
        # Half of the tries go to the list of members, where a reader is most easily misled.
        places = st.integers(0, len(content) - 1) | st.integers(start, len(content) - 1)
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(places)] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read = read_bundle(path)
            except InputError as error:
                text = str(error)
            else:
                assert read == _make()
                return
        assert text.startswith(str(path))
        assert "\n" not in text

    @settings(max_examples=100, deadline=None)
    @given(content=st.binary(max_size=200))
    def test_any_bytes_behind_a_zip_signature(
        self, content: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "random.edgeser"
        end = io.BytesIO()
        zipfile.ZipFile(end, "w").close()
        path.write_bytes(b"PK\x03\x04" + content + end.getvalue())
        with pytest.raises(InputError):
            read_bundle(path)
