"""What a bench writes is read again; what is none is refused; two stand side by side with what speaks against it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from bench_cases import MACHINE, made_result

from edge_ser.bench.compare import compare, warnings
from edge_ser.bench.plot import draw
from edge_ser.bench.result import Agreement, Usage, csv_text, parse_result, read_result
from edge_ser.errors import InputError
from edge_ser.files import write_json


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    result = made_result()
    write_json(tmp_path / "r.json", result.to_dict())
    assert read_result(tmp_path / "r.json") == result


def test_the_contract_of_the_command_is_at_the_top() -> None:
    assert {"p50_ms", "p95_ms", "p99_ms", "first_ms", "stages", "agreement"} <= set(made_result().to_dict())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p50_ms": "fast"}, "p50_ms"),
        ({"format": 2}, "format 2"),
        ({"stages": {"keyword": 3}}, "keyword"),
        ({"machine": None}, "machine"),
        ({"kind": "board"}, "kind"),
    ],
)
def test_what_is_no_result_is_refused(change: dict[str, object], words: str) -> None:
    data = json.dumps({**made_result().to_dict(), **change}).encode()
    with pytest.raises(InputError, match=words):
        parse_result(data, "r.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_garbage_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_bytes(data)
    with pytest.raises(InputError, match="edge-ser bench"):
        read_result(tmp_path / "r.json")


def test_the_csv_holds_every_run() -> None:
    result = made_result(runs=203)
    rows = list(csv.DictReader(io.StringIO(csv_text(result))))
    assert [int(row["run"]) for row in rows] == list(range(1, 204))
    assert [float(row["whole_ms"]) for row in rows] == result.runs_ms["whole"]
    assert [float(row["acoustic_ms"]) for row in rows] == result.runs_ms["acoustic"]


COUNTS = {"frontend": {"per_hop": 7, "per_segment": 700}, "net_inputs": {"per_segment": 30}}


def test_without_runs_the_csv_holds_the_counts() -> None:
    text = csv_text(made_result(runs_ms={}, instructions=COUNTS))
    assert text.splitlines() == [
        "part,per,instructions",
        "frontend,hop,7",
        "frontend,segment,700",
        "net_inputs,segment,30",
    ]


def test_counts_stand_side_by_side() -> None:
    fewer = {"frontend": {"per_segment": 350}}
    rows = compare(made_result(instructions=fewer), made_result(instructions=COUNTS))
    found = {row.name: (row.first, row.second, row.ratio) for row in rows if "instructions" in row.name}
    assert found == {
        "frontend, instructions a segment": (350, 700, 0.5),
        "net inputs, instructions a segment": (None, 30, None),
    }


def test_equal_results_are_one_to_one() -> None:
    result = made_result()
    assert warnings(result, result) == ()
    assert {row.ratio for row in compare(result, result)} == {1.0}


def test_a_slower_one_is_seen() -> None:
    slow = made_result()
    fast = replace(slow, p95_ms=(slow.p95_ms or 0) / 2)
    (row,) = [row for row in compare(fast, slow) if row.name == "decision p95"]
    assert row.ratio == pytest.approx(0.5)


def test_other_machines_are_warned_of() -> None:
    here = made_result()
    there = replace(here, machine=replace(MACHINE, cpu="Another", cores=8))
    (words,) = warnings(here, there)
    assert "the machines differ" in words
    assert "A processor and Another" in words
    assert "cores: 2 and 8" in words


def test_whatever_else_is_unfair_is_warned_of() -> None:
    here = made_result()
    busy = Usage(1.0, 1.0, 5.0, None, None, 900, 7.5, 7.5)
    there = replace(
        here,
        kind="virtual",
        device="a VIRTUAL board",
        settings={"threads": 2},
        usage=busy,
        agreement=Agreement({"features": 9}, False, "wrong"),
    )
    told = " | ".join(warnings(here, there))
    for words in (
        "virtual",
        "devices",
        "settings differ",
        "was busy before the other (load 7.5)",
        "golden vectors",
    ):
        assert words in told


def test_a_virtual_board_says_so_wherever_it_is_shown() -> None:
    assert "VIRTUAL" in made_result(kind="virtual").title
    assert "VIRTUAL" not in made_result().title


def test_pictures_show_every_bench_and_repeat() -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'edge-ser[plot]'")
    one, other = made_result(), made_result(seed=2, settings={"threads": 2})
    picture = draw((one, other), "svg")
    assert ET.fromstring(picture).tag.endswith("svg")
    assert picture == draw((one, other), "svg")
    assert picture != draw((one, made_result(seed=3, settings={"threads": 2})), "svg")
    assert draw((one,), "png").startswith(b"\x89PNG")


def test_counts_are_drawn_where_nothing_was_timed() -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'edge-ser[plot]'")
    one = made_result(runs_ms={}, instructions=COUNTS)
    picture = draw((one,), "svg")
    assert ET.fromstring(picture).tag.endswith("svg")
    assert picture == draw((one,), "svg")
    assert picture != draw((made_result(runs_ms={}, instructions={"frontend": {"per_segment": 9}}),), "svg")
    timed = made_result()
    assert draw((timed, one), "svg") == draw((timed,), "svg"), "times and counts never share a picture"


def test_what_has_neither_times_nor_counts_cannot_be_drawn() -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'edge-ser[plot]'")
    with pytest.raises(InputError, match="nothing was timed or counted"):
        draw((made_result(runs_ms={}),), "png")
