"""MSP-IMPROV: twelve actors in six dyadic sessions, four emotions and valence, arousal, dominance.

``Audio/session1/S01A/S/MSP-IMPROV-S01A-F01-S-FM01.wav``, labels in one file, spelled ``Evalution.txt``,
whose lines name the video: ``UTD-IMPROV-S01A-F01-S-FM01.avi; N; A:3.0; V:3.5; D:3.0;``. Labels A H N S, O
other, X no majority (the last two from memory); a rating may be ``NaN``. The part of a clip is its session.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import AUDIO_EXTENSIONS, beside, files_below, read_text
from edge_ser.errors import InputError

EMOTION_LETTERS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness", "O": "other", "X": None}

_NAME = re.compile(
    r"(?:MSP|UTD)-IMPROV-(?P<turn>S\d\d[AHNS]-(?P<speaker>[FM]\d\d)-[A-Z]-[FM]{2}\d\d)", re.IGNORECASE
)
_LABEL = re.compile(rf"{_NAME.pattern}\.avi\s*;\s*(?P<label>[A-Z])\s*;(?P<ratings>.*)", re.IGNORECASE)
_RATING = re.compile(r"\b(?P<name>[AVD]):\s*(?P<value>\d+(?:\.\d+)?)")


def read(root: Path) -> Iterator[Clip]:
    """Yield the labelled turns below ``root`` that have audio.

    Raises:
        InputError: when a label line cannot be read.
    """
    audio: dict[str, Path] = {}
    for path in files_below(root, AUDIO_EXTENSIONS):
        match = _NAME.fullmatch(path.stem)
        if match is not None:
            audio.setdefault(match["turn"].upper(), path)
    for label in _labels(root):
        found = audio.get(label["turn"].upper())
        if found is None:
            continue
        ratings = {match["name"]: float(match["value"]) for match in _RATING.finditer(label["ratings"])}
        speaker = label["speaker"].upper()
        yield Clip(
            corpus="msp-improv",
            path=found,
            speaker=speaker,
            sex=speaker[0].lower(),
            emotion=EMOTION_LETTERS[label["label"].upper()],
            vad=(ratings["V"], ratings["A"], ratings["D"]) if len(ratings) == 3 else None,
            language="en",
            part=speaker[2],
            licence=MSP_IMPROV.licence,
        )


def listed(root: Path) -> Iterator[str]:
    """Yield every turn that has a label."""
    for label in _labels(root):
        yield f"MSP-IMPROV-{label['turn']}"


def _labels(root: Path) -> Iterator[re.Match[str]]:
    path = beside(root, "Evalution.txt", "Evaluation.txt")
    if path is None:
        return
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.upper().startswith(("UTD-IMPROV", "MSP-IMPROV")):
            continue  # a single rater's line
        match = _LABEL.match(line)
        if match is None or match["label"].upper() not in EMOTION_LETTERS:
            message = (
                f"{path}: line {number} is {line.strip()!r}; expected 'UTD-IMPROV-S01A-F01-S-FM01.avi; N; "
                f"A:3.0; V:3.5; D:3.0;' with a label of {', '.join(EMOTION_LETTERS)}"
            )
            raise InputError(message)
        yield match


MSP_IMPROV = Layout(
    name="msp-improv",
    title="MSP-IMPROV",
    kind="emotion",
    language="en",
    licence="signed licence",
    publisher="Busso et al. (University of Texas at Dallas)",
    shippable=False,
    read=read,
    hint="Audio/session1/S01A/S/MSP-IMPROV-S01A-F01-S-FM01.wav and Evalution.txt",
    listed=listed,
)
