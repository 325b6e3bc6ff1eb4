"""The integer head: equal to the float layer up to rounding, and the same integers in C."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.errors import InputError
from edge_ser.integer_head import IntegerHead, Quantized, make_integer_head

CORE = Path(__file__).resolve().parents[1] / "firmware_bridge" / "core"


@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 12),
    acoustic=st.integers(1, 256),
    keyword=st.integers(1, 64),
    zero_point=st.integers(0, 255),
)
def test_scores_are_the_float_layer_to_rounding(
    seed: int, classes: int, acoustic: int, keyword: int, zero_point: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(classes, acoustic + keyword))
    bias = rng.normal(size=classes)
    parts = [(acoustic, Quantized(0.02, zero_point)), (keyword, Quantized(0.05, 0))]
    head = make_integer_head(weights, bias, parts)
    embeddings = rng.integers(0, 256, size=(20, acoustic + keyword), dtype=np.uint8)
    scales = np.r_[np.full(acoustic, 0.02), np.full(keyword, 0.05)]
    zeros = np.r_[np.full(acoustic, zero_point), np.zeros(keyword)]
    expected = ((embeddings - zeros) * scales) @ weights.T + bias
    # Half a weight step on every input, and half a step on the bias.
    bound = head.scale * (0.5 * np.abs(embeddings - zeros).sum(axis=1, keepdims=True) + 0.5) + 1e-9
    assert (np.abs(head.scores(embeddings) * head.scale - expected) <= bound).all()


def test_probabilities_sum_to_one() -> None:
    head = IntegerHead(np.array([[3], [-3]], np.int16), np.zeros(2, np.int32), 0.1)
    probabilities = head.probabilities(head.scores(np.array([[200]], np.uint8)))
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[0, 0] > 0.99


def test_round_trip_through_arrays() -> None:
    head = make_integer_head(np.eye(3), np.ones(3), [(3, Quantized(0.1, 4))])
    arrays = head.to_arrays("fusion")
    back = IntegerHead.from_arrays(arrays, "fusion")
    assert (back.weights == head.weights).all()
    assert (back.bias == head.bias).all()
    assert back.scale == head.scale


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fusion_weights": np.zeros((2, 3), np.float32)}, "int16"),
        ({"fusion_bias": np.zeros(5, np.int32)}, "bias"),
        ({"fusion_scale": np.float64("nan")}, "finite"),
        (
            {"fusion_weights": np.full((2, 40_000), 32_767, np.int16), "fusion_bias": np.zeros(2, np.int32)},
            "sums",
        ),
    ],
)
def test_what_the_core_could_not_hold_is_refused(change: dict[str, np.ndarray], words: str) -> None:
    arrays = make_integer_head(np.eye(3), np.ones(3), [(3, Quantized(0.1, 4))]).to_arrays("fusion")
    with pytest.raises(InputError, match=words):
        IntegerHead.from_arrays(
            {**arrays, **{key: np.asarray(value) for key, value in change.items()}}, "fusion"
        )


def test_missing_array_is_named() -> None:
    with pytest.raises(InputError, match="fusion_weights"):
        IntegerHead.from_arrays({}, "fusion")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler; install gcc to compare the portable core with Python")
    library = tmp_path_factory.mktemp("core") / "integer_head.so"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, str(CORE / "integer_head.c"), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


class _Head(ctypes.Structure):
    _fields_ = [
        ("weights", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("classes", ctypes.c_size_t),
        ("inputs", ctypes.c_size_t),
    ]


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 12), inputs=st.integers(1, 300))
def test_the_c_core_gives_the_same_integers(core: ctypes.CDLL, seed: int, classes: int, inputs: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.ascontiguousarray(rng.integers(-8191, 8192, size=(classes, inputs), dtype=np.int16))
    bias = rng.integers(-(2**20), 2**20, size=classes, dtype=np.int32)
    head = IntegerHead(weights, bias, 1.0)
    embedding = rng.integers(0, 256, size=inputs, dtype=np.uint8)
    scores = np.zeros(classes, np.int32)
    c_head = _Head(weights.ctypes.data, bias.ctypes.data, classes, inputs)
    core.eser_integer_head_scores(
        ctypes.byref(c_head), ctypes.c_void_p(embedding.ctypes.data), ctypes.c_void_p(scores.ctypes.data)
    )
    expected = head.scores(embedding[np.newaxis])[0]
    assert (scores == expected).all()
    core.eser_integer_head_best.restype = ctypes.c_size_t
    best = core.eser_integer_head_best(ctypes.c_void_p(scores.ctypes.data), ctypes.c_size_t(classes))
    assert best == int(expected.argmax())


def test_the_c_core_pools_like_python(core: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    windows = rng.integers(0, 256, size=(5, 33), dtype=np.uint8)
    pooled = windows[0].copy()
    for window in windows[1:]:
        core.eser_embedding_max(
            ctypes.c_void_p(pooled.ctypes.data), ctypes.c_void_p(window.ctypes.data), ctypes.c_size_t(33)
        )
    assert (pooled == windows.max(axis=0)).all()
