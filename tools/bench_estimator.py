"""Hold the latency estimate against published measurements and print the tables in Markdown.

python tools/bench_estimator.py                    # leave-one-out on the rows that the constants come from
python tools/bench_estimator.py --others           # and the shipped targets on other hosts' measurements
python tools/bench_estimator.py --json             # for a program

The measurements are in tools/measured_latencies.csv, each with its source; rows marked as reference are those of the
two series (and some nets) that isolate one term each. Leave-one-out: for every row all constants, those of the
chip too, are fitted on the other rows of its link, from a prior that knows next to nothing; the row is then estimated,
and its interval is that of the fit. Ends with 1 where a bar is missed: median error 10 %, coverage 90 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edge_ser.edgetpu.calibrate import Measurement, calibrate
from edge_ser.edgetpu.cycles import Work
from edge_ser.edgetpu.interval import Interval, exactly
from edge_ser.edgetpu.latency import together
from edge_ser.edgetpu.payload import Payload
from edge_ser.edgetpu.targets import TARGETS, Target, read_target
from edge_ser.errors import EdgeSerError, InputError

ROWS = Path(__file__).with_name("measured_latencies.csv")
LARGEST_MEDIAN_ERROR = 0.10
LEAST_COVERAGE = 0.90

# Spread over at least a factor of 30, so that the rows and not the prior say what a link or the chip is worth.
_RANGES = {
    "fixed_ms": (0.02, 0.3, 5.0),
    "upload_mb_per_s": (5.0, 80.0, 1000.0),
    "download_mb_per_s": (2.0, 20.0, 300.0),
    "pixel_ns": (2.0, 30.0, 500.0),
    "spread": (0.5, 1.0, 2.0),
    "conv_efficiency": (0.1, 0.6, 1.0),
    "depthwise_macs_per_cycle": (8.0, 60.0, 500.0),
    "elements_per_cycle": (8.0, 100.0, 1000.0),
}
_PRIOR = "\n".join(
    [
        'name = "prior"\ntitle = "next to nothing known"\nchip = "edgetpu"\nsource = "this tool"',
        *(
            f'[{key}]\nlow = {low}\nmid = {mid}\nhigh = {high}\nsource = "a prior"'
            for key, (low, mid, high) in _RANGES.items()
        ),
        '[clock_mhz]\ndefault = 500.0\nchoices = [250.0, 500.0]\nsource = "this tool"',
    ]
)


@dataclass(frozen=True)
class Row:
    """One published measurement.

    Attributes:
        series: ``nano`` for the rows that constants are fitted on, ``other`` for other hosts.
        case: what was run.
        target: the target that it is of.
        reference: whether it is a row of the reference series.
        source: who published it.
        host_op: an operation of the host whose time is in the measurement and in no estimate; ``""`` without.
        measurement: what was moved and computed, and how long it took.
    """

    series: str
    case: str
    target: str
    reference: bool
    source: str
    host_op: str
    measurement: Measurement


@dataclass(frozen=True)
class Verdict:
    """A row and what was estimated for it."""

    row: Row
    ms: Interval

    @property
    def error(self) -> float:
        """Estimated over measured, less one."""
        return self.ms.mid / self.row.measurement.ms - 1

    @property
    def covered(self) -> bool:
        """Whether the measured value lies in the interval."""
        return self.ms.holds(self.row.measurement.ms)


def main() -> None:
    """Read the rows, estimate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=ROWS, help="another table of the same form")
    parser.add_argument("--others", action="store_true", help="also the shipped targets on other hosts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        rows = read_rows(arguments.rows)
        found = {"leave-one-out": leave_one_out([row for row in rows if row.series == "nano"])}
        if arguments.others:
            found["other hosts, shipped targets"] = shipped([row for row in rows if row.series == "other"])
    except EdgeSerError as error:
        print(f"bench_estimator: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    judged = [verdict for verdict in found["leave-one-out"] if verdict.row.reference]
    if arguments.json:
        print(json.dumps({name: _data(verdicts) for name, verdicts in found.items()}))
    else:
        for name, verdicts in found.items():
            print(f"## {name}\n\n{_table(verdicts)}\n")
            print(f"{_words('all rows', verdicts)}\n")
        print(_words("leave-one-out, reference rows", judged))
    if median_error(judged) > LARGEST_MEDIAN_ERROR or coverage(judged) < LEAST_COVERAGE:
        sys.exit(1)


def read_rows(path: Path) -> list[Row]:
    """Read the table of measurements.

    Raises:
        InputError: it cannot be read, or a column is missing or no number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_row(item) for item in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        message = f"{path}: not a table of measurements ({error!r}); see tools/measured_latencies.csv"
        raise InputError(message) from None


def _row(item: dict[str, str]) -> Row:
    resident = Work(
        int(item["resident_conv_cycles"]),
        int(item["resident_depthwise_macs"]),
        int(item["resident_elements"]),
    )
    payload = Payload(
        name=item["case"],
        exact=True,
        operations=0,
        instruction_bytes=exactly(int(item["instruction_bytes"])),
        instructions=(),
        input_bytes=int(item["input_bytes"]),
        output_bytes=int(item["output_bytes"]),
        output_pixels=int(item["output_pixels"]),
        streamed_bytes=int(item["streamed_bytes"]),
        first_bytes=0,
        resident=resident,
        streaming=Work(int(item["streaming_conv_cycles"])),
        unknown_cycles=None,
        host_ops=(),
    )
    measurement = Measurement(payload, float(item["ms"]), float(item["clock_mhz"]))
    return Row(
        series=item["set"],
        case=item["case"],
        target=item["target"],
        reference=item["reference"] == "1",
        source=item["source"],
        host_op=item["host_op"],
        measurement=measurement,
    )


def leave_one_out(rows: Sequence[Row]) -> list[Verdict]:
    """Estimate every row with constants fitted on the other rows of its link."""
    prior = read_target(_PRIOR, "prior")
    verdicts = []
    for row in rows:
        others = [
            item.measurement
            for item in rows
            if item.target == row.target and item is not row and not item.host_op
        ]
        verdicts.append(_verdict(row, calibrate(prior, others, row.target).target))
    return verdicts


def shipped(rows: Sequence[Row]) -> list[Verdict]:
    """Estimate rows with the targets as they are shipped."""
    return [_verdict(row, TARGETS[row.target]) for row in rows]


def _verdict(row: Row, target: Target) -> Verdict:
    measurement = row.measurement
    return Verdict(row, together([measurement.payload], target, measurement.clock_mhz).ms)


def median_error(verdicts: Sequence[Verdict]) -> float:
    """Median of the absolute relative errors."""
    return median(abs(verdict.error) for verdict in verdicts)


def coverage(verdicts: Sequence[Verdict]) -> float:
    """Share of rows whose measured value lies in the interval."""
    return sum(verdict.covered for verdict in verdicts) / len(verdicts)


def _data(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    rows = [
        {
            "case": item.row.case,
            "target": item.row.target,
            "reference": item.row.reference,
            "measured_ms": item.row.measurement.ms,
            "estimated_ms": {"low": item.ms.low, "mid": item.ms.mid, "high": item.ms.high},
            "error": item.error,
            "covered": item.covered,
            "source": item.row.source,
        }
        for item in verdicts
    ]
    return {"median_error": median_error(verdicts), "coverage": coverage(verdicts), "rows": rows}


def _words(name: str, verdicts: Sequence[Verdict]) -> str:
    return (
        f"{name}: {len(verdicts)} rows, median absolute error {100 * median_error(verdicts):.1f} %,"
        f" largest {100 * max(abs(item.error) for item in verdicts):.1f} %,"
        f" {100 * coverage(verdicts):.1f} % inside the interval"
    )


def _table(verdicts: Sequence[Verdict]) -> str:
    lines = ["| case | target | measured ms | estimated ms | error | inside |", "|---|---|---|---|---|---|"]
    for item in verdicts:
        ms = item.ms
        lines.append(
            f"| {item.row.case} | {item.row.target} | {item.row.measurement.ms:.3f} |"
            f" {ms.mid:.3f} ({ms.low:.3f} to {ms.high:.3f}) | {100 * item.error:+.1f} % |"
            f" {'yes' if item.covered else 'NO'} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
