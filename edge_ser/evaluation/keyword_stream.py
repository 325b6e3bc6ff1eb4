"""False accepts an hour against false rejects: the keyword net on running sound, at every threshold.

The net hears windows at the spec's hop, as on the device (:mod:`edge_ser.runtime.pipeline`). A word triggers where its
probability in a window reaches the threshold; windows of the same word that overlap that window belong to the same
trigger. In sound without keywords every trigger is a false accept. A test word is rejected where none of the windows
that it lies in triggers it; each is heard at several places against the windows' grid, digital silence around it.
This is the field's detection error trade-off with absolute time on one axis (e.g. Chen, Parada & Heigold, ICASSP 2014,
"Small-footprint keyword spotting using deep neural networks").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.synthetic_lexicon import holds
from edge_ser.evaluation.keyword_nets import Predictor, Windows
from edge_ser.frontend.net_input import NetInput
from edge_ser.runtime.words import KEYWORD_THRESHOLD
from edge_ser.spec import SystemSpec

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, KEYWORD_THRESHOLD, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)
PLACES = 4
"""Places against the grid that every test word is heard at."""

_SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Sweep:
    """Counts at each of :data:`THRESHOLDS`; counts of several sweeps may be added.

    Attributes:
        seconds: sound without keywords, by where it is from.
        accepts: false accepts in it, per threshold.
        words: how many times a test word was said.
        rejects: how many of them were missed, per threshold.
        confused: how many triggered another word, per threshold.
    """

    seconds: Mapping[str, float]
    accepts: Mapping[str, tuple[int, ...]]
    words: int
    rejects: tuple[int, ...]
    confused: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "thresholds": list(THRESHOLDS),
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "accepts": {name: list(counts) for name, counts in self.accepts.items()},
            "words": self.words,
            "rejects": list(self.rejects),
            "confused": list(self.confused),
        }


def keyword_free(
    clips: Iterable[Clip], words: Sequence[str], heard: frozenset[tuple[str, str]]
) -> list[Clip]:
    """The recordings in which every trigger is false, of nobody that the net learned from.

    Args:
        clips: a corpus.
        words: the spec's words.
        heard: (corpus, speaker, or file where there is none) of all that the net learned from or was chosen on.

    Returns:
        The clips whose label and text hold no word; where no text is known, that is the corpus' word for it.
    """
    return [
        clip
        for clip in clips
        if clip.keyword not in words
        and not any(holds(clip.text or "", word) for word in words)
        and voice(clip) not in heard
    ]


def voice(clip: Clip) -> tuple[str, str]:
    """Who or what a clip is of: corpus and speaker, or file where nobody speaks."""
    return clip.corpus, clip.speaker or clip.path.as_posix()


def sweep(
    spec: SystemSpec,
    front: NetInput,
    predict: Predictor,
    words: Sequence[Clip],
    free: Mapping[str, Sequence[Clip]],
    advance: Callable[[int], None],
) -> Sweep:
    """Count at every threshold.

    Args:
        spec: the system.
        front: its front end.
        predict: the net.
        words: test clips of the spec's words.
        free: sound without keywords, by where it is from.
        advance: called with 1 for every recording done.

    Raises:
        InputError: an audio file cannot be read; it is named.
    """
    rate, named = spec.frontend.sample_rate_hz, len(spec.keyword.words)
    seconds: dict[str, float] = {}
    accepts: dict[str, NDArray[np.int64]] = {}
    for name, clips in free.items():
        seconds[name], accepts[name] = 0.0, np.zeros(len(THRESHOLDS), dtype=np.int64)
        for clip in clips:
            samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
            heard = predict(stream_windows(spec, front, samples))[:, :named]
            accepts[name] += [triggers(heard >= level, _span(spec)) for level in THRESHOLDS]
            seconds[name] += len(samples) / rate
            advance(1)
    rejects, confused = np.zeros((2, len(THRESHOLDS)), dtype=np.int64)
    for clip in words:
        at = spec.keyword.words.index(str(clip.keyword))
        samples = read_audio(clip.path, rate, clip.start_s, clip.end_s)
        for place in range(PLACES):
            best = predict(stream_windows(spec, front, _placed(spec, samples, place)))[:, :named].max(axis=0)
            right, wrong = best[at], np.delete(best, at).max(initial=0.0)
            rejects += [right < level for level in THRESHOLDS]
            confused += [wrong >= level for level in THRESHOLDS]
        advance(1)
    return Sweep(
        seconds,
        {name: tuple(int(count) for count in counts) for name, counts in accepts.items()},
        len(words) * PLACES,
        tuple(int(count) for count in rejects),
        tuple(int(count) for count in confused),
    )


def stream_windows(spec: SystemSpec, front: NetInput, samples: NDArray[np.int16]) -> Windows:
    """The windows that the device hears of a recording, one a hop; a short one is filled up with zeros.

    Args:
        spec: the system.
        front: its front end.
        samples: int16 (samples,).

    Returns:
        uint8 (windows, frames, channels).
    """
    missing = max(0, spec.keyword_samples - len(samples))
    frames = front.features(np.pad(samples, (0, missing))[np.newaxis])[0]
    length, hop = spec.keyword_frames, _hop(spec)
    return np.stack([frames[at : at + length] for at in range(0, len(frames) - length + 1, hop)])


def triggers(above: NDArray[np.bool_], span: int) -> int:
    """Triggers among windows.

    Args:
        above: bool (windows, words), which words reach the threshold.
        span: windows that overlap one, itself included: a word triggers once in as many.
    """
    count = 0
    for column in above.T:
        free_from = 0
        for at in np.flatnonzero(column):
            if at >= free_from:
                count += 1
                free_from = int(at) + span
    return count


def _hop(spec: SystemSpec) -> int:
    return round(spec.keyword.hop_s * 1000) // spec.frontend.step_ms


def _span(spec: SystemSpec) -> int:
    return -(-spec.keyword_frames // _hop(spec))


def _placed(spec: SystemSpec, samples: NDArray[np.int16], place: int) -> NDArray[np.int16]:
    """A word with a window of digital silence before and behind, moved by a part of the hop."""
    hop = spec.frontend.samples_for(spec.keyword.hop_s)
    lead = spec.keyword_samples + place * hop // PLACES
    return np.pad(samples, (lead, spec.keyword_samples + hop))


def summed(sweeps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table of some sweeps as :meth:`Sweep.to_dict` gives them, their counts added.

    Returns:
        Per threshold: ``false_accepts_per_hour`` by source and, as ``all``, together; ``false_rejects`` and
        ``confused``, shares of the test words; ``hours`` and ``accepts`` behind it.
    """
    names = list(sweeps[0]["seconds"])
    seconds = {name: sum(float(one["seconds"][name]) for one in sweeps) for name in names}
    words = sum(int(one["words"]) for one in sweeps)
    rows = []
    for at, level in enumerate(THRESHOLDS):
        accepts = {name: sum(int(one["accepts"][name][at]) for one in sweeps) for name in names}
        hourly = {
            name: round(accepts[name] * _SECONDS_AN_HOUR / seconds[name], 2)
            for name in names
            if seconds[name] > 0
        }
        whole = sum(seconds.values())
        if whole > 0:
            hourly["all"] = round(sum(accepts.values()) * _SECONDS_AN_HOUR / whole, 2)
        rows.append(
            {
                "threshold": level,
                "false_accepts_per_hour": hourly,
                "false_rejects": round(sum(int(one["rejects"][at]) for one in sweeps) / max(1, words), 4),
                "confused": round(sum(int(one["confused"][at]) for one in sweeps) / max(1, words), 4),
                "accepts": accepts,
                "hours": {name: round(value / _SECONDS_AN_HOUR, 4) for name, value in seconds.items()},
                "words": words,
            }
        )
    return rows
