"""What each target's link and chip are worth in time and power, read from hardware description files.

The files lie in the package, where ``models/targets`` of the repository points; a person's own (made by
``edge-ser calibrate``) has the same form and may say what the chip does, too. Every constant in them is a
range that names its source, and a file without one is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from edge_ser.edgetpu.cycles import Chip
from edge_ser.edgetpu.interval import Interval
from edge_ser.errors import InputError

SHIPPED: Final = ("coral-micro", "usb2", "usb3")
"""The targets that come with the package."""

_LONGEST_FILE: Final = 100_000
_MOST: Final = 1e9
_FOLDER: Final = "hardware"
_POWER: Final = ("tpu_computing_w", "tpu_waiting_w", "board_w", "idle_w")
_HEAD: Final = ("name", "title", "chip", "source")
_LINK: Final = ("fixed_ms", "upload_mb_per_s", "download_mb_per_s", "pixel_ns", "spread")
_CHIP: Final = ("conv_efficiency", "depthwise_macs_per_cycle", "elements_per_cycle")
_ENDS: Final = ("low", "mid", "high")


@dataclass(frozen=True)
class Power:
    """What a target takes, watts; a model, not a measurement.

    Attributes:
        tpu_computing_w: the Edge TPU while it computes at 500 MHz.
        tpu_waiting_w: the Edge TPU while it waits for the link.
        board_w: everything else while an inference runs.
        idle_w: everything between two decisions.
    """

    tpu_computing_w: Interval
    tpu_waiting_w: Interval
    board_w: Interval
    idle_w: Interval


@dataclass(frozen=True)
class Target:
    """One way to reach an Edge TPU.

    Attributes:
        name: what the command line calls it.
        title: what it is.
        source: where its numbers are from.
        fixed_ms: cost of an inference that moves nothing, milliseconds.
        upload: host to Edge TPU, megabytes (10**6 bytes) per second.
        download: Edge TPU to host, megabytes per second.
        pixel_ns: what the host needs to rearrange one pixel of an output, nanoseconds.
        spread: real over predicted time when every constant is right.
        clock_mhz: clock of the Edge TPU unless another is chosen.
        clocks_mhz: clocks that can be chosen.
        chip: what the Edge TPU does in a cycle.
        power: what it takes, ``None`` where the file does not say.
    """

    name: str
    title: str
    source: str
    fixed_ms: Interval
    upload: Interval
    download: Interval
    pixel_ns: Interval
    spread: Interval
    clock_mhz: float
    clocks_mhz: tuple[float, ...]
    chip: Chip
    power: Power | None


def target_named(name: str) -> Target:
    """The target of that name, or of a file whose name ends in ``.toml``.

    Raises:
        InputError: there is none, or the file breaks a rule.
    """
    if name.endswith(".toml"):
        return load_target(Path(name))
    if name not in SHIPPED:
        message = (
            f"target {name!r}: no such target; expected one of {', '.join(SHIPPED)},"
            " or a hardware description file (.toml)"
        )
        raise InputError(message)
    return read_target(_shipped(name), f"{name}.toml")


def load_target(path: Path) -> Target:
    """Read a hardware description file.

    Raises:
        InputError: it cannot be read, is no TOML, or breaks a rule; the text names file, key and rule.
    """
    try:
        if path.stat().st_size > _LONGEST_FILE:
            message = f"{path}: over {_LONGEST_FILE} bytes; expected a hardware description file (.toml)"
            raise InputError(message)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = (
            f"{path}: no such file; expected a hardware description file, or one of {', '.join(SHIPPED)}"
        )
        raise InputError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({error}); expected a TOML file in UTF-8"
        raise InputError(message) from None
    return read_target(text, str(path))


def read_target(text: str, source: str) -> Target:
    """Read a hardware description from its text.

    Args:
        text: TOML.
        source: what to call it in messages.

    Raises:
        InputError: it is no TOML, or breaks a rule; the text names file, key and rule.
    """
    data = _parse(text, source)
    _known_keys(source, "", data, (*_HEAD, *_LINK, *_CHIP, "clock_mhz", "power"))
    chip_name = _text(source, data, "chip")
    if chip_name != "edgetpu":
        raise _refused(source, "chip", chip_name, 'the name of a chip file of this package: "edgetpu"')
    link = {key: _range(source, key, data.get(key)) for key in _LINK}
    default, choices = _clocks(source, data.get("clock_mhz"))
    return Target(
        name=_text(source, data, "name"),
        title=_text(source, data, "title"),
        source=" ".join(_text(source, data, "source").split()),
        fixed_ms=link["fixed_ms"],
        upload=link["upload_mb_per_s"],
        download=link["download_mb_per_s"],
        pixel_ns=link["pixel_ns"],
        spread=link["spread"],
        clock_mhz=default,
        clocks_mhz=choices,
        chip=_chip(source, data),
        power=_power(source, data.get("power")),
    )


def _shipped(name: str) -> str:
    place = resources.files("edge_ser.edgetpu").joinpath(_FOLDER, f"{name}.toml")
    return place.read_text(encoding="utf-8")


def _chip(source: str, own: Mapping[str, Any]) -> Chip:
    """The chip of the package's file, with what a person's own file measured instead."""
    name = "edgetpu.toml"
    shipped = _parse(_shipped("edgetpu"), name)
    _known_keys(name, "", shipped, _CHIP)
    places = ((source, own[key]) if key in own else (name, shipped.get(key)) for key in _CHIP)
    return Chip(*(_range(place, key, value) for key, (place, value) in zip(_CHIP, places, strict=True)))


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"{source}: not valid TOML ({error}); mend that line"
        raise InputError(message) from None


def _power(source: str, value: object) -> Power | None:
    if value is None:
        return None
    table = _table(source, "power", value, _POWER)
    return Power(*(_range(source, f"power.{key}", table.get(key)) for key in _POWER))


def _clocks(source: str, value: object) -> tuple[float, tuple[float, ...]]:
    table = _table(source, "clock_mhz", value, ("default", "choices", "source"))
    _text(source, table, "source", "clock_mhz.")
    choices = table.get("choices")
    if not isinstance(choices, list) or not choices or len(choices) > 100:
        raise _refused(source, "clock_mhz.choices", choices, "a list of one to 100 clocks")
    numbers = tuple(_number(source, "clock_mhz.choices", item) for item in choices)
    default = _number(source, "clock_mhz.default", table.get("default"))
    if default not in numbers:
        raise _refused(source, "clock_mhz.default", default, "one of clock_mhz.choices")
    return default, numbers


def _range(source: str, key: str, value: object) -> Interval:
    """A range: three numbers in order, all above 0, and where they are from."""
    table = _table(source, key, value, (*_ENDS, "source"))
    _text(source, table, "source", f"{key}.")
    low, mid, high = (_number(source, f"{key}.{end}", table.get(end)) for end in _ENDS)
    if not low <= mid <= high:
        raise _refused(source, key, [low, mid, high], "low, mid and high in rising order")
    return Interval(low, mid, high)


def _table(source: str, key: str, value: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if value is None:
        message = f"{source}: table [{key}] is missing; add it with {', '.join(known)}"
        raise InputError(message)
    if not isinstance(value, dict):
        raise _refused(source, key, value, f"a table with {', '.join(known)}")
    _known_keys(source, f"{key}.", value, known)
    return value


def _known_keys(source: str, prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            message = f"{source}: unknown key {prefix + key!r}; expected one of {', '.join(known)}"
            raise InputError(message)


def _number(source: str, key: str, value: object) -> float:
    if value is None:
        raise _missing(source, key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < _MOST:
        raise _refused(source, key, value, f"a number above 0 and below {_MOST:g}")
    return float(value)


def _text(source: str, table: Mapping[str, Any], key: str, prefix: str = "") -> str:
    value = table.get(key)
    if value is None:
        raise _missing(source, prefix + key)
    if not isinstance(value, str) or not value.strip():
        raise _refused(source, prefix + key, value, "a text that is not empty")
    return value


def _refused(source: str, key: str, value: object, rule: str) -> InputError:
    shown = repr(value)
    return InputError(f"{source}: key {key!r} is {shown[:80]}; rule: {rule}")


def _missing(source: str, key: str) -> InputError:
    return InputError(f"{source}: key {key!r} is missing; add it")


TARGETS: Final[Mapping[str, Target]] = {name: target_named(name) for name in SHIPPED}
"""The shipped targets by name."""
