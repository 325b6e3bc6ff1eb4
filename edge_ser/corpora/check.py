"""Checking a corpus on disk: what is there, what is missing, and which recordings are no good."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_ser.audio import audio_info, read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Kind, Layout
from edge_ser.corpora.registry import layout, missing_files, nothing_found, present_clips
from edge_ser.corpora.tree import ANY_AUDIO_EXTENSIONS, files_below, stem_below
from edge_ser.errors import InputError
from edge_ser.spec import SILENCE

ProblemKind = Literal["missing", "unreadable", "beyond-end", "silent", "clipped", "duplicate", "unrecognised"]

FAILING: frozenset[ProblemKind] = frozenset({"missing", "unreadable", "beyond-end"})
"""Problems that make the check fail; the others are properties of the recordings, good to know."""

UNLABELLED = "(none)"
"""The key under which clips without a label are counted."""

SILENT_DBFS = -60.0
"""A recording that stays below this holds no speech; CREMA-D and EmoSpeech have all-zero files."""

CLIPPED_RUN = 4
"""Samples in a row at the same end of the 16-bit range that count as clipping.

A sound recording may touch full scale with a sample or two; a flat top of several is what an overdriven
converter leaves.
"""

END_TOLERANCE_S = 0.05
"""How far a label may reach beyond its file: aligners round, and decoders differ by a frame."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file.

    Attributes:
        kind: what is wrong.
        path: the file, relative to the root of the corpus; without its extension where it is missing.
        detail: what was found.
    """

    kind: ProblemKind
    path: str
    detail: str


@dataclass(frozen=True)
class CorpusCheck:
    """What a check found.

    Attributes:
        name: name of the layout.
        title: its name in words.
        kind: what its labels are.
        root: the folder.
        clips: number of clips.
        files: number of audio files that hold them.
        speakers: number of speakers.
        labels: clips by emotion, keyword or class of noise, whichever the corpus is for.
        keywords: clips by keyword, for a corpus that has keywords besides.
        minutes: audio in the clips.
        problems: what is wrong, worst kind first, then by path.
        notes: known flaws of the official release.
    """

    name: str
    title: str
    kind: Kind
    root: Path
    clips: int
    files: int
    speakers: int
    labels: Mapping[str, int]
    keywords: Mapping[str, int]
    minutes: float
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether a file is missing, cannot be read, or is shorter than its labels say."""
        return any(problem.kind in FAILING for problem in self.problems)


Track = Callable[[Sequence[Path]], Iterable[Path]]
"""Gives the files back one by one; a caller may show progress on the way."""


