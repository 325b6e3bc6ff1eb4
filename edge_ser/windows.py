"""Which stretches of a recording the acoustic net hears: one rule for training, scores and the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import Segment, segments
from edge_ser.spec import SystemSpec

_FRAME_S = 0.01
_PEAK_FRAMES = 30
"""0.3 s, about a syllable: shorter, and a click would be the loudest."""


def windows_of(spec: SystemSpec, blocks: Iterable[NDArray[np.int16]]) -> Iterator[Segment]:
    """The segments of a recording that decide on it, by ``decision.windows``.

    Args:
        spec: the system.
        blocks: int16 (samples,) each, any lengths, at the spec's rate.

    Yields:
        Segments in order of time, ``acoustic.segment_s`` long, zeros behind the recording's end. None where there is no
        sample.
    """
    frontend = spec.frontend
    if spec.decision.windows == "loudest":
        yield from _loudest(blocks, spec.segment_samples, frontend.sample_rate_hz)
        return
    hop = frontend.samples_for(spec.acoustic.hop_s)
    yield from segments(blocks, spec.segment_samples, hop, frontend.sample_rate_hz)


def _loudest(blocks: Iterable[NDArray[np.int16]], length: int, rate: int) -> Iterator[Segment]:
    """One segment with the loudest 0.3 s in its middle, or as near as the recording's ends allow.

    What is held is one block and a little more than a segment, however long the recording.
    """
    frame = max(1, round(rate * _FRAME_S))
    powers = np.zeros(_PEAK_FRAMES - 1)  # of the last frames, fewer than a peak takes
    held = np.zeros(0, np.int16)  # the audio from sample `start` on
    start = measured = 0
    best, peak = -1.0, 0
    found: Segment | None = None
    for block in blocks:
        held = np.concatenate([held, block])
        end = start + len(held)
        whole = end // frame * frame
        heard = held[measured - start : whole - start].reshape(-1, frame).astype(np.float64)
        powers = np.concatenate([powers, np.mean(heard**2, axis=1)])
        if len(powers) >= _PEAK_FRAMES:
            sums = np.convolve(powers, np.ones(_PEAK_FRAMES), "valid")
            at = int(np.argmax(sums))
            if sums[at] > best:
                best, peak, found = float(sums[at]), measured + (at + 1 - _PEAK_FRAMES // 2) * frame, None
        powers, measured = powers[len(powers) - _PEAK_FRAMES + 1 :], whole
        begin = max(0, peak - length // 2)
        if found is None and end >= begin + length:
            samples = held[begin - start : begin - start + length].copy()
            found = Segment(begin / rate, (begin + length) / rate, samples)
        # A later peak lies at most half its length back; where the recording ends too soon, its last segment it is.
        needed = end - length - _PEAK_FRAMES * frame
        needed = max(start, needed if found else min(needed, peak - length))
        held, start = held[needed - start :], needed
    if found is None and start + len(held) > 0:
        last = held[-length:]
        begin = start + len(held) - len(last)
        padded = np.pad(last, (0, length - len(last)))
        found = Segment(begin / rate, (begin + len(last)) / rate, padded)
    if found is not None:
        yield found
