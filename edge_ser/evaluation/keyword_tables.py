"""From decisions on keyword clips to tables: words and unknown first, then with silence, then the words alone.

Silence is easy and would lift an accuracy that counts it; other speech that comes from other corpora may be easy too.
So each table is shown, and the decisions of all are made among all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.evaluation.decided import ClipName, Decided, clip_names
from edge_ser.evaluation.summary import over_seeds
from edge_ser.spec import SILENCE, UNKNOWN_WORD, SystemSpec


def per_table(spec: SystemSpec, by_seed: dict[int, list[Decided]]) -> dict[str, dict[str, Any]]:
    """What :func:`edge_ser.evaluation.summary.over_seeds` gives, by table; tables without clips are left out."""
    words = spec.keyword.words
    classes_of = {
        "words and unknown": (*words, UNKNOWN_WORD),
        "words, unknown and silence": (*words, UNKNOWN_WORD, SILENCE),
        "words alone": words,
    }
    tables = {}
    for title, classes in classes_of.items():
        chosen = {seed: [_only(one, classes) for one in folds] for seed, folds in by_seed.items()}
        if all(len(one.labels) for folds in chosen.values() for one in folds):
            tables[title] = _without_gaps(over_seeds(chosen))
    return tables


def _without_gaps(table: dict[str, Any]) -> dict[str, Any]:
    """Without the gaps between speakers: one or two words of each say nothing of how well a speaker is treated."""
    for rows in (table["pooled"], *table["seeds"].values()):
        for row in rows.values():
            row.pop("gaps", None)
    return table


def clip_titles(clips: Sequence[Clip], root: Path) -> tuple[ClipName, ...]:
    """Names of clips; noise counts as being of its recording, so that an interval resamples recordings."""
    names = clip_names(clips, {clip.corpus: root for clip in clips})
    return tuple(name if name.speaker else replace(name, speaker=name.file) for name in names)


def _of(decided: Decided, classes: Sequence[str]) -> NDArray[np.bool_]:
    return np.isin(decided.labels, [decided.classes.index(name) for name in classes])


def _only(decided: Decided, classes: Sequence[str]) -> Decided:
    """The decisions on clips of some classes."""
    kept = _of(decided, classes)
    return replace(
        decided,
        clips=tuple(clip for clip, keep in zip(decided.clips, kept, strict=True) if keep),
        labels=decided.labels[kept],
        probabilities={name: rows[kept] for name, rows in decided.probabilities.items()},
    )
