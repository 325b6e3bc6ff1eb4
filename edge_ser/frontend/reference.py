"""The front end in NumPy: readable, and the specification of every other implementation.

Samples are cut into overlapping frames; each is windowed, transformed, gathered into mel channels, and where
the spec says so cleared of noise, gain-controlled and put on a log scale. Everything but the noise estimate
works on all frames at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.frontend import stages
from edge_ser.frontend.fft import RealFft
from edge_ser.frontend.tables import FrontendTables

_BLOCK_FRAMES: Final = 64
"""Frames that go through the FFT together: few enough to stay in the processor's cache."""
_UINT16_MAX: Final = 0xFFFF


@dataclass(frozen=True, eq=False)
class FrontendTrace:
    """One recording after each stage; ``None`` where the stage is off.

    Attributes:
        filter_bank: uint32 (frames, channels), root of each channel's energy.
        noise_reduction: uint32 (frames, channels), the same less the noise.
        pcan: uint32 (frames, channels), after gain control, 6 bits of it fraction.
        log: uint32 (frames, channels), about ``2**log_shift * ln`` of the last stage before it.
        features: uint16 (frames, channels), the last stage that is on, saturated.
    """

    filter_bank: NDArray[np.uint32]
    noise_reduction: NDArray[np.uint32] | None
    pcan: NDArray[np.uint32] | None
    log: NDArray[np.uint32] | None
    features: NDArray[np.uint16]


class Frontend:
    """The front end over one set of tables; holds no state between calls.

    Args:
        tables: the integers, from :func:`edge_ser.frontend.tables.make_tables` or from a bundle.
    """

    def __init__(self, tables: FrontendTables) -> None:
        self.tables = tables
        self._fft = RealFft(tables.twiddles, tables.real_twiddles)
        self._bands = stages.band_matrix(tables)

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Features of one recording, from the reset state.

        Args:
            samples: int16 (n,).

        Returns:
            uint16 (frames, channels); no frames where ``samples`` is shorter than a window.

        Raises:
            InputError: ``samples`` has another type or shape.
        """
        check_samples(samples, dimensions=1)
        features: NDArray[np.uint16] = self.process_batch(samples[np.newaxis])[0]
        return features

    def process_batch(self, samples: NDArray[np.int16]) -> NDArray[np.uint16]:
        """Features of many recordings of one length, each from the reset state.

        Args:
            samples: int16 (clips, n).

        Returns:
            uint16 (clips, frames, channels).

        Raises:
            InputError: ``samples`` has another type or shape.
        """
        check_samples(samples, dimensions=2)
        features, _ = self.advance(samples, self.silent_estimate(len(samples)))
        return features

    def trace(self, samples: NDArray[np.int16]) -> FrontendTrace:
        """One recording after each stage, from the reset state; for looking at.

        Args:
            samples: int16 (n,).

        Raises:
            InputError: ``samples`` has another type or shape.
        """
        check_samples(samples, dimensions=1)
        trace, _ = self._through(samples[np.newaxis], self.silent_estimate(1))
        later = (trace.noise_reduction, trace.pcan, trace.log)
        noise_reduction, pcan, log = (None if signal is None else signal[0] for signal in later)
        return FrontendTrace(trace.filter_bank[0], noise_reduction, pcan, log, trace.features[0])

    def silent_estimate(self, clips: int) -> NDArray[np.uint32]:
        """The noise estimate of the reset state: uint32 (clips, channels)."""
        return np.zeros((clips, self.tables.channels), np.uint32)

    def advance(
        self, samples: NDArray[np.int16], estimate: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
        """Features of the whole frames in ``samples``, from a given noise estimate.

        Args:
            samples: int16 (clips, n).
            estimate: uint32 (clips, channels).

        Returns:
            Features uint16 (clips, frames, channels), and the estimate after the last frame.
        """
        trace, estimate = self._through(samples, estimate)
        return trace.features, estimate

    def _through(
        self, samples: NDArray[np.int16], estimate: NDArray[np.uint32]
    ) -> tuple[FrontendTrace, NDArray[np.uint32]]:
        """All stages, as for :meth:`advance`; every array of the trace has a first axis of clips."""
        tables = self.tables
        filter_bank = signal = self.filter_bank(samples)
        noise_reduction = pcan = log = None
        if tables.noise_reduction or tables.pcan:
            estimates = stages.estimate_noise(signal, estimate, tables)
            if signal.shape[1]:
                estimate = estimates[:, -1]
            if tables.noise_reduction:
                noise_reduction = signal = stages.reduce_noise(signal, estimates, tables)
            if tables.pcan:
                pcan = signal = stages.control_gain(signal, estimates, tables)
        if tables.log:
            log = signal = stages.take_log(signal, tables)
        features = np.minimum(signal, _UINT16_MAX).astype(np.uint16)
        return FrontendTrace(filter_bank, noise_reduction, pcan, log, features), estimate

    def filter_bank(self, samples: NDArray[np.int16]) -> NDArray[np.uint32]:
        """The stages that look at one frame alone: window, FFT and filter bank.

        Args:
            samples: int16 (clips, n).

        Returns:
            uint32 (clips, frames, channels).
        """
        tables = self.tables
        clips, frames = len(samples), tables.frames_in(samples.shape[1])
        signal = np.empty((clips * frames, tables.channels), np.uint32)
        if signal.size:
            windows = sliding_window_view(samples, tables.window_samples, axis=1)[:, :: tables.step_samples]
            for start in range(0, clips * frames, _BLOCK_FRAMES):
                block = np.arange(start, min(start + _BLOCK_FRAMES, clips * frames))
                signal[block] = self._filter_bank_of(windows[block // frames, block % frames])
        return signal.reshape(clips, frames, tables.channels)

    def _filter_bank_of(self, frames: NDArray[np.int16]) -> NDArray[np.uint32]:
        windowed, shifts = stages.apply_window(frames, self.tables.window)
        padded = np.zeros((self.tables.fft_size, len(frames)), np.int16)
        padded[: self.tables.window_samples] = windowed.T
        real, imag = self._fft(padded)
        return stages.apply_filter_bank(real, imag, self._bands, shifts)


def check_samples(samples: NDArray[Any], dimensions: int) -> None:
    """Refuse what is not int16 of so many dimensions: (samples,) or (recordings, samples).

    Raises:
        InputError: with what was found and what was expected.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.int16 or samples.ndim != dimensions:
        found = (
            f"{samples.dtype} {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        shape = "(samples,)" if dimensions == 1 else "(clips, samples)"
        message = (
            f"samples are {found}, expected int16 {shape}; read recordings with edge_ser.audio.read_audio"
        )
        raise InputError(message)
