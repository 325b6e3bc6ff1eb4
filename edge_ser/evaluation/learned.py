"""Whom a bundle learned from, so that nobody is scored on their own training."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edge_ser.bundle import Bundle
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import is_nameless
from edge_ser.errors import InputError

_SEEN_PARTS = ("train", "validation")


@dataclass(frozen=True)
class Learned:
    """What a bundle's provenance says of its corpora.

    Attributes:
        speakers: names by family of corpus, of everyone that a net, the fusion head or a choice has seen.
        emotions: names of the emotion corpora.
        corpora: names of all corpora.
    """

    speakers: Mapping[str, frozenset[str]]
    emotions: tuple[str, ...]
    corpora: tuple[str, ...]

    def saw(self, clip: Clip) -> bool:
        """Whether the bundle learned from this clip's speaker."""
        return clip.speaker in self.speakers.get(family(clip.corpus), frozenset())


def family(corpus: str) -> str:
    """Layouts of one folder share their speakers: the synthetic corpus and its words are one family."""
    return corpus.removesuffix("-words")


def learned_from(bundle: Bundle) -> Learned:
    """Read a bundle's provenance.

    Raises:
        InputError: it does not say whom the bundle learned from; then nothing can be scored honestly.
    """
    corpora = bundle.provenance.get("corpora")
    seen: dict[str, set[str]] = {}
    names: dict[str, list[str]] = {}
    try:
        for role, told in dict(corpora or {}).items():
            for one in told if isinstance(told, list) else [told]:
                names.setdefault(role, []).append(str(one["name"]))
                speakers = seen.setdefault(family(str(one["name"])), set())
                for part in _SEEN_PARTS:
                    speakers.update(str(name) for name in one["speakers"][part])
    except (KeyError, TypeError, AttributeError, ValueError):
        names = {}
    if "emotions" not in names:
        message = (
            f"bundle {bundle.spec.name}: does not say which speakers it learned from, so no score of it can be "
            "believed; make it again with: edge-ser quantize"
        )
        raise InputError(message)
    return Learned(
        speakers={name: frozenset(speakers) for name, speakers in seen.items()},
        emotions=tuple(names["emotions"]),
        corpora=tuple(name for group in names.values() for name in group),
    )


@dataclass(frozen=True)
class Choice:
    """The clips of a corpus that a bundle may be scored on.

    Attributes:
        clips: they; each with an emotion that the bundle knows and a speaker that it does not.
        left_out_speakers: speakers left out because the bundle learned from them.
        left_out_clips: how many clips that cost.
        unknown_labels: clips left out because the bundle does not know their emotion, by emotion.
        without_speaker: labelled clips left out because nobody says who speaks: it may be someone it learned from.
    """

    clips: tuple[Clip, ...]
    left_out_speakers: tuple[str, ...]
    left_out_clips: int
    unknown_labels: Mapping[str, int]
    without_speaker: int


def choose_clips(
    clips: Sequence[Clip], classes: Collection[str], learned: Learned, speakers: Sequence[str] = ()
) -> Choice:
    """Choose what a bundle may be scored on.

    Args:
        clips: a corpus.
        classes: the bundle's emotions.
        learned: whom it learned from.
        speakers: only these; empty for all that it did not learn from.

    Raises:
        InputError: an asked speaker is not in the corpus or taught the bundle, or nothing is left to score.
    """
    emotional = [clip for clip in clips if clip.emotion is not None]
    labelled = [clip for clip in emotional if clip.speaker and not is_nameless(clip)]
    there = {clip.speaker for clip in labelled}
    absent = sorted(set(speakers) - there)
    if absent:
        message = f"speaker {absent[0]!r} is not in the corpus; it has {', '.join(sorted(there)[:30])}"
        raise InputError(message)
    wanted = [clip for clip in labelled if not speakers or clip.speaker in speakers]
    seen = sorted({clip.speaker for clip in wanted if learned.saw(clip)})
    if speakers and seen:
        message = (
            f"speaker {', '.join(seen)} taught the bundle or chose it; a score on them would be worth nothing: "
            "take other speakers"
        )
        raise InputError(message)
    unseen = [clip for clip in wanted if clip.speaker not in seen]
    unknown: dict[str, int] = {}
    for clip in unseen:
        if clip.emotion not in classes:
            unknown[str(clip.emotion)] = unknown.get(str(clip.emotion), 0) + 1
    chosen = tuple(clip for clip in unseen if clip.emotion in classes)
    if not chosen:
        why = (
            f"the bundle learned from all of its {len(seen)} speakers"
            if seen and not unseen
            else f"no clip left has one of the bundle's emotions ({', '.join(classes)})"
        )
        message = f"nothing to score: {why}; take another corpus"
        raise InputError(message)
    nameless = len(emotional) - len(labelled)
    return Choice(chosen, tuple(seen), len(wanted) - len(unseen), unknown, nameless)
