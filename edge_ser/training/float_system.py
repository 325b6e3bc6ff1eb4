"""A trained system before quantisation: its nets and heads, where they are kept, and reading them back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError
from edge_ser.frontend.net_input import acoustic_input
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.keyword import build_keyword
from edge_ser.networks.layers import with_classifier
from edge_ser.quantization.aware import RANGES
from edge_ser.spec import SystemSpec
from edge_ser.training.fusion import FloatHead, load_head
from edge_ser.training.loop import WEIGHTS
from edge_ser.training.segments import Segments

NetName = Literal["keyword", "acoustic"]

HEAD = "head.npz"
WORDS_PROBE = "keyword-probe"
"""Stage of the keyword classifier that is fitted again."""


@dataclass(frozen=True)
class FloatSystem:
    """A trained system before quantisation.

    Attributes:
        keyword: the keyword net with its classifier.
        acoustic: the acoustic net with its classifier.
        words: the keyword classifier as a head on the keyword embedding, fitted again where the spec asks for it.
        alone: the acoustic classifier as a head on the acoustic embedding, fitted again where the spec asks for it.
        fusion: the head on both embeddings.
        controls: heads fitted with shuffled keywords, to say what the words are worth; not deployed.
    """

    spec: SystemSpec
    keyword: keras.Model
    acoustic: keras.Model
    words: FloatHead
    alone: FloatHead
    fusion: FloatHead
    controls: tuple[FloatHead, ...] = ()

    @property
    def params(self) -> int:
        """Parameters that are deployed: both nets (BatchNorm counted as the scale and bias it folds to), two heads."""
        nets = _net_params(self.keyword) + _net_params(self.acoustic)
        return nets + sum(head.weights.size + head.bias.size for head in (self.words, self.fusion))

    def embeddings(self, features: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Acoustic (n, A), and keyword (n, K) as the largest over the windows, of uint8 (n, frames, channels)."""
        length = self.spec.keyword_frames
        windows = [
            embeddings_of(self.keyword, features[:, at : at + length]) for at in self.spec.keyword_starts
        ]
        heard = acoustic_input(features, self.spec.acoustic.normalisation)
        return embeddings_of(self.acoustic, heard), np.max(windows, axis=0)

    def logits(self, segments: Segments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Clip logits (clips, classes): fused, and of the acoustic net alone."""
        acoustic, keyword = self.embeddings(segments.features)
        fused = self.fusion.logits(np.hstack([acoustic, keyword]))
        averaging = self.spec.decision.averaging
        return segments.per_clip(fused, averaging), segments.per_clip(self.alone.logits(acoustic), averaging)


@dataclass(frozen=True)
class FloatKeyword:
    """A trained keyword net alone, before quantisation.

    Attributes:
        spec: the system that it belongs to.
        keyword: the keyword net with its classifier.
        words: that classifier as a head on the embedding, or the one that was fitted again.
    """

    spec: SystemSpec
    keyword: keras.Model
    words: FloatHead

    @property
    def params(self) -> int:
        """Parameters that are deployed: the net (BatchNorm as what it folds to) and the head."""
        return _net_params(self.keyword) + self.words.weights.size + self.words.bias.size


def load_system(spec: SystemSpec, folder: Path) -> FloatSystem:
    """Read back what :func:`train_system` left in ``folder``.

    Raises:
        InputError: the folder holds no finished training of this spec.
    """
    heads = folder / "fusion" / HEAD
    again = (refitted_file(spec, folder), words_probe_file(spec, folder))
    if not heads.exists() or any(path is not None and not path.exists() for path in again):
        message = f"{folder}: holds no finished training; run: edge-ser train"
        raise InputError(message)
    acoustic, keyword = load_net(spec, "acoustic", folder), load_net(spec, "keyword", folder)
    alone = alone_head(spec, acoustic, folder)
    controls = tuple(load_head(path) for path in control_files(folder))
    words = words_head(spec, keyword, folder)
    return FloatSystem(spec, keyword, acoustic, words, alone, load_head(heads), controls)


def weights_file(spec: SystemSpec, folder: Path, net: NetName) -> Path:
    """Where a training in ``folder`` keeps a net's final Keras weights (classifier included)."""
    return (aware_folder(folder, net) if spec.quantization.aware else folder / net) / WEIGHTS


def ranges_file(folder: Path, net: NetName) -> Path:
    """Where quantisation-aware training in ``folder`` keeps the ranges of a net's activations."""
    return aware_folder(folder, net) / RANGES


def aware_folder(folder: Path, net: NetName) -> Path:
    """Where a training in ``folder`` keeps what quantisation-aware training made of a net."""
    return folder / f"{net}-aware"


def refitted_file(spec: SystemSpec, folder: Path) -> Path | None:
    """Where a training in ``folder`` keeps the acoustic classifier that is fitted again; ``None`` if none is."""
    if spec.fusion.alignment:
        return folder / "aligned" / HEAD
    return folder / "probe" / HEAD if spec.fusion.probe else None


def alone_head(spec: SystemSpec, acoustic: keras.Model, folder: Path) -> FloatHead:
    """The acoustic classifier that the system has: the one that was fitted again, or the net's own."""
    again = refitted_file(spec, folder)
    return classifier_head(acoustic) if again is None else load_head(again)


def words_probe_file(spec: SystemSpec, folder: Path) -> Path | None:
    """Where a training in ``folder`` keeps the keyword classifier that is fitted again; ``None`` if none is."""
    return folder / WORDS_PROBE / HEAD if spec.keyword.probe else None


def words_head(spec: SystemSpec, keyword: keras.Model, folder: Path) -> FloatHead:
    """The keyword classifier that the system has: the one that was fitted again, or the net's own."""
    again = words_probe_file(spec, folder)
    return classifier_head(keyword) if again is None else load_head(again)


def control_files(folder: Path, count: int | None = None) -> list[Path]:
    """Where the heads fitted with shuffled keywords are: those that are there, or ``count`` places for them."""
    stage = folder / "fusion"
    if count is None:
        return sorted(stage.glob("control-*.npz"))
    return [stage / f"control-{number:02d}.npz" for number in range(count)]


def _net_params(model: keras.Model) -> int:
    """Parameters of a net without its classifier."""
    return sum(
        int(np.prod(weight.shape))
        for layer in model.layers
        if layer.name != "classifier"
        for weight in layer.trainable_weights
    )


def load_net(spec: SystemSpec, net: NetName, folder: Path) -> keras.Model:
    """A net of a training in ``folder`` with its final weights, classifier included."""
    if net == "keyword":
        model = with_classifier(build_keyword(spec), len(spec.keyword.classes), 0.0)
    else:
        model = with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0)
    model.load_weights(weights_file(spec, folder, net))
    return model


def classifier_head(model: keras.Model) -> FloatHead:
    """The classifier of a net as a head on its embedding."""
    kernel, bias = model.get_layer("classifier").get_weights()
    return FloatHead(weights=kernel.T.astype(np.float64), bias=bias.astype(np.float64))


def embeddings_of(model: keras.Model, features: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a net makes of uint8 (n, frames, channels): float32 (n, embedding)."""
    net = keras.Model(model.input, model.get_layer("flat_embedding").output)
    inputs = features[..., np.newaxis] / np.float32(255)
    values: NDArray[np.float32] = net.predict(inputs, batch_size=256, verbose=0)
    return values
