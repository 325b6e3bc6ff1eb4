"""The op table: where it lies, what is refused in it, and the commands that make and use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from tflite_builder import small_net
from typer.testing import CliRunner

from edge_ser.cli.check import check
from edge_ser.cli.doctor import doctor
from edge_ser.edgetpu.op_table import (
    FORMAT,
    MAX_TABLE_BYTES,
    OpTable,
    ProbeResult,
    parse_table,
    read_table,
    table_path,
    write_table,
)
from edge_ser.edgetpu.probe import PROBES, probe_files
from edge_ser.errors import EdgeSerError, InputError

app = typer.Typer()
app.command("check")(check)
app.command("doctor")(doctor)

MAPPED = "Mapped to Edge TPU"
GOOD: dict[str, Any] = {
    "format": FORMAT,
    "version": 1,
    "compiler": "16.0.384591198",
    "results": [{"probe": "conv-3x3", "accepted": True, "mapped": True, "status": MAPPED}],
}


def _table(*host: str, compiler: str = "16.0.384591198") -> OpTable:
    return OpTable(
        compiler,
        tuple(
            ProbeResult(probe.name, True, probe.name not in host, "no" if probe.name in host else MAPPED)
            for probe in PROBES
        ),
    )


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGE_SER_OP_TABLE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def _run(*words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code by the contract, the JSON object, the words."""
    result = CliRunner().invoke(app, [*words, "--json"])
    data = json.loads(result.stdout) if result.stdout.startswith("{") else {}
    if isinstance(result.exception, EdgeSerError):
        return result.exception.exit_code, data, f"{result.stderr}{result.exception}"
    return result.exit_code, data, result.stderr


def test_where_the_table_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert table_path() == tmp_path / "config" / "edge-ser" / "op_table.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert table_path() == tmp_path / ".config" / "edge-ser" / "op_table.json"
    monkeypatch.setenv("EDGE_SER_OP_TABLE", str(tmp_path / "mine.json"))
    assert table_path() == tmp_path / "mine.json"
    monkeypatch.setenv("EDGE_SER_OP_TABLE", "")
    assert table_path() is None


def test_a_good_table_is_read(tmp_path: Path) -> None:
    assert parse_table(json.dumps(GOOD).encode(), "t").results[0].mapped
    write_table(tmp_path / "t.json", _table("prelu"))
    assert read_table(tmp_path / "t.json") == _table("prelu")


def _with(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def _row(**changes: Any) -> bytes:
    return _with(results=[{**GOOD["results"][0], **changes}])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected a JSON object"),
        (b"{}", "says format"),
        (_with(format="vela"), "says format 'vela'"),
        (_with(version=2), "version 2"),
        (_with(compiler=16), "no compiler version"),
        (_with(compiler="17.0"), "'17.0' is not known"),
        (_with(compiler="x" * 10_000), "is not known"),
        (_with(results=[]), "no results"),
        (_with(results={"a": 1}), "no results"),
        (_with(results=[7]), "a probe None that is not known"),
        (_row(probe="../../etc/passwd"), "a probe '../../etc/passwd' that is not known"),
        (_row(probe=["conv-3x3"]), "that is not known"),
        (_row(mapped="yes"), "lacks accepted, mapped or status"),
        (_row(mapped=None), "lacks accepted, mapped or status"),
        (_row(status=1), "lacks accepted, mapped or status"),
        (_row(accepted=False), "was refused and mapped"),
        (_with(results=GOOD["results"] * 2), "answers one probe twice"),
    ],
)
def test_hostile_tables_are_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_table(data, "table.json")
    text = str(caught.value)
    assert words in text
    assert len(text) < 500
    assert "\n" not in text


def test_large_and_absent_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(b" " * (MAX_TABLE_BYTES + 1))
    with pytest.raises(InputError, match=r"over \d+ bytes; make it again"):
        read_table(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "absent.json")


def test_words_of_a_table_cannot_steer_a_terminal() -> None:
    status = parse_table(_row(mapped=False, status="a\x1b[2J\nb" + "x" * 9999), "t").results[0].status
    assert status.startswith("a[2J b")
    assert len(status) <= 300


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)))
def test_any_value_anywhere_is_an_input_error_or_a_table(value: Any) -> None:
    for data in (
        *(_with(**{key: value}) for key in GOOD),
        *(_row(**{key: value}) for key in GOOD["results"][0]),
    ):
        try:
            parse_table(data, "t")
        except InputError:
            continue


