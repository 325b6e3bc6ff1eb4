"""`edge-ser report`: what it writes and where, and one line for everything that is wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_cases import bench, exam, parity, recording, row, training, trial, written

from edge_ser.bundle import read_bundle
from edge_ser.bundle_curves import is_training_of, read_curves
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.cli.main import main
from edge_ser.errors import InputError
from edge_ser.report.contents import Report
from edge_ser.report.markdown import markdown_report, plain
from edge_ser.report.sources import MOST_FILES, Sources

Runner = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    """``run(...)``: exit code, standard output and error of the command in this process."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edge-ser", "report", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_the_shipped_bundle_gives_a_page(run: Runner, tmp_path: Path) -> None:
    code, out, err = run("-o", tmp_path / "new" / "report")
    assert (code, out) == (0, "")
    page = tmp_path / "new" / "report" / "index.html"
    assert err == f"{page} written, {page.stat().st_size:,} bytes\n"
    assert page.read_bytes().startswith(b"<!doctype html>")


def test_json_says_where_the_page_is(run: Runner, tmp_path: Path) -> None:
    code, out, _ = run(SHIPPED, "-o", tmp_path, "--format", "md", "--json")
    page = tmp_path / "report.md"
    assert code == 0
    assert json.loads(out) == {"file": str(page), "format": "md", "bytes": page.stat().st_size}


def test_markdown_goes_to_standard_output(run: Runner, tmp_path: Path) -> None:
    code, out, _ = run("--format", "md", "--scores", written(tmp_path / "s.json", exam()))
    assert code == 0
    assert out.startswith("### Report of ")
    assert "| emo-db | int8, what ships | **80.0** | 70.0–90.0 | 80.0 | 20 |" in out
    assert "Another bundle, made" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "-o DIR"),
        (("--format", "pdf", "-o", "x"), "'pdf' is not known; expected one of html, md"),
        (("--format", "md", "--json"), "-o DIR"),
        (("nothing.edgeser", "-o", "x"), "nothing.edgeser: cannot be read"),
        (("-o", "x", "--bench", "nothing.json"), "nothing.json: cannot be read"),
        (("-o", "x", "--scores", "nothing.json"), "nothing.json: cannot be read"),
        (("-o", "x", "--parity", "nothing.json"), "nothing.json: cannot be read"),
        (("-o", "x", "--training", "nothing"), "nothing: no such folder"),
        (("-o", "x", "--example", "nothing.wav"), "nothing.wav"),
        (("-o", "x", *(["--scores", "a.json"] * (MOST_FILES + 1))), "expected at most 64"),
    ],
)
def test_wrong_use_is_one_line(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def _changed(record: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(record))
    at: Any = changed
    *way, last = path.split(".")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[int(last) if isinstance(at, list) else last] = value
    return changed


@pytest.mark.parametrize(
    ("record", "path", "value"),
    [
        (exam(), "rows", {}),
        (exam(), "rows", []),
        (exam(), "rows.litert.uar", "much"),
        (exam(), "rows.litert.uar", float("nan")),
        (exam(), "rows.litert.uar", 1.5),
        (exam(), "rows.litert.interval", [0.1]),
        (exam(), "rows.litert.confusion", [[1, 2, 3]]),
        (exam(), "rows.litert.confusion", [[1, 2], [3]]),
        (exam(), "rows.litert.confusion", [[-1, 2], [3, 4]]),
        (exam(), "rows.litert.per_class", {}),
        (exam(), "rows.float", row(("other", "classes"))),
        (exam(), "bundle", None),
        (exam(), "corpus", 3),
        (exam(), "agreement", {"a, b": "often"}),
        (trial("a", {"1": 0.5}), "tables.emo-db", None),
        (trial("a", {"1": 0.5}), "tables.emo-db.pooled", {}),
        (trial("a", {"1": 0.5}), "tables.emo-db.spread.litert.uar.mean", float("inf")),
        (trial("a", {"1": 0.5}), "tables", {}),
        (trial("a", {"1": 0.5}), "seeds", "1"),
    ],
)
def test_scores_that_are_none_are_refused(
    run: Runner, tmp_path: Path, record: dict[str, Any], path: str, value: object
) -> None:
    code, _, err = run(
        "-o", tmp_path / "out", "--scores", written(tmp_path / "s.json", _changed(record, path, value))
    )
    assert code == 2, err
    assert "s.json: " in err
    assert "expected what edge-ser evaluate printed" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--bench", "{}"),
        ("--bench", json.dumps(bench(format=2))),
        ("--bench", json.dumps(bench(p50_ms="fast"))),
        ("--parity", "{}"),
        ("--parity", json.dumps({**parity(), "pairs": [{"a": 1}]})),
        ("--parity", json.dumps({**parity(), "seconds": -1})),
        ("--scores", "[]"),
        ("--scores", "{"),
        ("--scores", "[" * 100_000),
        ("--example", "no sound"),
    ],
)
def test_files_of_another_kind_are_refused(run: Runner, tmp_path: Path, option: str, text: str) -> None:
    (tmp_path / "file.json").write_text(text)
    code, _, err = run("-o", tmp_path / "out", option, tmp_path / "file.json")
    assert code == 2
    assert "file.json" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '{"epoch": 0, "loss": 1, "validation_uar": 0}',
        '{"epoch": 1, "loss": NaN, "validation_uar": 0}',
    ],
)
def test_a_log_that_is_none_is_refused(tmp_path: Path, line: str) -> None:
    folder = training(tmp_path / "trained")
    log = folder / "acoustic" / "log.jsonl"
    log.write_text(f"{log.read_text()}{line}\n" if line else "")
    with pytest.raises(InputError, match=r"acoustic/log\.jsonl"):
        read_curves(folder)


