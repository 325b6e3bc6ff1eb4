"""All recordings of one synthetic voice: its emotional utterances, its keywords, its silence."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.audio import write_wav
from edge_ser.corpora.espeak import Synthesizer, synthesizer
from edge_ser.corpora.synthetic_lexicon import (
    OTHER_WORDS,
    draw_sentence,
    holds,
    plain_sentences,
    sentences_with,
)
from edge_ser.corpora.synthetic_prosody import Delivery, draw_delivery
from edge_ser.corpora.synthetic_studio import (
    SAMPLE_RATE_HZ,
    Recording,
    Studio,
    TimedWord,
    find,
    make_noises,
)
from edge_ser.corpora.synthetic_voices import Voice
from edge_ser.spec import SILENCE, UNKNOWN_WORD

LIST_TAKES = 5
CARRIER_TAKES = 5
"""How often a voice says every keyword in a list and in a sentence, beside its emotional utterances."""

OTHER_LISTS = 5
OTHER_LIST_WORDS = 6
OTHER_SENTENCES = 4
OTHER_CLIPS = 40
"""Lists of other words and plain sentences that a voice says, and the clips of other words that are kept."""

SILENCE_FILES = 3
SILENCE_CLIPS = 4
_SILENCE_CLIP_S = 1.0
"""Noise recordings per voice, and the clips of one second that each is cut into."""

_BABBLE_VOICES = 4
_CLEAR_S = 0.75
"""A clip of another word has no keyword this near to its middle: a window around it would hold that too."""

_SHORTEST_OTHER_S = 0.15
"""Shorter words ("a", "of") are too little to learn from."""

Row = dict[str, Any]


@dataclass(frozen=True)
class SessionPlan:
    """What one voice has to record.

    Attributes:
        folder: root of the corpus.
        voice: who speaks.
        others: all voices, of whom some babble in the background.
        words: the keywords.
        emotions: the emotions.
        seconds: of emotional speech.
        seed: of the corpus.
    """

    folder: Path
    voice: Voice
    others: tuple[Voice, ...]
    words: tuple[str, ...]
    emotions: tuple[str, ...]
    seconds: float
    seed: int


@dataclass(frozen=True)
class SessionRows:
    """What one voice recorded: a row per utterance and per keyword clip, and the seconds of utterances."""

    utterances: tuple[Row, ...]
    keywords: tuple[Row, ...]
    seconds: float


def record_session(plan: SessionPlan) -> SessionRows:
    """Record one voice; depends on the plan alone, not on the process or on what was recorded before.

    Raises:
        MissingError: espeak-ng is not installed.
        InputError: a file cannot be written.
    """
    with synthesizer() as engine:
        return _Session(plan, engine).record()


class _Session:
    def __init__(self, plan: SessionPlan, engine: Synthesizer) -> None:
        self._plan = plan
        self._rng = np.random.default_rng([plan.seed, 2, *plan.voice.speaker.encode()])
        others = [voice for voice in plan.others if voice != plan.voice]
        chosen = self._rng.permutation(len(others))[:_BABBLE_VOICES]
        self._plain = plain_sentences(plan.words)
        noises = make_noises(engine, [others[index] for index in chosen], self._plain, self._rng)
        self._studio = Studio(engine, plan.voice, noises)
        self._sounds = {engine.phonemes(word) for word in plan.words}
        self._engine = engine
        (plan.folder / "audio" / plan.voice.speaker).mkdir(parents=True)

    def record(self) -> SessionRows:
        keywords: list[Row] = []
        others: list[Row] = []
        utterances, seconds = [], 0.0
        for path, emotion, text, delivery, recording in self._utterances():
            utterances.append(self._utterance_row(path, emotion, text, delivery, recording))
            seconds += recording.seconds
            self._add_words(path, recording, keywords, others)
        for number, text in enumerate(self._keyword_texts()):
            path = self._path("words", number)
            self._add_words(path, self._save(path, text, self._any_delivery()), keywords, others)
        kept = self._rng.permutation(len(others))[:OTHER_CLIPS]
        keywords += [others[index] for index in sorted(kept)]
        keywords += self._silence()
        return SessionRows(tuple(utterances), tuple(keywords), seconds)

    def _utterances(self) -> Iterator[tuple[str, str, str, Delivery, Recording]]:
        """Rounds of all emotions in random order, until the seconds are full; at least one round."""
        number, seconds = 0, 0.0
        while True:
            for emotion in self._rng.permutation(self._plan.emotions):
                if seconds >= self._plan.seconds and number >= len(self._plan.emotions):
                    return
                text = draw_sentence(self._rng, str(emotion), self._plan.words)
                path, delivery = self._path(str(emotion), number), draw_delivery(self._rng, str(emotion))
                recording = self._save(path, text, delivery)
                number, seconds = number + 1, seconds + recording.seconds
                yield path, str(emotion), text, delivery, recording

    def _keyword_texts(self) -> Iterator[str]:
        """Keywords in lists and in sentences, then lists of other words and plain sentences."""
        rng, words = self._rng, self._plan.words
        for _ in range(LIST_TAKES):
            yield ", ".join(words[index] for index in rng.permutation(len(words)))
        for word in words:
            sentences = sentences_with(word, words)
            for index in rng.integers(len(sentences), size=CARRIER_TAKES):
                yield sentences[index]
        strangers = [word for word in OTHER_WORDS if not self._is_keyword(word)]
        for _ in range(OTHER_LISTS):
            yield ", ".join(strangers[index] for index in rng.permutation(len(strangers))[:OTHER_LIST_WORDS])
        for index in rng.permutation(len(self._plain))[:OTHER_SENTENCES]:
            yield self._plain[index]

    def _is_keyword(self, text: str) -> bool:
        """Whether a text holds a keyword, or sounds like one ("know", "grate")."""
        return (
            any(holds(text, word) for word in self._plan.words) or self._engine.phonemes(text) in self._sounds
        )

    def _add_words(self, path: str, recording: Recording, keywords: list[Row], others: list[Row]) -> None:
        """Append a row for every keyword of a recording, and for every other word that is far from them."""
        spoken = [said for word in self._plan.words for said in find(recording.words, word)]
        keywords.extend(self._keyword_row(path, said, said.word) for said in spoken)
        for said in recording.words:
            middle = (said.start_s + said.end_s) / 2
            near = (key for key in spoken if key.start_s - _CLEAR_S < middle < key.end_s + _CLEAR_S)
            long_enough = said.end_s - said.start_s >= _SHORTEST_OTHER_S
            if long_enough and not any(near) and not self._is_keyword(said.word):
                others.append(self._keyword_row(path, said, UNKNOWN_WORD))

    def _silence(self) -> Iterator[Row]:
        for number in range(SILENCE_FILES):
            path = self._path("background", number)
            recording = self._studio.background(SILENCE_CLIPS * _SILENCE_CLIP_S, self._rng)
            write_wav(self._plan.folder / path, recording.samples, SAMPLE_RATE_HZ)
            for index in range(SILENCE_CLIPS):
                start = index * _SILENCE_CLIP_S
                yield self._keyword_row(path, TimedWord("", start, start + _SILENCE_CLIP_S), SILENCE)

    def _any_delivery(self) -> Delivery:
        return draw_delivery(self._rng, str(self._rng.choice(self._plan.emotions)))

    def _path(self, kind: str, number: int) -> str:
        return f"audio/{self._plan.voice.speaker}/{kind}-{number:03d}.wav"

    def _save(self, path: str, text: str, delivery: Delivery) -> Recording:
        recording = self._studio.record(text, delivery, self._rng)
        write_wav(self._plan.folder / path, recording.samples, SAMPLE_RATE_HZ)
        return recording

    def _utterance_row(
        self, path: str, emotion: str, text: str, delivery: Delivery, recording: Recording
    ) -> Row:
        voice = dataclasses.asdict(self._plan.voice)
        return {
            "path": path,
            "speaker": voice.pop("speaker"),
            "sex": voice.pop("sex"),
            "emotion": emotion,
            "text": text,
            "words": [dataclasses.asdict(word) for word in recording.words],
            "voice": voice,
            "delivery": {name: round(value, 3) for name, value in dataclasses.asdict(delivery).items()},
            "noise": recording.noise,
            "snr_db": recording.snr_db,
            "room": recording.room,
            "seed": self._plan.seed,
        }

    def _keyword_row(self, path: str, said: TimedWord, keyword: str) -> Row:
        return {
            "path": path,
            "start_s": said.start_s,
            "end_s": said.end_s,
            "speaker": self._plan.voice.speaker,
            "sex": self._plan.voice.sex,
            "keyword": keyword,
            "text": said.word,
        }
