"""Who trains, who chooses and who tests: the protocols, each a list of folds whose sides share no speaker."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.corpora.registry import is_nameless, read_clips
from edge_ser.corpora.splits import (
    PARTS,
    Part,
    Parts,
    check_disjoint,
    has_official_parts,
    split_by_part,
    split_by_speaker,
)
from edge_ser.errors import InputError
from edge_ser.evaluation.learned import family
from edge_ser.files import sha256_hex
from edge_ser.spec import EMOTIONS, CorporaSpec

Protocol = Literal["loso", "folds", "split", "cross"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

_DEMANDS: tuple[tuple[Part, ...], ...] = (("train", "validation"), ("train",))
"""Which parts must show every class: both that learn, where the corpus allows it. A test fold need not: folds are
pooled before they are scored."""


_LONGEST_NAME = 80
"""Characters of a fold's file name; a file system allows 255 and a random part goes before it."""


@dataclass(frozen=True)
class Corpus:
    """The clips of one corpus that an evaluation uses.

    Attributes:
        name: of its layout.
        root: its folder.
        clips: labelled, each with a speaker.
    """

    name: str
    root: Path
    clips: tuple[Clip, ...]

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in the order of :data:`edge_ser.spec.EMOTIONS`."""
        there = {clip.emotion for clip in self.clips}
        return tuple(name for name in EMOTIONS if name in there)


@dataclass(frozen=True)
class Fold:
    """One training and its test.

    Attributes:
        name: of its file, e.g. ``"fold-00"``.
        table: folds of one table are pooled.
        manifest: who trains, validates and tests; making one fails where two parts share a speaker.
        speech: what is heard without emotions besides, of :func:`speech_beside`; ``None`` for nothing.
    """

    name: str
    table: str
    manifest: Manifest
    speech: Manifest | None = None


def only_classes(corpus: Corpus, classes: Sequence[str]) -> Corpus:
    """The corpus' clips of some emotions.

    Raises:
        InputError: it has none of one of them.
    """
    lacking = [name for name in classes if name not in corpus.emotions]
    if lacking:
        message = (
            f"{corpus.root}: {corpus.name} has no clip of {', '.join(lacking)}; "
            f"it has {', '.join(corpus.emotions)}: choose with --classes"
        )
        raise InputError(message)
    return replace(corpus, clips=tuple(clip for clip in corpus.clips if clip.emotion in classes))


def within_corpus(
    protocol: Protocol, corpus: Corpus, rule: CorporaSpec, folds: int | None
) -> tuple[Fold, ...]:
    """Folds inside one corpus.

    Args:
        protocol: ``"loso"``, ``"folds"`` or ``"split"``.
        corpus: its clips, narrowed to the classes told apart.
        rule: the spec's rule: folds, test fold, validation share.
        folds: number of folds instead of the rule's, for ``"folds"`` and ``"split"``.

    Raises:
        InputError: the corpus cannot be split so.
    """
    speakers = len({clip.speaker for clip in corpus.clips})
    count = speakers if protocol == "loso" else folds or rule.folds
    if protocol == "split" and has_official_parts(corpus.clips):
        parts = split_by_part(corpus.clips, label="emotion", complete=_DEMANDS[-1])
        return (_fold(corpus, "split", "the publisher's parts", parts),)
    wanted = (rule.test_fold,) if protocol == "split" else range(count)
    words = "leave one speaker out" if protocol == "loso" else f"speakers sorted, fold = index mod {count}"
    return tuple(
        _fold(
            corpus,
            f"fold-{number:02d}",
            f"{words}, fold {number} tests, {rule.validation_share:g} of the other speakers validate",
            _split(corpus.clips, count, number, rule.validation_share),
        )
        for number in wanted
    )


def taught_besides(
    folds: Sequence[Fold], target: Corpus, sources: Sequence[Corpus], rule: CorporaSpec
) -> tuple[Fold, ...]:
    """Folds of one corpus whose training part also holds other corpora.

    Copies of a corpus have its speakers (``tools/vary_corpus.py``): those of whoever tests stay out, those of whoever
    validates too, unless these teach all the same.

    Args:
        folds: of :func:`within_corpus`.
        target: the corpus that they divide.
        sources: taught besides; empty leaves the folds as they are.
        rule: says whether who validates teaches.

    Raises:
        InputError: the target is among the sources, or one is given twice.
    """
    if not sources:
        return tuple(folds)
    names = [target.name, *(one.name for one in sources)]
    # Several folders of one layout are several corpora.
    if len({(one.name, one.root) for one in (target, *sources)}) != len(names):
        message = (
            f"{', '.join(names)}: a corpus is given twice; --source takes others than the one that is tested"
        )
        raise InputError(message)
    root = Path(os.path.commonpath([one.root for one in (target, *sources)]))
    more = tuple(clip for one in sources for clip in one.clips)
    told = f"{' and '.join(names[1:])} taught besides"

    def taught(manifest: Manifest) -> Manifest:
        watched = {(clip.corpus, clip.speaker) for clip in manifest.validation}
        unheard = watched | {(clip.corpus, clip.speaker) for clip in manifest.test}
        beside = tuple(clip for clip in more if (clip.corpus, clip.speaker) in watched)
        return replace(
            manifest,
            corpus="+".join(names),
            root=root,
            protocol=f"{manifest.protocol}, {told}",
            train=manifest.train + tuple(clip for clip in more if (clip.corpus, clip.speaker) not in unheard),
            # A speaker's copies are on the speaker's side.
            validation=manifest.validation + (beside if rule.validation_teaches else ()),
        )

    return tuple(replace(fold, manifest=taught(fold.manifest)) for fold in folds)


def known_speakers(name: str, root: Path) -> Corpus:
    """A corpus' clips of which it is known who speaks, emotions or not."""
    home = root.resolve()
    clips = tuple(clip for clip in read_clips(name, home) if clip.speaker and not is_nameless(clip))
    return Corpus(name, home, clips)


