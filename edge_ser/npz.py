"""Arrays as bytes and back: the .npy and .npz formats of NumPy, written reproducibly and read with suspicion.

``numpy.savez`` writes the time of day into the file, and ``numpy.load`` evaluates the header as Python and
allocates whatever shape it names. Here the same arrays always give the same bytes, and bytes from a
stranger cost no more memory than their own length. The formats: NumPy enhancement proposal 1.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the time of every member, so that equal content gives equal bytes."""

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    r"\{'descr': '([<|][biuf][1248])', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,10}, ?)*(?:\d{1,10})?)\), \} *\n",
    re.ASCII,
)
_ALIGNMENT = 64

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, OSError)
"""What :mod:`zipfile` raises on damaged, encrypted or exotic archives."""


def npy_bytes(array: NDArray[Any]) -> bytes:
    """An array of whole numbers, floats or booleans, any shape, in the .npy format, version 1.0, little-endian.

    Raises:
        InputError: any other dtype.
    """
    little = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    kind = little.dtype.str
    if _HEADER.fullmatch(_header(kind, ())) is None:
        message = f"array of dtype {array.dtype}: cannot be kept; expected whole numbers, floats or booleans"
        raise InputError(message)
    header = _header(kind, little.shape)
    unpadded = len(_MAGIC) + 2 + len(header)
    header = header[:-1] + " " * (-unpadded % _ALIGNMENT) + "\n"
    return _MAGIC + len(header).to_bytes(2, "little") + header.encode() + little.tobytes()


def npy_array(data: bytes, source: str) -> NDArray[Any]:
    """The array in the bytes of a .npy file, any shape and dtype of numbers.

    Args:
        data: the bytes.
        source: what to call them in an error.

    Raises:
        InputError: not a .npy file of version 1.0 with little-endian numbers, or not exactly as long as its
            shape says.
    """
    start = len(_MAGIC) + 2
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start : start + length].decode("latin-1"))
    if not data.startswith(_MAGIC) or header is None:
        message = f"{source}: not a .npy file of plain numbers (version 1.0, little-endian); make it again"
        raise InputError(message)
    kind, fortran, sizes = header.groups()
    shape = tuple(int(size) for size in sizes.split(",") if size.strip())
    body = data[start + length :]
    try:
        dtype = np.dtype(kind)
        if math.prod(shape) * dtype.itemsize != len(body):
            message = f"{source}: shape {shape} of {kind} does not fit {len(body)} bytes; make it again"
            raise InputError(message)
        # A bytearray, because an array on bytes could not be written to.
        flat = np.frombuffer(bytearray(body), dtype) if body else np.zeros(0, dtype)
        return flat.reshape(shape, order="F" if fortran == "True" else "C")
    except (TypeError, ValueError) as error:
        message = f"{source}: not an array ({error}); make it again"
        raise InputError(message) from None


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays, any shape, in the .npz format; the same arrays give the same bytes, whatever their order.

    Raises:
        InputError: a dtype that :func:`npy_bytes` refuses.
    """
    return zip_bytes({f"{name}.npy": npy_bytes(array) for name, array in arrays.items()})


def npz_arrays(data: bytes, source: str, limit_bytes: int) -> dict[str, NDArray[Any]]:
    """The named arrays in the bytes of a .npz file, any shape and dtype of numbers.

    Args:
        data: the bytes.
        source: what to call them in an error.
        limit_bytes: the most that the arrays may take, uncompressed.

    Raises:
        InputError: not a .npz file, larger than ``limit_bytes``, or a member that :func:`npy_array` refuses.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if total > limit_bytes:
                message = f"{source}: inflates to {total} bytes; expected at most {limit_bytes}"
                raise InputError(message)
            if len({info.filename for info in infos}) != len(infos):
                message = f"{source}: holds the same array twice; make it again"
                raise InputError(message)
            members = {info.filename: inflate(archive, info, info.file_size) for info in infos}
    except ZIP_ERRORS as error:
        message = f"{source}: not a .npz file ({error}); make it again"
        raise InputError(message) from None
    return {
        name.removesuffix(".npy"): npy_array(member, f"{source}: {name}") for name, member in members.items()
    }


def inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit_bytes: int) -> bytes:
    """At most ``limit_bytes`` bytes of a member, with no more than that in memory, whatever the zip says.

    ``ZipFile.read`` would inflate all there is and then cut it to the size that the zip says.
    """
    with archive.open(info) as member:
        return member.read(limit_bytes)


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip of uncompressed members in the order of their names, without times or owners.

    Uncompressed, because compressed bytes differ from one zlib to the next.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system = 3  # Unix, on every system
            info.external_attr = 0o100644 << 16
            archive.writestr(info, members[name])
    return file.getvalue()


def _header(kind: str, shape: tuple[int, ...]) -> str:
    return f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
