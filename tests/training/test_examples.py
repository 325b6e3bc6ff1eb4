"""From clips to batches: placement, the cache on disk, and epochs that depend on nothing but their number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training.examples import (
    UNLABELLED,
    Epochs,
    Example,
    cut,
    load_examples,
    make_examples,
    place,
    place_centred,
    save_examples,
    units_per_db,
)

FRONTEND = FrontendSpec()


def _ramp(frames: int) -> np.ndarray:
    return np.repeat(np.arange(1, frames + 1, dtype=np.uint8)[:, np.newaxis], 3, axis=1)


@given(st.integers(1, 200), st.integers(-250, 250), st.integers(1, 200))
def test_cut_takes_frames_where_there_are_some(length: int, start: int, frames: int) -> None:
    result = cut(_ramp(length), start, frames)
    assert result.shape == (frames, 3)
    for at in range(frames):
        inside = 0 <= start + at < length
        assert result[at, 0] == ((start + at + 1) if inside else 0)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_place_keeps_all_of_a_short_clip(length: int, frames: int, slack: int, seed: int) -> None:
    result = place(_ramp(length), (0, length), frames, slack, np.random.default_rng(seed))[:, 0]
    spoken = result[result > 0]
    assert len(spoken) == min(length, frames)
    assert (np.diff(spoken.astype(int)) == 1).all()
    if length <= frames:
        assert int(np.argmax(result > 0)) <= slack


def test_place_centred_keeps_the_surroundings() -> None:
    result = place_centred(_ramp(100), (40, 60), 40)
    assert result[:, 0].tolist() == list(range(31, 71))


def _clips(folder: Path, count: int) -> list[Clip]:
    rng = np.random.default_rng(5)
    clips = []
    for at in range(count):
        path = folder / f"{at}.wav"
        write_wav(path, (rng.normal(size=16_000 + 100 * at) * 2000).astype(np.int16), 16_000)
        clips.append(Clip("test", path, f"speaker-{at % 3}"))
    return clips


def test_examples_do_not_depend_on_workers_and_survive_the_disk(tmp_path: Path) -> None:
    clips = _clips(tmp_path, 9)
    labels = list(range(9))
    augment = AugmentSpec(copies=2)
    alone = make_examples(clips, labels, FRONTEND, augment, 1, 0.0, lambda _: None, workers=1)
    together = make_examples(clips, labels, FRONTEND, augment, 1, 0.0, lambda _: None, workers=2)
    save_examples(tmp_path / "examples.npz", alone)
    for one, other, read in zip(alone, together, load_examples(tmp_path / "examples.npz"), strict=True):
        assert len(one.versions) == 3
        assert one.label == other.label == read.label
        assert one.speaker == read.speaker
        assert one.focuses == other.focuses == read.focuses
        for a, b, c in zip(one.versions, other.versions, read.versions, strict=True):
            assert (a == b).all()
            assert (a == c).all()


def test_the_first_version_is_what_the_device_sees(tmp_path: Path) -> None:
    (clip,) = _clips(tmp_path, 1)
    (example,) = make_examples([clip], [0], FRONTEND, AugmentSpec(copies=1), 1, 0.0, lambda _: None)
    from edge_ser.audio import read_audio

    expected = NetInput(make_tables(FRONTEND)).features(read_audio(clip.path)[np.newaxis])[0]
    assert (example.versions[0] == expected).all()
    assert example.versions[1].shape != expected.shape or (example.versions[1] != expected).any()


def test_a_word_keeps_its_surroundings(tmp_path: Path) -> None:
    path = tmp_path / "sentence.wav"
    samples = np.zeros(32_000, np.int16)
    samples[16_000:20_000] = 8000
    write_wav(path, samples, 16_000)
    word = Clip("test", path, "s", start_s=1.0, end_s=1.25, keyword="word")
    (example,) = make_examples([word], [0], FRONTEND, AugmentSpec(copies=0), 1, 0.4, lambda _: None)
    first, last = example.focuses[0]
    assert first * 0.02 == pytest.approx(0.4, abs=0.02)
    assert (last - first) * 0.02 == pytest.approx(0.25, abs=0.02)


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.npz"
    path.write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"train\.npz"):
        load_examples(path)


def _epochs(examples: list[Example], recipe: RecipeSpec) -> Epochs:
    return Epochs(examples, 2, 30, recipe, FRONTEND, seed=3, centred=False)


def test_an_epoch_depends_on_its_number_alone() -> None:
    examples = [
        Example(at % 2, "s", (np.full((20 + at, 40), 100 + at, np.uint8),), ((0, 20 + at),))
        for at in range(12)
    ]
    epochs = _epochs(examples, RecipeSpec())
    for first, again in zip(epochs.epoch(4), epochs.epoch(4), strict=True):
        assert (first == again).all()
    assert (epochs.epoch(4)[0] != epochs.epoch(5)[0]).any()


def test_targets_are_soft_and_rare_classes_weigh_more() -> None:
    examples = [
        Example(int(at == 0), "s", (np.full((30, 40), 99, np.uint8),), ((0, 30),)) for at in range(10)
    ]
    plain = AugmentSpec(gain_db=0, time_mask_frames=0, channel_mask=0, mixup=0, time_shift_s=0)
    inputs, targets, weights = _epochs(examples, RecipeSpec(label_smoothing=0.1, augment=plain)).epoch(0)
    assert inputs.shape == (10, 30, 40, 1)
    assert np.allclose(inputs, 99 / 255)
    assert np.allclose(targets.sum(axis=1), 1)
    assert np.allclose(np.sort(targets.max(axis=1)), 0.95)
    rare = targets[:, 1] > 0.5
    assert weights[rare].sum() == pytest.approx(weights[~rare].sum())


def test_an_example_without_a_label_is_taught_no_class_and_counts_as_one() -> None:
    labels = [0] * 6 + [1] * 2 + [UNLABELLED] * 5
    examples = [Example(label, "s", (np.full((30, 40), 99, np.uint8),), ((0, 30),)) for label in labels]
    plain = AugmentSpec(gain_db=0, time_mask_frames=0, channel_mask=0, mixup=0, time_shift_s=0)
    for smoothing in (0.0, 0.1):
        recipe = RecipeSpec(label_smoothing=smoothing, augment=plain)
        _, targets, weights = _epochs(examples, recipe).epoch(0)
        unlabelled = targets.sum(axis=1) == 0
        assert unlabelled.sum() == 5
        assert np.allclose(targets[~unlabelled].sum(axis=1), 1)
        assert weights[unlabelled].tolist() == [1.0] * 5
        # The labelled weigh what they weigh among themselves.
        _, _, alone = _epochs(examples[:8], recipe).epoch(0)
        assert sorted(weights[~unlabelled]) == sorted(alone)


def test_one_decibel_in_the_log_domain() -> None:
    """Gain on samples and gain on features are the same thing, to rounding."""
    rng = np.random.default_rng(0)
    samples = (rng.normal(size=16_000) * 1000).astype(np.int16)
    louder = np.round(samples * 10 ** (6 / 20)).astype(np.int16)
    net_input = NetInput(make_tables(FRONTEND))
    quiet, loud = (net_input.features(x[np.newaxis])[0].astype(int) for x in (samples, louder))
    assert np.abs((loud - quiet) - 6 * units_per_db(FRONTEND)).mean() < 0.7
