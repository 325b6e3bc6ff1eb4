"""Accuracy and coverage by thresholds that were chosen elsewhere."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from edge_ser.cli.abstaining import render_abstaining
from edge_ser.errors import InputError
from edge_ser.evaluation.decided import ClipName, Decided
from edge_ser.evaluation.selective import SPEC, coverage_table, thresholds_of

CLASSES = ("anger", "calm")


def _decided(sure: list[float], right: list[bool], way: str = "litert") -> Decided:
    """Clips of alternating classes, decided with the given confidence."""
    labels = np.arange(len(sure)) % 2
    rows = np.zeros((len(sure), 2))
    for at, (share, hit) in enumerate(zip(sure, right, strict=True)):
        chosen = labels[at] if hit else 1 - labels[at]
        rows[at, chosen], rows[at, 1 - chosen] = share, 1 - share
    clips = tuple(ClipName("c", f"{at}.wav", 0.0, "s", "") for at in range(len(sure)))
    return Decided(CLASSES, clips, labels, {way: rows}, 0)


def test_less_is_said_and_more_of_it_is_right() -> None:
    decided = _decided([0.95, 0.9, 0.8, 0.6, 0.55, 0.52], [True, True, True, False, True, False])
    found = coverage_table([(decided, {"0.8": 0.55, "0.5": 0.8, SPEC: 0.99})])["litert"]
    whole, most, half, nothing = found
    assert (whole["wished"], whole["threshold"], whole["coverage"]) == (None, 0.0, 1.0)
    assert (whole["accuracy"], whole["risk"]) == (round(4 / 6, 4), round(2 / 6, 4))
    assert (most["wished"], most["coverage"], most["accuracy"]) == (0.8, round(5 / 6, 4), 0.8)
    assert (half["wished"], half["coverage"], half["accuracy"], half["uar"]) == (0.5, 0.5, 1.0, 1.0)
    assert (nothing["wished"], nothing["coverage"], nothing["accuracy"]) == (SPEC, 0.0, None)


def test_every_fold_keeps_by_its_own_threshold() -> None:
    first, second = _decided([0.9, 0.6], [True, False]), _decided([0.9, 0.6], [True, True])
    (_, row) = coverage_table([(first, {"0.5": 0.95}), (second, {"0.5": 0.5})])["litert"]
    assert (row["coverage"], row["accuracy"], row["threshold"]) == (0.5, 1.0, 0.725)
    assert coverage_table([(first, {"0.5": 0.9}), (second, {})]) == {}
    assert coverage_table([]) == {}


def test_the_largest_share_comes_first_however_it_was_kept() -> None:
    decided = _decided([0.9, 0.6], [True, False])
    rows = coverage_table([(decided, {SPEC: 0.7, "0.5": 0.8, "0.95": 0.5})])["litert"]
    assert [row["wished"] for row in rows] == [None, 0.95, 0.5, SPEC]


def test_predictors_that_are_no_system_have_no_row() -> None:
    assert coverage_table([(_decided([0.9], [True], "lr"), {"0.5": 0.5})]) == {}


def test_thresholds_of_what_a_training_says() -> None:
    assert thresholds_of(None, 0.0, "x") == thresholds_of({"penalty": 1}, 0.0, "x") == {}
    assert thresholds_of({"abstain": {"0.9": 0.4}}, 0.6, "x") == {"0.9": 0.4, SPEC: 0.6}
    for bad in ("0.4", 1.5, -0.1, None):
        with pytest.raises(InputError, match="x: threshold"):
            thresholds_of({"abstain": {"0.9": bad}}, 0.0, "x")
    with pytest.raises(InputError, match="'most'"):
        thresholds_of({"abstain": {"most": 0.5}}, 0.0, "x")


def test_the_table_says_all_of_it() -> None:
    decided = _decided([0.9, 0.6], [True, False])
    rows = coverage_table([(decided, {"0.5": 0.7, SPEC: 0.95})])
    console = Console(width=160, record=True, file=StringIO())
    console.print(render_abstaining(rows, " — note"))
    lines = [line.replace("│", " ").split() for line in console.export_text().splitlines()]
    assert ["litert", "all", "0.000", "100.0", "50.0", "50.0", "50.0"] in lines
    assert ["litert", "50", "%", "0.700", "50.0", "100.0", "0.0", "100.0"] in lines
    assert ["litert", "decision.abstain", "0.950", "0.0", "–", "–", "–"] in lines
