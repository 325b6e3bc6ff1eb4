"""Recordings in, int16 mono out: any rate, bit depth and channel count that libsndfile reads.

Reading whole and reading in blocks are one code path, so that both give the same samples. Every error is one
line that names the file.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.files import reason, replacing

SAMPLE_RATE_HZ = 16_000
"""What both nets hear unless a spec says otherwise."""

LOWEST_RATE_HZ = 1000
HIGHEST_RATE_HZ = 768_000
"""Sample rates outside these come from a broken header, not from a recorder."""

MIN_TAIL_S = 0.5
"""A rest of a recording shorter than this gets no segment of its own: too little speech to judge."""

BLOCK_S = 10.0
"""How much of a recording is decoded at once unless the caller says otherwise."""

_READ_VALUES = 2**20
"""At most this many values (frames x channels) are decoded at once: 8 MiB of float64."""

_LARGEST = 1e6
"""Float samples beyond this many times full scale are no sound; below it they are clipped to full scale."""

_END_TOLERANCE_S = 0.1
"""Label files round their times; an end this far behind the last sample still means the last sample."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
        duration_s: length.
        sample_rate_hz: native rate.
        channels: channel count.
        subtype: libsndfile's name of the encoding, e.g. ``"PCM_16"``.
    """

    duration_s: float
    sample_rate_hz: int
    channels: int
    subtype: str


@dataclass(frozen=True, eq=False)
class Segment:
    """One stretch of a recording, as long as a net wants it.

    Attributes:
        start_s: start in the recording, seconds.
        end_s: end of the recording's audio in it, seconds; padding is not counted.
        samples: int16 (segment samples,), zeros behind ``end_s``.
    """

    start_s: float
    end_s: float
    samples: NDArray[np.int16]


def audio_info(path: Path) -> AudioInfo:
    """What the header of an audio file says.

    Raises:
        InputError: the file is missing, unreadable, empty, cut short or not audio.
    """
    with _opened(path) as sound:
        return AudioInfo(sound.frames / sound.samplerate, sound.samplerate, sound.channels, sound.subtype)


def read_audio(
    path: Path, sample_rate_hz: int = SAMPLE_RATE_HZ, start_s: float = 0.0, end_s: float | None = None
) -> NDArray[np.int16]:
    """Read a recording, or a stretch of it, as 16-bit mono.

    Channels are averaged, the rate is changed by soxr (VHQ) where it differs, and values are rounded to
    int16 (half to even) without dither, clipped at full scale. 16-bit mono at the wanted rate comes back
    sample by sample as it is in the file.

    Args:
        path: a file that libsndfile reads (WAV, FLAC, Ogg, AIFF, ...), whatever its name ends in.
        sample_rate_hz: rate of the result.
        start_s: start of the stretch, seconds.
        end_s: end of the stretch, seconds; ``None`` is the end of the file.

    Returns:
        int16 (samples,), at least one sample.

    Raises:
        InputError: the file is missing, unreadable, empty, cut short, not audio or holds NaN or infinities,
            or the stretch is not in it.
    """
    return np.concatenate(list(_blocks(path, sample_rate_hz, BLOCK_S, start_s, end_s)))


def stream_audio(
    path: Path, sample_rate_hz: int = SAMPLE_RATE_HZ, block_s: float = BLOCK_S
) -> Iterator[NDArray[np.int16]]:
    """Read a recording of any length in blocks; together they are exactly what :func:`read_audio` returns.

    Args:
        path: as for :func:`read_audio`.
        sample_rate_hz: rate of the result.
        block_s: how much is decoded at once, seconds; less where rate and channels would make it large.

    Yields:
        int16 (samples,), of differing lengths, none empty.

    Raises:
        InputError: as for :func:`read_audio`; what is wrong in the middle of a file is found on the way.
    """
    return _blocks(path, sample_rate_hz, block_s, 0.0, None)


def segments(
    blocks: Iterable[NDArray[np.int16]],
    segment_samples: int,
    hop_samples: int,
    sample_rate_hz: int,
    min_tail_samples: int | None = None,
) -> Iterator[Segment]:
    """Cut audio into segments of one length, as it comes.

    Audio shorter than one segment gives one, padded with zeros. Audio behind the last whole segment gives one
    more, padded, if at least ``min_tail_samples`` of it are in no segment yet.

    Args:
        blocks: int16 (samples,) each, any lengths.
        segment_samples: length of a segment.
        hop_samples: distance from the start of one segment to the start of the next.
        sample_rate_hz: for the times.
        min_tail_samples: shortest rest worth a segment; ``None`` is half a second.

    Yields:
        Segments in order of time; their samples are their own copies.

    Raises:
        InputError: a length, a hop or a rate below 1.
    """
    if min(segment_samples, hop_samples, sample_rate_hz) < 1:
        found = f"segment {segment_samples}, hop {hop_samples} samples at {sample_rate_hz} Hz"
        message = f"{found}: each must be at least 1"
        raise InputError(message)
    shortest_tail = round(MIN_TAIL_S * sample_rate_hz) if min_tail_samples is None else min_tail_samples
    return _segments(blocks, segment_samples, hop_samples, sample_rate_hz, max(1, shortest_tail))


def _segments(
    blocks: Iterable[NDArray[np.int16]], length: int, hop: int, rate: int, shortest_tail: int
) -> Iterator[Segment]:
    held = np.zeros(0, np.int16)  # the audio from sample `start` on
    start = covered = 0
    to_skip = 0  # samples between two segments, where the hop is longer than a segment
    for block in blocks:
        held = np.concatenate([held, block[to_skip:]])
        to_skip = max(0, to_skip - len(block))
        while len(held) >= length:
            yield Segment(start / rate, (start + length) / rate, held[:length].copy())
            covered = start + length
            to_skip += max(0, hop - len(held))
            held = held[hop:]
            start += hop
    rest = start + len(held) - max(start, covered)
    if len(held) and (start == 0 or rest >= shortest_tail):
        padded = np.pad(held, (0, length - len(held)))
        yield Segment(start / rate, (start + len(held)) / rate, padded)


def to_int16(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Round floats (n,), full scale 1.0, to int16: half to even, without dither, clipped at full scale."""
    rounded: NDArray[np.int16] = np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)
    return rounded


