"""Valence, arousal, dominance: the corpora's ratings on one scale, and where in that space the emotions' names lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError

DIMENSIONS = ("valence", "arousal", "dominance")
"""The order of :attr:`edge_ser.corpora.clip.Clip.vad`."""

OCTANTS = 8
"""Parts of that space by the signs of its coordinates."""

SCALES: Mapping[str, tuple[float, float]] = {"iemocap": (1.0, 5.0), "msp-improv": (1.0, 5.0)}
"""Lowest and highest rating by layout: five-point self-assessment manikins in both (Busso et al., Language Resources
and Evaluation 42, 2008; Busso et al., IEEE Transactions on Affective Computing 8, 2017)."""

TERMS: Mapping[str, tuple[float, float, float]] = {
    "anger": (-0.51, 0.59, 0.25),
    "boredom": (-0.65, -0.62, -0.33),
    "calm": (0.68, -0.46, 0.06),
    "contempt": (-0.23, 0.31, 0.18),
    "disgust": (-0.60, 0.35, 0.11),
    "excitement": (0.62, 0.75, 0.38),
    "fear": (-0.64, 0.60, -0.43),
    "frustration": (-0.64, 0.52, -0.35),
    "happiness": (0.81, 0.51, 0.46),
    "neutral": (0.0, 0.0, 0.0),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
"""Mean (pleasure, arousal, dominance) of emotion terms, -1 to 1: Russell & Mehrabian, "Evidence for a three-factor
theory of emotions", Journal of Research in Personality 11, 1977, table of 151 terms: angry, bored, relaxed (calm is
not among them), contempt, disgusted, excited, fearful, frustrated, happy, sad, surprised. Neutral is the origin by
the making of the scales; "other" is no term. Taken from public transcriptions of that table, not from its page."""


def vad_of(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """The ratings of clips on a common scale, as in EmoSphere-SER (arXiv 2505.19693): lowest -1, middle 0, highest 1.

    Returns:
        float64 (clips, 3), valence, arousal, dominance; NaN where a clip has no ratings.

    Raises:
        InputError: a clip has ratings, and nobody says on which scale.
    """
    ratings = np.full((len(clips), len(DIMENSIONS)), np.nan)
    for row, clip in zip(ratings, clips, strict=True):
        if clip.vad is None:
            continue
        if clip.corpus not in SCALES:
            message = (
                f"{clip.path}: has valence, arousal, dominance {clip.vad} of {clip.corpus}, whose scale is not known; "
                f"expected one of {', '.join(SCALES)}: add its scale to edge_ser/corpora/affect.py"
            )
            raise InputError(message)
        low, high = SCALES[clip.corpus]
        row[:] = [2 * (value - low) / (high - low) - 1 for value in clip.vad]
    return ratings


def octants_of(clips: Sequence[Clip]) -> NDArray[np.float64]:
    """In which octant of valence, arousal, dominance clips lie: by their ratings, else by their emotion's name.

    Octants as in EmoSphere-SER (arXiv 2505.19693), which puts a coordinate of 0 among the positive ones. Here such a
    coordinate counts half for each side: ratings are often the middle of their scale exactly, and neutral is the
    origin, which then says that every octant is as likely as another.

    Returns:
        float64 (clips, 8); octant 4 (a > 0) + 2 (v > 0) + (d > 0). A row sums to 1, or is all 0 where a clip has
        neither ratings nor an emotion of :data:`TERMS`.

    Raises:
        InputError: as :func:`vad_of`.
    """
    points = vad_of(clips)
    for row, clip in zip(points, clips, strict=True):
        if np.isnan(row[0]) and clip.emotion is not None:
            row[:] = TERMS.get(clip.emotion, row)
    # NaN has sign NaN; (sign + 1) / 2 is the share of the positive half: 0, a half, or 1.
    above = (np.sign(points[:, [1, 0, 2]]) + 1) / 2
    halves = np.stack([1 - above, above], axis=-1)
    octants: NDArray[np.float64] = np.einsum(
        "na,nv,nd->navd", halves[:, 0], halves[:, 1], halves[:, 2]
    ).reshape(len(clips), OCTANTS)
    return np.nan_to_num(octants)