@pytest.fixture
def hard_swish_net(tmp_path: Path) -> str:
    path = tmp_path / "net.tflite"
    path.write_bytes(small_net(8, extra="HARD_SWISH"))
    return str(path)


def test_check_believes_the_stored_table_and_says_so(hard_swish_net: str) -> None:
    assert _run("check", hard_swish_net)[0] == 1
    place = table_path()
    assert place is not None
    write_table(place, _table())
    code, data, _ = _run("check", hard_swish_net)
    assert code == 0
    assert data["op_table"] == "16.0.384591198"
    assert {op["confidence"] for op in data["ops"]} == {"your compiler"}
    assert "probe hard-swish" in data["ops"][1]["reason"]
    people = CliRunner().invoke(app, ["check", hard_swish_net]).stdout
    assert "answers of your compiler 16.0.384591198 win over the rules" in people


def test_a_table_of_another_compiler_is_not_used(hard_swish_net: str, tmp_path: Path) -> None:
    place = table_path()
    assert place is not None
    write_table(place, _table(compiler="15.0.340273435"))
    # Without a version, the person's own compiler is the one that is meant.
    assert _run("check", hard_swish_net)[1]["compiler"] == "15.0"
    code, data, words = _run("check", hard_swish_net, "--compiler-version", "16")
    assert (code, data["op_table"], data["compiler"]) == (1, None, "16.0")
    assert "not used for compiler 16" in words
    code, _, words = _run("check", hard_swish_net, "--compiler-version", "16", "--op-table", str(place))
    assert code == 2
    assert "leave one out" in words
    assert _run("check", hard_swish_net, "--op-table", str(tmp_path / "absent.json"))[0] == 2


def test_a_damaged_table_is_bad_input_and_not_ignored(hard_swish_net: str) -> None:
    place = table_path()
    assert place is not None
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    code, _, words = _run("check", hard_swish_net)
    assert code == 2
    assert "edge-ser doctor --probe" in words
    _, data, _ = _run("doctor")
    item = next(item for item in data["items"] if item["name"] == "op table")
    assert not item["found"]
    assert "says format" in item["how"]


def test_doctor_imports_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "theirs.json", _table("transpose-0213"))
    code, data, words = _run("doctor", "--import", str(tmp_path / "theirs.json"))
    assert code == 0
    assert f"{len(PROBES)} answers of compiler 16.0.384591198" in words
    place = table_path()
    assert place is not None
    assert read_table(place) == _table("transpose-0213")
    rows = {row["probe"]: row for row in data["probe"]["results"]}
    assert rows["transpose-0213"]["predicted"] == "mapped"
    assert not rows["transpose-0213"]["mapped"]
    item = next(item for item in data["items"] if item["name"] == "op table")
    assert item["found"]
    assert _run("doctor", "--import", str(tmp_path / "absent.json"))[0] == 2
    assert _run("doctor", "--import", str(tmp_path / "theirs.json"), "--probe")[0] == 2
    people = CliRunner().invoke(app, ["doctor", "--import", str(tmp_path / "theirs.json")]).stdout
    assert f"{len(PROBES) - 1} of {len(PROBES)} probe models mapped" in people


@pytest.mark.usefixtures("no_compiler")
def test_doctor_without_a_compiler_writes_the_pack(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    code, _, words = _run("doctor", "--probe", "--pack", str(pack))
    assert code == 3
    assert "run compile.sh there" in words
    assert {path.stem for path in pack.glob("*.tflite")} == set(probe_files())
    place = table_path()
    assert place is not None
    assert not place.exists()


def test_doctor_probes_with_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_ser.edgetpu import probing

    asked: list[Path] = []

    def ask(compiler: Path, advance: Callable[[int], None]) -> OpTable:
        asked.append(compiler)
        advance(len(PROBES))
        return replace(_table(), results=_table().results)

    monkeypatch.setattr(probing, "ask_compiler", ask)
    program = tmp_path / "edgetpu_compiler"
    program.write_text("#!/bin/sh\necho 'Edge TPU Compiler version 16.0.384591198'\n")
    program.chmod(0o755)
    target = tmp_path / "t.json"
    code, data, _ = _run("doctor", "--probe", "--compiler", str(program), "--op-table", str(target))
    assert code == 0
    assert asked == [program]
    assert data["probe"]["path"] == str(target)
    assert read_table(target) == _table()
    monkeypatch.setenv("EDGE_SER_OP_TABLE", "")
    assert _run("doctor", "--probe", "--compiler", str(program))[0] == 2
