"""Print the scores of several bundles of one system (one per seed) as a Markdown table: mean and spread.

edge-ser train models/crema-d.toml --corpus crema-d --root CREMA-D --words-root SYNTHETIC --seed 2 -o build/two
edge-ser quantize build/two
python tools/score_table.py build/crema-d/crema-d.edgeser build/two/crema-d.edgeser
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.errors import EdgeSerError, InputError


def main() -> None:
    """Read the bundles, check that they were tested on the same speakers, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundles", nargs="+", type=Path)
    try:
        print(_table([read_bundle(path) for path in parser.parse_args().bundles]))
    except EdgeSerError as error:
        print(f"score_table: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _table(bundles: list[Bundle]) -> str:
    tested = [bundle.provenance["corpora"]["emotions"] for bundle in bundles]
    if any(corpus != tested[0] for corpus in tested):
        message = "the bundles were not tested on the same clips and speakers; give bundles of one split"
        raise InputError(message)
    reports = [_report(bundle) for bundle in bundles]
    classes = list(reports[0]["int8"]["per_class"])
    seeds = ", ".join(str(bundle.provenance["seed"]) for bundle in bundles)
    corpus, first = tested[0], reports[0]["int8"]
    lines = [
        f"{corpus['name']}: {first['n']} test clips of {first['speakers']} speakers ({corpus['protocol']}); "
        f"seeds {seeds}: mean ± sd, per cent.",
        "",
        "| | UAR | macro-F1 | " + " | ".join(classes) + " |",
        "|---|" + "---|" * (2 + len(classes)),
    ]
    for name, words in (
        ("int8", "int8, the files that ship"),
        ("float", "float"),
        ("constant", "constant predictor"),
    ):
        rows = [report[name] for report in reports]
        cells = [_spread([row[key] for row in rows]) for key in ("uar", "macro_f1")]
        cells += [_spread([row["per_class"][label]["recall"] for row in rows]) for label in classes]
        lines.append(f"| {words}: recall | " + " | ".join(cells) + " |")
    f1 = [_spread([report["int8"]["per_class"][label]["f1"] for report in reports]) for label in classes]
    lines.append("| int8: F1 | | | " + " | ".join(f1) + " |")
    intervals = "; ".join(
        "{:.1f}–{:.1f}".format(*(100 * bound for bound in r["int8"]["interval"])) for r in reports
    )
    agreement = _spread([report["agreement"] for report in reports])
    lines += [
        "",
        f"Float and int8 decide alike: {agreement}. 95 % interval of the int8 UAR over speakers: {intervals}.",
    ]
    return "\n".join(lines)


def _report(bundle: Bundle) -> dict[str, Any]:
    report = bundle.report("quantize")
    if report is None:
        message = (
            f"bundle {bundle.spec.name}: holds no reports/quantize.json; make it with: edge-ser quantize"
        )
        raise InputError(message)
    return report


def _spread(shares: list[float]) -> str:
    percent = [100 * share for share in shares]
    return f"{mean(percent):.1f} ± {stdev(percent):.1f}" if len(percent) > 1 else f"{percent[0]:.1f}"


if __name__ == "__main__":
    main()
