"""Latencies that a person measured on their own board: a table or a bench report, to calibrate a target with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from edge_ser.edgetpu.calibrate import Measurement
from edge_ser.edgetpu.payload import Payload, load_payload
from edge_ser.edgetpu.targets import Target
from edge_ser.errors import InputError
from edge_ser.files import parse_json_object

COLUMNS: Final = "model,ms[,clock_mhz]"
_LARGEST_FILE: Final = 10_000_000
_MOST_ROWS: Final = 10_000


def read_measurements(path: Path, target: Target) -> tuple[Measurement, ...]:
    """Read measurements.

    Args:
        path: a CSV with the columns ``model``, ``ms`` and, if wanted, ``clock_mhz``; or JSON, an object with
            ``measurements``, a list of objects with ``model``, ``ms`` (or ``p50_ms``) and ``clock_mhz``. Paths of
            models are relative to the file's folder; a compiled model gives exact bytes.
        target: says which clocks there are.

    Raises:
        InputError: the file or a model cannot be read, or a row has no model or no time.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            message = f"{path}: over {_LARGEST_FILE} bytes; expected a CSV of {COLUMNS}, or JSON"
            raise InputError(message)
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); expected a CSV of {COLUMNS}, or JSON"
        raise InputError(message) from None
    is_json = data.lstrip()[:1] == b"{"
    rows = _json_rows(data, path) if is_json else _csv_rows(data, path)
    payloads: dict[str, Payload] = {}
    found = []
    for number, row in enumerate(rows, start=1 if is_json else 2):
        if number > _MOST_ROWS:
            message = f"{path}: more than {_MOST_ROWS} rows; expected a few dozen"
            raise InputError(message)
        found.append(_measurement(row, f"{path}: row {number}", path.parent, target, payloads))
    return tuple(found)


def _csv_rows(data: bytes, path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        if not {"model", "ms"} <= set(reader.fieldnames or ()):
            message = f"{path}: columns {', '.join(reader.fieldnames or ()) or 'none'}; expected {COLUMNS}"
            raise InputError(message)
        yield from reader
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{path}: not a table ({error}); expected a CSV of {COLUMNS}, or JSON"
        raise InputError(message) from None


def _json_rows(data: bytes, path: Path) -> Iterator[Mapping[str, Any]]:
    content = parse_json_object(data, str(path))
    rows = content.get("measurements", [content])
    if not isinstance(rows, list):
        message = (
            f"{path}: 'measurements' is {type(rows).__name__}; expected a list of objects with model and ms"
        )
        raise InputError(message)
    for row in rows:
        if not isinstance(row, dict):
            message = f"{path}: a measurement is {row!r}; expected an object with model and ms"
            raise InputError(message)
        yield row


def _measurement(
    row: Mapping[str, Any], place: str, folder: Path, target: Target, payloads: dict[str, Payload]
) -> Measurement:
    name = row.get("model")
    if not isinstance(name, str) or not name.strip():
        message = f"{place}: no model; expected the path of the .tflite file that was timed"
        raise InputError(message)
    if name not in payloads:
        payloads[name] = load_payload(folder / name)
    clock = _number(row.get("clock_mhz"), target.clock_mhz, f"{place}: clock_mhz")
    if clock not in target.clocks_mhz:
        choices = ", ".join(f"{choice:g}" for choice in target.clocks_mhz)
        message = f"{place}: clock_mhz {clock:g}; {target.name} has none such, expected one of {choices}"
        raise InputError(message)
    return Measurement(payloads[name], _number(row.get("ms", row.get("p50_ms")), None, f"{place}: ms"), clock)


def _number(value: object, default: float | None, place: str) -> float:
    if value in (None, "") and default is not None:
        return default
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if isinstance(value, bool) or not 0 < number < 1e7:
        message = f"{place} is {str(value)[:40]!r}; expected a number above 0"
        raise InputError(message)
    return number
