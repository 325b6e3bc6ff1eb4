"""Why a recording got its emotion: the windows it hangs on, how the voice sounds there, and whether that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.evaluation.explain_cues import CUES, Tracks, hertz, measure, track
from edge_ser.evaluation.explain_expected import (
    EXPECTED,
    Verdict,
    comparable,
    in_words,
    judge,
    sentence,
    sources_of,
)
from edge_ser.evaluation.explain_keyword import KeywordShare, keyword_share
from edge_ser.evaluation.explain_neutral import Neutral, scores_against
from edge_ser.evaluation.explain_occlusion import (
    COLUMN_FRAMES,
    FILL,
    Floats,
    Occlusion,
    Part,
    Stretch,
    log_odds,
)
from edge_ser.evaluation.explain_windows import WINDOWS, Window, choose, describe, merged
from edge_ser.frontend.plot import channel_centres_hz
from edge_ser.runtime.pipeline import Pipeline

LONGEST_S = 30.0
"""Of a longer recording a part is explained: five windows say little of minutes."""

_LITTLE_VOICE = 0.1
"""Share of voiced frames below which a recording is hardly speech; read speech has about a half."""

_QUIET = 33
"""Peak of 16-bit samples (-60 dB of full scale) below which a recording is silence and its noise."""


@dataclass(frozen=True)
class CueFinding:
    """One cue inside the shown windows.

    Attributes:
        name: of :data:`~.explain_cues.CUES`.
        value: in the cue's unit; ``None`` where there was too little voice.
        z: standard deviations above neutral speech; ``None`` where nothing could be compared.
    """

    name: str
    value: float | None
    z: float | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a recording got its emotion.

    Attributes:
        heard: the recording, decided; its parts can be hidden further.
        columns: where a column was hidden.
        effects: float64 (columns,), what the decision lost, in log-odds.
        bands: float64 (bands,), the same with a band of channels hidden all the time.
        chosen: the columns that were shown before they were merged, the strongest first.
        windows: the shown windows, the strongest first.
        together: the decided class' probability with all of them hidden.
        tracks: the voice, measured.
        cues: inside the windows (where there are none, in the whole recording).
        verdict: whether the literature expects them; ``None`` where nothing could be compared.
        keyword: what the keywords did.
        neutral: what the cues were compared with; ``None`` for nothing.
        group: whose neutral speech: ``"all"``, ``"f"`` or ``"m"``.
        remarks: what a person should know before believing any of it, one sentence each.
    """

    heard: Occlusion
    columns: tuple[Stretch, ...]
    effects: Floats
    bands: Floats
    chosen: tuple[Stretch, ...]
    windows: tuple[Window, ...]
    together: float
    tracks: Tracks
    cues: tuple[CueFinding, ...]
    verdict: Verdict | None
    keyword: KeywordShare
    neutral: Neutral | None
    group: str
    remarks: tuple[str, ...]

    @property
    def scores(self) -> dict[str, float]:
        """z-scores by name of a cue, of those that have one that can be believed."""
        return comparable({cue.name: cue.z for cue in self.cues if cue.z is not None})

    @property
    def words(self) -> str:
        """The cues as a person says it."""
        return sentence(self.scores)

    def seconds(self, stretch: Stretch) -> tuple[float, float]:
        """A stretch in seconds."""
        rate = self.heard.pipeline.spec.frontend.sample_rate_hz
        return stretch.start / rate, stretch.end / rate

    def band_hz(self, band: tuple[int, int]) -> tuple[float, float]:
        """Centres of the lowest and the highest channel of a band, hertz."""
        centres = channel_centres_hz(self.heard.pipeline.spec.frontend)
        return float(centres[band[0]]), float(centres[band[1] - 1])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        heard = self.heard
        labels = heard.pipeline.spec.acoustic.classes
        rate = heard.pipeline.spec.frontend.sample_rate_hz
        return {
            "emotion": heard.recording.emotion,
            "score": round(heard.score, 4),
            "scores": {label: round(p, 4) for label, p in zip(labels, heard.recording.scores, strict=True)},
            "abstained": heard.recording.abstained,
            "seconds": round(len(heard.samples) / rate, 3),
            "segments": len(heard.segments),
            "windows": [self._window(window) for window in self.windows],
            "together": {
                "without": round(self.together, 4),
                "effect": round(heard.score - self.together, 4),
            },
            "bands": [
                {"hz": [round(edge) for edge in self.band_hz(band)], "log_odds": round(float(value), 4)}
                for band, value in zip(heard.bands(), self.bands, strict=True)
            ],
            "saliency": {
                "what": "log-odds that the decided class loses with a column of frames hidden",
                "column_frames": COLUMN_FRAMES,
                "hidden_by": FILL,
                "start": [round(self.seconds(column)[0], 3) for column in self.columns],
                "log_odds": [round(float(value), 4) for value in self.effects],
            },
            "cues": [self._cue(cue) for cue in self.cues],
            "words": self.words,
            "verdict": self._verdict(),
            "keyword": self._keyword(),
            "neutral": self._neutral(),
            "remarks": list(self.remarks),
        }

    def _window(self, window: Window) -> dict[str, Any]:
        start, end = self.seconds(window.stretch)
        band = None if window.band is None else [round(edge) for edge in self.band_hz(window.band)]
        return {
            "start": round(start, 3),
            "end": round(end, 3),
            "without": round(window.without, 4),
            "effect": round(window.effect, 4),
            "log_odds": round(window.log_odds, 4),
            "band_hz": band,
        }

    def _cue(self, cue: CueFinding) -> dict[str, Any]:
        about = next(one for one in CUES if one.name == cue.name)
        usual = self.neutral.of(self.group)[1].get(cue.name) if self.neutral else None
        expected = EXPECTED.get(self.heard.recording.emotion, {}).get(cue.name)
        row: dict[str, Any] = {
            "name": cue.name,
            "title": about.title,
            "unit": about.unit,
            "value": _rounded(cue.value),
            "neutral_mean": _rounded(usual.mean if usual else None),
            "neutral_sd": _rounded(usual.sd if usual else None),
            "z": _rounded(cue.z),
            "words": in_words(cue.name, self.scores[cue.name]) if cue.name in self.scores else None,
            "expected": None if expected is None else ("less", "as neutral", "more")[expected.direction + 1],
            "found": None if self.verdict is None else self.verdict.cues.get(cue.name),
        }
        if cue.name == "f0":
            row["hertz"] = None if cue.value is None else round(hertz(cue.value), 1)
        return row

    def _verdict(self) -> dict[str, Any] | None:
        if self.verdict is None:
            return None
        return {
            "word": self.verdict.word,
            "emotion": self.verdict.emotion,
            "expected": self.verdict.expected,
            "found": self.verdict.found,
            "opposite": self.verdict.opposite,
            "sources": list(sources_of(self.verdict.emotion)),
        }

    def _keyword(self) -> dict[str, Any]:
        share = self.keyword
        return {
            "without": round(share.without, 4),
            "effect": round(share.effect, 4),
            "word": share.word,
            "probability": _rounded(share.probability),
            "start": _rounded(share.start_s),
            "end": _rounded(share.end_s),
            "window_effect": round(share.window_effect, 4),
            "heard": list(share.heard),
        }

    def _neutral(self) -> dict[str, Any] | None:
        if self.neutral is None:
            return None
        return {
            "corpora": list(self.neutral.corpora),
            "clips": self.neutral.clips,
            "speakers": self.neutral.speakers,
            "group": self.group,
        }


