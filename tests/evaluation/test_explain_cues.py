"""The cues on sounds whose pitch, noise and spectrum are known, and beside Praat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from explain_cases import RATE, vowel
from scipy.signal import lfilter

from edge_ser.audio import read_audio
from edge_ser.corpora.registry import read_clips
from edge_ser.evaluation.explain_cues import CUE_NAMES, hertz, measure, track

WHOLE = [(0.0, 60.0)]


def _cues(samples: np.ndarray) -> dict[str, float]:
    return {name: value for name, value in measure(track(samples), WHOLE).items() if value is not None}


@pytest.mark.parametrize("pitch", [90.0, 150.0, 240.0, 420.0])
def test_f0_is_the_tone_that_was_made(pitch: float) -> None:
    assert hertz(_cues(vowel(pitch))["f0"]) == pytest.approx(pitch, rel=0.005)


@pytest.mark.parametrize("pitch", [100.0, 200.0, 300.0])
@pytest.mark.parametrize("noise_db", [5.0, 10.0, 20.0])
def test_hnr_is_the_noise_that_was_added(pitch: float, noise_db: float) -> None:
    # Not at the ends, where half of a frame is silence.
    inside = measure(track(vowel(pitch, noise_db=noise_db)), [(0.05, 0.95)])
    assert inside["hnr"] == pytest.approx(noise_db, abs=1.0)


def test_a_gliding_tone_has_a_range() -> None:
    time = np.arange(2 * RATE) / RATE
    semitones = 12 * np.sin(2 * np.pi * 0.5 * time) / 2
    phase = 2 * np.pi * np.cumsum(200 * 2 ** (semitones / 12)) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 8)) * 4000
    found = _cues(glide.astype(np.int16))["f0_range"]
    low, high = np.percentile(semitones, [20, 80])
    assert found == pytest.approx(high - low, abs=0.4)
    assert _cues(vowel(200.0))["f0_range"] == pytest.approx(0, abs=0.05)


def test_a_louder_voice_is_louder_and_nothing_else() -> None:
    soft, loud = _cues(vowel(150.0, level=2000)), _cues(vowel(150.0, level=20_000))
    assert loud["loudness"] > 1.5 * soft["loudness"]
    for name in ("f0", "slope", "hnr", "jitter", "shimmer"):
        assert loud[name] == pytest.approx(soft[name], abs=0.05, rel=0.05), name


def test_more_high_frequencies_are_a_flatter_slope() -> None:
    voice = vowel(120.0).astype(np.float64)
    dull = lfilter([1], [1, -0.95], voice)
    dull = (dull / np.abs(dull).max() * 6000).astype(np.int16)
    assert _cues(vowel(120.0))["slope"] > _cues(dull)["slope"] + 2


@pytest.mark.parametrize("name", ["jitter", "shimmer"])
def test_an_unsteady_voice_is_unsteady(name: str) -> None:
    rng = np.random.default_rng(1)
    count = 150
    periods = np.full(count, RATE / 120) * (1 + (0.03 * rng.normal(size=count) if name == "jitter" else 0))
    heights = 1 + (0.25 * rng.normal(size=count) if name == "shimmer" else np.zeros(count))
    at = np.cumsum(periods).astype(int)
    pulses = np.zeros(at[-1] + 1)
    pulses[at] = heights
    shape = lfilter([1], [1, -1.6, 0.8], pulses)
    unsteady = _cues((shape / np.abs(shape).max() * 9000).astype(np.int16))
    assert unsteady[name] > 2 * _cues(vowel(120.0))[name]


@pytest.mark.parametrize(
    "samples", [np.zeros(RATE, np.int16), np.zeros(1, np.int16)], ids=["silence", "one sample"]
)
def test_without_a_voice_nothing_is_said(samples: np.ndarray) -> None:
    assert measure(track(samples), WHOLE) == dict.fromkeys(CUE_NAMES)
    assert track(samples).voiced_share == 0


def test_noise_has_hardly_a_voice() -> None:
    noise = (np.random.default_rng(1).normal(size=RATE) * 3000).astype(np.int16)
    assert track(noise).voiced_share < 0.15


def test_only_the_stretches_count() -> None:
    tracks = track(np.concatenate([vowel(120.0, 0.6), vowel(240.0, 0.6)]))
    low, high = measure(tracks, [(0.1, 0.5)])["f0"], measure(tracks, [(0.7, 1.1)])["f0"]
    assert low is not None
    assert high is not None
    assert high - low == pytest.approx(12, abs=0.1)
    assert measure(tracks, [(0.1, 0.5), (0.2, 0.4)]) == measure(tracks, [(0.1, 0.5)])
    assert measure(tracks, [(0.1, 0.12)]) == dict.fromkeys(CUE_NAMES)
    short = measure(tracks, [(0.1, 0.2)])
    assert short["f0"] is not None
    assert short["f0_range"] is None


def _praat(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 in hertz (NaN where unvoiced) and HNR in decibels per 10 ms, as Praat measures them with our settings."""
    parselmouth = pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    sound = parselmouth.Sound(samples / 32768, RATE)
    pitch = sound.to_pitch_ac(0.01, 60.0, 15, False, 0.03, 0.45, 0.01, 0.35, 0.14, 600.0)
    ratio = sound.to_harmonicity_ac(0.01, 60.0, 0.03, 3.0)
    times = np.arange(1 + len(samples) // 160) / 100
    f0 = np.array([pitch.get_value_at_time(time) for time in times])
    hnr = np.array([ratio.get_value(time) for time in times], dtype=float)
    return f0, np.where(hnr > -100, hnr, np.nan)


def _beside_praat(samples: np.ndarray) -> tuple[float, float, float]:
    """Share of frames with the same voicing, median distance of F0 in semitones, and of mean HNR in decibels."""
    f0, hnr = _praat(samples)
    tracks = track(samples)
    both = tracks.voiced & np.isfinite(f0) & np.isfinite(hnr)
    off = np.abs(tracks.values["semitones"][both] - 12 * np.log2(f0[both] / 27.5))
    noise = abs(float(tracks.values["hnr"][both].mean() - hnr[both].mean()))
    return float(np.mean(tracks.voiced == np.isfinite(f0))), float(np.median(off)), noise


@pytest.mark.parametrize("pitch", [100.0, 200.0, 300.0])
@pytest.mark.parametrize("noise_db", [5.0, 10.0, 20.0])
def test_made_voices_measure_as_in_praat(pitch: float, noise_db: float) -> None:
    same, off, noise = _beside_praat(vowel(pitch, 2.0, noise_db=noise_db))
    assert same > 0.95
    assert off < 0.1
    assert noise < 1.5


@pytest.mark.parametrize(("corpus", "name"), [("emo-db", "EMO-DB"), ("crema-d", "CREMA-D")])
def test_real_voices_measure_as_in_praat(corpus: str, name: str, shared_data: Callable[[str], Path]) -> None:
    clips = read_clips(corpus, shared_data(name))
    found = np.array([_beside_praat(read_audio(clip.path)) for clip in clips[:: len(clips) // 8]])
    same, off, noise = found.mean(axis=0)
    assert same > 0.9
    assert off < 0.1
    assert noise < 1.0
