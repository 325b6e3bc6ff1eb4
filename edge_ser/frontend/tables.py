"""The integers that every implementation of the front end reads: made once from the spec, carried as data."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.frontend import design
from edge_ser.spec import FrontendSpec

FORMAT: Final = b"edge-ser frontend tables 1\n"
"""Heads the bytes that are hashed; changes when the meaning of a table changes."""


class _Range(NamedTuple):
    low: int
    high: int


_SCALARS: Final = {
    "sample_rate_hz": _Range(1, 65_535),
    "window_samples": _Range(65, 1024),
    "step_samples": _Range(1, 1024),
    "channels": _Range(1, 80),
    "noise_reduction": _Range(0, 1),
    "smoothing_bits": _Range(0, 14),
    "even_smoothing": _Range(0, 1 << design.NOISE_BITS),
    "odd_smoothing": _Range(0, 1 << design.NOISE_BITS),
    "min_signal_remaining": _Range(0, 1 << design.NOISE_BITS),
    "pcan": _Range(0, 1),
    "snr_shift": _Range(0, 31),
    "log": _Range(0, 1),
    "log_shift": _Range(0, 8),
    "feature_low": _Range(0, 65_534),
    "feature_high": _Range(1, 65_535),
}
_ARRAYS: Final = {
    "window": (np.int16, _Range(0, 1 << design.WINDOW_BITS)),
    "twiddles": (np.int16, _Range(-design.TWIDDLE_ONE, design.TWIDDLE_ONE)),
    "real_twiddles": (np.int16, _Range(-design.TWIDDLE_ONE, design.TWIDDLE_ONE)),
    "band_edges": (np.int16, _Range(1, 512)),
    "band_weights": (np.int16, _Range(0, 1 << design.WEIGHT_BITS)),
    "band_unweights": (np.int16, _Range(0, 1 << design.WEIGHT_BITS)),
    "gain_table": (np.int16, _Range(-design.INT16_MAX, design.INT16_MAX)),
    "log_table": (np.uint16, _Range(0, 65_535)),
}


@dataclass(frozen=True, eq=False)
class FrontendTables:
    """Everything the front end computes with; nothing but integers.

    Attributes:
        sample_rate_hz: sample rate of the audio.
        window_samples: length of a window.
        step_samples: distance of two windows.
        channels: filter-bank channels.
        window: int16 (window_samples,), window coefficients, 1 is ``1 << 12``.
        twiddles: int16 (fft_size / 2, 2), real and imaginary part of the complex FFT's roots of unity.
        real_twiddles: int16 (fft_size / 4, 2), the roots that turn it into a real FFT.
        band_edges: int16 (channels + 2,), where the bands begin and end (see :class:`design.FilterBank`).
        band_weights: int16 (bins,), what each bin gives to its band's triangle, 1 is ``1 << 12``.
        band_unweights: int16 (bins,), what it gives to the next triangle.
        noise_reduction: whether the noise estimate is subtracted.
        smoothing_bits: fraction bits of the noise estimate.
        even_smoothing: share of the new frame in the estimate of even channels, 1 is ``1 << 14``.
        odd_smoothing: the same for odd channels.
        min_signal_remaining: share of the signal that subtraction leaves at least, 1 is ``1 << 14``.
        pcan: whether the gain control is applied.
        gain_table: int16 (33, 3), PCAN's gain curve (see :func:`design.gain_table`); zeros where PCAN is off.
        snr_shift: right shift of signal times gain.
        log: whether the logarithm is taken.
        log_table: uint16 (129,), see :func:`design.log_table`.
        log_shift: the output is about ``2**log_shift * ln(x)``.
        feature_low: feature that becomes uint8 0.
        feature_high: feature that becomes uint8 255.

    Raises:
        InputError: a table has a wrong type or shape, or holds a value outside its range.
    """

    sample_rate_hz: int
    window_samples: int
    step_samples: int
    channels: int
    window: NDArray[np.int16]
    twiddles: NDArray[np.int16]
    real_twiddles: NDArray[np.int16]
    band_edges: NDArray[np.int16]
    band_weights: NDArray[np.int16]
    band_unweights: NDArray[np.int16]
    noise_reduction: bool
    smoothing_bits: int
    even_smoothing: int
    odd_smoothing: int
    min_signal_remaining: int
    pcan: bool
    gain_table: NDArray[np.int16]
    snr_shift: int
    log: bool
    log_table: NDArray[np.uint16]
    log_shift: int
    feature_low: int
    feature_high: int

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise _broken(problem)
        for name in _ARRAYS:
            array = getattr(self, name).copy()
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def fft_size(self) -> int:
        """Points of the real FFT: the smallest power of two that holds a window."""
        return design.fft_size_for(self.window_samples)

    @property
    def correction_bits(self) -> int:
        """Left shift before the logarithm that undoes the FFT's and the filter bank's scaling."""
        return design.correction_bits_for(self.fft_size)

    def frames_in(self, samples: int) -> int:
        """How many whole frames ``samples`` samples give."""
        return max(0, (samples - self.window_samples) // self.step_samples + 1)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over names, types, shapes and little-endian bytes of all tables, sorted by name."""
        digest = hashlib.sha256(FORMAT)
        for name, array in sorted(self.to_arrays().items()):
            little = array.astype(array.dtype.newbyteorder("<"))
            digest.update(f"{name} {array.dtype.kind}{array.itemsize} {array.shape}\n".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All tables by name, ready for ``numpy.savez``; single numbers as int32 of shape ()."""
        scalars: dict[str, NDArray[Any]] = {
            name: np.array(int(getattr(self, name)), np.int32) for name in _SCALARS
        }
        return scalars | {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> FrontendTables:
        """The inverse of :meth:`to_arrays`, for tables that come from a file and are not trusted.

        Raises:
            InputError: a table is missing, unknown, of a wrong type or shape, or out of range.
        """
        expected = set(_SCALARS) | set(_ARRAYS)
        if set(arrays) != expected:
            odd = min(set(arrays) ^ expected)
            problem = f"{odd!r} is {'unknown' if odd in arrays else 'missing'}"
            raise _broken(problem)
        values: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        for name in _SCALARS:
            array = np.asarray(arrays[name])
            if array.dtype != np.int32 or array.shape != ():
                problem = f"{name!r} is {array.dtype} {array.shape}, expected int32 ()"
                raise _broken(problem)
            values[name] = int(array)
        for field in dataclasses.fields(cls):
            if field.type == "bool" and values[field.name] in (0, 1):
                values[field.name] = bool(values[field.name])
        return cls(**values)


def make_tables(spec: FrontendSpec) -> FrontendTables:
    """Make the tables of a spec; the same integers on every machine.

    Args:
        spec: the front end's part of a system spec.

    Raises:
        InputError: PCAN is on and its numbers would need a negative shift or overflow 16 bits.
    """
    fft_size = design.fft_size_for(spec.window_samples)
    bank = design.filter_bank(spec.sample_rate_hz, fft_size, spec.channels, spec.lower_hz, spec.upper_hz)
    noise, pcan = spec.noise_reduction, spec.pcan
    gains, snr_shift = np.zeros((33, 3), np.int16), 0
    if pcan.enabled:
        correction = design.correction_bits_for(fft_size)
        _require("pcan.gain_bits", pcan.gain_bits, correction + design.SNR_BITS)
        _require("noise_reduction.smoothing_bits", noise.smoothing_bits, correction)
        snr_shift = pcan.gain_bits - correction - design.SNR_BITS
        gains = design.gain_table(
            pcan.strength, pcan.offset, pcan.gain_bits, noise.smoothing_bits - correction
        )
    return FrontendTables(
        sample_rate_hz=spec.sample_rate_hz,
        window_samples=spec.window_samples,
        step_samples=spec.step_samples,
        channels=spec.channels,
        window=design.hann_window(spec.window_samples),
        twiddles=design.fft_twiddles(fft_size // 2),
        real_twiddles=design.real_fft_twiddles(fft_size // 2),
        band_edges=bank.edges,
        band_weights=bank.weights,
        band_unweights=bank.unweights,
        noise_reduction=noise.enabled,
        smoothing_bits=noise.smoothing_bits,
        even_smoothing=design.noise_constant(noise.even_smoothing),
        odd_smoothing=design.noise_constant(noise.odd_smoothing),
        min_signal_remaining=design.noise_constant(noise.min_signal_remaining),
        pcan=pcan.enabled,
        gain_table=gains,
        snr_shift=snr_shift,
        log=spec.log.enabled,
        log_table=design.log_table(),
        log_shift=spec.log.scale_shift,
        feature_low=spec.feature_low,
        feature_high=spec.feature_high,
    )


def _require(key: str, value: int, least: int) -> None:
    if value < least:
        message = f"frontend.{key} is {value}; rule: at least {least} with PCAN and a window of this length"
        raise InputError(message)


def _broken(problem: str) -> InputError:
    return InputError(f"front-end tables: {problem}; make them again from the spec")


def _problems(tables: FrontendTables) -> Iterator[str]:
    """What is wrong with the tables; the first of it is enough."""
    for name, (low, high) in _SCALARS.items():
        value = getattr(tables, name)
        if not low <= value <= high:
            yield f"{name!r} is {value}, expected {low} to {high}"
    if tables.step_samples > tables.window_samples:
        yield f"'step_samples' is {tables.step_samples}, expected at most {tables.window_samples}"
    if tables.feature_low >= tables.feature_high:
        yield f"'feature_low' is {tables.feature_low}, expected below {tables.feature_high}"
    for name, (dtype, _) in _ARRAYS.items():
        array = getattr(tables, name)
        if not isinstance(array, np.ndarray) or array.dtype != dtype:
            yield f"{name!r} is {getattr(array, 'dtype', type(array).__name__)}, expected {np.dtype(dtype)}"
    edges = tables.band_edges
    shapes = {
        "window": (tables.window_samples,),
        "twiddles": (tables.fft_size // 2, 2),
        "real_twiddles": (tables.fft_size // 4, 2),
        "band_edges": (tables.channels + 2,),
        "band_weights": (int(edges.flat[-1]) - int(edges.flat[0]) if edges.size else 0,),
        "gain_table": (33, 3),
        "log_table": (design.LOG_SEGMENTS + 1,),
    }
    shapes["band_unweights"] = shapes["band_weights"]
    for name, (_, (low, high)) in _ARRAYS.items():
        array = getattr(tables, name)
        if array.shape != shapes[name]:
            yield f"{name!r} has shape {array.shape}, expected {shapes[name]}"
        if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
            yield f"{name!r} holds {array.min()} to {array.max()}, expected {low} to {high}"
    if np.any(np.diff(edges.astype(np.int32)) < 0) or int(edges[-1]) > tables.fft_size // 2:
        yield f"'band_edges' are not ascending bins up to {tables.fft_size // 2}"
