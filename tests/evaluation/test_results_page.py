"""docs/results.md is what its command makes of the kept reports, and those are small, whole and nobody's folders."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_ser.errors import InputError
from edge_ser.evaluation.condensed import condensed, folders_named
from edge_ser.evaluation.decided import ClipName, Decided
from edge_ser.evaluation.summary import headline, over_seeds

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tools"))

import results  # noqa: E402

CLASSES = ("anger", "neutral", "sadness")
SPEAKERS = 30


def _decided(seed: int, hits: int) -> Decided:
    """Per speaker three clips, one per class; of ``hits`` in ten speakers all are right, of the others none."""
    labels = np.tile(np.arange(3), SPEAKERS)
    right = np.repeat(np.arange(SPEAKERS) % 10 < hits, 3)
    choice = np.where(right, labels, (labels + 1) % 3)
    sure = np.eye(3)[choice] * 0.7 + 0.1
    clips = tuple(
        ClipName("folder", f"{at}.wav", 0.0, f"speaker-{at // 3:02}", "fm"[at // 3 % 2])
        for at in range(3 * SPEAKERS)
    )
    probabilities = {"float": sure, "litert": sure, "lr": np.roll(sure, seed, axis=0)}
    return Decided(CLASSES, clips, labels, probabilities, 0)


def _report(*hits: int, **changed: Any) -> dict[str, Any]:
    """A report as evaluate writes it: one seed for each of ``hits``."""
    tables = {"folder": over_seeds({seed: [_decided(seed, hit)] for seed, hit in enumerate(hits, 1)})}
    return {
        **headline(tables["folder"]["pooled"]),
        "command": "edge-ser evaluate models/x.toml --corpus folder --root FOLDER -o OUT",
        "spec_sha256": "ab" * 32,
        "code_sha256": "cd" * 32,
        "commit": None,
        "versions": {"edge-ser": "0.0"},
        "spec": {"name": "x", "acoustic": {"classes": list(CLASSES)}},
        "corpus": "folder",
        "sources": [],
        "synthetic": False,
        "protocol": "folds",
        "folds": ["by speaker"],
        "level_dbfs": None,
        "seeds": list(range(1, len(hits) + 1)),
        "params": 1234,
        "bytes": {"keyword": 10, "acoustic": 20},
        "keras_difference": {"keyword": 1e-6, "acoustic": 2e-6},
        "golden": {"litert": {"acoustic": 0, "keyword": 1}},
        "tables": tables,
        **changed,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "results"
    place.mkdir()
    return place


def _keep(folder: Path, name: str, report: dict[str, Any], command: str | None = None) -> Path:
    source = folder.parent / "evaluation.json"
    source.write_text(json.dumps(report))
    return results.keep(source, name, command, folder)


def _index(folder: Path, text: str) -> None:
    (folder / "index.toml").write_text(text)


def test_the_page_in_the_repository_is_what_its_reports_say() -> None:
    assert results.PAGE.read_text(encoding="utf-8") == results.page(results.FOLDER), "run: make docs-results"


def test_a_result_shows_mean_and_spread_pooled_and_constant(folder: Path) -> None:
    _keep(folder, "one", _report(4, 6))
    _index(folder, 'title = "R"\n[[section]]\ntitle = "A result"\ntext = "Words."\nfile = "one.json"\n')
    page = results.page(folder)
    assert page.startswith("# R\n")
    assert "- [A result](#a-result)" in page
    assert "## A result\n\nWords." in page
    assert "folder: 90 clips of 30 speakers; protocol folds, 1 trainings a seed; seeds 1, 2." in page
    # 4 and 6 of 10 speakers are right: 40 and 60 %, together 50.
    row = next(line for line in page.splitlines() if line.startswith("| int8, LiteRT"))
    assert row.startswith("| int8, LiteRT built-in kernels | 50.0 ± 14.1 | 50.0 (")
    assert "| constant predictor (anger) | 33.3 ± 0.0 | 33.3 (33.3–33.3) | 16.7 ± 0.0 |" in page
    assert (
        "int8 is 0.00 points of UAR below float, pooled. Same class: float and int8 LiteRT: 100.0 %." in page
    )
    assert "| is anger | 30 | 30 | 0 |" in page
    assert "```sh\nedge-ser evaluate models/x.toml --corpus folder --root FOLDER -o OUT\n```" in page
    assert "code `cdcdcdcdcdcd`" in page


def test_another_number_in_the_report_is_another_page(folder: Path) -> None:
    _keep(folder, "one", _report(4, 6))
    _index(folder, '[[section]]\ntitle = "A"\nfile = "one.json"\n')
    before = results.page(folder)
    kept = folder / "one.json"
    kept.write_text(kept.read_text().replace('"drop": 0.0', '"drop": 0.31'))
    assert results.page(folder) != before


def test_an_ablation_pairs_seeds(folder: Path) -> None:
    _keep(folder, "base", _report(4, 5, 6))
    _keep(folder, "more", _report(5, 6, 9, params=999))
    _index(
        folder,
        '[[section]]\ntitle = "A"\nbaseline = "plain"\n'
        'rows = [{ name = "plain", file = "base.json" }, { name = "more", file = "more.json" }]\n',
    )
    page = results.page(folder)
    assert "| **plain** | 50.0 ± 10.0 | – |" in page
    # Seed by seed 10, 10 and 30 points more.
    assert "| more | 66.7 ± 20.8 | +16.7 ± 11.5 |" in page
    assert "| 999 | 1, 2, 3 |" in page
    assert "# more\nedge-ser evaluate" in page


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"corpus": "emo-db"}, "another corpus"),
        ({"level_dbfs": -26.0}, "another level_dbfs"),
        ({"folds": ["other"]}, "another folds"),
        ({"seeds": [8]}, "shares no seed"),
        ({"spec": {"acoustic": {"classes": ["anger", "neutral"]}}}, "other classes"),
    ],
)
def test_only_one_protocol_stands_side_by_side(changed: dict[str, Any], words: str, folder: Path) -> None:
    _keep(folder, "base", _report(4, 5))
    _keep(folder, "more", _report(5, 6, **changed))
    _index(
        folder,
        '[[section]]\ntitle = "A"\nbaseline = "a"\n'
        'rows = [{ name = "a", file = "base.json" }, { name = "b", file = "more.json" }]\n',
    )
    with pytest.raises(InputError, match=words):
        results.page(folder)


def test_what_is_kept_is_small_and_the_page_the_same(folder: Path) -> None:
    report = _report(4, 6)
    kept = _keep(folder, "one", report)
    assert kept.stat().st_size < len(json.dumps(report)) / 2
    record = json.loads(kept.read_text())
    assert record == condensed(record)
    assert "uar" not in record["tables"]["folder"]["pooled"]["litert"]["gaps"]["speaker"]
    assert "speaker-01" not in kept.read_text()
    _index(folder, '[[section]]\ntitle = "A"\nfile = "one.json"\n')
    assert results.page(folder)


def test_a_report_that_does_not_say_what_made_it(folder: Path) -> None:
    report = _report(4)
    del report["command"]
    with pytest.raises(InputError, match="says what made it"):
        _keep(folder, "one", report)
    _keep(folder, "one", report, command="edge-ser evaluate y.toml")
    _index(folder, '[[section]]\ntitle = "A"\nfile = "one.json"\n')
    assert "Made by (command noted by hand)" in results.page(folder)
    with pytest.raises(InputError, match="leave --command out"):
        _keep(folder, "two", _report(4), command="edge-ser evaluate y.toml")


def test_a_report_too_large_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="expected at most 50000"):
        _keep(folder, "one", _report(4, notes=["x" * 60_000]))


@pytest.mark.parametrize("place", ["/data/CREMA-D", "~/CREMA-D", "C:\\CREMA-D", "--root=/data"])
def test_somebodys_folder_is_refused(place: str, folder: Path) -> None:
    with pytest.raises(InputError, match="folder of somebody's machine"):
        _keep(folder, "one", _report(4, command=f"edge-ser evaluate x.toml --root {place}"))
    assert not list(folder.iterdir())


def test_ordinary_words_name_no_folder() -> None:
    texts = ["models/base.toml", "ODbL 1.0 and/or DbCL 1.0", "tcp", "fold = index mod 4", "arXiv 1810.03993"]
    assert not list(folders_named({"command": texts, "more": {"OUT": 1.5}}))
    assert list(folders_named({"a": [{"/data/x": 1}]})) == ["/data/x"]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("", "no section of index.toml shows it"),
        ("[[section]", "not TOML"),
        ('titel = "x"', "titel = 'x' is not known"),
        ('[[section]]\ntitle = "A"\n', "expected a title, and file"),
        ('[[section]]\ntitle = "A"\nfile = "../one.json"\n', "no name of a kept report"),
        (
            '[[section]]\ntitle = "A"\nfile = "two.json"\n[[section]]\ntitle = "B"\nfile = "one.json"',
            "two.json",
        ),
        ('[[section]]\ntitle = "A"\nfile = "one.json"\n' * 2, "two sections are titled 'A'"),
        (
            '[[section]]\ntitle = "A"\nbaseline = "z"\nrows = [{ name = "a", file = "one.json" }]',
            "baseline 'z'",
        ),
        ('[[section]]\ntitle = "A"\nbaseline = "a"\nrows = [{ name = "a" }]', "a file for every row"),
        ('[[section]]\ntitle = "A"\nfile = 3\n', "file = 3 is not known"),
        ("section = [1]", "expected a table of"),
    ],
)
def test_a_wrong_index_is_named(index: str, words: str, folder: Path) -> None:
    _keep(folder, "one", _report(4))
    _index(folder, index)
    with pytest.raises(InputError) as caught:
        results.page(folder)
    assert words in str(caught.value)


def test_a_report_of_another_shape_is_one_line(folder: Path) -> None:
    broken = copy.deepcopy(_report(4))
    del broken["tables"]["folder"]["spread"]
    _keep(folder, "one", broken)
    _index(folder, '[[section]]\ntitle = "A"\nfile = "one.json"\n')
    with pytest.raises(InputError, match=r"one\.json: not as edge-ser evaluate writes it"):
        results.page(folder)
