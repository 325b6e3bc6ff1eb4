"""IEMOCAP: ten actors in five dyadic sessions, categorical labels and valence, activation, dominance.

``Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav``, labels in
``Session1/dialog/EmoEvaluation/Ses01F_impro01.txt``, words in ``Session1/dialog/transcriptions/``. The
prefix says who wears the markers; who speaks is the letter of the last field. Happiness and excitement are
kept apart here (the usual four classes join them). The part of a clip is its session: the usual folds leave
one session out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import AUDIO_EXTENSIONS, files_below, read_text
from edge_ser.errors import InputError

EMOTION_CODES = {
    "neu": "neutral",
    "hap": "happiness",
    "sad": "sadness",
    "ang": "anger",
    "exc": "excitement",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
    "xxx": None,  # no majority among the raters
}

_NUMBER = r"-?\d+(?:\.\d+)?"
_SUMMARY = re.compile(
    rf"\[{_NUMBER} - {_NUMBER}\]\s+(?P<turn>Ses0(?P<session>\d)\S*_(?P<sex>[FM])[^_\s]*)\s+"
    r"(?P<label>[a-z]{3})\s+"
    rf"\[(?P<valence>{_NUMBER}),\s*(?P<arousal>{_NUMBER}),\s*(?P<dominance>{_NUMBER})\]"
)
_SPOKEN = re.compile(r"(?P<turn>Ses0\d\S*_[FM]\S*)\s+\[[^\]]*\]:\s*(?P<text>.*\S)")


def read(root: Path) -> Iterator[Clip]:
    """Yield the labelled turns below ``root`` that have audio.

    Raises:
        InputError: when a summary line of an evaluation file cannot be read, or holds an unknown label.
    """
    audio = {
        path.stem.lower(): path for path in files_below(root, AUDIO_EXTENSIONS) if "sentences" in path.parts
    }
    texts = _texts(root)
    for turn in _turns(root):
        path = audio.get(turn["turn"].lower())
        if path is None:
            continue
        yield Clip(
            corpus="iemocap",
            path=path,
            speaker=f"Ses0{turn['session']}{turn['sex']}",
            sex=turn["sex"].lower(),
            emotion=EMOTION_CODES[turn["label"]],
            vad=(float(turn["valence"]), float(turn["arousal"]), float(turn["dominance"])),
            text=texts.get(turn["turn"].lower()),
            language="en",
            part=turn["session"],
            licence=IEMOCAP.licence,
        )


def listed(root: Path) -> Iterator[str]:
    """Yield every turn that has a label."""
    for turn in _turns(root):
        yield turn["turn"]


def _turns(root: Path) -> Iterator[re.Match[str]]:
    for path in files_below(root, (".txt",)):
        # Sub-folders hold single raters; only the files directly in EmoEvaluation hold the joint label.
        if path.parent.name.lower() != "emoevaluation":
            continue
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.startswith("["):
                continue
            match = _SUMMARY.match(line)
            if match is None or match["label"] not in EMOTION_CODES:
                message = (
                    f"{path}: line {number} is {line.strip()!r}; expected '[start - end] turn label "
                    f"[valence, activation, dominance]' with a label of {', '.join(EMOTION_CODES)}"
                )
                raise InputError(message)
            yield match


def _texts(root: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in files_below(root, (".txt",)):
        if path.parent.name.lower() == "transcriptions":
            matches = (_SPOKEN.match(line) for line in read_text(path).splitlines())
            texts.update({match["turn"].lower(): match["text"] for match in matches if match is not None})
    return texts


IEMOCAP = Layout(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture",
    kind="emotion",
    language="en",
    licence="signed licence",
    publisher="Busso et al. (University of Southern California)",
    shippable=False,
    read=read,
    hint="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav and "
    "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
    listed=listed,
    aside=("*/dialog/*",),
)
