"""How neutral speech sounds: mean and spread of every cue, measured as an explanation measures them, for z-scores.

A bundle carries them as ``reports/neutral_cues.json``, made of the neutral clips of its training speakers. In every
clip as many windows are laid at random as an explanation shows, each as long, and the cues are measured inside them:
what a stretch of a few tenths of a second tells of a voice spreads more widely than what a whole sentence does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from edge_ser.audio import read_audio
from edge_ser.bundle import Bundle
from edge_ser.bundle_shipped import corpora_of
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import InputError
from edge_ser.evaluation.explain_cues import CUE_NAMES, Seconds, measure, track
from edge_ser.evaluation.explain_occlusion import COLUMN_FRAMES
from edge_ser.evaluation.explain_windows import WINDOWS
from edge_ser.files import json_bytes
from edge_ser.handcrafted.frames import SAMPLE_RATE_HZ
from edge_ser.spec import FrontendSpec

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""``progress(description, total)`` is a context that yields ``advance(steps)``."""

NEUTRAL = "neutral"
REPORT = "neutral_cues"
"""Name of the report; the member is ``reports/neutral_cues.json``."""

MOST_CLIPS = 400
"""Clips that are measured at most, at equal steps: the standard error of a mean is then a twentieth of its spread."""

FEWEST_CLIPS = 10
"""Clips below which no mean and no spread are given."""

_LONGEST_S = 10.0
"""Of a longer clip, its beginning."""

_VERSION = 1
_SEED = 1
_GROUPS = ("all", "f", "m")


@dataclass(frozen=True)
class Usual:
    """One cue in neutral speech.

    Attributes:
        mean: over clips, in the cue's unit.
        sd: standard deviation over clips, in the same unit, above 0.
        clips: how many had it.
    """

    mean: float
    sd: float
    clips: int


@dataclass(frozen=True)
class Neutral:
    """Neutral speech.

    Attributes:
        corpora: names of its corpora.
        clips: how many clips were measured.
        speakers: of how many speakers.
        groups: by ``"all"``, ``"f"`` and ``"m"`` (those that there are), the cues by name (those that there are).
    """

    corpora: tuple[str, ...]
    clips: int
    speakers: int
    groups: Mapping[str, Mapping[str, Usual]]

    def of(self, sex: str = "") -> tuple[str, Mapping[str, Usual]]:
        """The cues of one sex, ``"f"`` or ``"m"``; of all where it is not known or was not measured."""
        group = sex if sex in self.groups else "all"
        return group, self.groups.get(group, {})

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "version": _VERSION,
            "corpora": list(self.corpora),
            "clips": self.clips,
            "speakers": self.speakers,
            "windows": WINDOWS,
            "groups": {
                name: {
                    cue: {"mean": round(one.mean, 6), "sd": round(one.sd, 6), "clips": one.clips}
                    for cue, one in cues.items()
                }
                for name, cues in self.groups.items()
            },
        }


def scores_against(values: Mapping[str, float | None], usual: Mapping[str, Usual]) -> dict[str, float]:
    """z-scores of cues: standard deviations above neutral speech, of those that both sides have.

    Args:
        values: cues by name, each in the cue's unit, as :func:`~.explain_cues.measure` gives them.
        usual: neutral speech, as :meth:`Neutral.of` gives it.
    """
    return {
        name: (value - usual[name].mean) / usual[name].sd
        for name, value in values.items()
        if value is not None and name in usual
    }


def neutral_of(bundle: Bundle) -> Neutral | None:
    """The neutral speech that a bundle carries; ``None`` where it carries none.

    Raises:
        InputError: the report is not as edge-ser writes it.
    """
    report = bundle.report(REPORT)
    return None if report is None else _parsed(report, f"bundle {bundle.spec.name}: reports/{REPORT}.json")


def with_neutral(bundle: Bundle, neutral: Neutral) -> Bundle:
    """The bundle with neutral speech in it; its build id is another one."""
    return bundle.with_members({f"reports/{REPORT}.json": json_bytes(neutral.to_dict())})


def training_clips(bundle: Bundle, clips: Sequence[Clip]) -> list[Clip]:
    """The neutral clips among some that are of speakers who trained the bundle's emotions.

    Raises:
        InputError: the bundle does not say whom it learned from.
    """
    taught = {
        (str(entry["name"]), str(speaker))
        for role, entry in corpora_of(bundle)
        if role == "emotions"
        for speaker in entry.get("speakers", {}).get("train", ())
    }
    return [clip for clip in clips if clip.emotion == NEUTRAL and (clip.corpus, clip.speaker) in taught]


