"""Training that starts from another system's acoustic net: transfer learning onto a corpus of one's own.

A small corpus cannot teach a net what speech sounds like; a net that a larger one has taught learns the small one's
speakers, language and emotions from there (fine-tuning, e.g. Yosinski et al., arXiv 1411.1792). Weights come from a
bundle, which also says whom they learned from: nobody of them may be tested.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_float import FLOAT_WEIGHTS
from edge_ser.errors import InputError
from edge_ser.files import sha256_hex
from edge_ser.quantization.float_nets import load_float_net
from edge_ser.spec import SystemSpec

_SHAPE = ("stem", "dim", "blocks", "mixing", "gates", "normalisation", "embedding")
"""What of an acoustic spec decides the shapes of its weights, beside pooling by a gate. Length and classes may differ,
but for ``fixed``; mean and deviation may, since neither has weights."""

_CLASSIFIER = "classifier"


@dataclass(frozen=True)
class Start:
    """An acoustic net to start from.

    Attributes:
        spec: of the system that it belongs to.
        weights: its Keras weights file, classifier included.
        build_id: of the bundle that they come from.
        corpora: what that bundle's provenance says of the corpora it learned from, one entry per corpus.
        teachers: what it says of the teachers that it had, one entry each.
    """

    spec: SystemSpec
    weights: bytes
    build_id: str
    corpora: tuple[dict[str, Any], ...]
    teachers: tuple[dict[str, Any], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, hexadecimal."""
        return sha256_hex(self.weights)

    def beginning_of(self, classes: Sequence[str]) -> Callable[[keras.Model], None]:
        """What gives a new model that tells ``classes`` apart these weights; see :meth:`into`."""
        return lambda model: self.into(model, classes)

    def into(self, model: keras.Model, classes: Sequence[str]) -> None:
        """Copy every layer's weights into the layer of the same name.

        The classifier is copied only where it tells the same classes apart; otherwise it stays as it was made.

        Args:
            model: the same net with a classifier, from :func:`~edge_ser.training.objective.training_model`.
            classes: that ``model`` tells apart.

        Raises:
            InputError: the weights do not fit the spec that came with them.
        """
        source = load_float_net(self.spec, "acoustic", self.weights, f"bundle {self.spec.name}")
        same_classes = tuple(classes) == self.spec.acoustic.classes
        for layer in source.layers:
            if layer.weights and (same_classes or layer.name != _CLASSIFIER):
                model.get_layer(layer.name).set_weights(layer.get_weights())


def read_start(path: Path, spec: SystemSpec) -> Start:
    """Read a bundle to start from.

    Args:
        path: a bundle with float weights.
        spec: what shall be trained.

    Raises:
        InputError: no such bundle, it carries no float weights, it does not say whom it learned from, or its
            acoustic net or front end is another one.
    """
    bundle = read_bundle(path)
    member = FLOAT_WEIGHTS["acoustic"]
    if member not in bundle.members:
        message = f"{path}: carries no float weights ({member}); make it again with: edge-ser quantize"
        raise InputError(message)
    for name, theirs, ours in _differences(bundle.spec, spec):
        mend = ""
        if name.startswith("acoustic."):
            # JSON is what --set takes: lists, strings and numbers are the same in TOML.
            mend = ": --set " + shlex.quote(f"{name}={json.dumps(theirs)}")
        what = f"its {name} is {theirs!r}, the spec's is {ours!r}"
        message = f"{path}: {what}; a start needs the same net and front end{mend}"
        raise InputError(message)
    teachers = bundle.provenance.get("teachers")
    told = tuple(teachers) if isinstance(teachers, list) else ()
    return Start(bundle.spec, bundle.member(member), bundle.build_id, _corpora(path, bundle), told)


def _corpora(path: Path, bundle: Bundle) -> tuple[dict[str, Any], ...]:
    told = bundle.provenance.get("corpora")
    entries = list(told.values()) if isinstance(told, dict) else []
    flat = [one for entry in entries for one in (entry if isinstance(entry, list) else [entry])]
    if not flat or not all(isinstance(one, dict) and "speakers" in one for one in flat):
        message = f"{path}: does not say whom it learned from, so no score after it could be believed; make it again"
        raise InputError(message)
    return tuple(flat)


def _differences(theirs: SystemSpec, ours: SystemSpec) -> list[tuple[str, Any, Any]]:
    pairs = [
        (f"acoustic.{name}", getattr(theirs.acoustic, name), getattr(ours.acoustic, name)) for name in _SHAPE
    ]
    pairs.append(("frontend", theirs.frontend, ours.frontend))
    if "attention" in (theirs.acoustic.pooling, ours.acoustic.pooling):
        pairs.append(("acoustic.pooling", theirs.acoustic.pooling, ours.acoustic.pooling))
    if ours.acoustic.mixing == "fixed":
        pairs.append(("acoustic.segment_s", theirs.acoustic.segment_s, ours.acoustic.segment_s))
    return [pair for pair in pairs if pair[1] != pair[2]]
