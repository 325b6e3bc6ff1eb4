"""The clips that teach and test a keyword net, from several corpora: its words, other speech, and silence.

What a corpus gives follows from what it holds:

* a clip labelled with a word of the spec is that word, another word is the unknown class, background is silence;
* speech without keyword labels (CREMA-D) is cut into pieces as long as the net's window, which are the unknown class;
  a recording whose text holds a word of the spec is left out;
* a noise corpus (ESC-10) is cut into pieces, which are silence.

Near-silence is made besides (:mod:`edge_ser.corpora.quiet`). Every corpus keeps its publisher's parts; one without is
split by speaker, noise by recording (ESC by its folds, which keep the takes of one recording together). In validation
and test, unknown and silence have as many clips as the words have on average, as in the twelve-class tests of the
field (Warden, arXiv 1804.03209: about as many as one word has); in training unknown has up to as many as all words
together. Corpora share a class evenly. Synthetic voices beside people who say the words only teach: nothing is chosen
or scored on them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.audio import audio_info, read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Kind
from edge_ser.corpora.manifest import Manifest, make_manifest
from edge_ser.corpora.quiet import QUIET, make_quiet
from edge_ser.corpora.registry import layout, read_clips
from edge_ser.corpora.splits import PARTS, Part, Parts, has_official_parts, split_by_part, split_by_speaker
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.corpora.synthetic_lexicon import holds
from edge_ser.errors import InputError
from edge_ser.spec import SILENCE, UNKNOWN_WORD, CorporaSpec, SystemSpec

Place = tuple[str, Path]
"""A corpus: the name of its layout and its folder."""

LONG = 1.5
"""A labelled recording longer than this many windows holds its word somewhere: the loudest window is taken."""

_FRAME_S = 0.02
_PIECES_WITHIN = 0.8
"""Pieces are cut from this share of a recording around its middle: the ends are mostly pauses."""

_KINDS = (UNKNOWN_WORD, SILENCE)
_TRAIN: tuple[Part, ...] = ("train",)
_DEMANDS: tuple[tuple[Part, ...], ...] = (_TRAIN, ())
"""Which parts of one corpus must hold each of its classes. Not validation: it is watched and chooses nothing, and a
corpus with one speaker of every class (EmoSpeech's unknown users) would lose that one to it."""


@dataclass(frozen=True)
class Source:
    """One corpus, its clips labelled with the classes of the spec.

    Attributes:
        name: of its layout.
        root: its folder.
        parts: its clips; a class may have more of them than are used.
    """

    name: str
    root: Path
    parts: Parts


def open_source(spec: SystemSpec, place: Place, *, tested: bool = False) -> Source:
    """Read and label a corpus, and split it.

    Args:
        spec: the system.
        place: the corpus.
        tested: do not split it: the publisher's test part is the test, all of it where there are no parts.

    Raises:
        InputError: it cannot be split so that no speaker is on two sides.
        MissingError: it is not there.
    """
    name, root = place
    home = root.resolve()
    clips = _labelled(spec, layout(name).kind, read_clips(name, home))
    if not clips:
        message = (
            f"{root}: no clip of {name} is of use for keywords: all of its texts hold a word of the spec"
        )
        raise InputError(message)
    if tested:
        heard = [clip for clip in clips if clip.part == "test"] if has_official_parts(clips) else clips
        return Source(name, home, {"train": (), "validation": (), "test": tuple(heard)})
    return Source(name, home, _split(clips, spec.corpora))


def within(
    spec: SystemSpec, places: Sequence[Place], made: Path, demanded: Collection[Part] = ("train", "test")
) -> Manifest:
    """Words, unknown and silence of several corpora, each with its own split.

    Args:
        spec: the system.
        places: the corpora.
        made: folder for the near-silence that is made.
        demanded: parts that must hold every word and unknown speech; folds that are pooled before they are scored
            need them in training alone.

    Raises:
        InputError: a class has no clip in such a part, or a corpus is given twice.
        MissingError: a corpus is not there.
    """
    _check_once(places)
    sources = [open_source(spec, place) for place in places]
    people = [one for one in sources if not is_synthetic(one.name)]
    if any(_has_words(spec, one) for one in people):
        sources = [_only_teaching(one) if is_synthetic(one.name) else one for one in sources]
    parts = _balanced(spec, sources)
    _check_complete(spec, parts, demanded)
    words = ", ".join(source.name for source in sources)
    return _manifest(spec, sources, parts, made, f"{words}: {_rule(spec.corpora)}")


def across(spec: SystemSpec, teaching: Sequence[Place], tested: Sequence[Place], made: Path) -> Manifest:
    """Some corpora teach, others test: what one kind of voices is worth for another.

    The teaching corpora's test speakers train too. Of a tested corpus with a publisher's parts the test part is
    tested, else all of it.

    Args:
        spec: the system.
        teaching: what is learned from.
        tested: what is tested, none of them among the teaching.
        made: folder for the near-silence that is made.

    Raises:
        InputError: a class has no clip to learn from, no word of the spec is tested, or a corpus is given twice.
        MissingError: a corpus is not there.
    """
    _check_once((*teaching, *tested))
    learned = [_without_test(open_source(spec, place)) for place in teaching]
    heard = [open_source(spec, place, tested=True) for place in tested]
    parts = _balanced(spec, [*learned, *heard])
    _check_complete(spec, parts, _TRAIN)
    if not any(clip.keyword in spec.keyword.words for clip in parts["test"]):
        message = (
            f"none of {', '.join(name for name, _ in tested)} has a clip of {', '.join(spec.keyword.words)}"
        )
        raise InputError(message)
    names = " + ".join(one.name for one in learned)
    title = f"{names} to {' + '.join(one.name for one in heard)}: {_rule(spec.corpora)}"
    return _manifest(spec, [*learned, *heard], parts, made, title)


def examined(spec: SystemSpec, places: Sequence[Place], knows: Callable[[Clip], bool]) -> tuple[Clip, ...]:
    """What a finished keyword net may be tested on: the publisher's test parts, else everything that it did not hear.

    Args:
        spec: the system; its words.
        places: the corpora.
        knows: whether the net learned from a clip's speaker.

    Returns:
        Words, and unknown and silence in the numbers that the module says.

    Raises:
        InputError: no word is left, or a corpus is given twice.
        MissingError: a corpus is not there.
    """
    _check_once(places)
    sources = [open_source(spec, place, tested=True) for place in places]
    unheard = [
        replace(one, parts={**one.parts, "test": tuple(c for c in one.parts["test"] if not knows(c))})
        for one in sources
    ]
    clips = _balanced(spec, unheard)["test"]
    if not any(clip.keyword in spec.keyword.words for clip in clips):
        names = ", ".join(one.name for one in sources)
        message = (
            f"nothing to score: {names} has no clip of {', '.join(spec.keyword.words)} by anybody whom the bundle "
            "did not learn from; take another corpus"
        )
        raise InputError(message)
    return clips


def origins(parts: Mapping[Part, Sequence[Clip]]) -> list[dict[str, Any]]:
    """What each class was made of, for tables: class, corpus and how it was cut, clips by part."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for part in PARTS:
        for clip in parts.get(part, ()):
            key = (str(clip.keyword), _how(clip))
            row = rows.setdefault(key, {"class": key[0], "from": key[1], **dict.fromkeys(PARTS, 0)})
            row[part] += 1
    return list(rows.values())


def _how(clip: Clip) -> str:
    if clip.corpus == QUIET.name:
        return f"{clip.corpus} (made)"
    if clip.keyword == SILENCE:
        return f"{clip.corpus}, no speech"
    if clip.keyword == UNKNOWN_WORD:
        of_words = layout(clip.corpus).kind == "keyword" or (clip.text is not None and " " not in clip.text)
        what = "other words" if of_words else "pieces of sentences" if clip.text else "speech of unknown text"
        return f"{clip.corpus}, {what}"
    return clip.corpus


def _check_once(places: Sequence[Place]) -> None:
    seen: set[Path] = set()
    for name, root in places:
        if root.resolve() in seen:
            message = f"{name} ({root}) is given twice; expected every corpus once"
            raise InputError(message)
        seen.add(root.resolve())


def _labelled(spec: SystemSpec, kind: Kind, clips: Iterable[Clip]) -> list[Clip]:
    """Clips as long as a window at most, each labelled with a class of the spec."""
    window_s, rate = spec.keyword.window_s, spec.frontend.sample_rate_hz
    words = spec.keyword.words
    found: list[Clip] = []
    for clip in clips:
        if kind == "noise" or clip.keyword == SILENCE:
            found += [replace(one, keyword=SILENCE) for one in _pieces(clip, window_s, 1.0)]
        elif clip.keyword is not None:
            label = clip.keyword if clip.keyword in words else UNKNOWN_WORD
            found.append(replace(_located(clip, window_s, rate), keyword=label))
        elif not any(holds(clip.text or "", word) for word in words):
            pieces = _pieces(clip, window_s, _PIECES_WITHIN)
            found += [replace(one, keyword=UNKNOWN_WORD) for one in pieces]
    return _away_from_words(found, spec)


def _pieces(clip: Clip, length_s: float, within_share: float) -> list[Clip]:
    """Stretches of one window, side by side around the clip's middle; the clip itself where it is no longer."""
    end_s = clip.end_s if clip.end_s is not None else audio_info(clip.path).duration_s
    whole_s = end_s - clip.start_s
    if whole_s <= length_s:
        return [clip]
    count = max(1, int(whole_s * within_share / length_s))
    first_s = clip.start_s + (whole_s - count * length_s) / 2
    return [
        replace(
            clip, start_s=round(first_s + at * length_s, 4), end_s=round(first_s + (at + 1) * length_s, 4)
        )
        for at in range(count)
    ]


def _located(clip: Clip, window_s: float, rate: int) -> Clip:
    """The loudest window of a labelled recording that is much longer than its word can be."""
    if clip.end_s is not None or audio_info(clip.path).duration_s <= LONG * window_s:
        return clip
    samples = read_audio(clip.path, rate, clip.start_s).astype(np.float64)
    frame = round(_FRAME_S * rate)
    # Amplitude and not power, so that one click does not outweigh a word.
    levels = np.sqrt(np.mean(samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    length = min(round(window_s / _FRAME_S), len(levels))
    at = int(np.convolve(levels, np.ones(length), "valid").argmax())
    start_s = clip.start_s + at * _FRAME_S
    return replace(clip, start_s=round(start_s, 4), end_s=round(start_s + length * _FRAME_S, 4))


def _away_from_words(clips: Sequence[Clip], spec: SystemSpec) -> list[Clip]:
    """Without the unknown clips in whose window a word of the spec is heard too (aligned running speech)."""
    reach_s = spec.keyword.window_s / 2 + spec.training.keyword.augment.time_shift_s
    named: dict[Path, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.keyword in spec.keyword.words and clip.end_s is not None:
            named[clip.path].append(clip)

    def near(clip: Clip) -> bool:
        if clip.keyword != UNKNOWN_WORD or clip.end_s is None:
            return False
        middle_s = (clip.start_s + clip.end_s) / 2
        return any(
            word.start_s - reach_s < middle_s < (word.end_s or 0.0) + reach_s for word in named[clip.path]
        )

    return [clip for clip in clips if not near(clip)]


def _split(clips: Sequence[Clip], rule: CorporaSpec) -> Parts:
    if has_official_parts(clips):
        return split_by_part(clips, label="keyword", complete=())
    spoken = [clip for clip in clips if clip.speaker]
    parts: Parts = _by_recording([clip for clip in clips if not clip.speaker], rule)
    if spoken:
        voices = _by_speaker(spoken, rule)
        parts = {part: voices[part] + parts[part] for part in PARTS}
    return parts


def _by_speaker(clips: Sequence[Clip], rule: CorporaSpec) -> Parts:
    for complete in _DEMANDS[:-1]:
        try:
            return split_by_speaker(
                clips, rule.folds, rule.test_fold, rule.validation_share, label="keyword", complete=complete
            )
        except InputError:
            continue
    return split_by_speaker(
        clips, rule.folds, rule.test_fold, rule.validation_share, label="keyword", complete=_DEMANDS[-1]
    )


def _by_recording(clips: Sequence[Clip], rule: CorporaSpec) -> Parts:
    """Noise: one fold of the recordings tests, the next validates."""
    groups = sorted({_recording(clip) for clip in clips})
    homes: dict[str, Part] = {}
    for index, group in enumerate(groups):
        turn = (index - rule.test_fold) % rule.folds
        homes[group] = "test" if turn == 0 else "validation" if turn == 1 else "train"
    return {part: tuple(clip for clip in clips if homes[_recording(clip)] == part) for part in PARTS}


def _recording(clip: Clip) -> str:
    return clip.part or clip.path.as_posix()


def _without_test(source: Source) -> Source:
    """Its test speakers train too."""
    parts = source.parts
    return replace(
        source,
        parts={"train": parts["train"] + parts["test"], "validation": parts["validation"], "test": ()},
    )


def _only_teaching(source: Source) -> Source:
    """All of its speakers train."""
    return replace(
        source,
        parts={
            "train": tuple(clip for part in PARTS for clip in source.parts[part]),
            "validation": (),
            "test": (),
        },
    )


def _has_words(spec: SystemSpec, source: Source) -> bool:
    return any(clip.keyword in spec.keyword.words for part in PARTS for clip in source.parts[part])


def _balanced(spec: SystemSpec, sources: Sequence[Source]) -> Parts:
    """Every word's clips, and of the other classes as many as the module says."""
    parts: Parts = {}
    for part in PARTS:
        words = [c for one in sources for c in one.parts[part] if c.keyword in spec.keyword.words]
        there = max(1, len({clip.keyword for clip in words}))
        mean = -(-len(words) // there)
        most = {UNKNOWN_WORD: len(words) if part == "train" else mean, SILENCE: mean}
        chosen = list(words)
        for kind in _KINDS:
            shares = [[c for c in one.parts[part] if c.keyword == kind] for one in sources]
            chosen += _evenly(shares, most[kind])
        parts[part] = tuple(chosen)
    return parts


def _evenly(shares: Sequence[Sequence[Clip]], most: int) -> list[Clip]:
    """At most ``most`` clips, as evenly from each share as there are clips, at equal steps within each."""
    chosen: list[Clip] = []
    left = sorted((share for share in shares if share), key=len)
    for at, share in enumerate(left):
        count = min(len(share), -(-(most - len(chosen)) // (len(left) - at)))
        steps = np.linspace(0, len(share) - 1, count).astype(int) if count > 1 else np.arange(count)
        chosen += [share[step] for step in steps]
    return chosen


def _check_complete(spec: SystemSpec, parts: Parts, demanded: Collection[Part]) -> None:
    for part in PARTS:
        if part not in demanded:
            continue
        there = {clip.keyword for clip in parts[part]}
        lacking = [word for word in spec.keyword.words if word not in there]
        if lacking:
            message = (
                f"no corpus has a clip of {', '.join(lacking)} for {part}; leave it out of keyword.words, "
                "or give another corpus: --words NAME=DIR"
            )
            raise InputError(message)
        if UNKNOWN_WORD not in there:
            message = (
                f"no speech for the class of unknown words in {part}: the corpora hold the keywords only; give "
                "other speech, e.g. --words crema-d=CREMA-D or --words emospeech=EmoSpeech"
            )
            raise InputError(message)


def _manifest(
    spec: SystemSpec, sources: Sequence[Source], parts: Parts, made: Path, protocol: str
) -> Manifest:
    counts: dict[Part, int] = {}
    for part in PARTS:
        words = sum(clip.keyword in spec.keyword.words for clip in parts[part])
        # A third of what one word has: enough to be learned, too little to crowd out recorded noise.
        counts[part] = max(4, round(words / max(1, len(spec.keyword.words)) / 3)) if parts[part] else 0
    make_quiet(made, counts, spec.training.seed, spec.frontend.sample_rate_hz)
    quiet = read_clips(QUIET.name, made.resolve())
    merged: Parts = {part: parts[part] + tuple(clip for clip in quiet if clip.part == part) for part in PARTS}
    root = Path(os.path.commonpath([*(source.root for source in sources), made.resolve()]))
    names = "+".join(source.name for source in sources)
    return make_manifest(names, root, protocol, merged)


def _rule(rule: CorporaSpec) -> str:
    share = f"{rule.validation_share:g} of the other speakers validate"
    return f"the publisher's parts, else fold {rule.test_fold} of {rule.folds} of the speakers tests, {share}"
