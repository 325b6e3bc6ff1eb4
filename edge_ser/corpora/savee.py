"""SAVEE: four male English speakers, seven emotions.

``AudioData/{DC,JE,JK,KL}/a01.wav``, or flat, ``ALL/DC_a01.wav``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

EMOTION_LETTERS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

_NAME = r"(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>sa|su|[adfhn])\d\d"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``, of one of the two arrangements where a copy has both."""
    seen: set[str] = set()
    for path, match in matching(root, _NAME):
        key = match["ending"].lower().replace("/", "_")
        if key in seen:
            continue
        seen.add(key)
        yield Clip(
            corpus="savee",
            path=path,
            speaker=match["speaker"].upper(),
            sex="m",
            emotion=EMOTION_LETTERS[match["emotion"].lower()],
            language="en",
            licence=SAVEE.licence,
        )


SAVEE = Layout(
    name="savee",
    title="SAVEE, Surrey Audio-Visual Expressed Emotion",
    kind="emotion",
    language="en",
    licence="see the publisher",
    publisher="Haq, Jackson (University of Surrey)",
    shippable=False,
    read=read,
    hint="AudioData/DC/a01.wav or ALL/DC_a01.wav",
)
