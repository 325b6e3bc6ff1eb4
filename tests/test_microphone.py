"""The microphone over a sound system that is none: rates, channels, losses, and devices that go away."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import soxr
from live_cases import RATE, FakeSoundSystem, noise

from edge_ser import microphone
from edge_ser.audio import to_int16
from edge_ser.audio_live import Block, Losses
from edge_ser.errors import InputError, MissingError
from edge_ser.microphone import Microphone, find_device, input_devices

Install = Callable[[FakeSoundSystem], FakeSoundSystem]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def put(system: FakeSoundSystem) -> FakeSoundSystem:
        monkeypatch.setitem(sys.modules, "sounddevice", system)
        return system

    return put


def _sound(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(4).normal(size=round(rate * seconds)) * 0.1


def _hear(source: Microphone, blocks: int) -> list[Block]:
    heard: list[Block] = []
    source.start()
    while len(heard) < blocks:
        block = source.read(5.0)
        assert block is not None
        heard.append(block)
    source.stop()
    return heard


def test_what_is_heard_is_what_was_said(install: Install) -> None:
    samples = noise(1.0)
    system = install(FakeSoundSystem(samples / 32_768))
    source = Microphone()
    before = time.monotonic()
    heard = _hear(source, 50)
    assert np.array_equal(np.concatenate([block.samples for block in heard]), samples)
    assert [block.start for block in heard] == list(range(0, RATE, 320))
    assert not any(block.gap for block in heard)
    # The stand-in says that it held every block back for 10 ms.
    assert all(before - 0.02 < block.ready_s < time.monotonic() - 0.009 for block in heard)
    (stream,) = system.streams
    assert stream.closed
    assert (stream.options["samplerate"], stream.options["channels"]) == (RATE, 1)
    assert source.losses == Losses()
    assert not source.ended


@pytest.mark.parametrize("rate", [44_100, 48_000, 8000])
def test_other_rates_are_resampled_without_a_seam(install: Install, rate: int) -> None:
    sound = _sound(2.0, rate).astype(np.float32)
    system = install(FakeSoundSystem(sound, rate))
    source = Microphone("USB")
    assert source.name == f"USB microphone ({rate} Hz)"
    blocks = 2 * rate // (rate // 50)
    heard = _hear(source, blocks)
    got = np.concatenate([block.samples for block in heard])
    whole = to_int16(soxr.resample(sound[: blocks * (rate // 50)], rate, RATE, "HQ"))
    assert len(got) > 1.8 * RATE, "only what the resampler holds back is missing"
    assert np.abs(got.astype(int) - whole[: len(got)].astype(int)).max() <= 1
    for before, block in pairwise(heard):
        assert (block.start, block.gap) == (before.end, False)
    for index, block in enumerate(heard, start=1):
        assert block.ready_at == pytest.approx(index * (rate // 50) * RATE / rate)
        assert block.end <= block.ready_at + 1
    assert system.streams[0].options["blocksize"] == rate // 50


def test_channels_are_averaged_where_it_takes_no_single_one(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(0.2)))
    system.opens_with = {4}
    heard = _hear(Microphone(), 10)
    assert [stream.options["channels"] for stream in system.streams] == [4]
    assert np.array_equal(
        np.concatenate([b.samples for b in heard]), to_int16(system.sound.astype(np.float32))
    )


def test_overflows_are_counted_and_make_a_gap(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(0.2)))
    system.overflows = {3, 7}
    source = Microphone()
    heard = _hear(source, 10)
    assert [index for index, block in enumerate(heard) if block.gap] == [3, 7]
    assert source.losses == Losses(overflows=2)


def test_a_full_buffer_drops_and_the_next_block_says_so(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(1.0, 48_000), 48_000))
    source = Microphone(buffer_s=0.2)
    source.start()
    system.streams[0]._thread.join()
    assert source.losses == Losses(40, pytest.approx(0.8), 0)
    heard = [source.read(0.0) for _ in range(10)]
    # Behind the loss, at its own place in the audio.
    values = np.zeros((960, 1), np.float32)
    times = type("Times", (), {"inputBufferAdcTime": 0.0, "currentTime": 0.0})
    system.streams[0].options["callback"](values, 960, times, type("Status", (), {"input_overflow": False}))
    late = source.read(1.0)
    source.stop()
    assert late is not None
    assert heard[-1] is not None
    assert late.gap
    assert late.start == RATE
    assert late.start > heard[-1].end


@pytest.mark.parametrize("says_so", [True, False])
def test_a_device_that_goes_away(install: Install, monkeypatch: pytest.MonkeyPatch, says_so: bool) -> None:
    monkeypatch.setattr(microphone, "LOST_AFTER_S", 0.05)
    system = install(FakeSoundSystem(_sound(0.1)))
    system.unplugs = says_so
    source = Microphone()
    _hear_some(source)
    with pytest.raises(MissingError, match="USB microphone: gives no audio any more"):
        _hear_some(source, seconds=20.0)
    source.stop()


def _hear_some(source: Microphone, seconds: float = 0.0) -> None:
    until = time.monotonic() + seconds
    if not seconds:
        source.start()
    while True:
        block = source.read(0.01)
        if seconds == 0.0 and block is not None and block.end == 1600:
            return
        assert not seconds or time.monotonic() < until


def test_nothing_in_a_callback_can_be_no_number(install: Install) -> None:
    sound = _sound(0.1)
    sound[:3] = np.nan, np.inf, -np.inf
    install(FakeSoundSystem(sound))
    heard = _hear(Microphone(), 5)
    assert heard[0].samples[:3].tolist() == [0, 32_767, -32_768]


def test_devices(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(0.1), 44_100, ("USB microphone", "Built-in", "USB camera")))
    system.usual = 2
    found = input_devices()
    assert [(device.index, device.name, device.usual) for device in found] == [
        (1, "USB microphone", False),
        (2, "Built-in", True),
        (3, "USB camera", False),
    ]
    assert {(device.host, device.sample_rate_hz, device.channels) for device in found} == {
        ("ALSA", 44_100, 2)
    }
    assert find_device(None).index == 2
    assert find_device("3").index == 3
    assert find_device("camera").index == 3
    assert find_device("usb MICRO").index == 1
    with pytest.raises(InputError, match=r"means several: 1 USB microphone \(ALSA\), 3 USB camera"):
        find_device("USB")
    with pytest.raises(MissingError, match="no microphone is called 'phone box'"):
        find_device("phone box")
    with pytest.raises(MissingError, match="no microphone is called '0'"):
        find_device("0")  # a loudspeaker
    system.usual = None
    assert find_device(None).index == 1


def test_no_device_at_all(install: Install) -> None:
    install(FakeSoundSystem(_sound(0.1), names=()))
    with pytest.raises(MissingError, match=r"no microphone found.*--from FILE"):
        Microphone()
    with pytest.raises(MissingError, match="no microphone found"):
        input_devices()


def test_a_device_that_cannot_be_opened(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(0.1)))
    source = Microphone()
    system.opens_with = set()
    with pytest.raises(MissingError, match=r"USB microphone: cannot be opened \(Invalid number of channels"):
        source.start()
    source.stop()


def test_a_sound_system_that_does_not_answer(install: Install) -> None:
    system = install(FakeSoundSystem(_sound(0.1)))

    def fails() -> None:
        words = "Internal PortAudio error"
        raise system.PortAudioError(words)

    system.query_hostapis = fails  # type: ignore[method-assign,assignment]
    with pytest.raises(MissingError, match="Internal PortAudio error"):
        input_devices()


def test_without_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingError, match=r"pip install 'edge-ser\[mic\]'"):
        Microphone()


def test_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "sounddevice":
                words = "PortAudio library not found"
                raise OSError(words)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MissingError, match="apt install libportaudio2"):
        input_devices()