def speech_beside(emotions: Manifest, speech: Sequence[Corpus]) -> Manifest:
    """What is heard without its emotions beside a division of a corpus: everything is its training part.

    Args:
        emotions: who teaches, validates and tests; clips of those who validate or test stay out of the speech.
        speech: its corpora.

    Raises:
        InputError: a corpus has no clip left.
    """
    unheard = {(family(clip.corpus), clip.speaker) for clip in (*emotions.validation, *emotions.test)}
    left = [
        tuple(clip for clip in one.clips if (family(clip.corpus), clip.speaker) not in unheard)
        for one in speech
    ]
    for one, clips in zip(speech, left, strict=True):
        if not clips:
            message = (
                f"--speech {one.name}: {one.root} has no clip of a speaker who neither validates nor tests"
            )
            raise InputError(message)
    root = Path(os.path.commonpath([one.root for one in speech]))
    names = "+".join(one.name for one in speech)
    train = tuple(clip for clips in left for clip in clips)
    return Manifest(names, root, "heard without emotions", train, (), ())


def across_corpora(
    sources: Sequence[Corpus], target: Corpus, rule: CorporaSpec, *, both_ways: bool
) -> tuple[Fold, ...]:
    """Train on one or several corpora, test on another one; with one source also the other way round.

    A share of every source's speakers validates. The target's labels are never used but to score.

    Args:
        sources: what is learned from.
        target: what is tested on.
        rule: the spec's rule; its validation share.
        both_ways: also train on the target and test on the source.

    Raises:
        InputError: a corpus on both sides, several sources both ways, or a source that cannot be split.
    """
    if both_ways and len(sources) != 1:
        message = f"{len(sources)} sources and --both-ways; expected one source, or one direction"
        raise InputError(message)
    folds = [_crossing(sources, target, rule)]
    if both_ways:
        folds.append(_crossing([target], sources[0], rule))
    return tuple(folds)


