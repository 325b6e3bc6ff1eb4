"""EMOVO: six actors, fourteen Italian sentences, seven emotions.

``ACTOR/EMO-ACTOR-TEXT.wav``, e.g. ``f1/gio-f1-b1.wav``; the recordings are stereo.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

EMOTION_CODES = {
    "dis": "disgust",
    "gio": "happiness",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}

_NAME = rf"(?P<emotion>{'|'.join(EMOTION_CODES)})-(?P<speaker>(?P<sex>[fm])[1-3])-[a-z]+\d*"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="emovo",
            path=path,
            speaker=match["speaker"].lower(),
            sex=match["sex"].lower(),
            emotion=EMOTION_CODES[match["emotion"].lower()],
            language="it",
            licence=EMOVO.licence,
        )


EMOVO = Layout(
    name="emovo",
    title="EMOVO, Italian emotional speech",
    kind="emotion",
    language="it",
    licence="see the publisher",
    publisher="Costantini, Iaderola, Paoloni, Todisco",
    shippable=False,
    read=read,
    hint="f1/gio-f1-b1.wav",
)
