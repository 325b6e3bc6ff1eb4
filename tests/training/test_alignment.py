"""The classifier on what embedding and functionals share: it finds it, ignores the rest, and is one plain head."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.handcrafted.functionals import names
from edge_ser.spec import FUNCTIONALS, FusionSpec
from edge_ser.spec_file import load_spec
from edge_ser.training import alignment
from edge_ser.training.alignment import aligned_head, fit_aligned

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
CLASSES, INPUTS = 4, 12


def _clips(rng: np.random.Generator, clips: int, rank: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings whose class sits in ``rank`` directions that the functionals know, under loud other directions."""
    labels = np.arange(clips) % CLASSES
    centres = np.random.default_rng(5).normal(size=(CLASSES, rank)) * 2
    voice = centres[labels] + rng.normal(size=(clips, rank)) * 0.5
    mixing = np.random.default_rng(6).normal(size=(rank, INPUTS))
    other = rng.normal(size=(clips, INPUTS)) * 0.3
    functionals = (
        voice @ np.random.default_rng(7).normal(size=(rank, 20)) + rng.normal(size=(clips, 20)) * 0.1
    )
    return 3 * (voice @ mixing + other) + 10, functionals, labels


def test_what_both_know_tells_the_classes_apart() -> None:
    rng = np.random.default_rng(0)
    head = fit_aligned(*_clips(rng, 400), components=3)
    embeddings, _, labels = _clips(rng, 400)
    assert head.weights.shape == (CLASSES, INPUTS)
    assert (head.logits(embeddings).argmax(axis=1) == labels).mean() > 0.9


def test_the_head_reads_the_components_only() -> None:
    """What is folded is a map of rank k: the embedding moved at right angles to it changes no score."""
    embeddings, functionals, labels = _clips(np.random.default_rng(1), 300)
    for components in (1, 2):
        head = fit_aligned(embeddings, functionals, labels, components)
        assert np.linalg.matrix_rank(head.weights, tol=1e-8) == components
    spread = embeddings.std(axis=0)
    rotation = PLSRegression(2, scale=False).fit(
        (embeddings - embeddings.mean(axis=0)) / spread,
        (functionals - functionals.mean(axis=0)) / functionals.std(axis=0),
    )
    unheard = np.linalg.svd(rotation.x_rotations_.T)[2][-1] * spread
    moved = embeddings + 5 * unheard
    assert np.allclose(head.logits(moved), head.logits(embeddings), atol=1e-6)
    assert not np.allclose(moved, embeddings, atol=1)


def test_a_shortcut_that_functionals_do_not_know_is_unheard() -> None:
    """A direction that gives the class away in training and misleads elsewhere is outside what both share."""
    rng = np.random.default_rng(2)
    embeddings, functionals, labels = _clips(rng, 400)
    cheat = np.eye(CLASSES)[labels] * 4 + rng.normal(size=(400, CLASSES)) * 0.1
    head = fit_aligned(np.hstack([embeddings, cheat]), functionals, labels, 3)
    wrong = np.eye(CLASSES)[(labels + 1) % CLASSES] * 4
    plain = fit_aligned(np.hstack([embeddings, cheat]), functionals, labels, INPUTS + CLASSES)
    misled, unmoved = (
        (one.logits(np.hstack([embeddings, wrong])).argmax(axis=1) == labels).mean() for one in (plain, head)
    )
    assert unmoved > misled + 0.1


def test_constant_values_are_left_out() -> None:
    embeddings, functionals, labels = _clips(np.random.default_rng(3), 200)
    embeddings[:, 4] = 7.0
    functionals[:, 2] = 0.0
    head = fit_aligned(embeddings, functionals, labels, 3)
    assert np.isfinite(head.weights).all()
    assert not head.weights[:, 4].any()


def test_two_classes_give_two_rows() -> None:
    embeddings, functionals, labels = _clips(np.random.default_rng(4), 200)
    two = labels < 2
    head = fit_aligned(embeddings[two], functionals[two], labels[two], 2)
    assert head.weights.shape == (2, INPUTS)
    assert (head.logits(embeddings[two]).argmax(axis=1) == labels[two]).mean() > 0.9


def test_what_cannot_be_fitted_is_refused() -> None:
    embeddings, functionals, labels = _clips(np.random.default_rng(5), 40)
    with pytest.raises(InputError, match="3 of 4 classes"):
        fit_aligned(embeddings[labels != 1], functionals[labels != 1], labels[labels != 1], 2)
    with pytest.raises(InputError, match=r"fusion\.alignment is 13; the training clips allow at most 12"):
        fit_aligned(embeddings, functionals, labels, 13)


def test_the_spec_knows_how_many_functionals_there_are() -> None:
    assert len(names()) == FUNCTIONALS


def test_functionals_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(
        TINY, fusion=FusionSpec(alignment=1), acoustic=replace(TINY.acoustic, classes=("anger", "calm"))
    )
    rng = np.random.default_rng(0)
    clips = []
    for at in range(8):
        path = tmp_path / f"{at}.wav"
        write_wav(path, (rng.normal(size=16_000) * 300 * (1 + 9 * (at % 2))).astype(np.int16), 16_000)
        clips.append(Clip("made", path, "s", emotion=("anger", "calm")[at % 2]))
    steps: list[int] = []

    def embed(features: np.ndarray) -> np.ndarray:
        return np.stack([features.mean(axis=(1, 2)), features.std(axis=(1, 2))], axis=1).astype(np.float32)

    def head() -> np.ndarray:
        with nullcontext():
            return aligned_head(spec, clips, embed, tmp_path / "aligned", steps.append).weights

    first = head()
    assert first.shape == (2, 2)
    assert sum(steps) == 2 * len(clips)

    def again(*_arguments: object) -> Callable[..., None]:
        message = "functionals were measured a second time"
        raise AssertionError(message)

    monkeypatch.setattr(alignment, "clip_functionals", again)
    assert (head() == first).all()
