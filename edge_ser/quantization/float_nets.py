"""From the Keras weights in a bundle back to a float net."""

from __future__ import annotations

import io
import math
import tempfile
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from edge_ser.errors import InputError
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import with_classifier
from edge_ser.quantization.convert import NetName
from edge_ser.spec import SystemSpec

_MOST_OBJECTS = 10_000
"""Groups and arrays of a weights file: the base system's acoustic net has 190."""

_HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, OverflowError, MemoryError)
"""What h5py raises on damaged files; found by damaging one."""


def load_float_net(spec: SystemSpec, net: NetName, weights: bytes, source: str) -> keras.Model:
    """A float net with its classifier, as it was before quantisation.

    Args:
        spec: the system that the weights belong to, usually ``bundle.spec``.
        net: which of its nets.
        weights: a Keras weights file, usually ``bundle.member(FLOAT_WEIGHTS[net])``.
        source: what to call it in an error.

    Returns:
        The model: float32 (n, frames, channels, 1) in, logits (n, classes) out.

    Raises:
        InputError: not a plain Keras weights file, or the weights of another net.
    """
    check_weights(weights, source)
    keyword = net == "keyword"
    classes = spec.keyword.classes if keyword else spec.acoustic.classes
    model = with_classifier((build_keyword if keyword else build_acoustic)(spec), len(classes), 0.0)
    # Keras reads weights from a path only, and takes the format from its ending.
    with tempfile.TemporaryDirectory(prefix="edge-ser-weights-") as folder:
        path = Path(folder) / "net.weights.h5"
        path.write_bytes(weights)
        try:
            with warnings.catch_warnings():
                # Of a layer that the file lacks Keras only warns, and leaves it at random.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(path)
        except (*_HDF5_ERRORS, UserWarning) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            message = f"{source}: not the weights of this system's {net} net ({first}); quantize it again"
            raise InputError(message) from None
    return model


def check_weights(weights: bytes, source: str) -> None:
    """Refuse an HDF5 file that is more than arrays of float32 in plain groups.

    HDF5 can name files elsewhere, compress without bound and state any shape; a weights file that Keras wrote does
    none of that.

    Args:
        weights: the bytes.
        source: what to call them in an error.

    Raises:
        InputError: it does, or cannot be read.
    """
    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            total = _checked_bytes(file, source)
    except (*_HDF5_ERRORS, RuntimeError) as error:
        message = f"{source}: not a Keras weights file ({error}); quantize the system again"
        raise InputError(message) from None
    if total > len(weights):
        message = f"{source}: states {total} bytes of arrays in a file of {len(weights)}; quantize again"
        raise InputError(message)


def _checked_bytes(file: h5py.File, source: str) -> int:
    """Bytes that all arrays state together."""
    total, seen, groups = 0, 0, [file["/"]]
    while groups:
        group = groups.pop()
        for name in group:
            seen += 1
            link = group.get(name, getlink=True)
            item = group.get(name) if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group) and seen <= _MOST_OBJECTS:
                groups.append(item)
            elif isinstance(item, h5py.Dataset) and _is_plain(item):
                total += math.prod(item.shape) * item.dtype.itemsize
            else:
                message = f"{source}: {name!r} is no plain array of float32; quantize the system again"
                raise InputError(message)
    return total


def _is_plain(item: h5py.Dataset) -> bool:
    return (
        item.dtype == np.float32
        and item.shape is not None
        and item.compression is None
        and not item.external
        and not item.is_virtual
        and item.chunks is None
    )
