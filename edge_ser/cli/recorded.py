"""The command line that made a result, as the result may keep it: without the folders of this machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

OUTPUT = "OUT"
"""Stands for the folder that takes the results."""

_AS_GIVEN = ("changes",)
"""Options whose KEY=VALUE names no place."""

_LEFT_OUT = ("as_json", "jobs", "keep")
"""Options that change how a result is made or shown, not what it is."""


def recorded_command(context: typer.Context, stand_ins: Mapping[str, str | None]) -> str:
    """The command line of a running command, with stand-ins for whatever names a place.

    Args:
        context: typer's context of the command.
        stand_ins: by parameter, what is written instead of its value, e.g. ``{"root": "CREMA-D"}``; ``None`` for
            the value itself. A path without a stand-in is cut to its name.

    Returns:
        Options that were given, in the order of the command's own list, quoted for a shell.
    """
    words = ["edge-ser", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        given = context.get_parameter_source(name)
        if name in _LEFT_OUT or given is None or given.name != "COMMANDLINE":
            continue
        option = max(parameter.opts, key=len) if parameter.param_type_name == "option" else None
        for value in _values(context.params[name]):
            if isinstance(value, bool):
                words += [str(option)] if value else []
                continue
            text = str(value) if name in _AS_GIVEN else stand_ins.get(name) or _without_folder(value)
            words += [text] if option is None else [option, text]
    return shlex.join(words)


def corpus_place(name: str) -> str:
    """What stands for the folder of a corpus: ``"CREMA-D"`` for ``"crema-d"``."""
    return name.upper()


def _values(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list | tuple) else (value,)


def _without_folder(value: Any) -> str:
    """A value as text; of a path its name, and ``models/`` before it, where the specs of the project are."""
    if isinstance(value, Path):
        return f"models/{value.name}" if value.resolve().parent.name == "models" else value.name
    name, equals, folder = str(value).partition("=")
    # NAME=DIR, the way in which several corpora are given.
    return f"{name}={corpus_place(name)}" if equals and folder else str(value)
