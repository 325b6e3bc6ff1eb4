"""RAVDESS: 24 actors, two English sentences, eight emotions; the speech, not the songs.

``Actor_NN/MM-CC-EE-II-SS-RR-AA.wav``: modality (03 audio only), channel (01 speech, 02 song), emotion,
intensity, sentence, repetition, actor; odd actors are male (Livingstone & Russo, PLoS ONE 13(5), 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

SENTENCES = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
EMOTION_NUMBERS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}

_NAME = r"03-01-(?P<emotion>0[1-8])-0[12]-(?P<text>0[12])-0[12]-(?P<actor>\d\d)"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="ravdess",
            path=path,
            speaker=match["actor"],
            sex="m" if int(match["actor"]) % 2 else "f",
            emotion=EMOTION_NUMBERS[match["emotion"]],
            text=SENTENCES[match["text"]],
            language="en",
            licence=RAVDESS.licence,
        )


def listed(root: Path) -> Iterator[str]:
    """Yield the sixty recordings of every actor of whom there is one: the release is a full grid.

    Four neutral ones (neutral has no strong intensity), eight of each other emotion.
    """
    for actor in sorted({match["actor"] for _, match in matching(root, _NAME)}):
        for emotion, level, text, take in product(EMOTION_NUMBERS, ("01", "02"), SENTENCES, ("01", "02")):
            if emotion != "01" or level == "01":
                yield f"03-01-{emotion}-{level}-{text}-{take}-{actor}"


RAVDESS = Layout(
    name="ravdess",
    title="RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song (speech)",
    kind="emotion",
    language="en",
    licence="CC BY-NC-SA 4.0",
    publisher="Livingstone, Russo (Ryerson University)",
    shippable=False,
    read=read,
    hint="Actor_01/03-01-05-01-02-01-01.wav",
    listed=listed,
    aside=("*03-02-*",),
)
