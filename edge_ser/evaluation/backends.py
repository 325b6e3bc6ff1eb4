"""What a bundle is scored with: float, int8 by LiteRT's built-in kernels, int8 by TFLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import probabilities_of
from edge_ser.bundle import Bundle
from edge_ser.bundle_controls import Controls, read_controls
from edge_ser.bundle_float import FLOAT_HEADS, FLOAT_NETS, has_float
from edge_ser.errors import CheckError, InputError
from edge_ser.evaluation.heard import ControlHeads, Head
from edge_ser.frontend.net_input import NetInput, acoustic_input
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.golden import check_golden
from edge_ser.runtime.pipeline import Pipeline, load_pipeline
from edge_ser.runtime.tflm import TflmNet

BackendName = Literal["float", "litert", "tflm"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
TITLES: Mapping[BackendName, str] = {
    "float": "float",
    "litert": "int8, LiteRT built-in kernels",
    "tflm": "int8, TFLM",
}

_GOLDEN = {
    "samples": "golden/samples.npy",
    "acoustic": "golden/acoustic_embedding.npy",
    "keyword": "golden/keyword_windows.npy",
}

Floats = NDArray[np.float64]


class Backend(Protocol):
    """One way to run a bundle."""

    @property
    def controls(self) -> ControlHeads | None:
        """The heads that controls need, or ``None`` where the bundle carries none."""
        ...

    def embeddings(self, features: NDArray[np.uint8]) -> NDArray[Any]:
        """uint8 (n, frames, channels) → (n, acoustic + keyword embedding), in the units of the backend's heads."""
        ...

    def probabilities(self, embeddings: NDArray[Any], seconds: Floats) -> Floats:
        """What the fusion head makes of a recording, by the spec's rule of averaging.

        Args:
            embeddings: of its segments, (n, acoustic + keyword embedding).
            seconds: audio in each segment, (n,).

        Returns:
            float64 (classes,), summing to 1.
        """
        ...


