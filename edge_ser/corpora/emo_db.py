"""EMO-DB, the Berlin database of emotional speech: ten actors, ten German sentences, seven emotions.

``wav/SSTTTEV.wav``: speaker, sentence, emotion (initial of the German word), version
(Burkhardt et al., Interspeech 2005; ages and sexes from the publisher's page).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import beside, matching

SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
EMOTION_LETTERS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
SEXES = {
    "03": "m",
    "08": "f",
    "09": "f",
    "10": "m",
    "11": "m",
    "12": "m",
    "13": "f",
    "14": "f",
    "15": "m",
    "16": "f",
}

_NAME = rf"(?P<speaker>{'|'.join(SEXES)})(?P<text>{'|'.join(SENTENCES)})(?P<emotion>[WLEAFTN])[a-z]"


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    for path, match in matching(root, _NAME):
        yield Clip(
            corpus="emo-db",
            path=path,
            speaker=match["speaker"],
            sex=SEXES[match["speaker"]],
            emotion=EMOTION_LETTERS[match["emotion"].upper()],
            text=SENTENCES[match["text"].lower()],
            language="de",
            licence=EMO_DB.licence,
        )


def listed(root: Path) -> Iterator[str]:
    """Yield every recording that has a syllable file; ``erkennung.txt`` also lists what was not released."""
    folder = beside(root, "silb")
    if folder is not None:
        for path in sorted(folder.glob("[!.]*.silb")):
            yield path.stem


EMO_DB = Layout(
    name="emo-db",
    title="EMO-DB, Berlin Database of Emotional Speech",
    kind="emotion",
    language="de",
    licence="free download, no licence text",
    publisher="Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss (TU Berlin)",
    shippable=False,
    read=read,
    hint="wav/03a01Fa.wav",
    listed=listed,
)
