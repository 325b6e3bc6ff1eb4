"""The budget of a bundle: measured where it can be, predicted and named so where not."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from package_builder import Compiled

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.edgetpu import arena
from edge_ser.edgetpu.budget import BudgetItem, budget, decision
from edge_ser.edgetpu.targets import TARGETS
from edge_ser.errors import InputError, MissingError
from edge_ser.npz import npz_bytes
from edge_ser.spec import BudgetSpec

MakeBundle = Callable[..., Path]


@pytest.fixture
def no_arena(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without tflite-micro, which is also faster."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tflite_micro" else find(name)
    )


def _items(bundle: Bundle, limits: BudgetSpec | None = None) -> dict[str, BudgetItem]:
    return {item.name: item for item in budget(bundle, limits or BudgetSpec()).items}


@pytest.mark.usefixtures("no_arena")
def test_what_is_not_compiled_is_predicted(make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle())
    items = _items(bundle)
    assert items["compiled_bytes"].predicted
    assert items["latency_ms"].predicted
    assert items["int8_bytes"].value == len(bundle.member("keyword.tflite")) + len(
        bundle.member("acoustic.tflite")
    )
    assert items["int8_bytes"].ok
    assert items["int8_drop_points"].value is None
    assert "skipped" in items["int8_drop_points"].detail
    assert items["arena_bytes"].value is None
    assert "tflite-micro is not installed" in items["arena_bytes"].detail


@pytest.mark.usefixtures("no_arena")
def test_compiled_files_count_as_they_are(make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle())
    keyword, acoustic = Compiled().data(), Compiled(cached=4096, instructions=(400_000,)).data()
    items = _items(
        bundle.with_members({"keyword_edgetpu.tflite": keyword, "acoustic_edgetpu.tflite": acoustic})
    )
    item = items["compiled_bytes"]
    assert (item.value, item.predicted) == (len(keyword) + len(acoustic), False)
    # 400,000 bytes of instructions at 25 MB/s.
    latency, before = items["latency_ms"].value, _items(bundle)["latency_ms"].value
    assert latency is not None
    assert before is not None
    assert latency > before + 14
    # One compiled file alone says nothing about the sum.
    assert _items(bundle.with_members({"keyword_edgetpu.tflite": bytes(9)}))["compiled_bytes"].predicted


@pytest.mark.usefixtures("no_arena")
def test_a_damaged_compiled_file_is_named(make_bundle: MakeBundle) -> None:
    damaged = {"keyword_edgetpu.tflite": bytes(1000), "acoustic_edgetpu.tflite": Compiled().data()}
    with pytest.raises(InputError, match=r"keyword_edgetpu\.tflite"):
        budget(read_bundle(make_bundle()).with_members(damaged), BudgetSpec())


@pytest.mark.usefixtures("no_arena")
def test_tables_are_what_the_firmware_holds_beside_the_nets(make_bundle: MakeBundle) -> None:
    tables = {"window": np.zeros(480, np.int16), "weights": np.zeros(100, np.int16)}
    head = {"weights": np.zeros((6, 96), np.int16), "bias": np.zeros(6, np.int32)}
    bundle = read_bundle(make_bundle()).with_members(
        {"frontend_tables.npz": npz_bytes(tables), "fusion.npz": npz_bytes(head)}
    )
    item = _items(bundle)["table_bytes"]
    assert (item.value, item.predicted) == (2 * 580 + 2 * 576 + 4 * 6, False)


@pytest.mark.usefixtures("no_arena")
def test_latency_is_one_inference_of_each_net_and_the_fusion(make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle())
    found = decision(bundle, TARGETS["coral-micro"], 500.0)
    assert [payload.operations for payload in found.payloads] == [2, 2]
    assert dict(found.terms)["fixed"].mid == pytest.approx(2 * TARGETS["coral-micro"].fixed_ms.mid)
    head = bundle.with_members({"fusion.npz": npz_bytes({"weights": np.zeros(10_000, np.int16)})})
    assert decision(head, TARGETS["coral-micro"], 500.0).ms.mid > found.ms.mid + 0.05
    item = _items(bundle)["latency_ms"]
    assert "an estimate" in item.detail
    assert "4 operations" in item.detail


@pytest.mark.usefixtures("no_arena")
@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (BudgetSpec(), []),
        (BudgetSpec(compiled_bytes=1000), ["compiled_bytes"]),
        (BudgetSpec(latency_ms=0.5), ["latency_ms"]),
        (BudgetSpec(int8_drop=1.0), ["int8_drop_points"]),
    ],
)
def test_the_item_that_broke_is_named(limits: BudgetSpec, broken: list[str], make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle(reports__quantize=json.dumps({"drop": 1.5}).encode()))
    report = budget(bundle, limits)
    assert [item.name for item in report.broken] == broken
    assert report.within == (not broken)


@pytest.mark.usefixtures("no_arena")
@pytest.mark.parametrize("drop", ["1.5", True, None])
def test_a_drop_that_is_no_number_is_skipped(drop: object, make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle(reports__quantize=json.dumps({"drop": drop}).encode()))
    assert _items(bundle)["int8_drop_points"].value is None


@pytest.mark.usefixtures("no_arena")
def test_an_improvement_by_int8_is_within(make_bundle: MakeBundle) -> None:
    bundle = read_bundle(make_bundle(reports__quantize=b'{"drop": -0.4}'))
    assert _items(bundle, BudgetSpec(int8_drop=0.0))["int8_drop_points"].ok


def test_the_arena_holds_at_least_the_two_largest_activations(make_bundle: MakeBundle) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed: no arena")
    bundle = read_bundle(make_bundle())
    sizes = arena.arena_bytes({"acoustic": bundle.member("acoustic.tflite")})
    # The second convolution reads and writes 16 x 16 x 16 bytes; the rest of such a net is a few kilobytes.
    assert 2 * 16**3 <= sizes["acoustic"] <= 2 * 16**3 + 16_384
    item = _items(bundle, dataclasses.replace(BudgetSpec(), arena_bytes=8_000))["arena_bytes"]
    assert not item.ok


def test_a_model_that_the_micro_cannot_load_is_named() -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed: no arena")
    with pytest.raises(MissingError, match="cannot load the model"):
        arena.arena_bytes({"net": b"not a model"})


def test_a_net_that_is_no_model_is_an_input_error(make_bundle: MakeBundle) -> None:
    with pytest.raises(InputError, match=r"acoustic\.tflite: not a usable TFLite model"):
        budget(read_bundle(make_bundle(acoustic=b"nonsense")), BudgetSpec())
