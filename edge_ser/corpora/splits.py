"""Splitting a corpus into training, validation and test so that no speaker is on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Literal

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
Parts = dict[Part, tuple[Clip, ...]]
"""The clips of each part, in the order of the corpus."""

Label = Literal["emotion", "keyword"]
"""Which label of a clip is its class."""

TRIES = 2000
"""Choices of validation speakers that are tried; all there are for a corpus of some ninety speakers."""


def split_by_speaker(
    clips: Iterable[Clip],
    folds: int,
    test_fold: int,
    validation_share: float,
    *,
    seed: int = 0,
    label: Label = "emotion",
    complete: Collection[Part] = PARTS,
) -> Parts:
    """Split by speaker: one fold of the speakers tests, a share of the others validates.

    Speakers are sorted by name and fold = index mod ``folds``. The validation speakers are spread evenly
    over the sorted others, each sex in proportion where the corpus knows it. Where that choice leaves a
    part without some class, the next one in a fixed order is taken (all of one sex replaced by their
    next), so the same corpus always splits the same way.

    Args:
        clips: the clips, already narrowed to those that shall be split.
        folds: number of folds; as many as speakers leaves one speaker out.
        test_fold: the fold that tests, from 0.
        validation_share: share of the other speakers that validate, above 0 and below 1; at least one
            speaker.
        seed: where the fixed order begins.
        label: which label is the class.
        complete: the parts that must hold every class of the clips. Leaving one speaker out needs
            ``("train",)``, as one speaker rarely shows every emotion.

    Returns:
        The three parts, none empty, none sharing a speaker.

    Raises:
        InputError: when a clip has no speaker, there are too few speakers, ``test_fold`` or
            ``validation_share`` is out of range, or no choice gives the parts every class.
    """
    clips = tuple(clips)
    sexes = _speakers(clips)
    speakers = sorted(sexes)
    _check_request(speakers, folds, test_fold, validation_share)
    tested = {speaker for index, speaker in enumerate(speakers) if index % folds == test_fold}
    others = [speaker for speaker in speakers if speaker not in tested]
    labels = _labels_by_speaker(clips, label)
    first: list[str] = []
    for validating in islice(_choices(others, sexes, validation_share, seed), TRIES):
        held = dict.fromkeys(PARTS, frozenset[str]())
        for speaker in speakers:
            held[_home(speaker, tested, validating)] |= labels[speaker]
        lacking = _lacking(held, complete)
        if not lacking:
            return _gather(clips, [_home(clip.speaker, tested, validating) for clip in clips])
        first = first or lacking
    message = (
        f"no choice of speakers gives every part every {label}: {'; '.join(first)}. "
        "Take another test fold, fewer folds, a larger validation share, or fewer classes"
    )
    raise InputError(message)


def split_by_part(
    clips: Iterable[Clip], *, label: Label = "keyword", complete: Collection[Part] = PARTS
) -> Parts:
    """Split as the publisher did, by :attr:`Clip.part`.

    Args:
        clips: the clips; each carries an official part.
        label: which label is the class.
        complete: the parts that must hold every class of the clips.

    Returns:
        The three parts, none empty, none sharing a speaker.

    Raises:
        InputError: when a clip has no official part, a part lacks a class, or a speaker is in two parts.
    """
    clips = tuple(clips)
    parts = _gather(clips, [_official(clip) for clip in clips])
    held = {part: _labels(parts[part], label) for part in PARTS}
    lacking = [f"{part} is empty" for part in PARTS if not parts[part]] or _lacking(held, complete)
    if lacking:
        message = (
            f"the official parts do not hold every {label}: {'; '.join(lacking)}. Split by speaker instead"
        )
        raise InputError(message)
    check_disjoint(parts)
    return parts


def has_official_parts(clips: Iterable[Clip]) -> bool:
    """Whether every clip carries an official part and all three parts occur."""
    return {clip.part for clip in clips} == set(PARTS)


def check_disjoint(parts: Mapping[Part, Sequence[Clip]]) -> None:
    """Check that no speaker, and no stretch of a file, is in two parts.

    Clips without a speaker (background noise) are compared by file and start only.

    Raises:
        InputError: naming the speaker or file and the two parts.
    """
    homes: dict[tuple[str, str], Part] = {}
    for part, clips in parts.items():
        for clip in clips:
            keys = [("clip", f"{clip.path} at {clip.start_s:g} s")]
            if clip.speaker:
                keys.append(("speaker", f"{clip.corpus}/{clip.speaker}"))
            for key in keys:
                home = homes.setdefault(key, part)
                if home != part:
                    message = f"{key[0]} {key[1]} is in both {home} and {part}; split again, by speaker"
                    raise InputError(message)


def _speakers(clips: Sequence[Clip]) -> dict[str, str]:
    """The sex of each speaker, by name."""
    sexes: dict[str, str] = {}
    for clip in clips:
        if not clip.speaker:
            message = f"{clip.path}: no speaker; a split by speaker needs one for every clip"
            raise InputError(message)
        sexes[clip.speaker] = sexes.get(clip.speaker) or clip.sex
    return sexes


def _check_request(speakers: Sequence[str], folds: int, test_fold: int, validation_share: float) -> None:
    if len(speakers) < 3:
        message = f"{len(speakers)} speakers; three parts without a shared speaker need at least 3"
        raise InputError(message)
    if not 2 <= folds <= len(speakers):
        message = f"{folds} folds of {len(speakers)} speakers; expected 2 to {len(speakers)}"
        raise InputError(message)
    if not 0 <= test_fold < folds:
        message = f"test fold {test_fold} of {folds} folds; expected 0 to {folds - 1}"
        raise InputError(message)
    if not 0 < validation_share < 1:
        message = f"validation share {validation_share}; expected above 0 and below 1"
        raise InputError(message)
    if len(speakers) - len(speakers[test_fold::folds]) < 2:
        message = (
            f"{len(speakers)} speakers in {folds} folds leave one to train and validate; take more folds"
        )
        raise InputError(message)


def _choices(
    others: Sequence[str], sexes: Mapping[str, str], share: float, seed: int
) -> Iterator[frozenset[str]]:
    """Yield sets of validation speakers: spread evenly, each sex in proportion, then each sex moved on."""
    wanted = min(max(1, round(share * len(others))), len(others) - 1)
    groups: dict[str, list[str]] = defaultdict(list)
    for speaker in others:
        groups[sexes[speaker]].append(speaker)
    counts = _proportional({sex: len(group) for sex, group in groups.items()}, wanted)
    for offsets in product(*(range(len(groups[sex])) for sex in counts)):
        yield frozenset(
            groups[sex][
                ((2 * index + 1) * len(groups[sex]) // (2 * count) + seed + offset) % len(groups[sex])
            ]
            for (sex, count), offset in zip(counts.items(), offsets, strict=True)
            for index in range(count)
        )


def _proportional(sizes: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Divide ``wanted`` among groups in proportion to size: whole shares, then the largest remainders."""
    total = sum(sizes.values())
    counts = {name: wanted * size // total for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: (-(wanted * sizes[name] % total), name))
    for name in by_remainder[: wanted - sum(counts.values())]:
        counts[name] += 1
    return {name: count for name, count in counts.items() if count}


def _official(clip: Clip) -> Part:
    for part in PARTS:
        if clip.part == part:
            return part
    message = f"{clip.path}: its part is {clip.part!r}; an official split needs {', '.join(PARTS)}"
    raise InputError(message)


def _gather(clips: Sequence[Clip], homes: Sequence[Part]) -> Parts:
    return {
        part: tuple(clip for clip, home in zip(clips, homes, strict=True) if home == part) for part in PARTS
    }


def _home(speaker: str, tested: Collection[str], validating: Collection[str]) -> Part:
    if speaker in tested:
        return "test"
    return "validation" if speaker in validating else "train"


def _labels(clips: Iterable[Clip], label: Label) -> frozenset[str]:
    return frozenset(value for clip in clips if (value := getattr(clip, label)) is not None)


def _labels_by_speaker(clips: Iterable[Clip], label: Label) -> dict[str, frozenset[str]]:
    by_speaker: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_speaker[clip.speaker].append(clip)
    return {speaker: _labels(own, label) for speaker, own in by_speaker.items()}


def _lacking(held: Mapping[Part, frozenset[str]], complete: Collection[Part]) -> list[str]:
    """In words: the classes that each part which needs them all is without."""
    classes = frozenset[str]().union(*held.values())
    return [
        f"{part} lacks {', '.join(sorted(classes - held[part]))}"
        for part in PARTS
        if part in complete and classes - held[part]
    ]
