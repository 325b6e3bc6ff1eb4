"""From a spec to the integers of each stage.

Each function follows the double-precision table code of tflite-micro step by step, with the same float32 and
float64 roundings, without fused multiply-add, and with the elementary functions of
:mod:`edge_ser.frontend.exact`. Sources, in tensorflow/lite/experimental/microfrontend/lib: window_util.c,
filterbank_util.c, pcan_gain_control_util.c and log_lut.c; for the twiddles kissfft's kiss_fft.c and
kiss_fftr.c.

The variant of these files in the ``pymicro-features`` package computes in float32 throughout and gets other
integers in a few places of the window and the filter bank.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.frontend import exact

WINDOW_BITS: Final = 12
"""Fraction bits of a window coefficient (kFrontendWindowBits)."""
WEIGHT_BITS: Final = 12
"""Fraction bits of a filter-bank weight (kFilterbankBits)."""
NOISE_BITS: Final = 14
"""Fraction bits of the noise-reduction constants (kNoiseReductionBits)."""
SNR_BITS: Final = 12
"""Fraction bits of PCAN's signal-to-noise ratio (kPcanSnrBits)."""
LOG_BITS: Final = 16
"""Fraction bits of the logarithm (kLogScaleLog2)."""
LOG_SEGMENTS: Final = 128
"""Segments of the logarithm's table (kLogSegments)."""
TWIDDLE_ONE: Final = 32_767
"""What kissfft's 16-bit twiddles take for 1 (SAMP_MAX)."""
INT16_MAX: Final = 32_767


class FilterBank(NamedTuple):
    """Triangular mel filters, stored per spectrum bin.

    Bins ``edges[b]`` to ``edges[b + 1]`` (exclusive) are band ``b``, from one triangle's centre to the next.
    A bin gives its ``weight`` to triangle ``b``, which falls over the band, and its ``unweight`` to
    triangle ``b + 1``, which rises over it. Triangle 0 would only fall and is dropped.

    Attributes:
        edges: int16 (channels + 2,), ascending, ``edges[0]`` is the first bin used.
        weights: int16 (edges[-1] - edges[0],).
        unweights: int16, same shape.
    """

    edges: NDArray[np.int16]
    weights: NDArray[np.int16]
    unweights: NDArray[np.int16]


def fft_size_for(window_samples: int) -> int:
    """The smallest power of two that holds a window."""
    return 1 << (window_samples - 1).bit_length()


def correction_bits_for(fft_size: int) -> int:
    """Left shift that undoes the scaling of the FFT and the filter bank (frontend.c)."""
    return (fft_size.bit_length() - 1) - WEIGHT_BITS // 2


def hann_window(size: int) -> NDArray[np.int16]:
    """A Hann window sampled at half steps: int16 (size,), 1 is ``1 << WINDOW_BITS``."""
    step = float(np.float32(math.pi * 2.0 / size))
    values = np.array([0.5 - 0.5 * exact.cos(step * (i + 0.5)) for i in range(size)], dtype=np.float32)
    return np.floor(values.astype(np.float64) * (1 << WINDOW_BITS) + 0.5).astype(np.int16)


