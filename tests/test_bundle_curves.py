"""Training curves in a bundle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_curves import REPORT, Curve, Epoch, curve_members, curves_of
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.errors import InputError

MEMBER = f"reports/{REPORT}.json"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    if not SHIPPED.is_file():
        pytest.skip("no shipped bundle")
    return read_bundle(SHIPPED)


def test_what_is_put_in_comes_out(bundle: Bundle) -> None:
    curves = (
        Curve("acoustic", (Epoch(1, 1.75, 0.25), Epoch(2, 1.5, 0.5))),
        Curve("keyword", (Epoch(1, 0.5, 1.0),)),
    )
    assert curves_of(bundle.with_members(curve_members(curves))) == curves


def test_a_bundle_from_before_has_none(bundle: Bundle) -> None:
    members = {name: data for name, data in bundle.members.items() if name != MEMBER}
    assert curves_of(Bundle(bundle.spec, members, bundle.provenance)) == ()
    assert curve_members(()) == {}


@pytest.mark.parametrize(
    "stages",
    [
        {"acoustic": []},
        {"acoustic": {"epoch": 1}},
        {"acoustic": [{"epoch": 0, "loss": 1.0, "validation_uar": 0.5}]},
        {"acoustic": [{"epoch": 1, "loss": 1.0, "validation_uar": 1.5}]},
        {f"stage-{number}": [{"epoch": 1, "loss": 1.0, "validation_uar": 0.5}] for number in range(33)},
    ],
)
def test_what_no_training_wrote_is_refused(bundle: Bundle, stages: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"reports/curves\.json"):
        curves_of(bundle.with_members({MEMBER: json.dumps(stages).encode()}))
