"""The microphone: PortAudio's input devices, by sounddevice."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from edge_ser.audio import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, SAMPLE_RATE_HZ, to_int16
from edge_ser.audio_live import BLOCK_S, BUFFER_S, Block, Buffer, Losses
from edge_ser.errors import InputError, MissingError

LOST_AFTER_S: Final = 5.0
"""A microphone that gives nothing for so long is gone; one by radio may take two seconds to begin."""

_QUALITY: Final = "HQ"
"""soxr holds back 40 ms at 44.1 and 48 kHz with it, and 84 ms with the VHQ that recordings get (measured)."""

_INSTEAD: Final = "or play a recording: --from FILE"


@dataclass(frozen=True)
class InputDevice:
    """A device that hears.

    Attributes:
        index: PortAudio's number of it.
        name: its name.
        host: the sound system that it belongs to.
        channels: channels that it has.
        sample_rate_hz: its own rate.
        usual: whether it is taken where none is named.
    """

    index: int
    name: str
    host: str
    channels: int
    sample_rate_hz: int
    usual: bool


@dataclass(frozen=True, eq=False)
class _Heard:
    """One callback's worth: float32 (frames, channels) from place ``start`` on, at the device's rate."""

    values: NDArray[np.float32]
    start: int
    ready_s: float
    overflow: bool


def input_devices() -> tuple[InputDevice, ...]:
    """The devices that hear, in PortAudio's order; at least one.

    Raises:
        MissingError: sounddevice or PortAudio is not installed, the sound system does not answer, or there is none.
    """
    library = require_sounddevice(_INSTEAD)
    try:
        devices, hosts = library.query_devices(), library.query_hostapis()
    except library.PortAudioError as error:
        message = f"the sound system does not answer ({error}); is it running? {_INSTEAD}"
        raise MissingError(message) from None
    try:
        usual = int(library.query_devices(kind="input")["index"])
    except (library.PortAudioError, ValueError):
        usual = -1
    found = tuple(
        InputDevice(
            index=index,
            name=str(device["name"]),
            host=str(hosts[device["hostapi"]]["name"]),
            channels=int(device["max_input_channels"]),
            sample_rate_hz=round(device["default_samplerate"]),
            usual=index == usual,
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    )
    if not found:
        message = f"no microphone found; plug one in, {_INSTEAD}"
        raise MissingError(message)
    return found


def find_device(wanted: str | None) -> InputDevice:
    """The device that a person means.

    Args:
        wanted: its number, its name or a part of it; ``None`` is the usual one.

    Raises:
        InputError: several devices have that in their names.
        MissingError: there is no such device, or nothing that :func:`input_devices` needs.
    """
    devices = input_devices()
    if wanted is None:
        return next((device for device in devices if device.usual), devices[0])
    if wanted.isdecimal():
        found = [device for device in devices if device.index == int(wanted)]
    else:
        exact = [device for device in devices if device.name == wanted]
        found = exact or [device for device in devices if wanted.casefold() in device.name.casefold()]
    if not found:
        message = f"no microphone is called {wanted!r}; see them with: edge-ser listen --list-devices"
        raise MissingError(message)
    if len(found) > 1:
        names = ", ".join(f"{device.index} {device.name} ({device.host})" for device in found)
        message = f"--device {wanted!r} means several: {names}; give the number"
        raise InputError(message)
    return found[0]


class Microphone:
    """A microphone; :class:`edge_ser.audio_live.Source`.

    It is opened at its own rate with as few channels as it takes, which are averaged; the rate is changed here, without
    a seam from block to block.

    Args:
        device: as for :func:`find_device`.
        sample_rate_hz: rate of the blocks.
        buffer_s: audio that waits at most.

    Raises:
        InputError: as for :func:`find_device`.
        MissingError: as for :func:`find_device`.
    """

    def __init__(
        self, device: str | None = None, sample_rate_hz: int = SAMPLE_RATE_HZ, buffer_s: float = BUFFER_S
    ) -> None:
        self._library = require_sounddevice(_INSTEAD)
        self._device = find_device(device)
        self._rate, self._native = sample_rate_hz, self._device.sample_rate_hz
        if not LOWEST_RATE_HZ <= self._native <= HIGHEST_RATE_HZ:
            message = f"{self._device.name}: says that it hears at {self._native} Hz; take another --device"
            raise MissingError(message)
        self._buffer: Buffer[_Heard] = Buffer(max(1, round(buffer_s / BLOCK_S)))
        self._stream: Any = None
        self._finished = threading.Event()
        self._overflows = self._captured = 0
        self._read = self._given = 0  # places: at the device's rate, at ours
        self._resampler = self._new_resampler()
        self._last_s = 0.0

    @property
    def name(self) -> str:
        """The device's name and rate."""
        return f"{self._device.name} ({self._native} Hz)"

    @property
    def sample_rate_hz(self) -> int:
        """Rate of its blocks."""
        return self._rate

    @property
    def ended(self) -> bool:
        """A microphone has no end."""
        return False

    @property
    def waiting_s(self) -> float:
        """Audio that waits to be read, seconds."""
        return self._buffer.waiting_s

    @property
    def losses(self) -> Losses:
        """What was lost so far."""
        return Losses(*self._buffer.lost, overflows=self._overflows)

    def start(self) -> None:
        """Open the device and listen.

        Raises:
            MissingError: it cannot be opened; PortAudio's reason is named.
        """
        most, words = self._device.channels, ""
        for channels in sorted({1, min(2, most), most}):
            try:
                self._stream = self._library.InputStream(
                    device=self._device.index,
                    samplerate=self._native,
                    channels=channels,
                    dtype="float32",
                    blocksize=max(1, round(BLOCK_S * self._native)),
                    callback=self._callback,
                    finished_callback=self._finished.set,
                )
                self._stream.start()
            except (self._library.PortAudioError, ValueError) as error:
                words = str(error)
                self._close()
                continue
            self._last_s = time.monotonic()
            return
        message = (
            f"{self._device.name}: cannot be opened ({words}); is another program using it? take another --device, "
            f"{_INSTEAD}"
        )
        raise MissingError(message)

    def read(self, timeout_s: float) -> Block | None:
        """As :meth:`edge_ser.audio_live.Source.read`."""
        heard = self._buffer.get(timeout_s)
        now = time.monotonic()
        if heard is None:
            if self._finished.is_set() or now - self._last_s > LOST_AFTER_S:
                message = f"{self._device.name}: gives no audio any more; was it unplugged? plug it in and start again"
                raise MissingError(message)
            return None
        self._last_s = now
        gap = heard.overflow or heard.start != self._read
        self._read = heard.start + len(heard.values)
        if gap:
            # What the resampler still holds lies before the gap.
            self._resampler = self._new_resampler()
            self._given = max(self._given, round(heard.start * self._rate / self._native))
        mono = np.nan_to_num(heard.values.mean(axis=1, dtype=np.float32), posinf=1.0, neginf=-1.0)
        samples = to_int16(mono if self._resampler is None else self._resampler.resample_chunk(mono))
        block = Block(samples, self._given, gap, heard.ready_s, self._read * self._rate / self._native)
        self._given = block.end
        return block

    def stop(self) -> None:
        """Close the device."""
        self._buffer.close()
        self._close()

    def _callback(self, values: NDArray[np.float32], frames: int, times: Any, status: Any) -> None:
        """Copies and nothing else: it runs in the sound system's thread."""
        now, overflow = time.monotonic(), bool(status.input_overflow)
        # What the sound system held back before it called; some say nothing of it.
        held_s = times.currentTime - times.inputBufferAdcTime - frames / self._native
        ready_s = now - held_s if 0.0 <= held_s < 1.0 else now
        self._overflows += overflow
        start, self._captured = self._captured, self._captured + frames
        self._buffer.put(_Heard(values.copy(), start, ready_s, overflow), frames / self._native)

    def _new_resampler(self) -> Any:
        if self._native == self._rate:
            return None
        return soxr.ResampleStream(self._native, self._rate, 1, "float32", _QUALITY)

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close(ignore_errors=True)


def require_sounddevice(instead: str) -> Any:
    """The module sounddevice.

    Args:
        instead: what a person can do without it, e.g. ``"or play a recording: --from FILE"``.

    Raises:
        MissingError: it, or PortAudio, is not installed.
    """
    try:
        import sounddevice
    except ImportError:
        message = f"sounddevice is not installed; pip install 'edge-ser[mic]', {instead}"
        raise MissingError(message) from None
    except OSError as error:
        message = f"PortAudio is missing ({error}); apt install libportaudio2, {instead}"
        raise MissingError(message) from None
    return sounddevice