def write_wav(path: Path, samples: NDArray[np.int16], sample_rate_hz: int) -> None:
    """Write a 16-bit mono WAV file in one step.

    Args:
        path: where to.
        samples: int16 (samples,).
        sample_rate_hz: its rate.

    Raises:
        InputError: other than one-dimensional int16, or the place cannot be written.
    """
    if samples.dtype != np.int16 or samples.ndim != 1:
        message = f"{path}: samples are {samples.dtype} {samples.shape}; expected int16 (samples,)"
        raise InputError(message)
    with replacing(path) as beside:
        soundfile.write(str(beside), samples, sample_rate_hz, format="WAV", subtype="PCM_16")


def _blocks(
    path: Path, rate: int, block_s: float, start_s: float, end_s: float | None
) -> Iterator[NDArray[np.int16]]:
    with _opened(path) as sound:
        native = sound.samplerate
        first, last = _stretch(path, sound, start_s, end_s)
        at_once = max(1, min(round(block_s * native), _READ_VALUES // sound.channels))
        resampler = None if native == rate else soxr.ResampleStream(native, rate, 1, "float64", "VHQ")
        yielded = False
        for mono in _mono(path, sound, first, last, at_once):
            wanted = mono if resampler is None else resampler.resample_chunk(mono, last=len(mono) == 0)
            if len(wanted):
                yielded = True
                yield to_int16(wanted)
    if not yielded:
        message = (
            f"{path}: {last - first} samples at {native} Hz give none at {rate} Hz; expected a recording"
        )
        raise InputError(message)


def _mono(path: Path, sound: Any, first: int, last: int, at_once: int) -> Iterator[NDArray[np.float64]]:
    """float64 (frames,) blocks of frames ``first`` up to ``last``, full scale 1.0, then an empty one."""
    try:
        if first:
            sound.seek(first)
        while first < last:
            block = sound.read(min(at_once, last - first), dtype="float64", always_2d=True)
            if len(block) == 0:
                raise _cut_short(path, f"{sound.frames} frames", f"{first} are there")
            if not (np.abs(block) <= _LARGEST).all():
                message = (
                    f"{path}: holds NaN, infinite or absurdly large samples; expected values within ±1.0"
                )
                raise InputError(message)
            first += len(block)
            yield block.mean(axis=1)
    except soundfile.SoundFileError as error:
        words = _words(error)
        message = (
            f"{path}: damaged or cut short near {first / sound.samplerate:.2f} s ({words}); get a whole copy"
        )
        raise InputError(message) from None
    yield np.zeros(0)


def _stretch(path: Path, sound: Any, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First frame and the frame behind the last of a stretch of seconds."""
    duration_s = sound.frames / sound.samplerate
    if not 0 <= start_s < duration_s:
        message = f"{path}: asked from {start_s:g} s, but it lasts {duration_s:.3f} s; mend the start"
        raise InputError(message)
    if end_s is None:
        return round(start_s * sound.samplerate), sound.frames
    if not start_s < end_s <= duration_s + _END_TOLERANCE_S:
        asked = f"asked for {start_s:g} to {end_s:g} s"
        message = f"{path}: {asked}, but it lasts {duration_s:.3f} s; mend start or end"
        raise InputError(message)
    return round(start_s * sound.samplerate), min(sound.frames, round(end_s * sound.samplerate))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The soundfile.SoundFile of a file that holds at least one frame and all that its header promises."""
    try:
        # Asked before opening, because opening a pipe or a device would wait.
        if not stat.S_ISREG(path.stat().st_mode):
            message = f"{path}: a folder or a device; expected an audio file"
            raise InputError(message)
        file = _AudioFile(path)
    except OSError as error:
        message = f"{path}: cannot be opened ({reason(error)}); expected an audio file"
        raise InputError(message) from None
    with file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            message = f"{path}: empty (0 bytes); expected an audio file"
            raise InputError(message)
        _check_chunks(path, file, size)
        file.seek(0)
        try:
            sound = soundfile.SoundFile(file)
        except soundfile.SoundFileError as error:
            message = f"{path}: not audio that can be read ({_words(error)}); expected WAV, FLAC, Ogg or AIFF"
            raise InputError(message) from None
        with sound:
            _check_header(path, sound)
            yield sound


def _check_header(path: Path, sound: Any) -> None:
    if not LOWEST_RATE_HZ <= sound.samplerate <= HIGHEST_RATE_HZ:
        limits = f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        message = f"{path}: sample rate {sound.samplerate} Hz; expected {limits}: the header is damaged"
        raise InputError(message)
    if sound.frames == 0:
        message = f"{path}: holds 0 samples; expected a recording"
        raise InputError(message)
    if sound.frames > 2**60:  # what libsndfile says for "unknown"
        message = f"{path}: its header does not say how long it is; rewrite it, e.g. with `flac` or `ffmpeg`"
        raise InputError(message)


class _AudioFile(io.FileIO):
    """An audio file, shown to libsndfile without its name and with an unfinished WAV header mended.

    A recorder that writes to a pipe, or is switched off, leaves 0 as the size of the samples; libsndfile
    then finds none. It does take 0xFFFFFFFF for "up to the end of the file".
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.name = ""  # soundfile would take the ending of a name for the format
        self.mend_at: int | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Seek; stay where it is if there is no such place, as libsndfile asks for in damaged files."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return self.tell()

    def readinto(self, buffer: Any, /) -> int | None:
        """Read bytes into ``buffer``, with the size of the samples replaced."""
        at = self.tell()
        count = super().readinto(buffer)
        if count and self.mend_at is not None:
            view = memoryview(buffer).cast("B")
            for index in range(max(0, self.mend_at - at), min(count, self.mend_at + 4 - at)):
                view[index] = 0xFF
        return count


def _check_chunks(path: Path, file: _AudioFile, size: int) -> None:
    """Refuse a WAV or AIFF file that promises more samples than it holds; libsndfile silently takes less."""
    head = file.read(12)
    kinds = {b"RIFF": "little", b"RF64": "little", b"RIFX": "big", b"FORM": "big"}
    order: Any = kinds.get(head[:4])
    if order is None or head[8:12] not in (b"WAVE", b"AIFF", b"AIFC"):
        return
    whole = int.from_bytes(head[4:8], order)
    long_size: int | None = None
    at = 12
    for _ in range(10_000):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            return  # no samples: for libsndfile to say
        name, promised = chunk[:4], int.from_bytes(chunk[4:], order)
        if name == b"ds64":  # EBU Tech 3306: the true sizes, 64 bits each, RIFF first, samples second
            long_size = int.from_bytes(file.read(16)[8:], order)
        if name in (b"data", b"SSND"):
            break
        at += 8 + promised + promised % 2
    else:
        return
    there = size - at - 8
    if name == b"data" and promised == 0 and there > 0 and whole + 8 != size:
        file.mend_at = at + 4
        return
    if promised == 0xFFFFFFFF and long_size is not None:
        promised = long_size
    # Writers to a pipe cannot know the size: ffmpeg writes 0xFFFFFFFF, arecord 0x80000000, SoX 0x7FFFF000.
    if promised > there and not 0x7FFFF000 <= promised <= 0xFFFFFFFF:
        raise _cut_short(path, f"{promised} bytes of samples", f"{there} are there")


def _cut_short(path: Path, promised: str, there: str) -> InputError:
    return InputError(f"{path}: cut short: its header promises {promised}, {there}; get a whole copy")


def _words(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
