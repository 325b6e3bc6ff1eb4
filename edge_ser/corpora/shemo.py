"""ShEMO: Persian radio plays, six emotions.

``{male,female}/F03S02.wav``: sex, speaker, emotion letter, number; transcripts in ``.ort`` files of the
same stem, anywhere below the root.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import files_below, matching, read_text

EMOTION_LETTERS = {
    "A": "anger",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "S": "sadness",
    "W": "surprise",
}

_NAME = r"(?P<speaker>(?P<sex>[FM])\d\d)(?P<emotion>[AFHNSW])\d+"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    transcripts = {path.stem.upper(): path for path in files_below(root, (".ort",))}
    for path, match in matching(root, _NAME):
        transcript = transcripts.get(match["ending"].upper())
        yield Clip(
            corpus="shemo",
            path=path,
            speaker=match["speaker"].upper(),
            sex=match["sex"].lower(),
            emotion=EMOTION_LETTERS[match["emotion"].upper()],
            text=read_text(transcript).strip() if transcript is not None else None,
            language="fa",
            licence=SHEMO.licence,
        )


SHEMO = Layout(
    name="shemo",
    title="ShEMO, Sharif Emotional Speech Database",
    kind="emotion",
    language="fa",
    licence="see the publisher",
    publisher="Mohamad Nezami, Jamshid Lou, Karami",
    shippable=False,
    read=read,
    hint="male/M01A01.wav",
)
