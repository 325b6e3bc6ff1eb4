"""What plays and records: the sound card, the sound card with the board's microphone, and a simulated one."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any, Final, Protocol

import numpy as np

from edge_ser.acoustics import Samples
from edge_ser.channel.simulation import Channel
from edge_ser.errors import CheckError
from edge_ser.files import reason
from edge_ser.microphone import require_sounddevice

EXTRA_S: Final = 3.0
"""Recorded after the last sample was played: what sound cards keep in their buffers and rooms in the air."""

_BOARD_START_S: Final = 1.0
"""The board says only at the end that it recorded: it gets this long to begin."""
_BOARD_RATES_HZ: Final = (16_000, 48_000)
_BOARD_BUFFERS: Final = {"num_buffers": 2, "buffer_size_ms": 50}
"""As coralmicro's audio examples have them."""
_BOARD_TAKE_S: Final = 30.0
"""Longest recording of the board: it holds all of it, four bytes a sample and once more in base64."""
_SLACK_S: Final = 20.0


class Device(Protocol):
    """Plays a sound and records what comes of it."""

    @property
    def name(self) -> str:
        """What it is, for the report."""
        ...

    @property
    def longest_s(self) -> float:
        """Longest sound that it can play and record at once."""
        ...

    def play_and_record(self, samples: Samples, rate_hz: int) -> Samples:
        """Play int16 (n,) and record; int16 (m,), later than what was played by whatever the way takes.

        Raises:
            MissingError: there is no such device.
            CheckError: it failed.
        """
        ...


class SimulatedDevice:
    """A simulated channel instead of a loudspeaker and a microphone: needs neither, and says nothing about any."""

    longest_s = 3600.0

    def __init__(self, channel: Channel, delay_s: float = 0.137) -> None:
        """Take a channel.

        Args:
            channel: what happens on the way.
            delay_s: by how much the recording begins too early.
        """
        self._channel, self._delay_s = channel, delay_s
        self._played = 0

    @property
    def name(self) -> str:
        """What it is, for the report."""
        room = self._channel.room or "no room"
        return f"SIMULATED channel: {room}, {self._channel.snr_db:g} dB, {self._channel.drift_ppm:g} ppm"

    def play_and_record(self, samples: Samples, rate_hz: int) -> Samples:
        """What the channel makes of int16 (n,): int16 (m,), see :class:`Device`."""
        self._played += 1
        rng = np.random.default_rng([self._channel.seed, self._played])
        before = round(self._delay_s * rate_hz)
        return self._channel.hear(np.pad(samples, (before, round(0.5 * rate_hz))), rate_hz, rng)


class SoundCard:
    """PortAudio's devices, by sounddevice."""

    longest_s = 600.0

    def __init__(self, player: str | int | None, recorder: str | int | None) -> None:
        """Choose devices.

        Args:
            player: name or number of the loudspeaker; ``None`` for the usual one.
            recorder: of the microphone.

        Raises:
            MissingError: sounddevice or PortAudio is not installed.
        """
        self._library = _sounddevice()
        self._devices = (recorder, player)

    @property
    def name(self) -> str:
        """What it is, for the report."""
        recorder, player = ("the usual one" if name is None else name for name in self._devices)
        return f"sound card, loudspeaker {player}, microphone {recorder}"

    def play_and_record(self, samples: Samples, rate_hz: int) -> Samples:
        """Play and record; as :meth:`Device.play_and_record`."""
        padded = np.pad(samples, (0, round(EXTRA_S * rate_hz)))
        try:
            recorded = self._library.playrec(
                padded[:, np.newaxis], rate_hz, channels=1, dtype="int16", device=self._devices, blocking=True
            )
        except (self._library.PortAudioError, ValueError) as error:
            message = f"{self.name}: {error}; see the devices with: python -m sounddevice"
            raise CheckError(message) from None
        mono: Samples = np.asarray(recorded, np.int16)[:, 0]
        return mono


class BoardMicrophone:
    """The board's microphone, by the ``capture_audio`` of coralmicro's rack_test, and this machine's loudspeaker.

    Flash the SDK's ``apps/rack_test`` first: ``capture_audio`` is its RPC, not one of edge-ser's firmware.
    """

    longest_s = _BOARD_TAKE_S - _BOARD_START_S - EXTRA_S

    def __init__(self, host: str, player: str | int | None) -> None:
        """Choose board and loudspeaker.

        Args:
            host: address of the board, usually 10.10.10.1.
            player: name or number of the loudspeaker; ``None`` for the usual one.

        Raises:
            MissingError: sounddevice or PortAudio is not installed.
        """
        self._library = _sounddevice()
        self._host, self._player = host, player

    @property
    def name(self) -> str:
        """What it is, for the report."""
        return f"the microphone of the board at {self._host}"

    def play_and_record(self, samples: Samples, rate_hz: int) -> Samples:
        """Start the board's recording, play, and fetch it; as :meth:`Device.play_and_record`."""
        if rate_hz not in _BOARD_RATES_HZ:
            message = f"{self.name}: records at 16000 or 48000 Hz, not at {rate_hz}; choose with --rate"
            raise CheckError(message)
        duration_s = len(samples) / rate_hz + _BOARD_START_S + EXTRA_S
        fetched: list[Samples | CheckError] = []

        def capture() -> None:
            try:
                fetched.append(self._capture(duration_s, rate_hz))
            except CheckError as error:
                fetched.append(error)

        recording = threading.Thread(target=capture, daemon=True)
        recording.start()
        time.sleep(_BOARD_START_S)
        try:
            self._library.play(samples, rate_hz, device=self._player, blocking=True)
        except (self._library.PortAudioError, ValueError) as error:
            message = f"loudspeaker: {error}; see the devices with: python -m sounddevice"
            raise CheckError(message) from None
        recording.join()
        (answer,) = fetched
        if isinstance(answer, CheckError):
            raise answer
        return answer

    def _capture(self, duration_s: float, rate_hz: int) -> Samples:
        parameters = {"sample_rate_hz": rate_hz, "duration_ms": round(1000 * duration_s), **_BOARD_BUFFERS}
        request = {"jsonrpc": "2.0", "id": 1, "method": "capture_audio", "params": parameters}
        post = urllib.request.Request(  # the scheme is fixed
            f"http://{self._host}/jsonrpc", json.dumps(request).encode(), {"Content-Type": "application/json"}
        )
        most = 8 * round((duration_s + 1) * rate_hz) + 65_536
        try:
            with urllib.request.urlopen(post, timeout=duration_s + _SLACK_S) as response:
                data = response.read(most)
        except (OSError, urllib.error.URLError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            message = (
                f"{self.name}: capture_audio failed ({why}); is rack_test flashed and the board's network up?"
            )
            raise CheckError(message) from None
        return captured(data, self.name)


def captured(data: bytes, name: str) -> Samples:
    """The samples in an answer of ``capture_audio``: base64 of little-endian int32, of which the upper half is sound.

    Returns:
        int16 (samples,), one at least.

    Raises:
        CheckError: it is no such answer.
    """
    try:
        told = json.loads(data)
        raw = base64.b64decode(told["result"]["data"], validate=True)
        if not raw or len(raw) % 4:
            raise ValueError
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        message = f"{name}: answers capture_audio with {data[:80]!r}; expected audio; is rack_test flashed?"
        raise CheckError(message) from None
    samples: Samples = (np.frombuffer(raw, "<i4") >> 16).astype(np.int16)
    return samples


def _sounddevice() -> Any:
    return require_sounddevice("or take --simulate near:20")
