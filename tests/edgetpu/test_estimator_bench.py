"""The estimator's bars on published measurements, by leave-one-out, and the tool that prints them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "tools" / "bench_estimator.py"
ROWS = REPOSITORY / "tools" / "measured_latencies.csv"


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )


@pytest.mark.slow
def test_the_estimator_keeps_its_bars() -> None:
    done = _run("--others", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    own, others = found["leave-one-out"], found["other hosts, shipped targets"]
    reference = [row for row in own["rows"] if row["reference"]]
    errors = sorted(abs(row["error"]) for row in reference)
    assert len(reference) >= 50
    assert errors[len(errors) // 2] <= 0.10
    assert sum(row["covered"] for row in reference) >= 0.90 * len(reference)
    # All the rows of that host, and other people's hosts with the constants as they are shipped.
    assert own["median_error"] <= 0.05
    assert own["coverage"] >= 0.90
    assert others["coverage"] >= 0.90
    assert others["median_error"] <= 0.35
    # An interval of everything is none.
    assert _median_width(own["rows"]) < 1.5
    assert _median_width(others["rows"]) < 3


def _median_width(rows: list[dict[str, Any]]) -> float:
    """High over low."""
    assert all(0 < row["estimated_ms"]["low"] < row["estimated_ms"]["mid"] for row in rows)
    return median(row["estimated_ms"]["high"] / row["estimated_ms"]["low"] for row in rows)


def test_every_row_has_a_source() -> None:
    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 100
    assert all(row["source"].strip() and float(row["ms"]) > 0 for row in rows)


def test_a_missed_bar_and_a_bad_table_end_the_tool(tmp_path: Path) -> None:
    with ROWS.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if row["set"] == "nano" and row["target"] == "usb2"][:12]
    for index, row in enumerate(rows):
        row["ms"] = str(float(row["ms"]) * (1 + 5 * (index % 3)))
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(rows)
    done = _run("--rows", path)
    assert done.returncode == 1, done.stderr
    assert "leave-one-out, reference rows: 11 rows" in done.stdout
    path.write_text("case,ms\nx,1\n")
    done = _run("--rows", path)
    assert done.returncode == 2
    assert "not a table of measurements" in done.stderr
