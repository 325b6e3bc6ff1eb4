"""The one artefact of a system, ``<system>.edgeser``: nets, tables, fusion head, golden vectors and reports.

A zip of plain members and a ``manifest.json`` that names the size and SHA-256 of each. Reading trusts
nothing: every byte that is handed out was bounded by the manifest and matches its hash, nothing is ever
unpacked to disk, nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar

from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edge_ser import __version__
from edge_ser.errors import InputError
from edge_ser.files import parse_json_object, reason, sha256_hex, write_atomically
from edge_ser.npz import ZIP_ERRORS, inflate, npy_array, npz_arrays, zip_bytes
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import spec_from_dict

FORMAT_NAME = "edgeser"
FORMAT_MAJOR = 1
FORMAT_MINOR = 0
"""A reader takes every minor version of its major version and ignores manifest keys unknown to it."""

REQUIRED_MEMBERS = ("acoustic.tflite", "frontend_tables.npz", "fusion.npz", "keyword.tflite")

LIMIT_BYTES = 64 * 2**20
"""All members together; a system for a board is a few megabytes."""

MANIFEST_LIMIT_BYTES = 2**20
DIRECTORY_LIMIT_BYTES = 2**20
"""The zip's own list of members, which Python reads whole: ten thousand members or so."""

_MANIFEST = "manifest.json"
_TABLES = "frontend_tables.npz"
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_SAFE_NAME = re.compile(rf"{_PART}(/{_PART})*", re.ASCII)


