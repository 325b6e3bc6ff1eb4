"""A corpus that can be told apart by ear, and a bundle that does so without having been trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.bundle import Bundle
from edge_ser.bundle_float import float_members
from edge_ser.edgetpu.model_writer import ModelWriter
from edge_ser.frontend.tables import make_tables
from edge_ser.integer_head import Quantized, make_integer_head
from edge_ser.npz import npz_bytes
from edge_ser.runtime.golden import golden_members
from edge_ser.runtime.pipeline import load_pipeline
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec

MODELS = Path(__file__).resolve().parents[2] / "models"
CLASSES = ("anger", "neutral", "sadness")
HERTZ = {"anger": 4500.0, "neutral": 1200.0, "sadness": 300.0}
"""Each emotion of the test corpus is a hiss around its own frequency."""

_BANDS = 8
_BAND_OF = {"anger": 6, "neutral": 3, "sadness": 0}


def _pooling_net(frames: int, channels: int, kind: str) -> bytes:
    """A net that reports the mean of eight frequency bands: features (1, frames, channels, 1) to (1, 1, 8, 1)."""
    writer = ModelWriter()
    pool = {
        "padding": 1,
        "stride_h": frames,
        "stride_w": channels // _BANDS,
        "filter_h": frames,
        "filter_w": channels // _BANDS,
    }
    shape, small = (1, frames, channels, 1), (1, 1, _BANDS, 1)
    if kind == "float":
        source, result = (writer.tensor(size, "float32", scale=0.0) for size in (shape, small))
        writer.op("AVERAGE_POOL_2D", [source], [result], 1, pool)
        return writer.finish([source], [result], "test")
    source = writer.tensor(shape, "uint8", scale=1 / 255)
    inside = writer.tensor(shape, "int8", scale=1 / 255, zero_point=-128)
    pooled = writer.tensor(small, "int8", scale=1 / 255, zero_point=-128)
    result = writer.tensor(small, "uint8", scale=1 / 255)
    writer.op("QUANTIZE", [source], [inside], 1)
    writer.op("AVERAGE_POOL_2D", [inside], [pooled], 2, pool)
    writer.op("QUANTIZE", [pooled], [result], 1)
    return writer.finish([source], [result], "test")


def hearing_spec() -> SystemSpec:
    """The tiny system, cut down to what the pooling nets give."""
    tiny = load_spec(MODELS / "tiny.toml")
    return replace(
        tiny,
        name="hearing",
        # Without normalisation: a steady hiss is nothing but the mean of its channels.
        acoustic=replace(
            tiny.acoustic,
            classes=CLASSES,
            normalisation="none",
            embedding=_BANDS,
            segment_s=1.0,
            hop_s=1.0,
        ),
        keyword=replace(tiny.keyword, words=("yes",), embedding=_BANDS, window_s=0.5, hop_s=0.5),
    )


def hearing_bundle(provenance: dict[str, Any], *, carries_float: bool = True) -> Bundle:
    """A bundle that hears in which band a hiss is."""
    spec = hearing_spec()
    channels = spec.frontend.channels
    acoustic, keyword = (
        {kind: _pooling_net(frames, channels, kind) for kind in ("int8", "float")}
        for frames in (spec.segment_frames, spec.keyword_frames)
    )
    weights = np.zeros((len(CLASSES), 2 * _BANDS))
    weights[:, :_BANDS] = -2
    for row, name in zip(weights, CLASSES, strict=True):
        row[_BAND_OF[name]] = 18
    bias = np.zeros(len(CLASSES))
    part = (_BANDS, Quantized(1 / 255, 0))
    fusion = make_integer_head(weights, bias, [part, part])
    words = make_integer_head(np.eye(3, _BANDS), np.zeros(3), [part])
    members = {
        "keyword.tflite": keyword["int8"],
        "acoustic.tflite": acoustic["int8"],
        "frontend_tables.npz": npz_bytes(make_tables(spec.frontend).to_arrays()),
        "fusion.npz": npz_bytes({**fusion.to_arrays("fusion"), **words.to_arrays("words")}),
    }
    if carries_float:
        members |= float_members(acoustic["float"], keyword["float"], weights, bias)
    bundle = Bundle(spec, members, provenance)
    samples = (np.random.default_rng(1).normal(size=spec.segment_samples) * 2000).astype(np.int16)
    return bundle.with_members(golden_members(load_pipeline(bundle), samples))


def hiss(rng: np.random.Generator, hertz: float, seconds: float) -> np.ndarray:
    """Noise around a frequency over a little noise everywhere; int16 at 16 kHz."""
    count = round(16_000 * seconds)
    spectrum = np.fft.rfft(rng.normal(size=count))
    distance = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / 16_000), 1.0) / hertz)
    shaped = np.fft.irfft(spectrum * np.exp(-0.5 * (distance / 0.2) ** 2), count)
    return (shaped / np.abs(shaped).max() * 9000 + rng.normal(size=count) * 20).astype(np.int16)


def learned_from_nobody() -> dict[str, Any]:
    """Provenance of a bundle that learned from a corpus that no test has."""
    speakers = {"train": ["1001"], "validation": ["1002"], "test": ["1003"]}
    one = {"name": "crema-d", "speakers": speakers}
    return {"corpora": {"emotions": one, "words": {"name": "speech-commands", "speakers": speakers}}}