def explain(
    pipeline: Pipeline,
    samples: NDArray[np.int16],
    neutral: Neutral | None,
    *,
    voiced: NDArray[np.int16] | None = None,
    windows: int = WINDOWS,
    sex: str = "",
) -> Explanation:
    """Explain a recording.

    Args:
        pipeline: a bundle made ready.
        samples: int16 (n,) at the spec's rate, at least one.
        neutral: what the cues are compared with; ``None`` leaves z-scores away.
        voiced: the same at 16 kHz, where the cues are defined; ``None`` where the spec's rate is that.
        windows: at most so many are shown.
        sex: of the speaker, ``"f"`` or ``"m"``, for neutral speech of the same; ``""`` where it is not known.
    """
    heard = Occlusion(pipeline, samples)
    columns, bands = heard.columns(), heard.bands()
    whole = Stretch(*heard.reach)
    parts = [Part((column,)) for column in columns] + [Part((whole,), band) for band in bands]
    losses = log_odds(heard.score) - log_odds(heard.without(parts))
    effects = losses[: len(columns)]
    chosen = choose(columns, effects, windows)
    shown = describe(heard, merged(chosen))
    rate = pipeline.spec.frontend.sample_rate_hz
    tracks = track(samples if voiced is None else voiced)
    where = [window.stretch for window in shown] or [whole]
    found = measure(tracks, [(one.start / rate, one.end / rate) for one in where])
    group, usual = neutral.of(sex) if neutral else ("all", {})
    scores = scores_against(found, usual)
    believed = comparable(scores)
    cues = tuple(CueFinding(name, value, scores.get(name)) for name, value in found.items())
    return Explanation(
        heard=heard,
        columns=columns,
        effects=effects,
        bands=losses[len(columns) :],
        chosen=chosen,
        windows=shown,
        together=float(heard.without([Part(chosen)])[0]),
        tracks=tracks,
        cues=cues,
        verdict=judge(heard.recording.emotion, believed) if believed else None,
        keyword=keyword_share(heard),
        neutral=neutral,
        group=group,
        remarks=(*_of_recording(heard, shown, tracks, found), *_of_comparison(neutral, sex, group, scores)),
    )


