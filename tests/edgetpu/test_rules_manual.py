"""`docs/edgetpu-rules.md` says what the rules say."""

from __future__ import annotations

from pathlib import Path

from edge_ser.edgetpu.notes import MODEL_RULES
from edge_ser.edgetpu.probe import PROBES
from edge_ser.edgetpu.rules import RULES
from edge_ser.edgetpu.rules_manual import manual

PLACE = Path(__file__).resolve().parents[2] / "docs" / "edgetpu-rules.md"


def test_the_manual_is_current() -> None:
    assert PLACE.read_text(encoding="utf-8") == manual(), "run: python tools/rules_manual.py"


def test_the_manual_holds_every_rule_whole() -> None:
    text = manual()
    for item in (*RULES, *MODEL_RULES):
        assert f"### {item.name}\n" in text
        assert item.text in text
        assert f"- To mend: {item.rewrite}.\n- Known from: {item.source}.\n" in text
    assert all(f"| {probe.name} | " in text for probe in PROBES)


def test_every_rule_about_models_says_what_to_do_and_where_it_is_from() -> None:
    names = [item.name for item in (*RULES, *MODEL_RULES)]
    assert len(set(names)) == len(names)
    for item in MODEL_RULES:
        assert item.text.endswith(".")
        assert item.rewrite
        assert item.source
