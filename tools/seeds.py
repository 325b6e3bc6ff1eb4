r"""Train and quantise a system with several seeds, and print the scores of the int8 files: mean and spread.

    .venv/bin/python tools/seeds.py models/crema-d.toml --corpus crema-d --root CREMA-D \
        --words-root build/crema-d/synthetic -o build/seeds --seeds 1 2 3

Each seed has a folder of its own and resumes where it was stopped; the test speakers are the same for every seed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any


def main() -> None:
    """Run every seed, then print one Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--words-root", required=True, type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    asked = parser.parse_args()
    reports = [_run(asked, seed) for seed in asked.seeds]
    print(_table(reports, asked.seeds))


def _run(asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    folder = asked.output / f"seed-{seed}"
    train = [
        "train",
        asked.spec,
        "--corpus",
        asked.corpus,
        "--root",
        asked.root,
        "--words-root",
        asked.words_root,
    ]
    _edge_ser(*train, "-o", folder, "--seed", seed)
    report: dict[str, Any] = _edge_ser("quantize", folder)
    return report


def _edge_ser(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "edge_ser.cli.main", *map(str, arguments), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _spread(values: list[float]) -> str:
    percent = [100 * value for value in values]
    return f"{mean(percent):.1f} ± {stdev(percent):.1f}" if len(percent) > 1 else f"{percent[0]:.1f}"


def _table(reports: list[dict[str, Any]], seeds: list[int]) -> str:
    classes = list(reports[0]["int8"]["per_class"])
    first = reports[0]["int8"]
    seeded = f"seeds {', '.join(map(str, seeds))}"
    lines = [
        f"{first['n']} test clips of {first['speakers']} speakers; {seeded}: mean ± sd, per cent",
        "",
        "| | UAR | macro-F1 | " + " | ".join(f"{label} recall" for label in classes) + " |",
        "|---|" + "---|" * (2 + len(classes)),
    ]
    for name, words in (("int8", "int8, as shipped"), ("float", "float"), ("constant", "constant predictor")):
        rows = [report[name] for report in reports]
        cells = [_spread([row["uar"] for row in rows]), _spread([row["macro_f1"] for row in rows])]
        cells += [_spread([row["per_class"][label]["recall"] for row in rows]) for label in classes]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    f1 = [_spread([report["int8"]["per_class"][label]["f1"] for report in reports]) for label in classes]
    lines.append("| int8, F1 | | | " + " | ".join(f1) + " |")
    intervals = "; ".join(
        f"{100 * report['int8']['interval'][0]:.1f}–{100 * report['int8']['interval'][1]:.1f}"
        for report in reports
    )
    agreement = _spread([report["agreement"] for report in reports])
    lines += [
        "",
        f"Same decision in float and int8: {agreement}. 95 % interval of the int8 UAR over speakers: {intervals}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