@dataclass(frozen=True)
class Bundle:
    """One system, ready to ship.

    Attributes:
        spec: what the system is made of.
        members: every member but the manifest, by name.
        provenance: corpora, splits, seeds, commit, ...: any JSON object; kept as JSON would give it back.
        made_by: the version of edge-ser that made it.
        manifest: as it was read from a file; empty of a bundle that was made here. What a later version knows more of
            a spec than the file says must not give the same file another build id.
    """

    spec: SystemSpec
    members: Mapping[str, bytes]
    provenance: Mapping[str, Any]
    made_by: str = __version__
    manifest: bytes = field(default=b"", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep copies of what was given.

        Raises:
            InputError: provenance that is not JSON.
        """
        object.__setattr__(self, "members", dict(self.members))
        try:
            as_json = json.loads(json.dumps(dict(self.provenance), allow_nan=False))
        except (TypeError, ValueError) as error:
            message = f"provenance: cannot be written as JSON ({error}); expected texts, numbers and lists"
            raise InputError(message) from None
        object.__setattr__(self, "provenance", as_json)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Bundle:
        """Read a bundle and verify all of it; see :func:`read_bundle`, which says what is raised.

        Example:
            >>> import edge_ser
            >>> bundle = edge_ser.Bundle.read(edge_ser.shipped_bundle())
            >>> bundle.labels
            ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness')
            >>> len(bundle.member("acoustic.tflite")) < 1_000_000
            True
        """
        return read_bundle(Path(path))

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions told apart, in the order of the scores."""
        return self.spec.acoustic.classes

    @property
    def keywords(self) -> tuple[str, ...]:
        """The keyword classes, in the order of the keyword scores."""
        return self.spec.keyword.classes

    @property
    def build_id(self) -> str:
        """SHA-256 of the manifest, and so of everything, as hexadecimal digits."""
        return sha256_hex(self.manifest or _manifest_bytes(self))

    def member(self, name: str) -> bytes:
        """The bytes of one member.

        Raises:
            InputError: there is no such member.
        """
        if name not in self.members:
            message = f"bundle {self.spec.name}: has no {name!r}; it holds {', '.join(sorted(self.members))}"
            raise InputError(message)
        return self.members[name]

    def report(self, name: str) -> dict[str, Any] | None:
        """The report ``reports/<name>.json``, or ``None`` where there is none.

        Raises:
            InputError: it is not a JSON object.
        """
        member = f"reports/{name}.json"
        if member not in self.members:
            return None
        return parse_json_object(self.members[member], f"bundle {self.spec.name}: {member}")

    def array(self, name: str) -> NDArray[Any]:
        """The array in a .npy member, any shape and dtype of numbers.

        Raises:
            InputError: there is no such member, or it is no array of numbers.
        """
        return npy_array(self.member(name), f"bundle {self.spec.name}: {name}")

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays in a .npz member, by name, any shape and dtype of numbers.

        Raises:
            InputError: there is no such member, or it holds anything but arrays of numbers.
        """
        return npz_arrays(self.member(name), f"bundle {self.spec.name}: {name}", LIMIT_BYTES)

    def with_members(self, members: Mapping[str, bytes]) -> Bundle:
        """The same bundle with members added or replaced; its build id is another one."""
        return dataclasses.replace(self, members={**self.members, **members}, manifest=b"")


class _Lenient:
    """Lets a later minor version add manifest keys; wrong types stay errors."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="ignore", strict=True)


@dataclass(frozen=True)
class _MemberEntry(_Lenient):
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class _Manifest(_Lenient):
    edge_ser: str
    spec: dict[str, Any]
    labels: list[str]
    keywords: list[str]
    frontend_tables_sha256: str
    members: dict[str, _MemberEntry]
    provenance: dict[str, Any] = field(default_factory=dict)


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle in one step; equal bundles give equal bytes.

    Args:
        path: where to, usually ``build/<system>/<system>.edgeser``.
        bundle: what to write.

    Raises:
        InputError: a member is missing, misnamed or too large, or the place cannot be written.
    """
    source = f"bundle {bundle.spec.name}"
    manifest = bundle.manifest or _manifest_bytes(bundle)
    _check_members(source, {name: len(data) for name, data in bundle.members.items()})
    if len(manifest) > MANIFEST_LIMIT_BYTES:
        limit = f"at most {MANIFEST_LIMIT_BYTES}"
        message = f"{source}: manifest of {len(manifest)} bytes; expected {limit}: shorten the provenance"
        raise InputError(message)
    write_atomically(path, zip_bytes({**bundle.members, _MANIFEST: manifest}))


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and verify all of it.

    Args:
        path: an ``.edgeser`` file.

    Returns:
        The bundle; every member has the size and the SHA-256 that the manifest names.

    Raises:
        InputError: the file is missing, cut short, no bundle, made by a newer major version, or anything in
            it is not as its manifest says.
    """
    try:
        with path.open("rb") as file:
            _check_directory(path, file)
            with zipfile.ZipFile(file) as archive:
                return _read(path, archive)
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected a bundle (.edgeser)"
        raise InputError(message) from None
    except ZIP_ERRORS as error:
        message = f"{path}: damaged ({error}); copy it again or make it again"
        raise InputError(message) from None


def _read(path: Path, archive: zipfile.ZipFile) -> Bundle:
    infos = _safe_infos(path, archive)
    if _MANIFEST not in infos:
        message = f"{path}: has no {_MANIFEST}; expected a bundle (.edgeser) made by `make edgetpu`"
        raise InputError(message)
    written = _member_bytes(path, archive, infos.pop(_MANIFEST), MANIFEST_LIMIT_BYTES)
    manifest = _parse_manifest(path, written)
    for name in sorted(infos.keys() - manifest.members.keys()):
        message = f"{path}: holds {name!r}, which its manifest does not name; make it again"
        raise InputError(message)
    for name in sorted(manifest.members.keys() - infos.keys()):
        message = f"{path}: lacks {name!r}, which its manifest names; copy it again or make it again"
        raise InputError(message)
    members = {}
    for name, entry in manifest.members.items():
        data = _member_bytes(path, archive, infos[name], entry.bytes)
        if len(data) != entry.bytes or sha256_hex(data) != entry.sha256:
            message = f"{path}: {name!r} is not what its manifest says (size or SHA-256); copy it again"
            raise InputError(message)
        members[name] = data
    spec = spec_from_dict(manifest.spec, source=f"{path}: {_MANIFEST}: spec")
    bundle = Bundle(spec, members, manifest.provenance, manifest.edge_ser, written)
    if tuple(manifest.labels) != bundle.labels or tuple(manifest.keywords) != bundle.keywords:
        message = f"{path}: labels or keywords of its manifest are not those of its spec; make it again"
        raise InputError(message)
    if manifest.frontend_tables_sha256 != manifest.members[_TABLES].sha256:
        message = f"{path}: its manifest was made for other front-end tables than {_TABLES}; make it again"
        raise InputError(message)
    return bundle


def _manifest_bytes(bundle: Bundle) -> bytes:
    members = {
        name: {"bytes": len(data), "sha256": sha256_hex(data)} for name, data in bundle.members.items()
    }
    manifest = {
        "format": {"name": FORMAT_NAME, "major": FORMAT_MAJOR, "minor": FORMAT_MINOR},
        "edge_ser": bundle.made_by,
        "spec": bundle.spec.to_dict(),
        "labels": list(bundle.labels),
        "keywords": list(bundle.keywords),
        "frontend_tables_sha256": sha256_hex(bundle.member(_TABLES)),
        "members": members,
        "provenance": bundle.provenance,
    }
    return (json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _parse_manifest(path: Path, data: bytes) -> _Manifest:
    source = f"{path}: {_MANIFEST}"
    # The version first: what a newer major version looks like is not known here.
    form = parse_json_object(data, source).get("format")
    if not isinstance(form, dict) or form.get("name") != FORMAT_NAME or type(form.get("major")) is not int:
        message = f"{source}: does not say that this is an edge-ser bundle; expected an .edgeser file"
        raise InputError(message)
    if form["major"] > FORMAT_MAJOR:
        newer = f"format {form['major']}, made by a newer edge-ser"
        message = f"{source}: {newer}; expected format {FORMAT_MAJOR}: upgrade edge-ser"
        raise InputError(message)
    if form["major"] < FORMAT_MAJOR:
        message = f"{source}: format {form['major']}; expected {FORMAT_MAJOR}: make the bundle again"
        raise InputError(message)
    try:
        manifest: _Manifest = TypeAdapter(_Manifest).validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = f"{source}: key {key!r}: {first['msg']}; make the bundle again"
        raise InputError(message) from None
    _check_members(source, {name: entry.bytes for name, entry in manifest.members.items()})
    return manifest


def _check_members(source: str, sizes: Mapping[str, int]) -> None:
    for name in sizes:
        _check_name(source, name)
    if _MANIFEST in sizes:
        message = f"{source}: {_MANIFEST} is no member of its own; remove it"
        raise InputError(message)
    missing = [name for name in REQUIRED_MEMBERS if name not in sizes]
    if missing:
        message = f"{source}: lacks {', '.join(missing)}; make the bundle again"
        raise InputError(message)
    total = sum(sizes.values())
    if total > LIMIT_BYTES:
        message = f"{source}: members of {total} bytes together; expected at most {LIMIT_BYTES}"
        raise InputError(message)


def _check_name(source: str, name: str) -> None:
    if not _SAFE_NAME.fullmatch(name):
        message = (
            f"{source}: member name {name!r} could leave the bundle; expected letters, digits, . _ - and /"
        )
        raise InputError(message)


def _safe_infos(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        # The original name: zipfile itself cuts names at a NUL.
        name = info.orig_filename
        _check_name(str(path), name)
        if name in infos:
            message = f"{path}: holds {name!r} twice; make it again"
            raise InputError(message)
        if stat.S_ISLNK(info.external_attr >> 16):
            message = f"{path}: {name!r} is a symbolic link; expected plain members: make it again"
            raise InputError(message)
        if info.flag_bits & 0x1:
            message = f"{path}: {name!r} is encrypted; expected plain members: make it again"
            raise InputError(message)
        infos[name] = info
    return infos


def _member_bytes(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of a member, which may be ``limit`` at most."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        message = f"{path}: {info.filename!r} is compressed in an unusual way; expected stored or deflated"
        raise InputError(message)
    data = inflate(archive, info, limit + 1)
    if len(data) > limit:
        message = f"{path}: {info.filename!r} is larger than the {limit} bytes it may have; make it again"
        raise InputError(message)
    return data


def _check_directory(path: Path, file: BinaryIO) -> None:
    """Refuse what is no zip, is cut short or has a huge list of members, before zipfile reads that list."""
    size = os.fstat(file.fileno()).st_size
    if size > LIMIT_BYTES + MANIFEST_LIMIT_BYTES + DIRECTORY_LIMIT_BYTES:
        message = f"{path}: {size} bytes; expected a bundle of at most {LIMIT_BYTES}"
        raise InputError(message)
    if file.read(4) != b"PK\x03\x04":
        message = f"{path}: not a bundle (no zip file); expected an .edgeser file"
        raise InputError(message)
    # The end record is the last 22 bytes; a 64-bit one is announced 20 bytes before (PKWARE APPNOTE 4.3.15).
    file.seek(max(0, size - 42))
    tail = file.read(42)
    end = tail[-22:]
    if end[:4] != b"PK\x05\x06":
        message = f"{path}: cut short or followed by other data (no zip end record); copy it again"
        raise InputError(message)
    if tail.startswith(b"PK\x06\x07") or int.from_bytes(end[12:16], "little") > DIRECTORY_LIMIT_BYTES:
        message = f"{path}: its list of members is larger than {DIRECTORY_LIMIT_BYTES} bytes; make it again"
        raise InputError(message)
