"""The model card: from the bundle's own reports, in the bundle, and readable by `show --card`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_cases import CLASSES, hearing_bundle, hiss, learned_from_nobody

from edge_ser import bundle_shipped
from edge_ser.audio import write_wav
from edge_ser.bundle import Bundle, write_bundle
from edge_ser.bundle_card import CARD, EVALUATIONS, TRIALS, model_card
from edge_ser.cli.main import main
from edge_ser.errors import InputError
from edge_ser.evaluation.metrics import constant_score, score
from edge_ser.files import json_bytes

Runner = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    """``run(...)``: exit code, standard output and error of a command in this process."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-ser", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return hearing_bundle({**learned_from_nobody(), "params": 25, "seed": 7, "commit": "abc"})


@pytest.fixture
def shipped(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle in the place of the shipped one."""
    path = tmp_path / "shipped" / "base.edgeser"
    write_bundle(path, bundle)
    monkeypatch.setattr(bundle_shipped, "SHIPPED", path)
    return path


def _row(hits: int) -> dict[str, Any]:
    """Scores of ten clips of each class, ``hits`` of the first class right and all of the others."""
    labels = np.repeat(np.arange(3), 10)
    decided = labels.copy()
    decided[hits:10] = 1
    scored = score(labels, decided, ["a", "b"] * 15, CLASSES).to_dict()
    gaps = {"uar": {"f": 0.75, "m": 0.5}, "uar_gap": 0.25}
    return {**scored, "gaps": {"sex": gaps, "speaker": {"uar_gap": 0.125}}}


def _evaluation(corpus: str, hits: int) -> dict[str, Any]:
    labels = np.repeat(np.arange(3), 10)
    constant = {"label": "anger", **constant_score(labels, ["a"] * 30, CLASSES, 0).to_dict()}
    return {
        "corpus": corpus,
        "command": f"edge-ser evaluate base.edgeser --corpus {corpus}",
        "synthetic": False,
        "n": 30,
        "speakers": 2,
        "rows": {"litert": _row(hits), "constant": constant},
    }


def _with(bundle: Bundle, name: str, report: dict[str, Any]) -> Bundle:
    return bundle.with_members({f"reports/{name}.json": json_bytes(report)})


def test_the_card_says_what_it_must_not_be_used_for(bundle: Bundle) -> None:
    card = model_card(bundle)
    for words in ("2024/1689", "Article 5(1)(f)", "Hiring", "lie detector", "Medicine", "education"):
        assert words in card


def test_the_card_says_what_it_can_tell_and_whose_consent_it_needs(bundle: Bundle) -> None:
    parts = {part.split("\n")[0]: part for part in model_card(bundle).split("\n## ")}
    assert "cannot tell what a person feels" in parts["What it can and cannot tell"]
    for words in ("informed and freely given consent", "2016/679", "sends nothing anywhere"):
        assert words in " ".join(parts["Privacy and consent"].split())
    # Of groups it says nothing that was not measured.
    assert "Not measured for this bundle" in parts["Who gets more errors"]


def test_data_licences_and_attribution(bundle: Bundle) -> None:
    card = model_card(bundle)
    assert "| emotions | crema-d (CREMA-D" in card
    assert "| ODbL 1.0 and DbCL 1.0 | – of 1 | – of 1 | – of 1 |" in card
    assert "Open Database License" in card
    assert "arXiv 1804.03209" in card
    assert "Not to be passed on" not in card


def test_a_corpus_that_may_not_ship_is_named_so() -> None:
    speakers = {"train": ["03"], "validation": [], "test": []}
    bundle = hearing_bundle({"corpora": {"emotions": {"name": "emo-db", "speakers": speakers}}})
    assert "**Not to be passed on**: the licence of emo-db" in model_card(bundle)


def test_scores_are_those_of_the_reports(bundle: Bundle) -> None:
    assert "Not measured" in model_card(bundle)
    for hits, uar, error in ((4, "80.0", "60.0"), (7, "90.0", "30.0")):
        card = model_card(_with(bundle, f"{EVALUATIONS}emo-db", _evaluation("emo-db", hits)))
        assert f"| int8, what ships | {uar} (" in card
        assert "| constant predictor | 33.3 (33.3–33.3) | 16.7 | 33.3 |" in card
        assert f"| emo-db | class | anger | {error} |" in card
        assert "| emo-db | sex | m | 50.0 |" in card
        assert "emo-db, by speaker: 12.5" in card
        assert "Tested, not trained, in: de" in card
        assert "`edge-ser evaluate base.edgeser --corpus emo-db`" in card


def test_trials_of_the_recipe_are_told_from_the_bundle(bundle: Bundle) -> None:
    spread = {"litert": {key: {"mean": 0.6, "sd": 0.02} for key in ("uar", "macro_f1", "accuracy")}}
    tables = {"crema-d": {"pooled": {"litert": _row(7)}, "spread": spread}}
    trial = {"seeds": [1, 2], "protocol": "folds", "command": "edge-ser evaluate x", "tables": tables}
    card = model_card(_with(bundle, f"{TRIALS}folds", trial))
    assert "not this bundle: crema-d, folds, seeds 1, 2" in card
    assert "| int8, what ships | 60.0 ± 2.0 (" in card


def test_a_report_of_another_shape_is_one_line(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="a report is not as edge-ser writes it"):
        model_card(_with(bundle, f"{EVALUATIONS}x", {"rows": 3}))


def test_without_provenance_there_is_no_card(bundle: Bundle) -> None:
    with pytest.raises(InputError, match="does not say what it learned from"):
        model_card(hearing_bundle({}))


def test_show_prints_the_card_that_is_in_the_bundle(run: Runner, bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "with.edgeser"
    write_bundle(path, bundle.with_members({CARD: b"# Written before\n"}))
    assert run("show", path, "--card") == (0, "# Written before\n", "")
    write_bundle(path, bundle)
    assert run("show", path, "--card")[1] == model_card(bundle)
    code, out, _ = run("show", path, "--card", "--json")
    assert (code, json.loads(out)["card"]) == (0, model_card(bundle))


def test_show_takes_the_shipped_bundle_where_none_is_named(run: Runner, shipped: Path) -> None:
    code, out, errors = run("show", "--card")
    assert code == 0, errors
    assert out.startswith("# Model card: hearing")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    write_wav(path, hiss(np.random.default_rng(1), 300.0, 0.9), 16_000)
    return path


def test_classify_takes_the_shipped_bundle_where_none_is_named(
    run: Runner, shipped: Path, recording: Path
) -> None:
    code, out, errors = run("classify", recording, "--json")
    assert code == 0, errors
    (file,) = json.loads(out)["files"]
    assert (file["file"], file["segments"][0]["emotion"]) == (str(recording), "sadness")


def test_classify_takes_the_bundle_that_is_named(
    run: Runner, bundle: Bundle, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_shipped, "SHIPPED", tmp_path / "none.edgeser")
    for name in ("mine.edgeser", "mine.zip"):
        write_bundle(tmp_path / name, bundle)
        code, out, errors = run("classify", tmp_path / name, recording, "--json")
        assert code == 0, errors
        assert [file["file"] for file in json.loads(out)["files"]] == [str(recording)]
    code, out, errors = run("classify", recording)
    assert (code, out) == (3, "")
    assert "no bundle was named" in errors


def test_a_bundle_without_recordings_is_wrong_use(run: Runner, shipped: Path) -> None:
    code, out, errors = run("classify", shipped)
    assert (code, out) == (2, "")
    assert "no recording is named" in errors
