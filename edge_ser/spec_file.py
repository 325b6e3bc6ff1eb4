"""Reading a system spec from ``models/*.toml`` or from a bundle; :mod:`edge_ser.spec_rules` has its rules.

Whatever is wrong is an error that names file, key, value and rule; nothing is silently ignored or coerced.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edge_ser.errors import InputError
from edge_ser.spec import SystemSpec
from edge_ser.spec_rules import broken_rules

_KEY = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


def load_spec(path: Path, changes: Sequence[str] = ()) -> SystemSpec:
    """Read a spec file; ``extends = "base.toml"`` takes another file of the same folder as the ground.

    Args:
        path: a TOML file.
        changes: values that stand instead of the file's, ``"acoustic.mixing=none"`` each: a key with dots, and a value
            as TOML writes it; a word needs no quotes.

    Returns:
        The validated spec.

    Raises:
        InputError: the file cannot be read, is not TOML, or breaks a rule, alone or with the changes; the text names
            file, key, value and rule. A change is none, or two change the same key.
    """
    data = _read_merged(path, ())
    changed: set[str] = set()
    for text in changes:
        key, change = _change(text)
        if key in changed:
            message = f"{text!r}: {key} was changed already; change it once"
            raise InputError(message)
        changed.add(key)
        data = _merge(data, change)
    return spec_from_dict(data, source=" with ".join((str(path), *changes)))


def spec_from_dict(data: Mapping[str, Any], source: str = "spec") -> SystemSpec:
    """Validate nested dicts (from TOML or from a bundle's manifest).

    Raises:
        InputError: an unknown key, a wrong type or an impossible value.
    """
    try:
        # By way of JSON: there strict mode takes lists for tuples and tables for dataclasses, and still no "3" for 3.
        spec: SystemSpec = TypeAdapter(SystemSpec).validate_json(json.dumps(dict(data), default=str))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = f"{source}: unknown key {key!r}; remove it or correct its spelling"
        elif first["type"] in ("missing", "missing_argument"):
            message = f"{source}: key {key!r} is missing; add it"
        else:
            message = f"{source}: key {key!r} is {first['input']!r}; rule: {first['msg']}"
        raise InputError(message) from None
    for key, value, rule in broken_rules(spec):
        message = f"{source}: key {key!r} is {value!r}; rule: {rule}"
        raise InputError(message)
    return spec


def _read_merged(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    resolved = path.resolve()
    if resolved in seen:
        message = f"{path}: key 'extends' goes in a circle; let one file extend nothing"
        raise InputError(message)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path}: no such spec file; specs are TOML files such as models/base.toml"
        raise InputError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({error}); expected a TOML file in UTF-8"
        raise InputError(message) from None
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not valid TOML ({error}); mend that line"
        raise InputError(message) from None
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str) or Path(parent).name != parent:
        message = f"{path}: key 'extends' is {parent!r}; rule: the name of a TOML file in the same folder"
        raise InputError(message)
    return _merge(_read_merged(path.parent / parent, (*seen, resolved)), data)


def _change(text: str) -> tuple[str, dict[str, Any]]:
    """The key of ``KEY=VALUE`` and what it means as nested tables."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not _KEY.fullmatch(key) or "\n" in value:
        message = f"{text!r} changes nothing; expected KEY=VALUE, e.g. acoustic.mixing=none"
        raise InputError(message)
    try:
        return key, tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError:
        return key, tomllib.loads(f"{key} = {json.dumps(value)}")


def _merge(ground: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(ground)
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged
