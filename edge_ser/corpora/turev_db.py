"""TurEV-DB: Turkish words in four emotions.

``Sound Source/{Angry,Calm,Happy,Sad}/SPK_CODE_WORD.wav``, code kz angry, sk calm, mt happy, hl sad.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

EMOTION_CODES = {"kz": "anger", "sk": "calm", "mt": "happiness", "hl": "sadness"}

_NAME = (
    rf"(?:Angry|Calm|Happy|Sad)/(?P<speaker>[^/_]+)_(?P<emotion>{'|'.join(EMOTION_CODES)})_(?P<word>[^/]+)"
)


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="turev-db",
            path=path,
            speaker=match["speaker"],
            emotion=EMOTION_CODES[match["emotion"].lower()],
            text=match["word"],
            language="tr",
            licence=TUREV_DB.licence,
        )


TUREV_DB = Layout(
    name="turev-db",
    title="TurEV-DB, Turkish Emotion-Voice Database",
    kind="emotion",
    language="tr",
    licence="CC BY-NC-ND 4.0",
    publisher="Canpolat, Ormanoglu, Zeyrek",
    shippable=False,
    read=read,
    hint="Sound Source/Angry/1157_kz_acik.wav",
)
