"""A trained keyword net ready to be scored: in float, in int8 by LiteRT, in int8 by TFLM."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from edge_ser.audio import audio_info, read_audio
from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName, FloatNet
from edge_ser.files import read_json
from edge_ser.frontend.net_input import NetInput
from edge_ser.frontend.tables import make_tables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.interpreters import BUILT_IN, REFERENCE, Kernels, LiteRtNet, Net
from edge_ser.runtime.tflm import TflmNet
from edge_ser.spec import SystemSpec

INT8, FLOAT, HEADS, RECORD = "keyword.tflite", "keyword-float.tflite", "words.npz", "keyword.json"
"""What a training of the keyword net alone leaves in its folder."""

Floats = NDArray[np.float64]
Windows = NDArray[np.uint8]
"""uint8 (n, frames, channels)."""


@dataclass(frozen=True)
class KeywordNets:
    """A keyword net.

    Attributes:
        spec: the system that it belongs to.
        int8: the file that ships.
        words: its integer head.
        float32: the same net before quantisation, and the head's float weights and bias; ``None`` where they are not
            kept.
    """

    spec: SystemSpec
    int8: bytes
    words: IntegerHead
    float32: tuple[bytes, Floats, Floats] | None


def read_nets(spec: SystemSpec, folder: Path) -> tuple[KeywordNets, dict[str, Any]]:
    """Read what a training left, and its record (params, bytes, keras_difference, commit).

    Raises:
        InputError: a file is missing or broken.
    """
    try:
        with np.load(folder / HEADS, allow_pickle=False) as arrays:
            heads = {name: arrays[name] for name in arrays.files}
        words = IntegerHead.from_arrays(heads, "words")
        in_float = ((folder / FLOAT).read_bytes(), heads["float_weights"], heads["float_bias"])
        int8 = (folder / INT8).read_bytes()
    except (OSError, ValueError, KeyError) as error:
        message = f"{folder}: holds no finished keyword net ({error}); delete it and evaluate again"
        raise InputError(message) from None
    return KeywordNets(spec, int8, words, in_float), read_json(folder / RECORD)


def bundle_nets(bundle: Bundle) -> KeywordNets:
    """The keyword net of a bundle, as it ships; in int8 alone."""
    words = IntegerHead.from_arrays(bundle.arrays("fusion.npz"), "words")
    return KeywordNets(bundle.spec, bundle.member(INT8), words, None)


Predictor = Callable[[Windows], Floats]
"""uint8 (n, frames, channels) → float64 (n, classes), rows summing to 1."""


def predictors(nets: KeywordNets, names: Sequence[BackendName]) -> dict[BackendName, Predictor]:
    """Make backends ready; float is left out where its file is not kept.

    Raises:
        InputError: a file does not fit the spec.
        MissingError: an interpreter is not installed.
    """
    spec = nets.spec
    shape = (spec.keyword_frames, spec.frontend.channels)
    found: dict[BackendName, Predictor] = {}
    for name in names:
        if name == "float" and nets.float32 is not None:
            model, weights, bias = nets.float32
            found[name] = _in_float(FloatNet(model, FLOAT), weights, bias)
        elif name == "litert":
            found[name] = _in_integers(LiteRtNet(nets.int8, INT8, *shape), nets.words)
        elif name == "tflm":
            found[name] = _in_integers(TflmNet(nets.int8, INT8, *shape), nets.words)
    return found


def _in_float(net: FloatNet, weights: Floats, bias: Floats) -> Predictor:
    def predict(windows: Windows) -> Floats:
        probabilities: Floats = softmax(net.embed(windows) @ weights.T + bias, axis=1)
        return probabilities

    return predict


def _in_integers(net: Net, head: IntegerHead) -> Predictor:
    def predict(windows: Windows) -> Floats:
        return head.probabilities(head.scores(net.embed(windows)))

    return predict


@dataclass(frozen=True)
class Apart:
    """How far TFLM's embedding is from LiteRT's at most, in steps of uint8.

    Attributes:
        reference: from its reference kernels, as which TFLM computes but for the factor of a product; more than a few
            steps are a wrong runtime or file.
        optimised: from its optimised ones, which round some sums otherwise; what a CPU runs and scores are made with.
    """

    reference: int
    optimised: int


def interpreters_apart(nets: KeywordNets, windows: Windows) -> Apart:
    """Compare TFLM with both kinds of LiteRT's kernels.

    Args:
        nets: the net that both run.
        windows: uint8 (n, frames, channels).
    """
    spec = nets.spec
    shape = (spec.keyword_frames, spec.frontend.channels)
    theirs = TflmNet(nets.int8, INT8, *shape).embed(windows).astype(np.int64)

    def from_litert(kernels: Kernels) -> int:
        ours = LiteRtNet(nets.int8, INT8, *shape, kernels).embed(windows).astype(np.int64)
        return int(np.abs(ours - theirs).max(initial=0))

    return Apart(from_litert(REFERENCE), from_litert(BUILT_IN))


def front_end(spec: SystemSpec) -> NetInput:
    """The front end of a spec."""
    return NetInput(make_tables(spec.frontend))


def clip_windows(spec: SystemSpec, front: NetInput, clips: Sequence[Clip]) -> Windows:
    """One window per clip, the clip in its middle, what surrounds it in its file around it, zeros where there is none.

    Returns:
        uint8 (clips, frames, channels).

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    if not clips:
        return np.zeros((0, spec.keyword_frames, spec.frontend.channels), dtype=np.uint8)
    return front.features(np.stack([_window(spec, clip) for clip in clips]))


def _window(spec: SystemSpec, clip: Clip) -> NDArray[np.int16]:
    rate, wanted = spec.frontend.sample_rate_hz, spec.keyword_samples
    whole_s = audio_info(clip.path).duration_s
    end_s = min(whole_s, clip.end_s if clip.end_s is not None else whole_s)
    first_s = (clip.start_s + end_s - wanted / rate) / 2
    samples = read_audio(clip.path, rate, max(0.0, first_s), min(whole_s, first_s + wanted / rate))[:wanted]
    # A file shorter than a window stands in the middle of it; one that ends within it leaves zeros behind.
    before = min(wanted - len(samples), max(0, math.floor(-first_s * rate + 0.5)))
    return np.pad(samples, (before, wanted - len(samples) - before))
