"""The front end in C: the files that run on the board (`firmware_bridge/core`), as a Python extension.

The extension is built when the package is installed and is missing where there was no C compiler;
:mod:`edge_ser.frontend.engine` then takes the NumPy reference. The GIL is released while C works.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError, MissingError
from edge_ser.frontend.extension import BUILT, NATIVE, WHY_NOT
from edge_ser.frontend.reference import check_samples
from edge_ser.frontend.tables import FrontendTables

TABLE_ARRAYS: Final = (
    "window",
    "twiddles",
    "real_twiddles",
    "band_edges",
    "band_weights",
    "band_unweights",
    "gain_table",
    "log_table",
)
TABLE_NUMBERS: Final = (
    "window_samples",
    "step_samples",
    "fft_size",
    "channels",
    "even_smoothing",
    "odd_smoothing",
    "min_signal_remaining",
    "noise_reduction",
    "pcan",
    "log",
    "smoothing_bits",
    "snr_shift",
    "log_shift",
    "feature_low",
    "feature_high",
)
"""Fields of the C struct ``EserFrontendTables``, numbers; what writes that struct names them from here."""


class NativeFrontend:
    """The front end in C over one set of tables; holds no state between calls.

    Args:
        tables: the integers, from :func:`edge_ser.frontend.tables.make_tables` or from a bundle.

    Raises:
        MissingError: the extension was not built.
    """

    def __init__(self, tables: FrontendTables) -> None:
        if not BUILT:
            raise MissingError(WHY_NOT)
        self.tables = tables
        self._c_tables = _CTables(tables)

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """As :meth:`edge_ser.frontend.reference.Frontend.process`."""
        check_samples(samples, dimensions=1)
        features: NDArray[np.uint16] = self.process_batch(samples[np.newaxis])[0]
        return features

    def process_batch(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """As :meth:`edge_ser.frontend.reference.Frontend.process_batch`."""
        check_samples(samples, dimensions=2)
        state = _State(self._c_tables)
        features = np.empty(
            (len(samples), self.tables.frames_in(samples.shape[1]), self.tables.channels), np.uint16
        )
        for clip, rows in zip(np.ascontiguousarray(samples), features, strict=True):
            state.reset()
            state.feed(clip, rows)
        return features


class NativeStream:
    """The C front end over samples that arrive in chunks.

    Args:
        tables: the integers of the front end.

    Raises:
        MissingError: the extension was not built.
    """

    def __init__(self, tables: FrontendTables) -> None:
        if not BUILT:
            raise MissingError(WHY_NOT)
        self._state = _State(_CTables(tables))
        self._channels = tables.channels

    def reset(self) -> None:
        """Forget all samples and the noise estimate."""
        self._state.reset()

    def feed(self, chunk: NDArray[np.int16]) -> NDArray[np.uint16]:
        """As :meth:`edge_ser.frontend.stream.FrontendStream.feed`."""
        check_samples(chunk, dimensions=1)
        features = np.empty((self._state.frames(len(chunk)), self._channels), np.uint16)
        self._state.feed(np.ascontiguousarray(chunk), features)
        return features


def quantize_features(features: NDArray[np.uint16], low: int, high: int) -> NDArray[np.uint8]:
    """As :func:`edge_ser.frontend.quantize.quantize_features`, in C.

    Raises:
        MissingError: the extension was not built.
    """
    if not BUILT:
        raise MissingError(WHY_NOT)
    contiguous = np.ascontiguousarray(features, np.uint16)
    values = np.empty(features.shape, np.uint8)
    ffi = NATIVE.ffi
    NATIVE.lib.eser_quantize_features(
        ffi.from_buffer("uint16_t[]", contiguous),
        ffi.from_buffer("uint8_t[]", values, require_writable=True),
        values.size,
        low,
        high,
    )
    return values


def centre_channels(features: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As :func:`edge_ser.frontend.quantize.centre_channels`, in C.

    Raises:
        MissingError: the extension was not built.
    """
    if not BUILT:
        raise MissingError(WHY_NOT)
    centred = np.array(features, np.uint8, order="C")
    for segment in centred:
        values = NATIVE.ffi.from_buffer("uint8_t[]", segment, require_writable=True)
        NATIVE.lib.eser_centre_channels(values, *segment.shape)
    return centred


def tables_struct(ffi: Any, tables: FrontendTables) -> Any:
    """The C struct of a set of tables in an extension's own types; it points into the tables' arrays."""
    struct: Any = ffi.new("EserFrontendTables *")
    for name in TABLE_NUMBERS:
        setattr(struct, name, int(getattr(tables, name)))
    for name in TABLE_ARRAYS:
        array = getattr(tables, name)
        pointer = "uint16_t[]" if array.dtype == np.uint16 else "int16_t[]"
        setattr(struct, name, ffi.from_buffer(pointer, array))
    return struct


class _CTables:
    """The C struct of a set of tables, and the memory that it points to."""

    def __init__(self, tables: FrontendTables) -> None:
        self.tables = tables
        self.struct = tables_struct(NATIVE.ffi, tables)


class _State:
    """One running front end in C."""

    def __init__(self, c_tables: _CTables) -> None:
        self._c_tables = c_tables  # keeps alive what the struct points to
        self._struct: Any = NATIVE.ffi.new("EserFrontend *")
        status = NATIVE.lib.eser_frontend_init(self._struct, c_tables.struct)
        if status != NATIVE.lib.ESER_OK:
            message = (
                "front-end tables: larger than the native front end holds; make them again from the spec"
            )
            raise InputError(message)

    def reset(self) -> None:
        NATIVE.lib.eser_frontend_reset(self._struct)

    def frames(self, samples: int) -> int:
        return int(NATIVE.lib.eser_frontend_frames(self._struct, samples))

    def feed(self, samples: NDArray[np.int16], features: NDArray[np.uint16]) -> None:
        ffi = NATIVE.ffi
        NATIVE.lib.eser_frontend_feed(
            self._struct,
            ffi.from_buffer("int16_t[]", samples),
            len(samples),
            ffi.from_buffer("uint16_t[]", features, require_writable=True),
        )
