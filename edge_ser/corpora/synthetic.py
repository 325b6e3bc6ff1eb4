"""The synthetic corpus: emotional speech and keywords from espeak-ng, made offline.

It lets the whole line run where no recorded corpus is. Scores on it say that the line works, never how good a
model is on people.

espeak-ng is GPL-3.0-or-later and stays a tool: the audio that it produces is not covered by its licence, and
the corpus is made on the machine that needs it.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

from edge_ser import __version__
from edge_ser.corpora.espeak import synthesizer
from edge_ser.corpora.synthetic_layout import KEYWORDS_FILE, UTTERANCES_FILE
from edge_ser.corpora.synthetic_prosody import check_emotions
from edge_ser.corpora.synthetic_session import Row, SessionPlan, SessionRows, record_session
from edge_ser.corpora.synthetic_voices import make_voices
from edge_ser.errors import InputError, MissingError
from edge_ser.files import replacing_folder, write_json
from edge_ser.spec import SyntheticSpec

NOTE = "synthetic speech: a score on it says that the line works, not how good a model is on people"


@dataclass(frozen=True)
class SyntheticSummary:
    """What was made.

    Attributes:
        clips: emotional utterances.
        keyword_clips: clips of keywords, other words and silence.
        speakers: voices.
        minutes: of emotional utterances.
        labels: utterances by emotion.
    """

    clips: int
    keyword_clips: int
    speakers: int
    minutes: float
    labels: Mapping[str, int]


def make_corpus(
    root: Path,
    spec: SyntheticSpec,
    words: tuple[str, ...],
    emotions: tuple[str, ...],
    progress: Callable[[int], None],
    workers: int | None = None,
) -> SyntheticSummary:
    """Make the corpus: ``audio/SPEAKER/*.wav``, ``utterances.jsonl``, ``keywords.jsonl`` and ``corpus.json``.

    The same arguments give the same bytes, whatever the number of workers. The folder appears when it is
    whole; one that is there is replaced then.

    Args:
        root: folder of the corpus.
        spec: voices, minutes of emotional speech and seed.
        words: the keywords.
        emotions: names of :data:`edge_ser.spec.EMOTIONS`.
        progress: called with 1 for every voice done, ``spec.voices`` times.
        workers: processes; ``None`` takes one per core, 1 works in this process.

    Returns:
        What was made.

    Raises:
        InputError: an emotion has no recipe, a keyword cannot be cut out, or the folder cannot be written.
        MissingError: espeak-ng is not installed or does not run.
    """
    check_emotions(emotions)
    with synthesizer() as engine:
        versions = {
            "edge-ser": __version__,
            "espeak-ng": engine.version,
            "espeakng-loader": metadata.version("espeakng-loader"),
        }
    voices = make_voices(spec.voices, spec.seed)
    seconds = spec.minutes * 60 / len(voices)
    with replacing_folder(root) as folder:
        plans = [SessionPlan(folder, voice, voices, words, emotions, seconds, spec.seed) for voice in voices]
        sessions = []
        for session in _record(plans, workers or os.cpu_count() or 1):
            sessions.append(session)
            progress(1)
        utterances = [row for session in sessions for row in session.utterances]
        keywords = [row for session in sessions for row in session.keywords]
        _check_keywords(words, keywords)
        _write_rows(folder / UTTERANCES_FILE, utterances)
        _write_rows(folder / KEYWORDS_FILE, keywords)
        summary = SyntheticSummary(
            clips=len(utterances),
            keyword_clips=len(keywords),
            speakers=len(voices),
            minutes=round(sum(session.seconds for session in sessions) / 60, 2),
            labels=_counts(utterances, "emotion"),
        )
        about = {"name": "synthetic", "synthetic": True, "note": NOTE, "spec": asdict(spec)}
        made = {**asdict(summary), "keywords": _counts(keywords, "keyword"), "versions": versions}
        write_json(
            folder / "corpus.json", {**about, "words": list(words), "emotions": list(emotions), **made}
        )
    return summary


def _record(plans: list[SessionPlan], workers: int) -> Iterator[SessionRows]:
    """The sessions in order, recorded by as many processes."""
    if workers == 1:
        yield from map(record_session, plans)
        return
    # Spawned, not forked: a caller may have started threads.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield from pool.map(record_session, plans)
    except BrokenProcessPool:
        message = (
            "a process that ran espeak-ng ended unexpectedly; free some memory or reinstall espeakng-loader"
        )
        raise MissingError(message) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _check_keywords(words: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Refuse keywords that espeak-ng says only as a part of something else, so that no clip can be cut."""
    for word in sorted(set(words) - {row["keyword"] for row in rows}):
        message = (
            f"espeak-ng never says the keyword {word!r} as words of its own; choose another spelling or word"
        )
        raise InputError(message)


def _ignore_interrupts() -> None:
    """Leaves Ctrl-C to the process that the user started; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _counts(rows: Iterable[Row], key: str) -> dict[str, int]:
    return dict(sorted(Counter(str(row[key]) for row in rows).items()))
