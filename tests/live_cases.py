"""What the tests of listening share: recordings, a pipeline that is quick, and a sound system that is none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge_ser.audio import write_wav
from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.runtime.pipeline import Decision, Pipeline, load_pipeline

RATE = 16_000


def shipped() -> tuple[Bundle, Pipeline]:
    bundle = read_bundle(shipped_bundle())
    return bundle, load_pipeline(bundle)


def noise(seconds: float, seed: int = 1, level: int = 3000) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=round(RATE * seconds)) * level).astype(np.int16)


def write_noise(path: Path, seconds: float, seed: int = 1) -> Path:
    write_wav(path, noise(seconds, seed), RATE)
    return path


def said(decision: Decision) -> tuple[Any, ...]:
    """All that two decisions must have in common."""
    return (
        decision.start_s,
        decision.end_s,
        decision.emotion,
        decision.scores,
        decision.logits.tolist(),
        decision.keyword,
        decision.abstained,
    )


class PortAudioError(Exception):
    """Stands in for sounddevice's."""


class FakeStream:
    """An input stream that hears what the test says."""

    def __init__(self, system: FakeSoundSystem, **options: Any) -> None:
        if options["channels"] not in system.opens_with:
            words = f"Invalid number of channels [PaErrorCode -9998]: {options['channels']}"
            raise PortAudioError(words)
        self.system, self.options = system, options
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self.closed = False

    def start(self) -> None:
        self._thread.start()

    def close(self, ignore_errors: bool = True) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.closed = True

    def _play(self) -> None:
        system, frames = self.system, self.options["blocksize"]
        now = 100.0
        for start in range(0, len(system.sound) - frames + 1, frames):
            if self._stop.is_set():
                return
            index = start // frames
            if index in system.skips:
                continue
            values = system.sound[start : start + frames].astype(np.float32)
            block = np.repeat(values[:, np.newaxis], self.options["channels"], axis=1)
            times = SimpleNamespace(inputBufferAdcTime=now, currentTime=now + frames / system.rate + 0.01)
            status = SimpleNamespace(input_overflow=index in system.overflows)
            self.options["callback"](block, frames, times, status)
            block[:] = 0.0  # the sound system uses its memory again
            system.pace()
        if system.unplugs:
            self.options["finished_callback"]()


class FakeSoundSystem:
    """Stands in for the module sounddevice.

    Attributes:
        sound: float (n,) that is heard, full scale 1.0.
        rate: of the device.
        skips: blocks that never come.
        overflows: blocks that come with the flag of an overflow.
        opens_with: counts of channels that the device takes.
        unplugs: the stream ends by itself behind the sound.
        pace: called after every block.
    """

    PortAudioError = PortAudioError

    def __init__(
        self, sound: np.ndarray, rate: int = RATE, names: tuple[str, ...] = ("USB microphone",)
    ) -> None:
        self.sound, self.rate, self.names = sound, rate, names
        self.skips: set[int] = set()
        self.overflows: set[int] = set()
        self.opens_with = {1, 2}
        self.unplugs = False
        self.usual: int | None = 1
        self.pace: Callable[[], None] = lambda: None
        self.streams: list[FakeStream] = []

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        return ({"name": "ALSA"},)

    def query_devices(self, kind: str | None = None) -> Any:
        loudspeaker = {
            "index": 0,
            "name": "loudspeaker",
            "hostapi": 0,
            "max_input_channels": 0,
            "default_samplerate": 48_000.0,
        }
        microphones = [
            {
                "index": index,
                "name": name,
                "hostapi": 0,
                "max_input_channels": max(self.opens_with),
                "default_samplerate": float(self.rate),
            }
            for index, name in enumerate(self.names, start=1)
        ]
        if kind is None:
            return [loudspeaker, *microphones]
        if self.usual is None or not microphones:
            words = "Error querying device -1"
            raise PortAudioError(words)
        return microphones[self.usual - 1]

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802  sounddevice's name
        self.streams.append(FakeStream(self, **options))
        return self.streams[-1]
