"""The tables of `edge-ser explain`, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edge_ser.cli.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

_SYNTHETIC = " — SYNTHETIC corpus: says that the line works, nothing of people"
_PLACES = {"shown": "shown windows", "random": "random windows", "whole": "whole recording"}


def render_file(data: Mapping[str, Any]) -> RenderableType:
    """One recording: its windows, the cues inside them, and what it comes to in words."""
    from rich.console import Group

    guess = " (not sure enough)" if data["abstained"] else ""
    title = f"{data['file']}: {data['emotion']} {data['score']:.2f}{guess}; the windows it hangs on"
    rows = [
        (
            f"{one['start'] + data['start']:.2f} – {one['end'] + data['start']:.2f}",
            f"{one['without']:.2f}",
            f"{100 * one['effect']:+.1f}",
            "–" if one["band_hz"] is None else "{} – {}".format(*one["band_hz"]),
        )
        for one in data["windows"]
    ]
    parts: list[RenderableType] = [table(title, ("seconds", "score without it", "points", "mostly Hz"), rows)]
    if rows:
        parts.append(f"Without all of them: {data['together']['without']:.2f}.\n")
    where = "inside them" if rows else "in the whole recording"
    parts.append(
        table(f"The voice {where}{_compared(data)}", _CUE_COLUMNS, [_cue(cue) for cue in data["cues"]])
    )
    parts.append("\n".join(_sentences(data)))
    return Group(*parts)


_CUE_COLUMNS = ("cue", "value", "neutral", "z", "in words", "expected", "")


def _compared(data: Mapping[str, Any]) -> str:
    usual = data["neutral"]
    if usual is None:
        return ""
    group = {"f": "women", "m": "men", "all": "women and men"}[usual["group"]]
    told = f"{usual['clips']} neutral clips of {usual['speakers']} speakers"
    return f", beside {told} of {', '.join(usual['corpora'])} ({group})"


def _cue(cue: Mapping[str, Any]) -> tuple[str, ...]:
    value = "–" if cue["value"] is None else f"{cue['value']:.4g} {_UNITS[cue['name']]}"
    if cue.get("hertz") is not None:
        value = f"{cue['hertz']:.0f} Hz ({cue['value']:.1f} st)"
    usual = "–" if cue["neutral_mean"] is None else f"{cue['neutral_mean']:.3g} ± {cue['neutral_sd']:.2g}"
    return (
        cue["title"],
        value,
        usual,
        "–" if cue["z"] is None else f"{round(cue['z'], 1) + 0.0:+.1f}",
        cue["words"] or "–",
        cue["expected"] or "–",
        cue["found"] or "",
    )


_UNITS = {
    "f0": "st",
    "f0_range": "st",
    "loudness": "",
    "slope": "dB/kHz",
    "hnr": "dB",
    "jitter": "",
    "shimmer": "dB",
}


def _sentences(data: Mapping[str, Any]) -> Iterator[str]:
    if data["neutral"] is not None:
        yield f"In words: {data['words']}."
    verdict = data["verdict"]
    if verdict is not None and verdict["expected"]:
        told = f"{verdict['found']} of {verdict['expected']} cues found, {verdict['opposite']} opposite"
        by = f"; {'; '.join(verdict['sources'])}" if verdict["sources"] else ""
        yield f"Verdict: {verdict['word']} of {verdict['emotion']} ({told}{by})."
    elif verdict is not None:
        yield f"Verdict: the literature has no agreed pattern of these cues for {verdict['emotion']}."
    yield _keyword(data["keyword"])
    for remark in data["remarks"]:
        yield f"Note: {remark}."
    if "picture" in data:
        yield f"Picture: {data['picture']['file']}. {data['picture']['alt']}"


def _keyword(share: Mapping[str, Any]) -> str:
    heard = f" Heard: {', '.join(share['heard'])}." if share["heard"] else ""
    if abs(share["effect"]) < 0.0005 and share["window_effect"] < 0.0005:
        return f"Keywords: they change nothing here.{heard}"
    words = f"Keywords: {100 * share['effect']:+.1f} points in all"
    if share["start"] is not None:
        what = f"“{share['word']}”" if share["word"] else "no known word"
        place = f"{share['start']:.2f} to {share['end']:.2f} s"
        words += f", most from {place} ({what}, {100 * share['window_effect']:+.1f})"
    return f"{words}.{heard}"


def render_corpus(report: Mapping[str, Any]) -> RenderableType:
    """A corpus: the curves' areas, and how often the expected cues were found."""
    from rich.console import Group

    note = _SYNTHETIC if report["synthetic"] else ""
    title = (
        f"{report['bundle']['name']} on {report['corpus']}: {report['clips']} of {report['clips_there']} clips, "
        f"{report['speakers']} speakers, {report['right']} decided rightly{note}"
    )
    rows = [_curve(words, report[key]) for key, words in _CURVES.items() if report[key] is not None]
    parts: list[RenderableType] = [
        table(title, ("the score …", "shown windows", "random windows", "times", "95 %"), rows)
    ]
    if report["cues"] is not None:
        rows = [
            (decided, _PLACES[place], one["clips"], *(_percent(one[key]) for key in _SHARES))
            for key, decided in _DECIDED.items()
            for place, one in report["cues"][key].items()
        ]
        columns = ("decided", "cues of", "clips", "as expected %", "cues found %", "opposite %")
        parts.append(table(f"Expected cues{_against(report)}", columns, rows))
    parts.append("\n".join(_corpus_sentences(report)))
    return Group(*parts)


_CURVES = {
    "deletion": "falls when they are hidden",
    "insertion": "rises when only they are left",
    "silenced": "falls when they are silent",
}
_DECIDED = {"right": "rightly", "wrong": "wrongly", "wrong_by_label": "wrongly, by the label"}
_SHARES = ("as_expected", "cues_found", "cues_opposite")


def _curve(words: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    bounds = "–" if one["interval"] is None else "{:.2f}–{:.2f}".format(*one["interval"])
    times = "–" if one["times"] is None else f"{one['times']:.2f}"
    return words, f"{100 * one['area_shown']:.1f}", f"{100 * one['area_random']:.1f}", times, bounds


def _against(report: Mapping[str, Any]) -> str:
    usual = report["neutral"]
    return f", beside {usual['clips']} neutral clips of {usual['speakers']} speakers of {', '.join(usual['corpora'])}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _corpus_sentences(report: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Points of 100, mean over up to {report['windows']} windows and {report['draws']} random draws a clip, the "
        "interval over speakers."
    )
    if not report["untaught"]:
        yield "The bundle does not say whom it learned from: these speakers may have taught it."
    left = report["left_out"]["speakers_that_taught"]
    if left:
        yield f"{left} speakers taught the bundle or chose it and are left out."
    if report["clips_without_windows"]:
        yield f"{report['clips_without_windows']} clips had no window to show."
    if report["neutral"] is None:
        yield "The bundle carries no neutral speech: no cues; give some: --neutral CORPUS=DIR"
