"""URDU-Dataset: 400 utterances cut from talk shows, four emotions.

``{Angry,Happy,Neutral,Sad}/SGX_FYY_EZZ.wav``: sex and number of the speaker, file of that speaker, emotion
and number (github.com/siddiquelatif/URDU-Dataset). The level differs by label through the recording chain:
score it level-normalised.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

EMOTION_LETTERS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}

_NAME = r"(?P<speaker>S(?P<sex>[MF])\d+)_F\d+_(?P<emotion>[AHNS])\d+"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="urdu",
            path=path,
            speaker=match["speaker"].upper(),
            sex=match["sex"].lower(),
            emotion=EMOTION_LETTERS[match["emotion"].upper()],
            language="ur",
            licence=URDU.licence,
        )


URDU = Layout(
    name="urdu",
    title="URDU-Dataset",
    kind="emotion",
    language="ur",
    licence="research only",
    publisher="Latif, Qayyum, Usman, Qadir",
    shippable=False,
    read=read,
    hint="Angry/SM1_F01_A001.wav",
    notes=("the level differs by label through the recording chain: normalise it before scoring",),
)