def _of_recording(
    heard: Occlusion, shown: tuple[Window, ...], tracks: Tracks, found: Mapping[str, float | None]
) -> Iterator[str]:
    """What speaks against believing an explanation of this recording at all."""
    front = heard.pipeline.spec.frontend
    if int(np.abs(heard.samples.astype(np.int32)).max()) < _QUIET:
        yield "the recording is silent; a decision on silence means nothing"
    elif tracks.voiced_share < _LITTLE_VOICE:
        share = f"{100 * tracks.voiced_share:.0f} % of it"
        yield f"hardly any voice was found ({share}); a decision on anything but speech means nothing"
    if len(heard.samples) < front.window_samples + (COLUMN_FRAMES - 1) * front.step_samples:
        yield "the recording is shorter than one window; there is nothing to tell apart in it"
    if not shown:
        yield "no window speaks for the decision by itself; the cues are those of the whole recording"
    if all(value is None for value in found.values()):
        yield "too little voice in the windows to measure the cues"


def _of_comparison(
    neutral: Neutral | None, sex: str, group: str, scores: Mapping[str, float]
) -> Iterator[str]:
    """What a person should know of the z-scores."""
    if neutral is None:
        yield (
            "the bundle carries no neutral speech to compare with, so z-scores, words and verdict are left away; "
            "give some: --neutral CORPUS=DIR"
        )
        return
    if group == "all" and {"f", "m"} & set(neutral.groups):
        why = "was not measured" if sex else "is not given (--sex)"
        yield f"the speaker's sex {why}: F0 is compared with women and men together"
    told = ", ".join(neutral.corpora)
    if scores and comparable(scores) != scores:
        yield f"the level is not that of {told}: loudness is shown and not judged"
    elif scores:
        yield f"compared as recorded: another gain or microphone than that of {told} moves loudness, slope and HNR"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
