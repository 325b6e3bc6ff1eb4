"""`inspect` as a function: what compiled files hold, and whether the Micro can run them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge_ser.edgetpu.micro import MicroVerdict, micro_verdict
from edge_ser.edgetpu.package import CompiledModel, load_compiled


@dataclass(frozen=True)
class Inspection:
    """Compiled files that an application uses together.

    Attributes:
        models: what each of them holds.
        micro: whether the Coral Dev Board Micro can run them in turns, every reason why not, and what to mind.
    """

    models: tuple[CompiledModel, ...]
    micro: MicroVerdict


def inspect(*files: str | os.PathLike[str]) -> Inspection:
    """Read what the Edge TPU compiler wrote, as ``edge-ser inspect`` does.

    Args:
        files: compiled ``.tflite`` files, one at least; several that are used together.

    Raises:
        InputError: a file is missing, not compiled or damaged.
        TypeError: no file is named.

    Example:
        >>> import edge_ser
        >>> found = edge_ser.inspect("net_edgetpu.tflite")
        >>> found.micro.runs
        True
        >>> found.models[0].cached_bytes + found.models[0].instruction_bytes > 0
        True
    """
    if not files:
        message = "inspect() needs at least one compiled file"
        raise TypeError(message)
    models = tuple(load_compiled(Path(file)) for file in files)
    return Inspection(models, micro_verdict(models))
