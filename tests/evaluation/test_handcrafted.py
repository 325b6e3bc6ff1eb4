"""The hand-crafted features on sounds whose pitch, level and formants are known, and the classifiers on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter
from sklearn.metrics import balanced_accuracy_score

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation.handcrafted import baseline
from edge_ser.evaluation.handcrafted.baseline import fit_baseline
from edge_ser.handcrafted import functionals as module
from edge_ser.handcrafted.clips import clip_functionals
from edge_ser.handcrafted.functionals import functionals, names

RATE = 16_000


def _named(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(names(), functionals(samples), strict=True))


def _vowel(hertz: float, seconds: float = 1.0, level: float = 6000.0) -> np.ndarray:
    """A pulse train through two resonances at 700 and 1200 Hz."""
    pulses = np.zeros(round(RATE * seconds))
    pulses[(np.arange(0, seconds * hertz) / hertz * RATE).astype(int).clip(max=len(pulses) - 1)] = 1
    sound = pulses
    for formant, width in ((700, 80), (1200, 100)):
        radius = np.exp(-np.pi * width / RATE)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2], sound)
    return (sound / np.abs(sound).max() * level).astype(np.int16)


def test_eighty_eight_different_names() -> None:
    assert len(names()) == len(set(names())) == 88


@pytest.mark.parametrize("hertz", [90.0, 150.0, 240.0, 420.0])
def test_pitch_is_heard(hertz: float) -> None:
    found = _named(_vowel(hertz))
    assert found["pitch median"] == pytest.approx(12 * np.log2(hertz / 27.5), abs=0.3)
    assert found["voiced share"] > 0.9
    assert found["pitch sd"] < 1


def test_formants_are_heard() -> None:
    found = _named(_vowel(120.0))
    assert found["formant1 mean"] == pytest.approx(700, abs=60)
    assert found["formant2 mean"] == pytest.approx(1200, abs=80)


def test_noise_has_no_voice() -> None:
    noise = (np.random.default_rng(1).normal(size=RATE) * 3000).astype(np.int16)
    found = _named(noise)
    assert found["voiced share"] < 0.15
    assert _named(_vowel(150.0))["harmonicity mean"] > 15


def test_a_louder_clip_is_louder_and_nothing_else() -> None:
    quiet, loud = _named(_vowel(150.0, level=2000)), _named(_vowel(150.0, level=20_000))
    assert loud["level dB"] - quiet["level dB"] == pytest.approx(20, abs=0.1)
    assert loud["loudness mean"] > 1.5 * quiet["loudness mean"]
    for name in ("pitch median", "formant1 mean", "centroid mean", "voiced share"):
        assert loud[name] == pytest.approx(quiet[name], rel=0.02), name


def test_bursts_are_counted() -> None:
    rng = np.random.default_rng(2)
    burst = rng.normal(size=RATE // 10) * np.hanning(RATE // 10) * 8000
    quiet = rng.normal(size=RATE // 10) * 10
    found = _named(np.tile(np.concatenate([burst, quiet]), 10).astype(np.int16))
    assert found["loudness peaks per s"] == pytest.approx(5, abs=0.6)


@settings(max_examples=25)
@given(arrays(np.int16, st.integers(0, 4000)))
def test_any_samples_give_finite_numbers(samples: np.ndarray) -> None:
    assert np.isfinite(functionals(samples)).all()


@pytest.mark.parametrize("value", [0, 32767, -32768])
def test_constant_samples_give_finite_numbers(value: int) -> None:
    assert np.isfinite(functionals(np.full(RATE, value, np.int16))).all()


@pytest.mark.filterwarnings("error")
def test_a_flat_peak_of_the_autocorrelation_has_a_pitch(monkeypatch: pytest.MonkeyPatch) -> None:
    # As rounding leaves it where a frame is digital silence but for a few steps at its end.
    def flat_topped(frames: np.ndarray) -> np.ndarray:
        rows = np.ones((len(frames), frames.shape[1] // 2))
        if len(rows) > 1:  # the frames, not the window
            rows[:, 1:], rows[:, 99:102] = 0.0, 0.9
        return rows

    monkeypatch.setattr("edge_ser.handcrafted.voice._autocorrelation", flat_topped)
    assert _named(_vowel(200.0))["pitch median"] == pytest.approx(12 * np.log2(160 / 27.5), abs=0.01)


def test_only_the_first_minute_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._LONGEST == 60 * RATE
    monkeypatch.setattr(module, "_LONGEST", RATE)
    second = _vowel(150.0)
    assert (functionals(np.concatenate([second, second])) == functionals(second)).all()


def _cloud(seed: int, speakers: int, shift: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two classes that lie apart in two of twenty features; every speaker has a bias in the others."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], 15 * speakers)
    who = [f"s{at // 30}" for at in range(len(labels))]
    features = rng.normal(size=(len(labels), 20))
    features[:, :2] += shift * labels[:, np.newaxis]
    features[:, 2:] += np.repeat(rng.normal(size=(speakers, 18)), 30, axis=0)
    return features, labels, who


@pytest.mark.parametrize("kind", baseline.KINDS)
def test_classes_that_lie_apart_are_told_apart(kind: baseline.Kind) -> None:
    features, labels, who = _cloud(1, 6, 3.0)
    heard, truth, _ = _cloud(2, 3, 3.0)
    fitted = fit_baseline(kind, features, labels, who, 1)
    probabilities = fitted.probabilities(heard)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert balanced_accuracy_score(truth, probabilities.argmax(axis=1)) > 0.9
    again = fit_baseline(kind, features, labels, who, 1)
    assert (again.probabilities(heard) == probabilities).all()


def test_the_penalty_is_stronger_where_there_is_only_noise() -> None:
    features, labels, who = _cloud(1, 6, 4.0)
    rng = np.random.default_rng(0)
    lost = fit_baseline("lr", rng.normal(size=features.shape), labels, who, 1)
    assert lost.penalty > 1
    assert {fit_baseline("lr", features, labels, who, 1).penalty, lost.penalty} <= set(
        baseline._PENALTIES["lr"]
    )


def test_a_missing_class_is_an_error() -> None:
    features, labels, who = _cloud(1, 3, 1.0)
    with pytest.raises(InputError, match="2 of 3 classes"):
        fit_baseline("lr", features, labels * 2, who, 1)


def test_a_change_is_heard(hissing: Callable[..., Path]) -> None:
    clips = read_clips("folder", hissing("f1", "m1"))[:2]
    assert clip_functionals(clips, lambda _: None).shape == (2, 88)

    def silence(_clip: Clip, samples: np.ndarray) -> np.ndarray:
        return np.zeros_like(samples)

    level = names().index("level dB")
    assert clip_functionals(clips, lambda _: None, change=silence)[0, level] == pytest.approx(-90)


@pytest.mark.slow
def test_real_speech_is_told_apart_on_new_speakers(shared_data: Callable[[str], Path]) -> None:
    """EMO-DB, every fifth clip, two folds of speakers: far above the constant predictor's 14 %."""
    clips = [clip for clip in read_clips("emo-db", shared_data("EMO-DB")) if clip.emotion][::5]
    classes = sorted({str(clip.emotion) for clip in clips})
    labels = np.array([classes.index(str(clip.emotion)) for clip in clips])
    speakers = [clip.speaker for clip in clips]
    side = np.array([sorted(set(speakers)).index(speaker) % 2 for speaker in speakers])
    features = clip_functionals(clips, lambda _: None, workers=2)
    decided = np.zeros_like(labels)
    for test in (0, 1):
        learned, heard = side != test, side == test
        who = [speaker for speaker, one in zip(speakers, learned, strict=True) if one]
        fitted = fit_baseline("lr", features[learned], labels[learned], who, 1)
        decided[heard] = fitted.probabilities(features[heard]).argmax(axis=1)
    assert balanced_accuracy_score(labels, decided) > 0.5
