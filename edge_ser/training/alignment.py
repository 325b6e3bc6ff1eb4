"""The acoustic classifier fitted again on the directions of the embedding that hand-crafted functionals share.

After EDRL + MEA (arXiv 2510.09072), where a multiblock partial least squares projects embeddings and the original
input features into a joint space of largest covariance, and a classifier learns there from clean speech only; its
numbers, block structure and component counts are not known to us. Ours: plain two-block PLS (Wold's, by scikit-learn)
between the embedding and the 88 functionals of :mod:`edge_ser.handcrafted`, both standardised over the training clips;
a logistic regression on its leading components. All of it is linear, so it becomes the one head on the embedding that
there was before: inference costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import replacing
from edge_ser.handcrafted.clips import clip_functionals
from edge_ser.handcrafted.frames import Floats
from edge_ser.provenance import code_digest
from edge_ser.spec import SystemSpec
from edge_ser.training import stages
from edge_ser.training.fusion import FloatHead, rows_of
from edge_ser.training.segments import Segments, cut_segments

_FUNCTIONALS_CODE = ("audio.py", "handcrafted")
_LEAST_SPREAD = 1e-6
"""An embedding value or a functional that spreads less than this over all clips is constant and says nothing."""

_PENALTY = 1.0
"""L2 on the standardised scores, scikit-learn's default; fusion's temperature settles how sure the head may be."""


def fit_aligned(
    embeddings: NDArray[np.floating], functionals: Floats, labels: NDArray[np.int64], components: int
) -> FloatHead:
    """Fit a classifier on what embedding and functionals share, and fold it into a head on the embedding.

    Args:
        embeddings: float (n, inputs), one row per training clip.
        functionals: float64 (n, 88) of the same clips.
        labels: int (n,), every class from 0 upwards.
        components: how many PLS components are kept.

    Returns:
        The head (classes, inputs). It reads the components only: what of the embedding lies outside them is unheard.

    Raises:
        InputError: a class has no clip, or there are not more clips, nor that many varying values, than components.
    """
    classes = int(labels.max(initial=-1)) + 1
    if len(np.unique(labels)) != classes or classes < 2:
        message = (
            f"alignment: training clips hold {len(np.unique(labels))} of {classes} classes; expected all"
        )
        raise InputError(message)
    inputs, mean, spread = _standardised(embeddings.astype(np.float64))
    told, _, _ = _standardised(functionals)
    varying = min(int((spread < np.inf).sum()), int(np.any(told != 0, axis=0).sum()), len(labels) - 1)
    if components > varying:
        message = f"fusion.alignment is {components}; the training clips allow at most {varying}: lower it"
        raise InputError(message)
    with threadpool_limits(1):
        rotation = PLSRegression(components, scale=False).fit(inputs, told).x_rotations_
        scores = inputs @ rotation
        size = np.maximum(scores.std(axis=0), _LEAST_SPREAD)
        weights = compute_sample_weight("balanced", labels)
        model = LogisticRegression(C=1 / _PENALTY, max_iter=2000).fit(
            scores / size, labels, sample_weight=weights
        )
    coefficients, bias = rows_of(model)
    folded: Floats = (coefficients / size) @ rotation.T / spread
    return FloatHead(weights=folded, bias=bias - folded @ mean)


def aligned_head(
    spec: SystemSpec,
    clips: Sequence[Clip],
    embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    folder: Path,
    advance: Callable[[int], None],
) -> FloatHead:
    """The head of :func:`fit_aligned` for a trained net.

    Args:
        spec: the system; ``fusion.alignment`` components are kept.
        clips: the training clips.
        embed: uint8 (n, frames, channels) to acoustic embeddings (n, inputs).
        folder: takes the clips' segments and functionals, which other seeds and other nets use again.
        advance: called with 2 for every clip done.
    """
    segments, functionals = _measured(spec, clips, folder, advance)
    return fit_aligned(
        segments.per_clip(embed(segments.features)), functionals, segments.labels, spec.fusion.alignment
    )


def _measured(
    spec: SystemSpec, clips: Sequence[Clip], folder: Path, advance: Callable[[int], None]
) -> tuple[Segments, Floats]:
    """Segments and functionals of clips, as recorded."""
    segments = cut_segments(spec, clips, advance)
    stage = folder / "functionals"
    key = stages.digest(
        [stages.clips_digest(clips, segments.labels.tolist()), code_digest(_FUNCTIONALS_CODE)]
    )
    kept = stage / "functionals.npy"
    if not stages.is_done(stage, key):
        rows = clip_functionals(clips, advance, workers=1)
        with replacing(kept) as beside, beside.open("wb") as file:
            np.save(file, rows)
        stages.mark_done(stage, {"clips": len(clips)})
    else:
        advance(len(clips))
    functionals: Floats = np.load(kept, allow_pickle=False)
    return segments, functionals


def _standardised(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Values less their mean over their spread, and both; a constant column becomes zeros, its spread infinite."""
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread < _LEAST_SPREAD, np.inf, spread)
    return (values - mean) / spread, mean, spread
