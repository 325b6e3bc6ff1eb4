"""MUSAN: music, noise and speech for augmentation.

``musan/{music,noise,speech}/SOURCE/{music,noise,speech}-SOURCE-NNNN.wav``; the clip's text says which of
the three.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import matching

_NAME = r"(?P<name>music|noise|speech)-[a-z-]+-\d{4}"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(corpus="musan", path=path, speaker="", text=match["name"].lower(), licence=MUSAN.licence)


MUSAN = Layout(
    name="musan",
    title="MUSAN, music, speech and noise",
    kind="noise",
    language="",
    licence="CC BY 4.0",
    publisher="Snyder, Chen, Povey",
    shippable=True,
    read=read,
    hint="noise/free-sound/noise-free-sound-0000.wav",
)