def measure_neutral(
    clips: Sequence[Clip], front: FrontendSpec, advance: Callable[[int], None], jobs: int = 1
) -> Neutral | None:
    """Measure neutral speech.

    Args:
        clips: of any emotion; the neutral ones are measured, no changed copies of them, at most :data:`MOST_CLIPS` at
            equal steps in the order of corpus, speaker, path and start. The same clips give the same result.
        front: says how long a window is.
        advance: called with 1 for every clip done; :func:`chosen_clips` says how many there will be.
        jobs: processes.

    Returns:
        ``None`` where fewer than :data:`FEWEST_CLIPS` of the clips are neutral and have a voice.

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    chosen = chosen_clips(clips)
    seconds = COLUMN_FRAMES * front.step_ms / 1000
    work = (joblib.delayed(_one)(clip, at, seconds) for at, clip in enumerate(chosen))
    rows: list[dict[str, float | None]] = []
    for row in joblib.Parallel(n_jobs=jobs, return_as="generator")(work):
        rows.append(row)
        advance(1)
    groups = {}
    for group in _GROUPS:
        own = [row for row, clip in zip(rows, chosen, strict=True) if group in ("all", clip.sex)]
        cues = dict(_usual(own))
        if cues:
            groups[group] = cues
    if "all" not in groups:
        return None
    return Neutral(
        corpora=tuple(sorted({clip.corpus for clip in chosen})),
        clips=len(chosen),
        speakers=len({(clip.corpus, clip.speaker) for clip in chosen}),
        groups=groups,
    )


def neutral_corpus(
    corpus: str, root: Path, front: FrontendSpec, progress: Progress, jobs: int = 1
) -> Neutral:
    """Neutral speech of a corpus at hand, of all its speakers.

    Args:
        corpus: its layout.
        root: its folder.
        front: says how long a window is.
        progress: shows what is going on.
        jobs: processes.

    Raises:
        InputError: it has too little neutral speech, or a file cannot be read.
        MissingError: the corpus is not there.
    """
    clips = read_clips(corpus, root)
    with progress(f"{corpus}: neutral speech", len(chosen_clips(clips))) as advance:
        neutral = measure_neutral(clips, front, advance, jobs)
    if neutral is None:
        message = (
            f"{root}: {corpus} has fewer than {FEWEST_CLIPS} neutral clips with a voice; take another corpus"
        )
        raise InputError(message)
    return neutral


def chosen_clips(clips: Sequence[Clip]) -> list[Clip]:
    """The clips that :func:`measure_neutral` measures."""
    neutral = sorted(
        (clip for clip in clips if clip.emotion == NEUTRAL and not clip.copy),
        key=lambda clip: (clip.corpus, clip.speaker, clip.path.as_posix(), clip.start_s),
    )
    if len(neutral) <= MOST_CLIPS:
        return neutral
    return [neutral[at] for at in np.linspace(0, len(neutral) - 1, MOST_CLIPS).astype(int)]


def _one(clip: Clip, at: int, seconds: float) -> dict[str, float | None]:
    end_s = clip.end_s
    samples = read_audio(clip.path, SAMPLE_RATE_HZ, clip.start_s, end_s)[: round(_LONGEST_S * SAMPLE_RATE_HZ)]
    with threadpool_limits(1):
        tracks = track(samples)
    windows = _laid(len(samples) / SAMPLE_RATE_HZ, seconds, np.random.default_rng([_SEED, at]))
    return measure(tracks, windows)


def _laid(duration_s: float, seconds: float, rng: np.random.Generator) -> list[Seconds]:
    """Windows at random that do not overlap; of a clip shorter than they are together, all of it.

    The gaps before, between and behind them are the parts of a stick broken at random places: every arrangement is
    as probable as any other.
    """
    free = duration_s - WINDOWS * seconds
    if free <= 0:
        return [(0.0, duration_s)]
    starts = np.sort(rng.uniform(0, free, WINDOWS)) + np.arange(WINDOWS) * seconds
    return [(float(start), float(start) + seconds) for start in starts]


def _usual(rows: Sequence[Mapping[str, float | None]]) -> Iterator[tuple[str, Usual]]:
    for name in CUE_NAMES:
        values = np.array([value for row in rows if (value := row[name]) is not None])
        if len(values) >= FEWEST_CLIPS and values.std() > 0:
            yield name, Usual(float(values.mean()), float(values.std(ddof=1)), len(values))


def _parsed(report: Mapping[str, Any], source: str) -> Neutral:
    try:
        groups = {
            str(group): {
                str(cue): Usual(float(one["mean"]), float(one["sd"]), int(one["clips"]))
                for cue, one in cues.items()
            }
            for group, cues in report["groups"].items()
        }
        neutral = Neutral(
            corpora=tuple(str(name) for name in report["corpora"]),
            clips=int(report["clips"]),
            speakers=int(report["speakers"]),
            groups=groups,
        )
        version = int(report["version"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"{source}: not as edge-ser writes it ({error!r}); quantize again"
        raise InputError(message) from None
    if version > _VERSION:
        message = f"{source}: version {version}, made by a newer edge-ser; this one reads {_VERSION}: upgrade edge-ser"
        raise InputError(message)
    usual = [one for cues in groups.values() for one in cues.values()]
    if not all(math.isfinite(one.mean) and math.isfinite(one.sd) and one.sd > 0 for one in usual):
        message = f"{source}: a mean or a spread is no number above its bounds; quantize again"
        raise InputError(message)
    return neutral
