"""Hold the predicted mapping against files that the real compiler wrote: `python tools/compare_pairs.py FOLDER`.

A pair is NAME.tflite beside NAME_edgetpu.tflite, anywhere below the folders. Ends with 1 where the operations left to
the host differ in any of them, or where an operation is unknown. Files with several Edge TPU operations were compiled
with the switch -a, which no check predicts; they are counted apart.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edge_ser.edgetpu.compilers import Compiler, compiler_named
from edge_ser.edgetpu.model import COMPILED_OP, load_model
from edge_ser.edgetpu.rules import check_model
from edge_ser.errors import EdgeSerError

_SUFFIX = "_edgetpu.tflite"


def main() -> int:
    """Compare every pair and print what differs, then the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--compiler-version", default="16")
    chosen = parser.parse_args()
    try:
        compiler = compiler_named(chosen.compiler_version)
    except EdgeSerError as error:
        print(f"compare_pairs: {error}", file=sys.stderr)
        return error.exit_code
    counts: Counter[str] = Counter()
    for source, compiled in _pairs(chosen.folders):
        try:
            outcome, words = _compare(source, compiled, compiler)
        except EdgeSerError as error:
            outcome, words = "unreadable", str(error)
        counts[outcome] += 1
        if outcome != "same":
            print(f"{outcome}: {source}: {words}")
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no pair found")
    return int(counts.keys() != {"same"} and counts.keys() != {"same", "several Edge TPU parts"})


def _pairs(folders: list[Path]) -> Iterator[tuple[Path, Path]]:
    for folder in folders:
        for compiled in sorted(folder.rglob(f"*{_SUFFIX}")):
            source = compiled.with_name(compiled.name.removesuffix(_SUFFIX) + ".tflite")
            if source.is_file():
                yield source, compiled


def _compare(source: Path, compiled: Path, compiler: Compiler) -> tuple[str, str]:
    operators = load_model(compiled).operators
    left = tuple(op.custom_code or op.name for op in operators if op.custom_code != COMPILED_OP)
    report = check_model(load_model(source), compiler)
    if len(operators) - len(left) > 1:
        return "several Edge TPU parts", f"{len(operators) - len(left)} of them, compiled with -a"
    unknown = [f"{v.index} {v.op} ({v.rule})" for v in report.ops if v.verdict == "unknown"]
    if report.host_ops == left and not report.refused:
        return ("unknown", ", ".join(unknown)) if unknown else ("same", "")
    first = next((v for v in report.ops if v.verdict == "host"), None)
    why = f"; the first is {first.index} {first.op}: {first.reason}" if first is not None else ""
    missed = Counter(left) - Counter(report.host_ops)
    added = Counter(report.host_ops) - Counter(left)
    return "different", f"host in the file only {dict(missed)}, predicted only {dict(added)}{why}"


if __name__ == "__main__":
    sys.exit(main())
