from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge_ser import files
from edge_ser.errors import InputError
from edge_ser.files import (
    read_json,
    replacing,
    replacing_folder,
    sha256_hex,
    write_atomically,
    write_json,
)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_atomically_makes_folders_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "x.bin"
    write_atomically(target, b"first")
    write_atomically(target, b"second")
    assert target.read_bytes() == b"second"
    assert _names(target.parent) == ["x.bin"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old_file_and_no_rest(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "x.npy"
    target.write_bytes(b"old")

    def write_half() -> None:
        with replacing(target) as beside:
            assert beside.parent == target.parent
            assert beside.suffix == ".npy"
            beside.write_bytes(b"half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["x.npy"]


def test_nothing_appears_at_the_target_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with replacing(target) as beside:
        beside.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"


def test_two_writers_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    with replacing(tmp_path / "x") as one, replacing(tmp_path / "x") as other:
        assert one != other
        one.write_bytes(b"1")
        other.write_bytes(b"2")
    assert (tmp_path / "x").read_bytes() == b"1"  # the outer block ends last


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "file" / "x", tmp_path / "folder", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot be written") as caught:
            write_atomically(target, b"data")
        assert str(target) in str(caught.value)
    assert _names(tmp_path) == ["file", "folder"]


def test_no_permission_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(InputError, match=r"x\.bin: cannot be written \(Permission denied\)"):
        write_atomically(tmp_path / "x.bin", b"data")


def test_full_disk_is_an_input_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(tmp_path / "x.bin", b"data")
    assert _names(tmp_path) == []


def test_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for content in ("old", "new"):
        with replacing_folder(target) as beside:
            (beside / content).write_text(content)
    assert _names(target) == ["new"]
    assert _names(tmp_path) == ["out"]


def test_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with replacing_folder(target) as beside:
        (beside / "old").write_text("old")

    def write_half() -> None:
        with replacing_folder(target) as beside:
            (beside / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert _names(target) == ["old"]
    assert _names(tmp_path) == ["out"]


def test_folder_that_cannot_be_moved_in_puts_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    with replacing_folder(target) as beside:
        (beside / "old").write_text("old")
    rename = Path.rename

    def fail_once(self: Path, to: Path) -> Path:
        if (self / "new").exists():
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(InputError, match="Input/output error"), replacing_folder(target) as beside:
        (beside / "new").write_text("new")
    assert _names(target) == ["old"]
    assert _names(tmp_path) == ["out"]


def test_folder_does_not_replace_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="Not a directory"), replacing_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert (tmp_path / "out").read_text() == "a file"


def test_sha256_is_the_standard_one() -> None:
    # FIPS 180-2, appendix B.1.
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_hex(b"") == hashlib.sha256().hexdigest()


def test_json_round_trip_keeps_order_and_unicode(tmp_path: Path) -> None:
    data = {"z": 1, "a": [1.5, None, True], "Grüße": {"b": "ü"}}
    write_json(tmp_path / "x.json", data)
    back = read_json(tmp_path / "x.json")
    assert back == data
    assert list(back) == ["z", "a", "Grüße"]
    assert (tmp_path / "x.json").read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_write_json_refuses_what_json_does_not_know(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"value": value})
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[1]", "holds a JSON list"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_read_json_says_what_is_wrong(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=found) as caught:
        read_json(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_read_json_of_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as caught:
            read_json(path)
        assert str(path) in str(caught.value)


def test_reason_is_words_only() -> None:
    assert files.reason(FileNotFoundError(2, "No such file or directory", "x")) == "No such file or directory"
