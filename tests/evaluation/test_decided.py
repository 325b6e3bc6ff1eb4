"""Decisions survive their file, are pooled right, and every table has the constant predictor's row."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edge_ser.errors import InputError
from edge_ser.evaluation.controls import Controlled
from edge_ser.evaluation.decided import ClipName, Decided, decided_from_dict, pool
from edge_ser.evaluation.shipped import among_shared
from edge_ser.evaluation.summary import agreement, headline, over_seeds, table_of

CLASSES = ("anger", "neutral", "sadness")


def _decided(seed: int = 1, wrong: float = 0.3, names: tuple[str, ...] = ("float", "litert")) -> Decided:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(3), 20)
    clips = tuple(
        ClipName("emo-db", f"{at}.wav", 0.0, f"{at % 5:02d}", "fm"[at % 2]) for at in range(len(labels))
    )
    probabilities = {}
    for name in names:
        called = np.where(rng.random(len(labels)) < wrong, (labels + 1) % 3, labels)
        probabilities[name] = 0.7 * np.eye(3)[called] + 0.1
    return Decided(CLASSES, clips, labels, probabilities, 1)


def test_decisions_survive_their_file() -> None:
    before = _decided()
    after = decided_from_dict(json.loads(json.dumps(before.to_dict())), "file")
    assert after.clips == before.clips
    assert after.constant == before.constant
    assert (after.labels == before.labels).all()
    for name, rows in before.probabilities.items():
        assert np.allclose(after.probabilities[name], rows, atol=1e-5)


@pytest.mark.parametrize("key", ["classes", "clips", "labels", "probabilities", "constant"])
def test_a_broken_file_is_named(key: str) -> None:
    plain = _decided().to_dict()
    del plain[key]
    with pytest.raises(InputError, match=r"fold-00\.json"):
        decided_from_dict(plain, "fold-00.json")
    plain = _decided().to_dict()
    plain[key] = "nonsense"
    with pytest.raises(InputError, match=r"fold-00\.json"):
        decided_from_dict(plain, "fold-00.json")


def test_rows_that_do_not_fit_are_refused() -> None:
    good = _decided()
    with pytest.raises(InputError, match="expected \\(60, 3\\)"):
        Decided(CLASSES, good.clips, good.labels, {"float": np.zeros((60, 2))}, 0)
    with pytest.raises(InputError, match="not all within"):
        Decided(CLASSES, good.clips, good.labels + 1, {}, 0)


def test_pooling_keeps_the_predictors_that_every_fold_has() -> None:
    folds = [_decided(1), _decided(2, names=("litert", "tflm"))]
    pooled = pool(folds)
    assert list(pooled.probabilities) == ["litert"]
    assert len(pooled.labels) == 120
    with pytest.raises(InputError, match="0 sets"):
        pool([])


def test_every_table_has_the_constant_predictor() -> None:
    rows = table_of(_decided(wrong=0.0))
    assert list(rows) == ["float", "litert", "constant"]
    assert rows["constant"]["uar"] == pytest.approx(1 / 3, abs=1e-4)
    assert rows["constant"]["label"] == "neutral"
    assert rows["litert"]["uar"] == 1
    # Right every time at a confidence of 0.8.
    assert rows["litert"]["ece"] == pytest.approx(0.2, abs=1e-6)
    assert set(rows["litert"]["gaps"]["sex"]["uar"]) == {"f", "m"}
    assert len(rows["litert"]["gaps"]["speaker"]["uar"]) == 5


def test_seeds_are_told_apart_and_pooled() -> None:
    found = over_seeds({1: [_decided(1, 0.1)], 2: [_decided(2, 0.5)], 3: [_decided(3, 0.3)]})
    uars = [found["seeds"][seed]["litert"]["uar"] for seed in "123"]
    assert found["spread"]["litert"]["uar"]["mean"] == pytest.approx(np.mean(uars), abs=1e-4)
    assert found["spread"]["litert"]["uar"]["sd"] == pytest.approx(np.std(uars, ddof=1), abs=1e-4)
    assert found["pooled"]["litert"]["uar"] == pytest.approx(np.mean(uars), abs=1e-3)
    assert found["pooled"]["litert"]["n"] == 180
    assert found["pooled"]["litert"]["speakers"] == 5
    drop = 100 * (found["pooled"]["float"]["uar"] - found["pooled"]["litert"]["uar"])
    assert found["drop"] == pytest.approx(drop, abs=0.02)
    contract = {"uar", "macro_f1", "per_class", "confusion", "n", "speakers", "interval"}
    assert contract <= set(headline(found["pooled"]))


def test_one_seed_has_no_deviation() -> None:
    assert over_seeds({1: [_decided()]})["spread"]["litert"]["uar"]["sd"] is None


def test_agreement_is_between_ways_to_run_the_same_nets() -> None:
    decided = _decided(names=("float", "litert", "lr"))
    same = (
        decided.probabilities["float"].argmax(axis=1) == decided.probabilities["litert"].argmax(axis=1)
    ).mean()
    assert agreement(decided) == {"float, litert": pytest.approx(same, abs=1e-4)}


def test_among_shared_decides_between_what_there_is() -> None:
    labels = np.array([0, 2])
    clips = (ClipName("urdu", "a.wav", 0.0, "1", "f"), ClipName("urdu", "b.wav", 0.0, "2", "m"))
    # "neutral" wins both times, and the corpus has none.
    open_ = Decided(CLASSES, clips, labels, {"litert": np.array([[0.3, 0.6, 0.1], [0.1, 0.5, 0.4]])}, 0)
    narrowed = among_shared(open_)
    assert narrowed is not None
    assert table_of(open_)["litert"]["uar"] == 0
    assert table_of(narrowed)["litert"]["uar"] == 1
    assert narrowed.classes == ("anger", "sadness")
    assert np.allclose(narrowed.probabilities["litert"].sum(axis=1), 1)
    assert among_shared(_decided()) is None


def _controlled(seed: int) -> Decided:
    """Keywords that mend half of what acoustics alone get wrong."""
    decided = replace(_decided(seed, wrong=0.2, names=("litert",)), controls={})
    right = decided.probabilities["litert"].argmax(axis=1)
    alone = np.where(np.random.default_rng(seed + 100).random(len(right)) < 0.2, (right + 2) % 3, right)
    shuffled = np.stack([alone, alone])
    return replace(decided, controls={"litert": Controlled(alone[np.newaxis], shuffled, shuffled)})


def test_controls_survive_their_file_and_are_summed_up_over_folds_and_seeds() -> None:
    folds = [_controlled(seed) for seed in (1, 2)]
    again = decided_from_dict(json.loads(json.dumps(folds[0].to_dict())), "file")
    assert (again.controls["litert"].alone == folds[0].controls["litert"].alone).all()
    found = over_seeds({1: folds, 2: [folds[1], folds[0]]})["keywords"]["litert"]
    assert found["gains"]["fused"]["points"] > 5
    assert found["gains"]["shuffled"]["points"] == 0
    # The same folds in another order: the seeds agree.
    assert found["seeds"]["sd"] == 0
    assert found["seeds"]["mean"] == pytest.approx(found["gains"]["fused"]["points"], abs=0.01)
    assert "keywords" not in over_seeds({1: [folds[0], _decided(3, names=("litert",))]})


def test_broken_controls_are_named() -> None:
    plain = _controlled(1).to_dict()
    plain["controls"]["litert"]["alone"] = ["0"]
    with pytest.raises(InputError, match=r"fold-00\.json"):
        decided_from_dict(plain, "fold-00.json")