def check_corpus(name: str, root: Path, deep: bool = True, track: Track = iter) -> CorpusCheck:
    """Check a corpus on disk.

    Args:
        name: name of the layout, e.g. ``"crema-d"``.
        root: the unpacked corpus.
        deep: decode every file (once) and look for silence and clipping; otherwise only the headers are read.
        track: called with the files before they are read.

    Returns:
        Counts and problems.

    Raises:
        InputError: when there is no such layout, ``root`` holds nothing of it, or a table of the corpus is
            broken.
        MissingError: when ``root`` does not exist.
    """
    form = layout(name)
    clips = present_clips(form, root)
    problems = [
        Problem("missing", path, "named by the corpus' own table or grid, not there")
        for path in missing_files(form, root, clips)
    ]
    if not clips and not problems:
        raise InputError(nothing_found(form, root))
    by_file: dict[Path, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_file[clip.path].append(clip)
    seconds = 0.0
    for path in track(list(by_file)):
        below = path.relative_to(root).as_posix()
        try:
            duration_s, found = _measure(path, below, deep)
        except InputError as error:
            problems.append(Problem("unreadable", below, str(error)))
            continue
        if all(clip.keyword == SILENCE for clip in by_file[path]):
            found = [problem for problem in found if problem.kind != "silent"]  # as it should be
        problems += [*found, *_beyond_end(by_file[path], below, duration_s)]
        seconds += sum(_length(clip, duration_s) for clip in by_file[path])
    problems += _left_over(form, root, clips)
    keywords = Counter(clip.keyword for clip in clips if clip.keyword is not None)
    return CorpusCheck(
        name=form.name,
        title=form.title,
        kind=form.kind,
        root=root,
        clips=len(clips),
        files=len(by_file),
        speakers=len({clip.speaker for clip in clips if clip.speaker}),
        labels=_sorted(Counter(_label(clip, form.kind) for clip in clips)),
        keywords={} if form.kind == "keyword" else _sorted(keywords),
        minutes=seconds / 60,
        problems=tuple(sorted(problems, key=_severity)),
        notes=form.notes,
    )


def longest_run(mask: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of ``True``.

    Args:
        mask: bool (samples,).
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _measure(path: Path, below: str, deep: bool) -> tuple[float, list[Problem]]:
    """Duration of a file in seconds, and what is wrong with its samples."""
    info = audio_info(path)
    if not deep:
        return info.duration_s, []
    # At the file's own rate: resampling would bend the flat tops that tell clipping.
    samples = read_audio(path, sample_rate_hz=info.sample_rate_hz)
    return samples.size / info.sample_rate_hz, list(_sample_problems(samples, below))


def _sample_problems(samples: npt.NDArray[np.int16], below: str) -> Iterator[Problem]:
    if samples.size == 0:
        yield Problem("unreadable", below, "holds no samples")
        return
    peak = max(int(samples.max()), -int(samples.min()))
    if peak < 32768 * 10 ** (SILENT_DBFS / 20):
        yield Problem("silent", below, "all zero" if peak == 0 else f"loudest sample {peak} of 32768")
    if peak < 32767:
        return
    # -32767 counts as the lower end: some converters never write -32768.
    run = max(longest_run(samples == 32767), longest_run(samples <= -32767))
    if run >= CLIPPED_RUN:
        yield Problem("clipped", below, f"{run} samples in a row at full scale")


def _beyond_end(clips: Sequence[Clip], below: str, duration_s: float) -> Iterator[Problem]:
    for clip in clips:
        end_s = clip.end_s if clip.end_s is not None else clip.start_s
        if end_s > duration_s + END_TOLERANCE_S:
            yield Problem(
                "beyond-end", below, f"a clip reaches to {end_s:g} s, the file to {duration_s:.3f} s"
            )


def _length(clip: Clip, duration_s: float) -> float:
    end_s = duration_s if clip.end_s is None else min(clip.end_s, duration_s)
    return max(0.0, end_s - clip.start_s)


def _left_over(form: Layout, root: Path, clips: Sequence[Clip]) -> Iterator[Problem]:
    """Audio that is no clip, and files that a system left."""
    used = {clip.path for clip in clips}
    by_stem = {stem_below(path, path.parent).lower(): path for path in used}
    for path in files_below(root, ANY_AUDIO_EXTENSIONS, hidden=True):
        below = path.relative_to(root).as_posix()
        if path in used or any(fnmatchcase(below.lower(), pattern) for pattern in form.aside):
            continue
        twin = by_stem.get(stem_below(path, path.parent).lower())
        if twin is not None:
            yield Problem("duplicate", below, f"{twin.relative_to(root).as_posix()} is used")
        else:
            yield Problem("unrecognised", below, f"not a name of {form.name}")


def _label(clip: Clip, kind: Kind) -> str:
    label = {"emotion": clip.emotion, "keyword": clip.keyword, "noise": clip.text}[kind]
    return label if label is not None else UNLABELLED


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


_ORDER: tuple[ProblemKind, ...] = (
    "missing",
    "unreadable",
    "beyond-end",
    "silent",
    "clipped",
    "duplicate",
    "unrecognised",
)


def _severity(problem: Problem) -> tuple[int, str]:
    return _ORDER.index(problem.kind), problem.path
