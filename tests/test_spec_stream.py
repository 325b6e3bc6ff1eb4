"""The entries of ``[stream]``: off by default, and what breaks a rule is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_ser.errors import InputError
from edge_ser.spec import StreamSpec
from edge_ser.spec_file import load_spec, spec_from_dict

BASE = load_spec(Path(__file__).resolve().parents[1] / "models" / "base.toml")


def with_stream(**entries: Any) -> dict[str, Any]:
    return BASE.to_dict() | {"stream": entries}


def test_a_spec_without_the_table_is_what_it_was() -> None:
    plain = {name: value for name, value in BASE.to_dict().items() if name != "stream"}
    assert spec_from_dict(plain).stream == StreamSpec()
    assert StreamSpec() == StreamSpec(gate_dbfs=0.0, hangover_s=0.0, smoothing=1, hysteresis=0.0)


def test_what_is_said_is_read() -> None:
    stream = spec_from_dict(with_stream(gate_dbfs=-50.0, hangover_s=0.5, smoothing=3, hysteresis=0.1)).stream
    assert stream == StreamSpec(-50.0, 0.5, 3, 0.1)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"gate_dbfs": 3.0}, "stream.gate_dbfs' is 3.0; rule: 0, or -90 to -10"),
        ({"gate_dbfs": -95.0}, "-90 to -10"),
        ({"hangover_s": 1.0}, "stream.hangover_s' is 1.0; rule: 0 unless stream.gate_dbfs"),
        ({"gate_dbfs": -50.0, "hangover_s": 11.0}, "0 to 10"),
        ({"smoothing": 0}, "stream.smoothing' is 0; rule: 1 to 32"),
        ({"smoothing": 33}, "1 to 32"),
        ({"hysteresis": 0.6}, "stream.hysteresis' is 0.6; rule: 0 to 0.5"),
        ({"gate": True}, "unknown key 'stream.gate'"),
    ],
)
def test_what_breaks_a_rule_is_named(entries: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        spec_from_dict(with_stream(**entries))
