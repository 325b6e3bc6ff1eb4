"""Other compilers than 16: which one is meant, what each one's parser takes, which rules are about it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tflite_builder import Builder

from edge_ser.edgetpu import limits, schema
from edge_ser.edgetpu.compilers import COMPILERS, LATEST, VERSION_RELEASES, age_of, compiler_named
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.rules import RULES, CheckReport, check_model
from edge_ser.errors import InputError


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("16", "16.0"),
        ("16.0.384591198", "16.0"),
        ("15.0.340273435", "15.0"),
        ("14.1.317412892", "14.1"),
        ("14", "14.1"),
        ("2", "2.1"),
        ("2.1.302470888", "2.1"),
        ("2.0", "2.0"),
        ("2.0.291256449", "2.0"),
        ("2.0.267685300", "2.0.267685300"),
        ("1.0.249710469", "1.0"),
    ],
)
def test_versions_name_compilers(asked: str, version: str) -> None:
    assert compiler_named(asked).version == version


@pytest.mark.parametrize("asked", ["17", "", "16.1", "x", "1.2.3.4", "-1", "9" * 40])
def test_other_versions_are_input_errors(asked: str) -> None:
    with pytest.raises(InputError, match=r"is not known; expected one of 1\.0"):
        compiler_named(asked)


def test_a_newer_compiler_never_knows_less() -> None:
    for older, newer in itertools.pairwise(COMPILERS):
        assert older.runtime <= newer.runtime
        assert older.first_unknown_code < newer.first_unknown_code
        assert all(
            (older.newest_version(op) or 0) <= (newer.newest_version(op) or 0) for op in VERSION_RELEASES
        )
    assert set(VERSION_RELEASES) <= set(schema.OPERATORS)
    assert set(VERSION_RELEASES) >= limits.SUPPORTED
    assert all(rule.until == "" or age_of(rule.until) < LATEST.age for rule in RULES)


def _one(
    name: str, version: int, compiler: str, constants: tuple[Any, ...] = (), **shapes: Any
) -> CheckReport:
    builder = Builder()
    before = shapes.get("before", (1, 8, 8, 8))
    source = builder.tensor(before)
    result = builder.tensor(shapes.get("after", before))
    builder.op(name, [source, *(builder.constant(c) for c in constants)], [result], version=version)
    return check_model(read_model(builder.finish([source], [result]), name), compiler_named(compiler))


@pytest.mark.parametrize(
    ("name", "version", "refusing", "taking"),
    [
        # edgetpu issues 384, 386, 147, 879, 631, 845; fast-plate-ocr 38; libedgetpu 71.
        ("RSQRT", 2, "15", "16"),
        ("DEPTH_TO_SPACE", 2, "15", "16"),
        ("TRANSPOSE_CONV", 3, "2.1", "14"),
        ("QUANTIZE", 3, "16", None),
        ("CONV_2D", 6, "16", None),
        ("TRANSPOSE_CONV", 4, "16", None),
        ("TRANSPOSE", 6, "16", None),
        ("EXP", 2, "16", None),
    ],
)
def test_published_rejections(name: str, version: int, refusing: str, taking: str | None) -> None:
    assert _one(name, version, refusing).refused
    if taking is not None:
        assert not _one(name, version, taking).refused


def test_operations_came_with_runtimes() -> None:
    order = ([0, 2, 1, 3],)
    assert _one("TRANSPOSE", 2, "15", order).ops[0].rule == "operation-in-list"
    assert "needs runtime 14" in _one("TRANSPOSE", 2, "15", order).ops[0].reason
    assert _one("TRANSPOSE", 2, "16", order).maps_fully
    assert _one("EXPAND_DIMS", 1, "1", ([0],)).host_ops == ("EXPAND_DIMS",)
    assert _one("LOGISTIC", 2, "1").maps_fully


@pytest.mark.parametrize(
    ("name", "version", "constants", "before", "after", "rule", "last"),
    [
        ("SOFTMAX", 2, (), (1, 12, 16), (1, 12, 16), "softmax-one-row", "2.1"),
        ("MEAN", 2, ([3],), (1, 8, 8, 8), (1, 8, 8, 1), "mean-over-image-only", "2.0.267685300"),
        (
            "PAD",
            2,
            ([[0, 0], [0, 0], [0, 0], [0, 4]],),
            (1, 8, 8, 8),
            (1, 8, 8, 12),
            "pad-image-only",
            "2.0.267685300",
        ),
        ("SQUEEZE", 1, (), (1, 8, 1, 8), (8, 8), "squeeze-leading-only", "2.0.267685300"),
        ("RESIZE_BILINEAR", 3, ([16, 16],), (1, 8, 8, 8), (1, 16, 16, 8), "resize-version", "15"),
    ],
)
def test_rules_that_ended(
    name: str,
    version: int,
    constants: tuple[Any, ...],
    before: tuple[int, ...],
    after: tuple[int, ...],
    rule: str,
    last: str,
) -> None:
    old = _one(name, version, last, constants, before=before, after=after)
    assert old.ops[0].rule == rule
    assert not old.ops[0].mapped
    assert old.compiler == compiler_named(last).version
    assert _one(name, version, "16", constants, before=before, after=after).ops[0].mapped
