"""The stages after the FFT, each a pure function over frames.

Sources, in tensorflow/lite/experimental/microfrontend/lib of tflite-micro: window.c, filterbank.c,
noise_reduction.c, pcan_gain_control.c, log_scale.c. Integer widths are theirs: where a C type wraps, so does
this.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_ser.frontend import design
from edge_ser.frontend.tables import FrontendTables

_PCAN_OUTPUT_BITS: Final = 6
"""Fraction bits that PCAN leaves (kPcanOutputBits)."""
_GAIN_POSITION_BITS: Final = 10
"""Bits of the place inside an interval of the gain table (WideDynamicFunction)."""
_LN2: Final = 45_426
"""ln(2) with 16 fraction bits (kLogCoeff)."""


def apply_window(
    frames: NDArray[np.int16], window: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Weight each frame and scale it up so that it fills 16 bits.

    Args:
        frames: int16 (frames, window_samples).
        window: int16 (window_samples,).

    Returns:
        The frames, int16, same shape, and the left shift of each, int32 (frames,), 0 to 15.
    """
    weighted = ((frames.astype(np.int32) * window) >> design.WINDOW_BITS).astype(np.int16)
    # In 16 bits the absolute value of -32768 is -32768, which never is the largest.
    loudest = np.abs(weighted).max(axis=1, initial=0)
    shifts = 15 - bit_length(loudest)
    return weighted << shifts[:, np.newaxis].astype(np.int16), shifts


