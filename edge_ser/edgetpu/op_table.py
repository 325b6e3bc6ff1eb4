"""The op table: what the person's own compiler made of the probe models, kept as JSON, believed by the check.

The table lies at ``$EDGE_SER_OP_TABLE``, else in ``edge-ser/op_table.json`` below ``$XDG_CONFIG_HOME`` or
``~/.config``. It holds names and statuses only; what a name asks about is known here, so that a table from
elsewhere cannot say more than which probe was mapped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_ser.edgetpu.compilers import compiler_named
from edge_ser.edgetpu.model import Operator
from edge_ser.edgetpu.patterns import pattern_of
from edge_ser.edgetpu.probe import PROBES, Probe
from edge_ser.errors import InputError
from edge_ser.files import parse_json_object, read_limited, write_json

VARIABLE = "EDGE_SER_OP_TABLE"
"""Environment variable that names another table; empty means that none is used."""

FORMAT = "edge-ser op table"
FORMAT_VERSION = 1
MAX_TABLE_BYTES = 256 * 1024

_MAX_STATUS = 300
_BY_NAME = {probe.name: probe for probe in PROBES}
_AGAIN = "make it again with: edge-ser doctor --probe"


@dataclass(frozen=True)
class ProbeResult:
    """What a compiler made of one probe model.

    Attributes:
        probe: its name.
        accepted: whether the compiler's parser took the file.
        mapped: whether every operation of it went to the Edge TPU.
        status: the compiler's words.
    """

    probe: str
    accepted: bool
    mapped: bool
    status: str


@dataclass(frozen=True)
class Answer:
    """An answer about one operation.

    Attributes:
        mapped: whether the compiler maps it.
        rule: name of the rule that it stands in for; ``""`` where no rule spoke.
        words: the answer in words.
    """

    mapped: bool
    rule: str
    words: str


@dataclass(frozen=True)
class OpTable:
    """What one compiler made of the probe pack.

    Attributes:
        compiler: its version, e.g. ``"16.0.384591198"``.
        results: one result per probe model.
    """

    compiler: str
    results: tuple[ProbeResult, ...]

    def answer(self, op: Operator) -> Answer | None:
        """What the compiler does with operations of this form, ``None`` where it was not asked."""
        pattern = pattern_of(op)
        for result in self.results:
            probe = _BY_NAME[result.probe]
            if probe.pattern == pattern:
                done = "maps it" if result.mapped else f"does not map it ({result.status})"
                words = f"Your compiler {self.compiler} {done}: probe {probe.name}"
                return Answer(result.mapped, probe.rule, words)
        return None

    @property
    def newest(self) -> Mapping[str, int]:
        """Newest version of the operations of the version ladders that the compiler's parser takes."""
        newest: dict[str, int] = {}
        for result in self.results:
            probe = _BY_NAME[result.probe]
            if probe.ladder:
                known = compiler_named(self.compiler).newest_version(probe.ladder) or 1
                here = max(known, probe.version) if result.accepted else min(known, probe.version - 1)
                newest[probe.ladder] = max(here, newest.get(probe.ladder, 0)) if result.accepted else here
        return newest

    def by_probe(self) -> Iterable[tuple[Probe, ProbeResult]]:
        """Every result with the probe that it is about."""
        return ((_BY_NAME[result.probe], result) for result in self.results)


def table_path() -> Path | None:
    """Where the person's table is or would be; ``None`` where the environment says that none is used."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "edge-ser" / "op_table.json"


def write_table(path: Path, table: OpTable) -> None:
    """Write a table.

    Raises:
        InputError: the place cannot be written.
    """
    results = [
        {"probe": r.probe, "accepted": r.accepted, "mapped": r.mapped, "status": r.status}
        for r in table.results
    ]
    write_json(
        path,
        {"format": FORMAT, "version": FORMAT_VERSION, "compiler": table.compiler, "results": results},
    )


def read_table(path: Path) -> OpTable:
    """Read a table, which may have been made on another machine.

    Raises:
        InputError: it cannot be read, is not an op table, or says what no probe asks; the reason is named.
    """
    return parse_table(read_limited(path, _AGAIN, MAX_TABLE_BYTES), str(path))


def parse_table(data: bytes, source: str) -> OpTable:
    """The table in ``data``.

    Args:
        data: JSON text in UTF-8.
        source: what to call it in an error.

    Raises:
        InputError: it is not an op table; the reason is named.
    """
    content = parse_json_object(data, source)
    if content.get("format") != FORMAT or content.get("version") != FORMAT_VERSION:
        found = f"{content.get('format')!r:.60} version {content.get('version')!r:.20}"
        message = f"{source}: says format {found}; expected {FORMAT!r} version {FORMAT_VERSION}; {_AGAIN}"
        raise InputError(message)
    compiler = content.get("compiler")
    rows = content.get("results")
    if not isinstance(compiler, str) or not isinstance(rows, list) or not rows:
        message = f"{source}: has no compiler version or no results; {_AGAIN}"
        raise InputError(message)
    compiler_named(compiler)
    results = tuple(_result(row, source) for row in rows)
    if len({result.probe for result in results}) != len(results):
        message = f"{source}: answers one probe twice; {_AGAIN}"
        raise InputError(message)
    return OpTable(compiler, results)


def _result(row: Any, source: str) -> ProbeResult:
    fields = row if isinstance(row, dict) else {}
    probe, status = fields.get("probe"), fields.get("status")
    accepted, mapped = fields.get("accepted"), fields.get("mapped")
    if not isinstance(probe, str) or probe not in _BY_NAME:
        message = f"{source}: answers a probe {probe!r:.60} that is not known; {_AGAIN}"
        raise InputError(message)
    if not isinstance(accepted, bool) or not isinstance(mapped, bool) or not isinstance(status, str):
        message = f"{source}: the answer on probe {probe} lacks accepted, mapped or status; {_AGAIN}"
        raise InputError(message)
    if mapped and not accepted:
        message = f"{source}: says that probe {probe} was refused and mapped; {_AGAIN}"
        raise InputError(message)
    return ProbeResult(probe, accepted, mapped, one_line(status))


def one_line(status: str) -> str:
    """A compiler's words as one short line that can be shown in a terminal."""
    return "".join(c for c in " ".join(status.split()) if c.isprintable())[:_MAX_STATUS]
