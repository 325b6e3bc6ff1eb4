"""The linear probe: what it is fitted to, how its penalty is chosen, and a system whose net stays as it starts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from edge_ser.errors import InputError
from edge_ser.training.probing import STRENGTHS, fit_probe, fit_words_probe

CLASSES, INPUTS = 3, 6


def _clips(rng: np.random.Generator, people: int, own: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Embeddings of speakers who have one class each: the class in two values, the speaker in all of them."""
    centres = np.random.default_rng(1).normal(size=(CLASSES, 2)) * 2
    embeddings, labels, speakers = [], [], []
    for person in range(people):
        label = person % CLASSES
        offset = rng.normal(size=INPUTS) * own
        for _ in range(10):
            row = offset + rng.normal(size=INPUTS) * 0.5
            row[:2] += centres[label]
            embeddings.append(row * [1, 1, 1, 1, 1, 100] + 7)
            labels.append(label)
            speakers.append(f"p{person}")
    return np.array(embeddings), np.array(labels), speakers


def test_it_is_the_regularised_regression_folded_into_a_head() -> None:
    embeddings, labels, speakers = _clips(np.random.default_rng(0), 9, 0.5)
    head, strength = fit_probe(embeddings, labels, speakers)
    scaler = StandardScaler().fit(embeddings)
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
    model.fit(scaler.transform(embeddings), labels)
    assert strength in STRENGTHS
    assert np.allclose(head.logits(embeddings), model.decision_function(scaler.transform(embeddings)))


def test_the_penalty_is_the_one_that_tells_left_out_speakers_apart_best() -> None:
    chosen = set()
    for seed, own in ((0, 0.1), (1, 1.0), (2, 2.0), (3, 2.0)):
        embeddings, labels, speakers = _clips(np.random.default_rng(seed), 15, own)
        losses = []
        for strength in STRENGTHS:
            model = make_pipeline(
                StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=500)
            )
            shares = cross_val_predict(
                model, embeddings, labels, groups=speakers, cv=GroupKFold(5), method="predict_proba"
            )
            weights = compute_sample_weight("balanced", labels)
            losses.append(log_loss(labels, shares, sample_weight=weights))
        best = STRENGTHS[int(np.argmin(losses))]
        assert fit_probe(embeddings, labels, speakers)[1] == best
        chosen.add(best)
    assert len(chosen) > 1


def test_every_class_counts_alike() -> None:
    embeddings, labels, speakers = _clips(np.random.default_rng(0), 12, 0.3)
    few = np.concatenate([np.where(labels != 0)[0], np.where(labels == 0)[0][::8]])
    head, _ = fit_probe(embeddings[few], labels[few], [speakers[at] for at in few])
    others, wanted, _ = _clips(np.random.default_rng(5), 12, 0.3)
    assert (head.logits(others[wanted == 0]).argmax(axis=1) == 0).mean() > 0.8


def test_two_classes_give_two_rows() -> None:
    embeddings, labels, speakers = _clips(np.random.default_rng(4), 12, 0.3)
    two = np.where(labels < 2)[0]
    head, _ = fit_probe(embeddings[two], labels[two], [speakers[at] for at in two])
    assert head.weights.shape == (2, INPUTS)
    assert (head.logits(embeddings[two]).argmax(axis=1) == labels[two]).mean() > 0.9


def test_a_class_that_one_speaker_has_alone_is_bearable() -> None:
    embeddings, labels, speakers = _clips(np.random.default_rng(6), 2, 0.1)
    head, _ = fit_probe(embeddings, labels, speakers)
    assert np.isfinite(head.weights).all()


def test_what_cannot_be_fitted_is_refused() -> None:
    embeddings, labels, speakers = _clips(np.random.default_rng(5), 6, 0.1)
    without = np.where(labels != 1)[0]
    with pytest.raises(InputError, match="2 of 3 classes"):
        fit_probe(embeddings[without], labels[without], [speakers[at] for at in without])
    with pytest.raises(InputError, match="1 speaker"):
        fit_probe(embeddings, labels, ["a"] * len(labels))


def _heard(rng: np.random.Generator, count: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of three classes whose centres lie apart in two values, and their labels."""
    labels = np.arange(count) % CLASSES
    centres = np.random.default_rng(1).normal(size=(CLASSES, 2)) * 2
    embeddings = rng.normal(size=(count, INPUTS)) * spread
    embeddings[:, :2] += centres[labels]
    return embeddings, labels.astype(np.int64)


def test_the_penalty_of_a_keyword_probe_is_chosen_on_whoever_validates() -> None:
    rng = np.random.default_rng(0)
    learned, labels = _heard(rng, 60, 0.1)  # as a net leaves the clips that it was trained on
    clear, clear_labels = _heard(rng, 60, 0.1)
    unclear, unclear_labels = _heard(rng, 60, 2.0)
    _, when_clear = fit_words_probe(learned, labels, clear, clear_labels, CLASSES)
    head, when_unclear = fit_words_probe(learned, labels, unclear, unclear_labels, CLASSES)
    assert when_unclear < when_clear
    scaler = StandardScaler().fit(learned)
    model = LogisticRegression(C=when_unclear, class_weight="balanced", max_iter=500)
    model.fit(scaler.transform(learned), labels)
    assert np.allclose(head.logits(unclear), model.decision_function(scaler.transform(unclear)))


def test_a_keyword_that_nobody_said_is_never_decided_for() -> None:
    learned, labels = _heard(np.random.default_rng(0), 60, 0.1)
    heard = labels != 1
    head, _ = fit_words_probe(learned[heard], labels[heard], learned, labels, CLASSES)
    assert head.weights.shape == (CLASSES, INPUTS)
    assert (head.logits(learned[heard]).argmax(axis=1) == labels[heard]).all()
    assert not (
        head.logits(np.random.default_rng(1).normal(size=(500, INPUTS)) * 9).argmax(axis=1) == 1
    ).any()


def test_a_keyword_probe_needs_two_classes_and_somebody_to_choose_on() -> None:
    learned, labels = _heard(np.random.default_rng(0), 30, 0.1)
    with pytest.raises(InputError, match="hold 1 of 3 classes"):
        fit_words_probe(learned[labels < 1], labels[labels < 1], learned, labels, CLASSES)
    with pytest.raises(InputError, match="which 0 validation clips"):
        fit_words_probe(
            learned[labels < 2], labels[labels < 2], learned[labels == 2], labels[labels == 2], CLASSES
        )
