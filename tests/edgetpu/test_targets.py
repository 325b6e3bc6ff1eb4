"""Hardware description files: the shipped ones, and every rule that a file can break."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.edgetpu import targets
from edge_ser.edgetpu.interval import Interval
from edge_ser.edgetpu.targets import SHIPPED, TARGETS, load_target, read_target, target_named
from edge_ser.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "models" / "targets"
GOOD = """
name = "mine"
title = "a board of mine"
chip = "edgetpu"
source = "measured"
fixed_ms = { low = 0.1, mid = 0.2, high = 0.3, source = "measured" }
upload_mb_per_s = { low = 30, mid = 36.5, high = 40, source = "measured" }
download_mb_per_s = { low = 10, mid = 12, high = 14, source = "measured" }
pixel_ns = { low = 5, mid = 5, high = 5, source = "measured" }
spread = { low = 0.9, mid = 1, high = 1.1, source = "measured" }
clock_mhz = { default = 500, choices = [250, 500], source = "measured" }
"""
POWER = "".join(
    f'\n[power.{key}]\nlow = 1\nmid = 2\nhigh = 3\nsource = "assumed"'
    for key in ("tpu_computing_w", "tpu_waiting_w", "board_w", "idle_w")
)


def test_the_repository_shows_the_files_that_the_package_reads() -> None:
    place = Path(targets.__file__).parent / "hardware"
    assert {path.name for path in FOLDER.glob("*.toml")} == {
        "edgetpu.toml",
        *(f"{name}.toml" for name in SHIPPED),
    }
    for path in FOLDER.glob("*.toml"):
        assert path.read_bytes() == (place / path.name).read_bytes()


@pytest.mark.parametrize("name", ["edgetpu", *SHIPPED])
def test_every_constant_names_its_source(name: str) -> None:
    def tables(data: dict[str, Any]) -> list[dict[str, Any]]:
        inner = [value for value in data.values() if isinstance(value, dict)]
        return [table for item in inner for table in tables(item)] if inner else [data]

    with (FOLDER / f"{name}.toml").open("rb") as file:
        found = tables(tomllib.load(file))
    assert len(found) >= 3
    assert all(len(table["source"]) >= 7 for table in found)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_targets_can_be_named_and_read_as_files(name: str) -> None:
    assert target_named(name) == TARGETS[name] == load_target(FOLDER / f"{name}.toml")
    assert TARGETS[name].name == name


def test_the_micro_has_its_four_clocks_and_says_that_it_is_a_prior() -> None:
    micro = TARGETS["coral-micro"]
    assert micro.clocks_mhz == (63.0, 125.0, 250.0, 500.0)
    assert micro.clock_mhz == 250.0
    assert "not verified on a board" in micro.source
    assert micro.power is not None


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    found = target_named(str(path))
    assert found.name == "mine"
    assert found.upload == Interval(30.0, 36.5, 40.0)
    assert found.power is None
    # What it does not say of the chip is what the package's file says.
    assert found.chip == TARGETS["usb2"].chip
    own = read_target(GOOD + 'conv_efficiency = { low = 0.2, mid = 0.3, high = 0.4, source = "x" }', "mine")
    assert own.chip.conv_efficiency == Interval(0.2, 0.3, 0.4)
    assert own.chip.elements == found.chip.elements
    power = read_target(GOOD + POWER, "mine").power
    assert power is not None
    assert power.idle_w == Interval(1.0, 2.0, 3.0)


def _cut(key: str) -> str:
    return "\n".join(line for line in GOOD.splitlines() if not line.startswith(key))


BROKEN = (
    ("name = ", "not valid TOML"),
    ("a = [" * 3000, "not valid TOML"),
    (_cut("name"), "key 'name' is missing"),
    (_cut("source"), "key 'source' is missing"),
    (_cut("upload"), r"table \[upload_mb_per_s\] is missing"),
    (_cut("clock"), r"table \[clock_mhz\] is missing"),
    (GOOD + "extra = 1", "unknown key 'extra'"),
    (GOOD.replace("pixel_ns = { low = 5", "pixel_ns = { least = 5"), "unknown key 'pixel_ns.least'"),
    (GOOD.replace('"edgetpu"', '"tpu"'), "key 'chip' is 'tpu'; rule"),
    (GOOD.replace('"mine"', '""'), "key 'name' is ''; rule: a text that is not empty"),
    (
        GOOD.replace("low = 0.1", "low = 0.25"),
        "key 'fixed_ms' is .*; rule: low, mid and high in rising order",
    ),
    (GOOD.replace("low = 0.1", "low = 0"), "key 'fixed_ms.low' is 0; rule: a number above 0"),
    (GOOD.replace("low = 0.1", "low = nan"), "key 'fixed_ms.low' is nan; rule: a number above 0"),
    (GOOD.replace("high = 0.3", "high = inf"), "key 'fixed_ms.high' is inf; rule"),
    (GOOD.replace("low = 0.1", "low = true"), "key 'fixed_ms.low' is True; rule"),
    (GOOD.replace("low = 0.1", 'low = "0.1"'), "key 'fixed_ms.low' is '0.1'; rule"),
    (GOOD.replace("low = 0.1, ", ""), "key 'fixed_ms.low' is missing"),
    (GOOD.replace('high = 0.3, source = "measured"', "high = 0.3"), "key 'fixed_ms.source' is missing"),
    (GOOD.replace('[250, 500], source = "measured"', "[250, 500]"), "key 'clock_mhz.source' is missing"),
    (
        GOOD.replace('{ low = 0.9, mid = 1, high = 1.1, source = "measured" }', "1.0"),
        "key 'spread' is 1.0; rule",
    ),
    (GOOD.replace("default = 500", "default = 400"), "key 'clock_mhz.default' is 400.0; rule: one of"),
    (GOOD.replace("[250, 500]", "[]"), r"key 'clock_mhz.choices' is \[\]; rule"),
    (GOOD.replace("[250, 500]", "[250, -1]"), "key 'clock_mhz.choices' is -1; rule"),
    (GOOD + "power = 2", "key 'power' is 2; rule"),
    (GOOD + POWER.replace("idle_w", "sleep_w"), "unknown key 'power.sleep_w'"),
    (GOOD + POWER.partition("\n[power.idle_w]")[0], r"table \[power.idle_w\] is missing"),
)


@pytest.mark.parametrize(("text", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_a_broken_rule_names_file_key_and_rule(text: str, words: str) -> None:
    with pytest.raises(InputError, match=f"^mine.toml: .*{words}") as caught:
        read_target(text, "mine.toml")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(InputError, match=r"mine\.toml: no such file"):
        target_named(str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"mine\.toml: cannot be read"):
        load_target(path)
    path.write_text("#" * 200_000)
    with pytest.raises(InputError, match=r"mine\.toml: over 100000 bytes"):
        load_target(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_target(tmp_path)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_target(text, "x")


@given(st.data())
def test_a_good_file_with_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(begin, min(len(GOOD), begin + 12)))
    text = GOOD[:begin] + data.draw(st.text(max_size=6)) + GOOD[end:]
    try:
        found = read_target(text, "x")
    except InputError:
        return
    assert 0 < found.upload.low <= found.upload.mid <= found.upload.high


def test_a_wheel_takes_the_files_with_it() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["package-data"]["edge_ser.edgetpu"] == ["hardware/*.toml"]