class IntegerBackend:
    """The pipeline that ships, whatever interpreter runs its nets."""

    def __init__(self, pipeline: Pipeline, controls: Controls | None) -> None:
        self._pipeline = pipeline
        self._controls = controls

    @property
    def controls(self) -> ControlHeads | None:
        """The heads that controls need, in integers."""
        if self._controls is None:
            return None
        return ControlHeads(
            fused=_integer(self._pipeline.fusion),
            alone=_integer(self._controls.alone.integer),
            taught=tuple(_integer(head.integer) for head in self._controls.taught),
            acoustic=self._pipeline.spec.acoustic.embedding,
        )

    def embeddings(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """uint8 (n, frames, channels) → uint8 (n, acoustic + keyword embedding)."""
        return self._pipeline.embeddings(features).fused

    def probabilities(self, embeddings: NDArray[Any], seconds: Floats) -> Floats:
        """uint8 (n, acoustic + keyword embedding) and seconds (n,) → float64 (classes,)."""
        return self._pipeline.probabilities(self._pipeline.fusion.scores(embeddings), seconds)


class FloatBackend:
    """The float TFLite files, by LiteRT, and the float fusion head."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the float members of a bundle.

        Raises:
            InputError: they do not fit each other or the spec.
        """
        self._spec = bundle.spec
        self._acoustic = FloatNet(bundle.member(FLOAT_NETS["acoustic"]), FLOAT_NETS["acoustic"])
        self._keyword = FloatNet(bundle.member(FLOAT_NETS["keyword"]), FLOAT_NETS["keyword"])
        heads = bundle.arrays(FLOAT_HEADS)
        inputs = bundle.spec.acoustic.embedding + bundle.spec.keyword.embedding
        expected = {"weights": (len(bundle.labels), inputs), "bias": (len(bundle.labels),)}
        for name, shape in expected.items():
            if name not in heads or heads[name].shape != shape or heads[name].dtype != np.float64:
                message = f"{FLOAT_HEADS}: expected {name!r} as float64 {shape}; quantize the system again"
                raise InputError(message)
        self._fusion = _dense(heads["weights"], heads["bias"])
        self._controls = read_controls(bundle)

    @property
    def controls(self) -> ControlHeads | None:
        """The heads that controls need, in float."""
        if self._controls is None:
            return None
        return ControlHeads(
            fused=self._fusion,
            alone=_dense(self._controls.alone.weights, self._controls.alone.bias),
            taught=tuple(_dense(head.weights, head.bias) for head in self._controls.taught),
            acoustic=self._spec.acoustic.embedding,
        )

    def embeddings(self, features: NDArray[np.uint8]) -> Floats:
        """uint8 (n, frames, channels) → float64 (n, acoustic + keyword embedding)."""
        length = self._spec.keyword_frames
        windows = [self._keyword.embed(features[:, at : at + length]) for at in self._spec.keyword_starts]
        heard = acoustic_input(features, self._spec.acoustic.normalisation)
        return np.hstack([self._acoustic.embed(heard), np.max(windows, axis=0)])

    def probabilities(self, embeddings: NDArray[Any], seconds: Floats) -> Floats:
        """float64 (n, acoustic + keyword embedding) and seconds (n,) → float64 (classes,)."""
        return probabilities_of(self._spec.decision.averaging, self._fusion(embeddings), seconds)


def _integer(head: IntegerHead) -> Head:
    def logits(embeddings: NDArray[Any]) -> Floats:
        return head.scores(embeddings).astype(np.float64) * head.scale

    return logits


def _dense(weights: Floats, bias: Floats) -> Head:
    def logits(embeddings: NDArray[Any]) -> Floats:
        result: Floats = embeddings @ weights.T + bias
        return result

    return logits


class FloatNet:
    """A float TFLite file on this CPU, by LiteRT's built-in kernels."""

    def __init__(self, model: bytes, name: str) -> None:
        """Load a model.

        Raises:
            InputError: not a model, or one whose input is not float32.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            self._interpreter: Any = Interpreter(
                model_content=model,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            message = f"{name}: not a TFLite model that this runtime can load ({str(error).splitlines()[0]})"
            raise InputError(message) from None
        entry = self._interpreter.get_input_details()[0]
        if entry["dtype"] != np.float32:
            message = f"{name}: input is {np.dtype(entry['dtype']).name}; expected float32"
            raise InputError(message)
        self._entry, self._shape = entry["index"], tuple(int(size) for size in entry["shape"])
        self._exit = self._interpreter.get_output_details()[0]["index"]

    def embed(self, features: NDArray[np.uint8]) -> Floats:
        """uint8 (n, frames, channels) → float64 (n, embedding)."""
        rows = []
        for one in features:
            value = one.astype(np.float32)[np.newaxis, ..., np.newaxis] / np.float32(255)
            self._interpreter.set_tensor(self._entry, value)
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(self._exit).ravel().astype(np.float64))
        return np.stack(rows)


def load_backends(bundle: Bundle, names: Sequence[BackendName]) -> dict[BackendName, Backend]:
    """Make backends ready.

    Args:
        bundle: what to run.
        names: which; ``"float"`` is left out where the bundle does not carry it.

    Raises:
        InputError: a member does not fit the spec.
        MissingError: an interpreter is not installed.
    """
    backends: dict[BackendName, Backend] = {}
    for name in names:
        if name == "float":
            if has_float(bundle):
                backends[name] = FloatBackend(bundle)
            continue
        backends[name] = IntegerBackend(_pipeline(bundle, name), read_controls(bundle))
    return backends


def golden_verdicts(bundle: Bundle, names: Sequence[BackendName]) -> dict[str, dict[str, Any]]:
    """How far each integer backend is from the bundle's golden vectors.

    Args:
        bundle: with golden members; without them there is nothing to compare with, and no verdict.
        names: which backends.

    Returns:
        By backend: the largest difference of each embedding, in steps of uint8, and ``problem``, the words of
        :func:`edge_ser.runtime.golden.check_golden` where a stage is further off than allowed, else ``""``.
    """
    if not set(_GOLDEN.values()) <= set(bundle.members):
        return {}
    verdicts: dict[str, dict[str, Any]] = {}
    for name in names:
        if name == "float":
            continue
        pipeline = _pipeline(bundle, name)
        features = pipeline.features(bundle.array(_GOLDEN["samples"])[np.newaxis])
        found = pipeline.embeddings(features)
        verdicts[name] = {
            "acoustic": _distance(bundle.array(_GOLDEN["acoustic"]), found.acoustic[0]),
            "keyword": _distance(bundle.array(_GOLDEN["keyword"]), found.keyword_windows[0]),
            "problem": "",
        }
        try:
            check_golden(bundle, pipeline)
        except CheckError as error:
            verdicts[name]["problem"] = str(error)
    return verdicts


def _distance(expected: NDArray[Any], found: NDArray[np.uint8]) -> int | None:
    if expected.shape != found.shape:
        return None
    return int(np.abs(expected.astype(np.int64) - found.astype(np.int64)).max())


def net_input(bundle: Bundle) -> NetInput:
    """The front end of a bundle."""
    return NetInput(FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz")))


def _pipeline(bundle: Bundle, name: BackendName) -> Pipeline:
    # LiteRT's pipeline first: it checks every member against the spec.
    checked = load_pipeline(bundle)
    if name == "litert":
        return checked
    spec = checked.spec
    channels = spec.frontend.channels
    return Pipeline(
        spec,
        net_input(bundle),
        TflmNet(bundle.member("acoustic.tflite"), "acoustic.tflite", spec.segment_frames, channels),
        TflmNet(bundle.member("keyword.tflite"), "keyword.tflite", spec.keyword_frames, channels),
        checked.fusion,
        checked.words,
    )
