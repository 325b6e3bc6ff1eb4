"""The NumPy front end: against independent mathematics, in chunks, in batches, on bad input."""

from __future__ import annotations

import numpy as np
import pytest
from frontend_cases import Samples, frontend_specs, torture_set
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.frontend.fft import RealFft
from edge_ser.frontend.quantize import quantize_features
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.stages import bit_length
from edge_ser.frontend.stream import FrontendStream
from edge_ser.frontend.tables import FrontendTables, make_tables
from edge_ser.spec import FrontendSpec, NoiseReductionSpec, PcanSpec

PLAIN = make_tables(FrontendSpec())
FULL = make_tables(FrontendSpec(step_ms=10, noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True)))


def float_features(samples: Samples, spec: FrontendSpec) -> np.ndarray:
    """What the integers approximate: Hann window, power spectrum, mel triangles, root, logarithm."""
    size, fft_size = spec.window_samples, 1 << (spec.window_samples - 1).bit_length()
    hann = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    starts = np.arange(spec.frames_in(len(samples))) * spec.step_samples
    frames = samples[starts[:, None] + np.arange(size)] * hann
    power = np.abs(np.fft.rfft(frames, fft_size) / fft_size) ** 2
    width = spec.sample_rate_hz / fft_size
    power[:, : int(1.5 + spec.lower_hz / width)] = 0  # the library starts a bin or half a bin above lower_hz
    mel = 1127 * np.log1p(np.arange(fft_size // 2 + 1) * width / 700)
    low, high = (1127 * np.log1p(hz / 700) for hz in (spec.lower_hz, spec.upper_hz))
    centres = np.linspace(low, high, spec.channels + 2)
    triangles = np.array([np.interp(mel, centres[i : i + 3], [0, 1, 0]) for i in range(spec.channels)])
    return 64 * np.log(np.maximum(np.sqrt(power @ triangles.T) * fft_size, 1))


@pytest.mark.parametrize("window_ms", [20, 30, 64])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_features_are_those_of_float_mathematics(rate: int, window_ms: int) -> None:
    spec = FrontendSpec(rate, window_ms, step_ms=10, upper_hz=rate / 2 - 300)
    random = np.random.default_rng(1)
    loudness = np.linspace(100, 8000, rate)
    samples = (loudness * random.standard_normal(rate)).clip(-32_768, 32_767).astype(np.int16)
    features, ideal = Frontend(make_tables(spec)).process(samples), float_features(samples, spec)
    assert features.shape == ideal.shape
    # 16-bit spectra of noise: within a decibel (7.4 units) nearly everywhere, and no bias.
    error = features - ideal
    assert np.percentile(np.abs(error), 99) < 7.4
    assert abs(error.mean()) < 0.7


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([128, 256, 512, 1024]), st.integers(0, 2**32 - 1), st.integers(1, 32_767))
def test_fft_is_the_transform_divided_by_its_size(size: int, seed: int, peak: int) -> None:
    # A window keeps what enters the FFT below half of full scale on average, here as in the front end.
    hann = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    noise = np.random.default_rng(seed).uniform(-peak, peak, (size, 3))
    samples = (noise * hann[:, None]).astype(np.int16)
    tables = make_tables(FrontendSpec(window_ms=size * 1000 // 16_000, step_ms=5))
    real, imag = RealFft(tables.twiddles, tables.real_twiddles)(samples)
    ideal = np.fft.rfft(samples, axis=0) / size
    assert real.shape == (size // 2 + 1, 3)
    # Each of at most six passes rounds once or twice.
    assert np.abs(real + 1j * imag - ideal).max() < 6


@pytest.mark.parametrize("tables", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("name", torture_set(16_000))
def test_torture(tables: FrontendTables, name: str) -> None:
    samples = torture_set(16_000)[name]
    features = Frontend(tables).process(samples)
    frames = max(0, (len(samples) - tables.window_samples) // tables.step_samples + 1)
    assert features.shape == (frames, 40)
    assert features.dtype == np.uint16
    # sqrt(half of 2**30 / FFT size * window energy * weight 2**12) * FFT size bounds the loudest sound.
    assert features.max(initial=0) <= 64 * np.log(np.sqrt(2**29 * 0.375 * 480 / 512 * 2**12) * 2**3) + 1
    if name == "silence":
        assert not features.any()


def test_loudness_stays_in() -> None:
    samples = torture_set(16_000)["white noise"]
    frontend = Frontend(PLAIN)
    drop = np.median(frontend.process(samples).astype(int)) - np.median(frontend.process(samples // 4))
    assert drop == pytest.approx(64 * np.log(4), abs=1.5)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([PLAIN, FULL]), st.lists(st.integers(0, 5000), max_size=12), st.integers(0, 2**32 - 1))
def test_any_chunks_give_the_frames_of_the_whole(tables: FrontendTables, cuts: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).integers(-9000, 9000, 5000).astype(np.int16)
    stream = FrontendStream(tables)
    for _ in range(2):  # the second time after a reset
        chunks = np.split(samples, sorted(cuts))
        frames = np.concatenate([stream.feed(chunk) for chunk in chunks])
        assert np.array_equal(frames, Frontend(tables).process(samples))
        stream.reset()


def test_one_sample_at_a_time() -> None:
    samples = torture_set(16_000)["chirp"][:1300]
    stream = FrontendStream(FULL)
    frames = np.concatenate([stream.feed(samples[i : i + 1]) for i in range(len(samples))])
    assert np.array_equal(frames, Frontend(FULL).process(samples))


@pytest.mark.parametrize("tables", [PLAIN, FULL], ids=["plain", "full"])
def test_a_batch_is_each_clip_alone(tables: FrontendTables) -> None:
    clips = np.random.default_rng(2).integers(-20_000, 20_000, (7, 12_345)).astype(np.int16)
    frontend = Frontend(tables)
    batch = frontend.process_batch(clips)
    assert np.array_equal(batch, np.stack([frontend.process(clip) for clip in clips]))
    assert frontend.process_batch(clips[:0]).shape == (0, batch.shape[1], 40)
    assert np.array_equal(
        frontend.process_batch(clips[::-1, ::2]), frontend.process_batch(clips[::-1, ::2].copy())
    )


def test_noise_reduction_removes_a_steady_tone_and_leaves_its_floor() -> None:
    tone = (3000 * np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)).astype(np.int16)
    spec = FrontendSpec(noise_reduction=NoiseReductionSpec(True, min_signal_remaining=0.125))
    before, after = (Frontend(make_tables(s)).process(tone)[-1].astype(int) for s in (FrontendSpec(), spec))
    loudest = before.argmax()
    assert before[loudest] - after[loudest] == pytest.approx(64 * np.log(8), abs=1)


def test_gain_control_evens_out_level() -> None:
    noise = np.random.default_rng(3).standard_normal(48_000)
    spec = FrontendSpec(pcan=PcanSpec(True, strength=1.0, offset=1.0))
    frontend = Frontend(make_tables(spec))
    loud, quiet = (np.median(frontend.process((noise * g).astype(np.int16))[-50:]) for g in (6000, 1500))
    assert abs(loud - quiet) < 8  # without it 12 dB are 89 units


@settings(max_examples=20, deadline=None)
@given(frontend_specs())
def test_every_spec_works(spec: FrontendSpec) -> None:
    tables = make_tables(spec)
    samples = torture_set(spec.sample_rate_hz)["chirp"]
    features = Frontend(tables).process(samples)
    assert features.shape == (spec.frames_in(len(samples)), spec.channels)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros(100), r"float64 \(100,\)"),
        (np.zeros((2, 100), np.int16), r"int16 \(2, 100\)"),
        (np.zeros(100, ">i2"), ">i2"),
        ([1, 2, 3], "list"),
    ],
)
def test_other_samples_are_refused(samples: object, found: str) -> None:
    with pytest.raises(InputError, match=found):
        Frontend(PLAIN).process(samples)
    with pytest.raises(InputError, match=found):
        FrontendStream(PLAIN).feed(samples)


def test_a_single_clip_is_no_batch() -> None:
    with pytest.raises(InputError, match=r"expected int16 \(clips, samples\)"):
        Frontend(PLAIN).process_batch(np.zeros(100, np.int16))


@given(st.integers(0, 65_535), st.integers(0, 65_534), st.data())
def test_quantisation_is_the_rounded_line(feature: int, low: int, data: st.DataObject) -> None:
    high = data.draw(st.integers(low + 1, 65_535))
    exact_value = min(max((feature - low) / (high - low) * 255, 0), 255)
    value = quantize_features(np.array([feature], np.uint16), low, high)
    assert value.dtype == np.uint8
    assert abs(int(value[0]) - exact_value) <= 0.5 + 1e-9


@given(st.integers(0, 2**32 - 1))
def test_bit_length(value: int) -> None:
    assert bit_length(np.array([value], np.uint32))[0] == value.bit_length()