def test_curves_are_of_the_bundle_only_where_its_report_says_so(tmp_path: Path) -> None:
    bundle = read_bundle(SHIPPED)
    told = bundle.report("train")
    folder = training(tmp_path / "trained")
    assert [(curve.stage, len(curve.epochs)) for curve in read_curves(folder)] == [
        ("acoustic", 3),
        ("keyword", 3),
    ]
    assert not is_training_of(folder, bundle)
    assert told is not None
    written(folder / "train.json", {**told, "spec": {"name": "shipped"}})
    assert is_training_of(folder, bundle)
    written(folder / "train.json", {**told, "params": 1})
    assert not is_training_of(folder, bundle)


def test_what_was_predicted_is_called_so_in_markdown(full: Report) -> None:
    text = markdown_report(full)
    assert "| Coral Dev Board Micro, 250 MHz | predicted |" in text
    assert "| virtual (of another build) |" in text
    assert "**Mapping**, predicted" in text
    assert "0 mismatches in 5,960 values" in text
    assert "| wide | 62.5 ± 2.0 | +7.5 |" in text


def test_every_table_of_the_markdown_is_whole(full: Report) -> None:
    blocks = [block.splitlines() for block in markdown_report(full).split("\n\n")]
    tables = [lines for lines in blocks if lines[0].startswith("| ")]
    assert len(tables) >= 6
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


@given(st.text(max_size=60))
def test_no_text_is_markup_in_markdown(text: str) -> None:
    line = plain(text)
    assert "\n" not in line
    # Every sign that could begin something is behind a backslash of its own.
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()<>#|~$&]", line)
    assert not re.search(r"@\w|https?:|www\.", line)


def test_an_example_of_a_silent_or_tiny_recording_is_no_crash(run: Runner, tmp_path: Path) -> None:
    import numpy as np

    from edge_ser.audio import write_wav

    write_wav(tmp_path / "silent.wav", np.zeros(16000, np.int16), 16000)
    write_wav(tmp_path / "tiny.wav", np.ones(3, np.int16), 16000)
    recording(tmp_path / "voice.wav", 0.7)
    files = [part for name in ("silent", "tiny", "voice") for part in ("--example", tmp_path / f"{name}.wav")]
    code, _, err = run("-o", tmp_path / "out", *files)
    assert code == 0, err
    assert (tmp_path / "out" / "index.html").read_text().count("<audio") == 3


def test_sources_are_limited() -> None:
    with pytest.raises(InputError, match="--example: 65 files"):
        Sources(examples=tuple(Path(f"{at}.wav") for at in range(65)))
