"""ESC-50 and its subset ESC-10: environmental sounds of five seconds, for background noise.

ESC-50: ``audio/FOLD-ID-TAKE-TARGET.wav`` and ``meta/esc50.csv``. ESC-10 as first released:
``NNN - Class/FOLD-ID-TAKE.ogg``; where the root is an ESC-50 copy instead, the rows that its table marks as
ESC-10. The class is the clip's text, the fold its part (Piczak, ACM Multimedia 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import AUDIO_EXTENSIONS, beside, matching, read_table
from edge_ser.errors import InputError

_ESC50_NAME = r"(?P<fold>[1-5])-\d+-[A-Z]-\d+"
_ESC10_NAME = r"\d{3} - (?P<name>[^/]+)/(?P<fold>[1-5])-\d+-[A-Z]"
_EXTENSIONS = (*AUDIO_EXTENSIONS, ".ogg")


def read_esc50(root: Path) -> Iterator[Clip]:
    """Yield the clips of ESC-50 below ``root``.

    Raises:
        InputError: when there is audio but no ``meta/esc50.csv``.
    """
    categories = {Path(row["filename"]).stem.lower(): row["category"] for row in _table(root)}
    for path, match in matching(root, _ESC50_NAME, _EXTENSIONS):
        category = categories.get(match["ending"].lower())
        if category is None:
            message = f"{path}: not named in meta/esc50.csv; expected that table beside the audio folder"
            raise InputError(message)
        yield _clip(ESC_50, path, category.replace("_", " "), match["fold"])


def read_esc10(root: Path) -> Iterator[Clip]:
    """Yield the clips of ESC-10 below ``root``, from either release."""
    for path, match in matching(root, _ESC10_NAME, _EXTENSIONS):
        yield _clip(ESC_10, path, match["name"], match["fold"])
    chosen = {
        Path(row["filename"]).stem.lower(): row["category"]
        for row in _table(root)
        if row["esc10"].lower() == "true"
    }
    for path, match in matching(root, _ESC50_NAME, _EXTENSIONS):
        category = chosen.get(match["ending"].lower())
        if category is not None:
            yield _clip(ESC_10, path, category.replace("_", " "), match["fold"])


def listed_esc50(root: Path) -> Iterator[str]:
    """Yield the clips that the table names."""
    for row in _table(root):
        yield str(Path(row["filename"]).with_suffix(""))


def _table(root: Path) -> list[dict[str, str]]:
    path = beside(root, "meta/esc50.csv")
    return read_table(path, ("filename", "category", "esc10")) if path is not None else []


def _clip(layout: Layout, path: Path, name: str, fold: str) -> Clip:
    return Clip(corpus=layout.name, path=path, speaker="", text=name, part=fold, licence=layout.licence)


ESC_50 = Layout(
    name="esc-50",
    title="ESC-50, environmental sounds",
    kind="noise",
    language="",
    licence="CC BY-NC 3.0",
    publisher="Piczak",
    shippable=False,
    read=read_esc50,
    hint="audio/1-100032-A-0.wav and meta/esc50.csv",
    listed=listed_esc50,
)
ESC_10 = Layout(
    name="esc-10",
    title="ESC-10, environmental sounds",
    kind="noise",
    language="",
    licence="CC BY 3.0",
    publisher="Piczak",
    shippable=True,
    read=read_esc10,
    hint="'001 - Dog bark/1-30226-A.ogg', or an ESC-50 folder with meta/esc50.csv",
)
