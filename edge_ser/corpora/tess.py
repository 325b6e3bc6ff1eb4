"""TESS: two women, 200 English words in "Say the word ...", seven emotions.

``OAF_angry/OAF_back_angry.wav``; folders are spelled in several ways and hold nothing that the names do
not, so only the names are read. Traps of the release: one file is named ``OA_bite_neutral``, one is AIFF
inside a ``.wav``, one has 96 kHz; the audio reader goes by content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

EMOTION_WORDS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}

_NAME = rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z'-]+)_(?P<emotion>{'|'.join(EMOTION_WORDS)})"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="tess",
            path=path,
            speaker="YAF" if match["speaker"].upper() == "YAF" else "OAF",
            sex="f",
            emotion=EMOTION_WORDS[match["emotion"].lower()],
            text=f"Say the word {match['word'].lower()}.",
            language="en",
            licence=TESS.licence,
        )


TESS = Layout(
    name="tess",
    title="TESS, Toronto Emotional Speech Set",
    kind="emotion",
    language="en",
    licence="CC BY-NC-ND 4.0",
    publisher="Pichora-Fuller, Dupuis (University of Toronto)",
    shippable=False,
    read=read,
    hint="OAF_angry/OAF_back_angry.wav",
)
