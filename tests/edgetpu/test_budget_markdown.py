"""A budget as Markdown, alone and against the state before a change; and the workflow that shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_ser.edgetpu.budget_markdown import budget_markdown, read_budget
from edge_ser.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOW = REPOSITORY / "docs" / "ci" / "budget.yml"


def _item(name: str, value: float | None, limit: float | None = None, detail: str = "") -> dict[str, Any]:
    ok = value is None or limit is None or value <= limit
    return {"name": name, "value": value, "limit": limit, "ok": ok, "predicted": False, "detail": detail}


def _cells(text: str) -> dict[str, list[str]]:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}


BEFORE = {
    "items": [
        _item("compiled_bytes", 1000, 1800),
        _item("latency_ms", 10.5, 21.0),
        _item("gone", 1),
        _item("arena", None),
    ]
}
NOW = {
    "items": [
        _item("compiled_bytes", 2000, 1800),
        _item("latency_ms", 9.45, 21.0, "an estimate, 7 | 12"),
        _item("new", 0.0),
        _item("arena", 5),
    ]
}


def test_a_budget_alone() -> None:
    text = budget_markdown(NOW, "Budget of base")
    assert text.startswith("### Budget of base\n")
    cells = _cells(text)
    assert cells["item"] == ["now", "limit", "", "remark"]
    assert cells["compiled_bytes"] == ["2,000", "1,800", "**over**", ""]
    assert cells["latency_ms"] == ["9.45", "21", "ok", r"an estimate, 7 \| 12"]
    assert text.endswith("Over the budget: compiled_bytes.\n")


def test_before_now_and_the_difference() -> None:
    cells = _cells(budget_markdown(NOW, "Budget", BEFORE))
    assert cells["item"] == ["before", "now", "change", "limit", "", "remark"]
    assert cells["compiled_bytes"][:3] == ["1,000", "2,000", "+1,000 (+100.0 %)"]
    assert cells["latency_ms"][:3] == ["10.50", "9.45", "−1.05 (-10.0 %)"]
    assert cells["new"][:3] == ["–", "0", "–"]
    assert cells["arena"][:3] == ["–", "5", "–"]
    assert _cells(budget_markdown(NOW, "Budget", NOW))["compiled_bytes"][2] == "="


def test_a_name_cannot_break_the_table() -> None:
    text = budget_markdown({"items": [_item("a|b", 1.0, detail="two\nlines")]}, "x\n# y")
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 3
    assert text.startswith("### x # y\n")


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"items": 3}',
        '{"items": [3]}',
        '{"items": [{"name": "x"}]}',
        json.dumps({"items": [_item("x", 1) | {"value": "1"}]}),
        json.dumps({"items": [_item("x", 1) | {"value": True}]}),
        json.dumps({"items": [_item("x" * 61, 1)]}),
        json.dumps({"items": [_item("x", 1) | {"detail": None}]}),
        json.dumps({"items": [_item("x", 1)] * 101}),
    ],
)
def test_another_file_is_no_budget(content: str, tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    path.write_text(content)
    with pytest.raises(InputError, match="not a budget; expected the file that this wrote"):
        read_budget(path)


def test_files_that_are_no_json_are_named(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    with pytest.raises(InputError, match=r"before\.json"):
        read_budget(path)
    path.write_text("edge-ser: something")
    with pytest.raises(InputError, match=r"before\.json"):
        read_budget(path)


def test_the_workflow_is_yaml_and_runs_what_there_is(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    # YAML 1.1 reads the key "on" as true.
    assert set(workflow) == {"name", True, "permissions", "env", "jobs"}
    steps = workflow["jobs"]["budget"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    words = [step["run"] for step in steps if "run" in step]
    assert any("edge-ser budget" in text and "--markdown" in text for text in words)
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("bash is absent")
    for text in words:
        script = re.sub(r"\$\{\{.*?\}\}", "0", text)
        assert subprocess.run([shell, "-n", "-c", script], check=False).returncode == 0, text


def _step(name: str) -> str:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return next(step["run"] for step in workflow["jobs"]["budget"]["steps"] if step.get("name") == name)


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("known", [True, False])
def test_the_steps_of_the_workflow_make_the_comment(code: int, known: bool, tmp_path: Path) -> None:
    """Both steps in a real shell and a real repository, with a stand-in for the installed command."""
    git, shell = shutil.which("git"), shutil.which("bash")
    if git is None or shell is None:
        pytest.skip("git or bash is absent")
    repository, temporary, programs = (tmp_path / name for name in ("repository", "temporary", "bin"))
    for folder in (repository / "models", temporary, programs):
        folder.mkdir(parents=True)
    program = programs / "edge-ser"
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    (repository / "other").write_text("x")
    if known:
        (repository / "models" / "base.edgeser").write_text("before")
    environment = {
        "PATH": f"{programs}:{Path(git).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(temporary),
        "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "BUNDLE": "models/base.edgeser",
        "BASE": "HEAD",
    }

    def run(*words: str) -> None:
        done = subprocess.run(
            words, cwd=repository, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    run(git, "init", "-q")
    run(git, "add", ".")
    run(git, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x")
    (repository / "models" / "base.edgeser").write_text("now")
    # As GitHub runs a step.
    run(shell, "-e", "-o", "pipefail", "-c", _step("Budget before the change"))
    run(shell, "-e", "-o", "pipefail", "-c", _step("Budget now"))
    before = temporary / "before.json"
    assert before.exists() == known
    comment = (temporary / "comment.md").read_text()
    assert comment.startswith("budget models/base.edgeser --markdown")
    assert ("--before" in comment) == known
    assert (temporary / "summary").read_text() == comment
    assert (temporary / "output").read_text() == f"code={code}\n"
