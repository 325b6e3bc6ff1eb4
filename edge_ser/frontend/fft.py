"""The real FFT in 16-bit fixed point, bit for bit as kissfft computes it with FIXED_POINT=16.

A real FFT of N points is a complex FFT of N/2 points over (even, odd) sample pairs and one more pass. The
complex FFT is decimation in time with radix 4, and radix 2 innermost where the size asks for it. Every stage
divides by its radix before it multiplies, which keeps the values inside 16 bits; the result is the transform
divided by N.

The transform runs on many frames at once: arrays are (points, frames), frames last and contiguous.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

_FRACTION_BITS: Final = 15
_HALF: Final = 1 << (_FRACTION_BITS - 1)
_ONE: Final = (1 << _FRACTION_BITS) - 1

Int16: TypeAlias = NDArray[np.int16]
Int32: TypeAlias = NDArray[np.int32]


class RealFft:
    """The transform of one size.

    Args:
        twiddles: int16 (fft_size / 2, 2), roots of unity of the complex FFT.
        real_twiddles: int16 (fft_size / 4, 2), roots for the last pass.
    """

    def __init__(self, twiddles: Int16, real_twiddles: Int16) -> None:
        self._points = len(twiddles)
        self._radices = _radices(self._points)
        self._order = _input_order(self._radices)
        self._twiddles = twiddles.astype(np.int32)
        self._real_twiddles = real_twiddles.astype(np.int32)

    def __call__(self, samples: Int16) -> tuple[Int16, Int16]:
        """Transform every column.

        Args:
            samples: int16 (fft_size, frames).

        Returns:
            Real and imaginary part, int16 (fft_size / 2 + 1, frames) each, divided by fft_size.
        """
        pairs = samples.reshape(self._points, 2, -1)[self._order]
        real, imag = self._complex_fft(pairs[:, 0], pairs[:, 1])
        return self._split(real, imag)

    def _complex_fft(self, real: Int16, imag: Int16) -> tuple[Int16, Int16]:
        frames = real.shape[1]
        done = 1
        for radix in reversed(self._radices):
            shape = (-1, radix, done, frames)
            stride = self._points // (radix * done)
            # Input q of butterfly k is turned by q * k * stride.
            turns = np.outer(np.arange(radix), np.arange(done)) * stride
            factors = self._twiddles[turns][..., np.newaxis, :]
            butterfly = _radix4 if radix == 4 else _radix2
            real, imag = butterfly(real.reshape(shape), imag.reshape(shape), factors)
            done *= radix
            real, imag = real.reshape(self._points, frames), imag.reshape(self._points, frames)
        return real, imag

    def _split(self, real: Int16, imag: Int16) -> tuple[Int16, Int16]:
        """Take the spectra of even and odd samples apart and combine them to that of the real signal."""
        points = self._points
        out_real = np.empty((points + 1, real.shape[1]), np.int16)
        out_imag = np.zeros_like(out_real)
        even, odd = _divided(real[0], 2), _divided(imag[0], 2)
        out_real[0], out_real[points] = even + odd, even - odd

        low, high = slice(1, points // 2 + 1), slice(points - 1, points // 2 - 1, -1)
        real_low, imag_low = _divided(real[low], 2), _divided(imag[low], 2)
        real_high, imag_high = _divided(real[high], 2), _wrapped(-_divided(imag[high], 2))
        sum_real, sum_imag = _wrapped(real_low + real_high), _wrapped(imag_low + imag_high)
        turned_real, turned_imag = _multiplied(
            _wrapped(real_low - real_high),
            _wrapped(imag_low - imag_high),
            self._real_twiddles[:, np.newaxis, :],
        )
        turned_real, turned_imag = _wrapped(turned_real), _wrapped(turned_imag)
        out_real[low], out_imag[low] = (sum_real + turned_real) >> 1, (sum_imag + turned_imag) >> 1
        # The middle bin is written twice, as in the original; this second value is the one that stays.
        out_real[high], out_imag[high] = (sum_real - turned_real) >> 1, (turned_imag - sum_imag) >> 1
        return out_real, out_imag


def _radices(points: int) -> list[int]:
    """Fours first, then a two: outermost stage first."""
    radices: list[int] = []
    while points > 1:
        radices.append(4 if points % 4 == 0 else 2)
        points //= radices[-1]
    return radices


def _input_order(radices: list[int]) -> NDArray[np.intp]:
    """Where the innermost stage finds its inputs (digit reversal)."""
    order = np.zeros(1, np.intp)
    for radix in reversed(radices):
        order = np.concatenate([start + radix * order for start in range(radix)])
    return order


def _radix4(real: Int16, imag: Int16, factors: Int32) -> tuple[Int16, Int16]:
    """Butterflies over axis 1 of (groups, 4, done, frames)."""
    real32, imag32 = _divided(real, 4), _divided(imag, 4)
    real32[:, 1:], imag32[:, 1:] = _multiplied(real32[:, 1:], imag32[:, 1:], factors[1:])
    out_real, out_imag = np.empty_like(real), np.empty_like(imag)
    plus_real, minus_real = real32[:, 0] + real32[:, 2], real32[:, 0] - real32[:, 2]
    plus_imag, minus_imag = imag32[:, 0] + imag32[:, 2], imag32[:, 0] - imag32[:, 2]
    side_plus_real, side_minus_real = real32[:, 1] + real32[:, 3], real32[:, 1] - real32[:, 3]
    side_plus_imag, side_minus_imag = imag32[:, 1] + imag32[:, 3], imag32[:, 1] - imag32[:, 3]
    # Storing into int16 wraps as C's assignment does.
    out_real[:, 0], out_imag[:, 0] = plus_real + side_plus_real, plus_imag + side_plus_imag
    out_real[:, 1], out_imag[:, 1] = minus_real + side_minus_imag, minus_imag - side_minus_real
    out_real[:, 2], out_imag[:, 2] = plus_real - side_plus_real, plus_imag - side_plus_imag
    out_real[:, 3], out_imag[:, 3] = minus_real - side_minus_imag, minus_imag + side_minus_real
    return out_real, out_imag


def _radix2(real: Int16, imag: Int16, factors: Int32) -> tuple[Int16, Int16]:
    """Butterflies over axis 1 of (groups, 2, done, frames)."""
    real32, imag32 = _divided(real, 2), _divided(imag, 2)
    turned_real, turned_imag = _multiplied(real32[:, 1], imag32[:, 1], factors[1])
    out_real, out_imag = np.empty_like(real), np.empty_like(imag)
    out_real[:, 0], out_imag[:, 0] = real32[:, 0] + turned_real, imag32[:, 0] + turned_imag
    out_real[:, 1], out_imag[:, 1] = real32[:, 0] - turned_real, imag32[:, 0] - turned_imag
    return out_real, out_imag


def _multiplied(real: Int32, imag: Int32, factors: Int32) -> tuple[Int32, Int32]:
    """Complex product with ``factors`` (..., 2), rounded to 15 fraction bits."""
    cosine, sine = factors[..., 0], factors[..., 1]
    return _rounded(real * cosine - imag * sine), _rounded(real * sine + imag * cosine)


def _divided(values: Int16, divisor: int) -> Int32:
    """``values / divisor`` by kissfft's rule: times 32767 // divisor, rounded to 15 fraction bits."""
    return _rounded(values.astype(np.int32) * np.int32(_ONE // divisor))


def _rounded(products: Int32) -> Int32:
    products += _HALF
    products >>= _FRACTION_BITS
    return products


def _wrapped(values: Int32) -> Int32:
    """What is left of values that C keeps in 16 bits."""
    return values.astype(np.int16).astype(np.int32)