def band_matrix(tables: FrontendTables) -> NDArray[np.float64]:
    """The filter bank as a matrix of whole numbers: float64 (channels, fft_size / 2 + 1)."""
    matrix = np.zeros((tables.channels + 2, tables.fft_size // 2 + 1))
    edges = tables.band_edges.astype(int)
    for band in range(tables.channels + 1):
        bins = slice(edges[band], edges[band + 1])
        stored = slice(edges[band] - edges[0], edges[band + 1] - edges[0])
        matrix[band, bins] = tables.band_weights[stored]
        matrix[band + 1, bins] = tables.band_unweights[stored]
    return matrix[1:-1]


def apply_filter_bank(
    real: NDArray[np.int16], imag: NDArray[np.int16], matrix: NDArray[np.float64], shifts: NDArray[np.int32]
) -> NDArray[np.uint32]:
    """Energy of each channel, its square root, and the window's scaling taken back.

    Energies are at most 2**31, weights 2**12 and bins 2**9: every partial sum is a whole number below 2**53,
    so that the product in float64 is exact in any order of summation.

    Args:
        real: int16 (bins, frames).
        imag: int16 (bins, frames).
        matrix: float64 (channels, bins), from :func:`band_matrix`.
        shifts: int32 (frames,), from :func:`apply_window`.

    Returns:
        uint32 (frames, channels).
    """
    energy = np.square(real, dtype=np.float64)
    energy += np.square(imag, dtype=np.float64)
    signal: NDArray[np.uint32] = _rounded_sqrt((matrix @ energy).T)
    return np.right_shift(signal, shifts[:, np.newaxis].astype(np.uint32))


def _rounded_sqrt(values: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Square roots to the nearest of whole numbers below 2**53; those of 32 bits give 65535 at most."""
    root: NDArray[np.float64] = np.floor(np.sqrt(values))
    up = (values - root * root > root) & ~((root == 0xFFFF) & (values < 2.0**32))
    rounded: NDArray[np.uint32] = (root + up).astype(np.uint32)
    return rounded


def estimate_noise(
    signal: NDArray[np.uint32], estimate: NDArray[np.uint32], tables: FrontendTables
) -> NDArray[np.uint32]:
    """Follow the noise of each channel: the one stage in which a frame depends on those before it.

    Args:
        signal: uint32 (clips, frames, channels).
        estimate: uint32 (clips, channels), the estimate before the first frame.
        tables: the tables.

    Returns:
        uint32 (clips, frames, channels), the estimate after each frame, ``smoothing_bits`` of it fraction.
    """
    share = np.full(tables.channels, tables.even_smoothing, np.uint64)
    share[1::2] = tables.odd_smoothing
    rest = np.uint64(1 << design.NOISE_BITS) - share
    fresh = (signal << np.uint32(tables.smoothing_bits)).astype(np.uint64) * share
    estimates = np.empty_like(signal)
    current = estimate.astype(np.uint64)
    for frame in range(signal.shape[1]):
        current = (fresh[:, frame] + current * rest) >> np.uint64(design.NOISE_BITS)
        estimates[:, frame] = current
    return estimates


def reduce_noise(
    signal: NDArray[np.uint32], estimates: NDArray[np.uint32], tables: FrontendTables
) -> NDArray[np.uint32]:
    """Subtract the noise, but leave a share of the signal; all uint32 (clips, frames, channels)."""
    bits = np.uint32(tables.smoothing_bits)
    scaled = signal << bits
    subtracted = (scaled - np.minimum(estimates, scaled)) >> bits
    kept = signal.astype(np.uint64) * np.uint64(tables.min_signal_remaining)
    reduced: NDArray[np.uint32] = np.maximum(
        subtracted, (kept >> np.uint64(design.NOISE_BITS)).astype(np.uint32)
    )
    return reduced


def control_gain(
    signal: NDArray[np.uint32], estimates: NDArray[np.uint32], tables: FrontendTables
) -> NDArray[np.uint32]:
    """PCAN: divide by a power of the noise, compress small values; all uint32 (clips, frames, channels)."""
    gain = _gain(estimates, tables.gain_table).astype(np.int16).astype(np.uint32)
    snr = ((signal.astype(np.uint64) * gain) >> np.uint64(tables.snr_shift)).astype(np.uint32)
    small = (snr * snr) >> np.uint32(2 + 2 * design.SNR_BITS - _PCAN_OUTPUT_BITS)
    large = (snr >> np.uint32(design.SNR_BITS - _PCAN_OUTPUT_BITS)) - np.uint32(1 << _PCAN_OUTPUT_BITS)
    shrunk: NDArray[np.uint32] = np.where(snr < 2 << design.SNR_BITS, small, large)
    return shrunk


def _gain(noise: NDArray[np.uint32], table: NDArray[np.int16]) -> NDArray[np.int32]:
    """The quadratic curve of the interval that ``noise`` falls into."""
    bits = bit_length(noise)
    wide = table.astype(np.int32)
    start, linear, quadratic = wide[bits, 0], wide[bits, 1], wide[bits, 2]
    up = np.maximum(_GAIN_POSITION_BITS + 1 - bits, 0).astype(np.uint32)
    down = np.maximum(bits - _GAIN_POSITION_BITS - 1, 0).astype(np.uint32)
    position = (((noise << up) >> down) & np.uint32((1 << _GAIN_POSITION_BITS) - 1)).astype(np.int32)
    slope = ((quadratic * position) >> 5) + (linear << 5)
    gain: NDArray[np.int32] = start + ((slope * position + (1 << 14)) >> 15)
    return gain


def take_log(signal: NDArray[np.uint32], tables: FrontendTables) -> NDArray[np.uint32]:
    """``2**log_shift * ln(signal)`` by table, after the FFT's scaling is taken back; 0 for 0 and 1."""
    scaled = signal << np.uint32(tables.correction_bits)
    value = np.maximum(scaled, 1).astype(np.int64)
    whole = bit_length(scaled | np.uint32(1)).astype(np.int64) - 1
    # The fraction of log2 is that of the mantissa plus a correction, interpolated in the table.
    fraction = (value << design.LOG_BITS >> whole) - (1 << design.LOG_BITS)
    segment_bits = design.LOG_BITS - (design.LOG_SEGMENTS.bit_length() - 1)
    segment = fraction >> segment_bits
    table = tables.log_table.astype(np.int64)
    rise = table[segment + 1] - table[segment]
    correction = table[segment] + ((rise * (fraction - (segment << segment_bits))) >> design.LOG_BITS)
    log2 = (whole << design.LOG_BITS) + fraction + correction
    half = 1 << (design.LOG_BITS - 1)
    ln = (_LN2 * log2 + half) >> design.LOG_BITS
    scaled_ln = ((ln << tables.log_shift) + half) >> design.LOG_BITS
    return np.where(scaled > 1, scaled_ln, 0).astype(np.uint32)


def bit_length(values: NDArray[np.int16] | NDArray[np.uint32]) -> NDArray[np.int32]:
    """Number of significant bits of values that are not negative, any shape; 0 for 0."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)