def shared_classes(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """The emotions that every corpus has.

    Raises:
        InputError: fewer than two.
    """
    shared = tuple(name for name in corpora[0].emotions if all(name in one.emotions for one in corpora))
    if len(shared) < 2:
        told = "; ".join(f"{one.name}: {', '.join(one.emotions)}" for one in corpora)
        message = f"the corpora share {len(shared)} emotions, expected at least 2 ({told})"
        raise InputError(message)
    return shared


def words_for(fold: Fold, words: Manifest) -> Manifest:
    """The keyword clips that a fold may learn from.

    Where words and emotions are spoken by the same people (the synthetic corpus, EmoSpeech), those words are split
    as the fold's speakers are, so that nobody whom the fold tests has taught its keyword net; words of other corpora
    stay in their parts. Words of a shared corpus of which nobody knows who says them are left out.

    Raises:
        InputError: then a part has no words left.
    """
    tested = {(family(clip.corpus), clip.speaker) for clip in fold.manifest.test}
    if not shares_speakers(fold, words):
        return words
    choosing = {(family(clip.corpus), clip.speaker) for clip in fold.manifest.validation}
    shared = {family(clip.corpus) for clip in fold.manifest.clips}
    homes: dict[Part, list[Clip]] = {part: [] for part in PARTS}
    for part in PARTS:
        for clip in words.part(part):
            who = (family(clip.corpus), clip.speaker)
            if who[0] in shared and is_nameless(clip):
                continue
            new: Part = "test" if who in tested else "validation" if who in choosing else "train"
            homes[new if who[0] in shared else part].append(clip)
    empty = [part for part in PARTS if not homes[part]]
    if empty:
        message = f"{fold.name}: no keyword clip left for {', '.join(empty)}; take another keyword corpus"
        raise InputError(message)
    return Manifest(
        words.corpus,
        words.root,
        f"as the emotions: {fold.manifest.protocol}",
        tuple(homes["train"]),
        tuple(homes["validation"]),
        tuple(homes["test"]),
    )


def shares_speakers(fold: Fold, words: Manifest) -> bool:
    """Whether keywords and emotions come from corpora with the same speakers."""
    spoken = {family(clip.corpus) for clip in words.clips if clip.speaker}
    return not spoken.isdisjoint(family(clip.corpus) for clip in fold.manifest.clips)


def _split(clips: Sequence[Clip], folds: int, number: int, share: float) -> Parts:
    for complete in _DEMANDS[:-1]:
        try:
            return split_by_speaker(clips, folds, number, share, complete=complete)
        except InputError:
            continue
    return split_by_speaker(clips, folds, number, share, complete=_DEMANDS[-1])


def _fold(corpus: Corpus, name: str, protocol: str, parts: Parts) -> Fold:
    manifest = Manifest(
        corpus.name, corpus.root, protocol, parts["train"], parts["validation"], parts["test"]
    )
    return Fold(name, corpus.name, manifest)


def _crossing(sources: Sequence[Corpus], target: Corpus, rule: CorporaSpec) -> Fold:
    names = [one.name for one in sources]
    for one in sources:
        if one.root == target.root or names.count(one.name) > 1:
            message = f"{one.name} ({one.root}) is given twice; expected another corpus on each side"
            raise InputError(message)
    parts: dict[Part, list[Clip]] = {"train": [], "validation": [], "test": list(target.clips)}
    for one in sources:
        learned, choosing = _train_and_validation(one, rule.validation_share)
        parts["train"] += learned
        parts["validation"] += choosing
    check_disjoint(parts)
    alike = target.name in names
    title = f"{' + '.join(_title(one, alike) for one in sources)} to {_title(target, alike)}"
    manifest = Manifest(
        corpus="+".join(names),
        root=Path(os.path.commonpath([one.root for one in (*sources, target)])),
        protocol=f"{title}, {rule.validation_share:g} of the sources' speakers validate",
        train=tuple(parts["train"]),
        validation=tuple(parts["validation"]),
        test=tuple(parts["test"]),
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", title)
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{sha256_hex(title.encode())[:8]}"
    return Fold(name, title, manifest)


def _title(corpus: Corpus, alike: bool) -> str:
    """What a corpus is called; with its whole place where both sides have the same layout."""
    return f"{corpus.name} {corpus.root}" if alike else corpus.name


def _train_and_validation(corpus: Corpus, share: float) -> tuple[list[Clip], list[Clip]]:
    """All speakers of a source in two parts: validation takes the share that a split by speaker gives it."""
    speakers = len({clip.speaker for clip in corpus.clips})
    # One speaker as a test fold, which is then put back to the others who train.
    parts = _split(corpus.clips, speakers, 0, share)
    chosen = {clip.speaker for clip in parts["validation"]}
    return (
        [clip for clip in corpus.clips if clip.speaker not in chosen],
        [clip for clip in corpus.clips if clip.speaker in chosen],
    )


def roots_of(corpora: Sequence[Corpus]) -> Mapping[str, Path]:
    """Folder of each corpus, by name."""
    return {one.name: one.root for one in corpora}