def fft_twiddles(points: int) -> NDArray[np.int16]:
    """``exp(-2 pi i k / points)`` for k < points: int16 (points, 2), real and imaginary part."""
    circle = _cosine_circle(points)
    return np.stack([circle, np.roll(circle, -points // 4)], axis=1)


def real_fft_twiddles(points: int) -> NDArray[np.int16]:
    """``exp(-pi i ((k + 1) / points + 1/2))`` for k < points / 2: int16 (points / 2, 2)."""
    circle = _cosine_circle(2 * points)
    places = points // 2 + 1 + np.arange(points // 2)
    return np.stack([circle[places], circle[places + points // 2]], axis=1)


def _cosine_circle(points: int) -> NDArray[np.int16]:
    """``cos(2 pi k / points)`` for k < points, a multiple of 4, from the first quarter."""
    quarter = [exact.nearest_cosine((k, points), TWIDDLE_ONE) for k in range(points // 4 + 1)]
    half = quarter + [-value for value in quarter[-2::-1]]
    return np.array(half + half[-2:0:-1], dtype=np.int16)


def filter_bank(
    sample_rate_hz: int, fft_size: int, channels: int, lower_hz: float, upper_hz: float
) -> FilterBank:
    """Mel filters between two frequencies.

    The Nyquist bin is never used. Only a band that ends exactly there could reach it, with weight 0; whether
    the original then refuses to start depends on a rounding error.
    """
    hz_per_bin = np.float32(0.5 * sample_rate_hz / (fft_size // 2))
    low, high = _mel(np.float32(lower_hz)), _mel(np.float32(upper_hz))
    spacing = (high - low) / np.float32(channels + 1)
    centres = [low + spacing * np.float32(band + 1) for band in range(channels + 1)]
    edges = [min(int(1.5 + float(np.float32(lower_hz) / hz_per_bin)), fft_size // 2)]
    weights: list[int] = []
    unweights: list[int] = []
    for band, centre in enumerate(centres):
        previous = low if band == 0 else centres[band - 1]
        spectrum_bin = edges[-1]
        while spectrum_bin < fft_size // 2 and (mel := _mel(np.float32(spectrum_bin) * hz_per_bin)) <= centre:
            weight = float((centre - mel) / (centre - previous))
            weights.append(math.floor(weight * (1 << WEIGHT_BITS) + 0.5))
            unweights.append(math.floor((1.0 - weight) * (1 << WEIGHT_BITS) + 0.5))
            spectrum_bin += 1
        edges.append(spectrum_bin)
    return FilterBank(
        np.array(edges, dtype=np.int16),
        np.array(weights, dtype=np.int16),
        np.array(unweights, dtype=np.int16),
    )


def _mel(frequency_hz: np.float32) -> np.float32:
    return np.float32(1127.0 * exact.log1p(float(frequency_hz) / 700.0))


def noise_constant(share: float) -> int:
    """A share of 0 to 1 as an integer, 1 is ``1 << NOISE_BITS``; rounded down."""
    return int(np.float32(share) * np.float32(1 << NOISE_BITS))


def gain_table(strength: float, offset: float, gain_bits: int, input_bits: int) -> NDArray[np.int16]:
    """PCAN's gain ``(noise + offset) ** -strength`` as a piecewise quadratic curve.

    Row ``b`` serves the noise estimates of ``b`` significant bits: the gain at the lower end, and the linear
    and the quadratic coefficient over the interval, all with ``gain_bits`` fraction bits.

    Args:
        strength: exponent, its sign turned: 0 for none, 1 for full normalisation.
        offset: added to the noise estimate, in the same unit.
        gain_bits: fraction bits of the gain.
        input_bits: fraction bits of the noise estimate, not negative.

    Returns:
        int16 (33, 3).

    Raises:
        InputError: the curve is too steep for 16-bit coefficients.
    """

    def gain(noise: int) -> int:
        base = np.float32(noise) / np.float32(1 << input_bits) + np.float32(offset)
        with np.errstate(over="ignore"):  # infinity is above the limit, and limited like everything there
            value = np.float32(1 << gain_bits) * np.float32(
                exact.power(float(base), -float(np.float32(strength)))
            )
        return INT16_MAX if value > INT16_MAX else int(value + np.float32(0.5))

    rows = [(gain(0), 0, 0), (gain(1), 0, 0)]
    for bits in range(2, 33):
        start = 1 << (bits - 1)
        middle, end = start + start // 2, min(2 * start, 2**32 - 1)
        rise_half, rise = gain(middle) - gain(start), gain(end) - gain(start)
        linear = 4 * rise_half - rise
        rows.append((gain(start), linear, rise - linear))
    table = np.array(rows, dtype=np.int32)
    if np.abs(table).max() > INT16_MAX:
        message = f"frontend.pcan.strength is {strength}; rule: at most 1 for a gain curve of 16 bits"
        raise InputError(message)
    return table.astype(np.int16)


def log_table() -> NDArray[np.uint16]:
    """``log2(1 + x) - x`` at ``x = k / LOG_SEGMENTS``: uint16 (LOG_SEGMENTS + 1,), 1 is ``1 << LOG_BITS``."""
    ln2 = exact.log1p(1.0)
    values = [exact.log1p(k / LOG_SEGMENTS) / ln2 - k / LOG_SEGMENTS for k in range(LOG_SEGMENTS + 1)]
    return np.floor(np.array(values) * (1 << LOG_BITS) + 0.5).astype(np.uint16)
