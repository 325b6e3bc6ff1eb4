"""The record of one labelled stretch of audio, the same for every corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Clip:
    """One labelled stretch of one audio file.

    Attributes:
        corpus: name of the layout it came from, e.g. ``"crema-d"``.
        path: the audio file.
        speaker: speaker identity, unique within the corpus; ``""`` where unknown (noise recordings).
        start_s: start inside the file, seconds.
        end_s: end inside the file, seconds; ``None`` is the end of the file.
        sex: ``"f"``, ``"m"`` or ``""`` where the corpus does not say.
        emotion: a name of :data:`edge_ser.spec.EMOTIONS`, or ``None`` where the clip has no emotion label.
        soft_label: ``((emotion, share), ...)``: shares of the rater votes, summing to 1, or ``None``.
        vad: (valence, arousal, dominance) in the units of the corpus' own scale, or ``None``.
        text: the words spoken, where known.
        keyword: the single keyword spoken, where the clip is a keyword clip.
        language: BCP 47 tag, e.g. ``"en"``, ``""`` where unknown.
        part: the official part (``"train"``, ``"validation"``, ``"test"``) or fold, ``""`` where none.
        licence: the publisher's licence in short form.
        copy: whether it is a changed copy of a clip of that corpus and speaker, made to teach.
    """

    corpus: str
    path: Path
    speaker: str
    start_s: float = 0.0
    end_s: float | None = None
    sex: str = ""
    emotion: str | None = None
    soft_label: tuple[tuple[str, float], ...] | None = None
    vad: tuple[float, float, float] | None = None
    text: str | None = None
    keyword: str | None = None
    language: str = ""
    part: str = ""
    licence: str = ""
    copy: bool = False
