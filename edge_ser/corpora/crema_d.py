"""CREMA-D: 91 actors, twelve English sentences, six emotions, crowd votes.

``AudioWAV/ACTOR_SENTENCE_EMOTION_LEVEL.wav`` (github.com/CheyneyComputerScience/CREMA-D). The name holds the
*intended* emotion, which is the label here. What listeners heard is the soft label: from
``processedResults/tabulatedVotes.csv`` (counts of each vote; rows whose number begins with 1 are voice
only), or, where a copy has only ``processedResults/summaryTable.csv``, the winner of the voice vote, ties
shared equally (``A:D``). The raw answers in ``finishedResponses.csv`` are what the first of the two was
counted from, and are not read. Sex from ``VideoDemographics.csv``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import beside, matching, read_table

SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
EMOTION_CODES = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
VOTE_LETTERS = {name[0]: emotion for name, emotion in EMOTION_CODES.items()}

SILENT = frozenset({"1076_MTI_SAD_XX"})
"""All zero in the official release: it keeps its place, but silence carries no emotion label."""

# 1040_ITH_SAD_X lacks a letter in the official release (from memory).
_NAME = (
    rf"(?P<actor>\d{{4}})_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTION_CODES)})"
    r"_(?:LO|MD|HI|XX?)"
)

SoftLabel = tuple[tuple[str, float], ...]


def read(root: Path) -> Iterator[Clip]:
    """Yield the clips below ``root``."""
    sexes = _sexes(root)
    votes = _votes(root)
    for path, match in matching(root, _NAME):
        name = match["ending"].upper()
        yield Clip(
            corpus="crema-d",
            path=path,
            speaker=match["actor"],
            sex=sexes.get(match["actor"], ""),
            emotion=None if name in SILENT else EMOTION_CODES[match["emotion"].upper()],
            soft_label=votes.get(name),
            text=SENTENCES[match["sentence"].upper()],
            language="en",
            licence=CREMA_D.licence,
        )


def listed(root: Path) -> Iterator[str]:
    """Yield every recording that the vote table names."""
    table = beside(root, "processedResults/summaryTable.csv")
    if table is not None:
        for row in read_table(table, ("FileName",)):
            yield row["FileName"]


def _sexes(root: Path) -> dict[str, str]:
    table = beside(root, "VideoDemographics.csv")
    rows = read_table(table, ("ActorID", "Sex")) if table is not None else []
    return {row["ActorID"]: row["Sex"][:1].lower() for row in rows}


def _votes(root: Path) -> dict[str, SoftLabel]:
    counted = beside(root, "processedResults/tabulatedVotes.csv")
    if counted is not None:
        rows = read_table(counted, ("", "fileName", *VOTE_LETTERS))
        # The row number begins with the modality: 1 voice, 2 face, 3 both (README of the corpus).
        voice = (row for row in rows if row[""].startswith("1"))
        shares = {
            row["fileName"].upper(): {letter: float(row[letter] or 0) for letter in VOTE_LETTERS}
            for row in voice
        }
        return {name: _soft_label(counts) for name, counts in shares.items() if sum(counts.values()) > 0}
    summary = beside(root, "processedResults/summaryTable.csv")
    if summary is None:
        return {}
    winners = {
        row["FileName"].upper(): [letter for letter in row["VoiceVote"].split(":") if letter in VOTE_LETTERS]
        for row in read_table(summary, ("FileName", "VoiceVote"))
    }
    return {name: _soft_label(dict.fromkeys(letters, 1.0)) for name, letters in winners.items() if letters}


def _soft_label(counts: dict[str, float]) -> SoftLabel:
    total = sum(counts.values())
    return tuple(
        (VOTE_LETTERS[letter], count / total) for letter, count in sorted(counts.items()) if count > 0
    )


CREMA_D = Layout(
    name="crema-d",
    title="CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    kind="emotion",
    language="en",
    licence="ODbL 1.0 and DbCL 1.0",
    publisher="Cao, Cooper, Keutmann, Gur, Nenkova, Verma",
    shippable=True,
    read=read,
    hint="AudioWAV/1001_IEO_ANG_HI.wav, with VideoDemographics.csv and processedResults/ beside AudioWAV",
    listed=listed,
    notes=("1076_MTI_SAD_XX is all zero in the official release; it carries no label here",),
)
