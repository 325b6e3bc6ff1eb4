"""The control heads of a bundle: what was put in comes out, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_ser.bundle import Bundle
from edge_ser.bundle_controls import CONTROLS, ControlHead, Controls, control_members, read_controls
from edge_ser.errors import InputError
from edge_ser.integer_head import Quantized, make_integer_head
from edge_ser.npz import npz_bytes
from edge_ser.spec_file import load_spec

SPEC = load_spec(Path(__file__).resolve().parents[1] / "models" / "tiny.toml")
SHAPE = (len(SPEC.acoustic.classes), SPEC.acoustic.embedding + SPEC.keyword.embedding)


def _head(seed: int, inputs: int = SHAPE[1]) -> ControlHead:
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(SHAPE[0], inputs)), rng.normal(size=SHAPE[0])
    return ControlHead(make_integer_head(weights, bias, [(inputs, Quantized(0.02, 3))]), weights, bias)


def _bundle(members: dict[str, bytes]) -> Bundle:
    return Bundle(SPEC, members, {})


def test_what_is_kept_is_read_back() -> None:
    controls = Controls(_head(0), tuple(_head(seed) for seed in (1, 2, 3)))
    found = read_controls(_bundle(control_members(controls)))
    assert found is not None
    assert len(found.taught) == 3
    for mine, theirs in zip((controls.alone, *controls.taught), (found.alone, *found.taught), strict=True):
        assert (mine.weights == theirs.weights).all()
        assert (mine.bias == theirs.bias).all()
        assert (mine.integer.weights == theirs.integer.weights).all()
        assert mine.integer.scale == theirs.integer.scale


def test_a_bundle_may_be_without() -> None:
    assert read_controls(_bundle({})) is None


def _arrays() -> dict[str, Any]:
    bundle = _bundle(control_members(Controls(_head(0), (_head(1),))))
    return dict(bundle.arrays(CONTROLS))


@pytest.mark.parametrize("name", sorted(_arrays()))
def test_a_missing_array_is_refused(name: str) -> None:
    arrays = _arrays()
    del arrays[name]
    with pytest.raises(InputError):
        read_controls(_bundle({CONTROLS: npz_bytes(arrays)}))


def test_heads_of_other_nets_are_refused() -> None:
    small = Controls(_head(0, 8), (_head(1, 8),))
    with pytest.raises(InputError, match="expect"):
        read_controls(_bundle(control_members(small)))


def test_values_that_are_not_finite_are_refused() -> None:
    arrays = _arrays()
    arrays["taught-0_float_bias"] = np.full(SHAPE[0], np.nan)
    with pytest.raises(InputError, match="not finite"):
        read_controls(_bundle({CONTROLS: npz_bytes(arrays)}))
