"""`check` as a function: the predicted mapping of a model file or of both nets of a bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_ser.edgetpu.compilers import LATEST, Compiler, compiler_named
from edge_ser.edgetpu.model import Model, load_model
from edge_ser.edgetpu.op_table import OpTable, read_table, table_path
from edge_ser.edgetpu.rules import CheckReport, check_model
from edge_ser.edgetpu.tflm_ops import board_refusals
from edge_ser.errors import InputError

if TYPE_CHECKING:
    from edge_ser.bundle import Bundle


@dataclass(frozen=True)
class Check:
    """What the Edge TPU compiler will make of a model or of several, as far as is known without it.

    Attributes:
        reports: by model, each operation's verdict, its reason and what to do.
        refusals: by model, why the board's TensorFlow Lite Micro could not run an operation on its Cortex-M7, by the
            operation's index; empty where it runs the uncompiled file.
        compiler: version of the compiler that the prediction is about.
        op_table: version of the person's own compiler whose answers won over the rules, ``None`` without.
        unused_table: a file of such answers that was left aside because they are another compiler's, else ``None``.
    """

    reports: Mapping[str, CheckReport]
    refusals: Mapping[str, Mapping[int, str]]
    compiler: str
    op_table: str | None
    unused_table: Path | None

    @property
    def maps_fully(self) -> bool:
        """Whether every operation of every model maps and the compiler takes the files."""
        return all(report.maps_fully for report in self.reports.values())


def check(
    model: Bundle | str | os.PathLike[str],
    *,
    compiler_version: str | None = None,
    op_table: str | os.PathLike[str] | None = None,
) -> Check:
    """Predict what the Edge TPU compiler maps, as ``edge-ser check`` does.

    Args:
        model: an uncompiled ``.tflite`` file, a bundle (``.edgeser``), or a :class:`Bundle` that was read.
        compiler_version: ``"16"`` (the default), ``"15"``, ``"14"``, ``"2.1"``, ``"2.0"`` or ``"1"``.
        op_table: answers of a compiler of one's own; without it what ``edge-ser doctor --probe`` stored, if anything.

    Returns:
        The verdicts by model; a bundle's are named ``"keyword"`` and ``"acoustic"``.

    Raises:
        InputError: a file cannot be read or is damaged, or there is no such compiler.

    Example:
        >>> import edge_ser
        >>> found = edge_ser.check(edge_ser.shipped_bundle())
        >>> found.maps_fully
        True
        >>> sorted(found.reports)
        ['acoustic', 'keyword']
        >>> first = found.reports["keyword"].ops[0]
        >>> first.op, first.verdict
        ('QUANTIZE', 'mapped')
    """
    compiler, table, unused = _answering(compiler_version, None if op_table is None else Path(op_table))
    models = models_of(model)
    return Check(
        reports={name: check_model(one, compiler, table) for name, one in models.items()},
        refusals={name: board_refusals(one) for name, one in models.items()},
        compiler=compiler.version,
        op_table=None if table is None else table.compiler,
        unused_table=unused,
    )


def models_of(model: Bundle | str | os.PathLike[str]) -> dict[str, Model]:
    """The model in a .tflite file, or both nets of a bundle, by name.

    Raises:
        InputError: it is neither, or it is damaged.
    """
    # A model alone is checked without NumPy, which a bundle needs: a check in CI starts in a tenth of a second.
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        if path.suffix != ".edgeser":
            return {path.stem: load_model(path)}
        from edge_ser.bundle import read_bundle

        model = read_bundle(path)
    from edge_ser.edgetpu.budget import nets

    return nets(model)


def _answering(version: str | None, path: Path | None) -> tuple[Compiler, OpTable | None, Path | None]:
    """The compiler that is meant, the person's table where there is one for it, and a table that is for another."""
    place = path or table_path()
    table = read_table(place) if place is not None and (path is not None or place.exists()) else None
    if table is None:
        return (LATEST if version is None else compiler_named(version)), None, None
    answered = compiler_named(table.compiler)
    if version is None or compiler_named(version) == answered:
        return answered, table, None
    if path is not None:
        message = f"{path}: answers of compiler {table.compiler}, and --compiler-version is {version}; leave one out"
        raise InputError(message)
    return compiler_named(version), None, place
