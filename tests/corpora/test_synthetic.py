"""The synthetic corpus: what espeak-ng says, whether words lie where the tables say, the same bytes again."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_ser.acoustics import make_noise
from edge_ser.audio import read_audio
from edge_ser.corpora import espeak
from edge_ser.corpora.espeak import Manner, installed_variants, synthesizer
from edge_ser.corpora.synthetic import SyntheticSummary, make_corpus
from edge_ser.corpora.synthetic_layout import SYNTHETIC, SYNTHETIC_WORDS
from edge_ser.corpora.synthetic_lexicon import (
    KEYWORD_SENTENCES,
    OTHER_WORDS,
    draw_sentence,
    holds,
    keyword_shares,
    plain_sentences,
    sentences_with,
)
from edge_ser.corpora.synthetic_prosody import RECIPES, draw_delivery, tilt
from edge_ser.corpora.synthetic_studio import SAMPLE_RATE_HZ, Studio, TimedWord, find
from edge_ser.corpora.synthetic_voices import LANGUAGES, VARIANTS, make_voices
from edge_ser.errors import InputError, MissingError
from edge_ser.spec import SILENCE, UNKNOWN_WORD, SyntheticSpec

WORDS = ("help", "no", "sorry")
EMOTIONS = ("anger", "fear", "sadness")
SPEC = SyntheticSpec(voices=8, minutes=1.0, seed=7)


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SyntheticSummary, list[int]]:
    root = tmp_path_factory.mktemp("synthetic") / "corpus"
    steps: list[int] = []
    return root, make_corpus(root, SPEC, WORDS, EMOTIONS, steps.append, workers=1), steps


def test_another_run_with_other_workers_gives_the_same_bytes(
    corpus: tuple[Path, SyntheticSummary, list[int]], tmp_path: Path
) -> None:
    again = tmp_path / "again"
    summary = make_corpus(again, SPEC, WORDS, EMOTIONS, lambda _: None, workers=2)
    assert summary == corpus[1]
    assert digest(again) == digest(corpus[0])


def test_the_summary_counts_what_is_there(corpus: tuple[Path, SyntheticSummary, list[int]]) -> None:
    root, summary, steps = corpus
    utterances, keywords = list(SYNTHETIC.read(root)), list(SYNTHETIC_WORDS.read(root))
    assert summary.clips == len(utterances)
    assert summary.keyword_clips == len(keywords)
    assert summary.speakers == len({clip.speaker for clip in utterances}) == 8
    assert summary.labels == Counter(clip.emotion for clip in utterances)
    assert steps == [1] * 8
    seconds = sum(len(read_audio(clip.path)) for clip in utterances) / SAMPLE_RATE_HZ
    assert summary.minutes == pytest.approx(seconds / 60, abs=0.01)
    # A voice ends with the utterance that fills its share: it is over by less than one utterance.
    assert 1.0 <= summary.minutes < 1.0 + 8 * 5 / 60
    about = json.loads((root / "corpus.json").read_text())
    assert about["synthetic"] is True
    assert "not how good a model is" in about["note"]
    assert about["spec"] == {"voices": 8, "minutes": 1.0, "seed": 7}


def test_every_voice_has_every_class(corpus: tuple[Path, SyntheticSummary, list[int]]) -> None:
    emotions, keywords = defaultdict(set), defaultdict(Counter)
    for clip in SYNTHETIC.read(corpus[0]):
        emotions[clip.speaker].add(clip.emotion)
    for clip in SYNTHETIC_WORDS.read(corpus[0]):
        keywords[clip.speaker][clip.keyword] += 1
    for speaker in emotions.keys() | keywords.keys():
        assert emotions[speaker] == set(EMOTIONS)
        assert set(keywords[speaker]) == {*WORDS, UNKNOWN_WORD, SILENCE}
        assert min(keywords[speaker].values()) >= 10


def test_clips_lie_inside_their_files_and_hold_sound(
    corpus: tuple[Path, SyntheticSummary, list[int]],
) -> None:
    for clip in SYNTHETIC_WORDS.read(corpus[0]):
        assert clip.end_s is not None
        samples = read_audio(clip.path)
        start, end = round(clip.start_s * SAMPLE_RATE_HZ), round(clip.end_s * SAMPLE_RATE_HZ)
        assert 0 <= start < end <= len(samples)
        assert clip.sex in ("f", "m", "")
        if clip.keyword == SILENCE:
            assert clip.text == ""
            continue
        assert 0.08 <= clip.end_s - clip.start_s <= 1.5, (clip.path, clip.text)
        word, whole = samples[start:end].astype(float), samples.astype(float)
        assert np.mean(word**2) > 0.1 * np.mean(whole**2), (clip.path, clip.text)


def test_other_words_are_no_keywords_and_stand_clear_of_them(
    corpus: tuple[Path, SyntheticSummary, list[int]],
) -> None:
    clips = [clip for clip in SYNTHETIC_WORDS.read(corpus[0]) if clip.keyword != SILENCE]
    spoken = [clip for clip in clips if clip.keyword in WORDS]
    for clip in clips:
        assert clip.text is not None
        if clip.keyword != UNKNOWN_WORD:
            assert clip.text == clip.keyword
            continue
        assert not any(holds(clip.text, word) for word in WORDS)
        assert clip.text not in ("know", "knows")
        middle = (clip.start_s + (clip.end_s or 0)) / 2
        near = [
            key
            for key in spoken
            if key.path == clip.path and key.start_s - 0.5 < middle < (key.end_s or 0) + 0.5
        ]
        assert not near


def test_words_are_where_the_tables_say() -> None:
    # The same word said alone by the same voice in the same manner matches best at the place recorded.
    voice = next(one for one in make_voices(40, 1) if one.sex == "f")
    with synthesizer() as engine:
        studio = Studio(engine, voice, {"white": make_noise(np.random.default_rng(0), 16_000, "white")})
        delivery = RECIPES["neutral"]
        offsets = []
        for seed, (text, word) in enumerate(
            (
                ("window, seven, help, yellow", "help"),
                ("paper, sorry, market, river", "sorry"),
                ("coffee, table, stop", "stop"),
                ("garden, hate, monday, music", "hate"),
            )
        ):
            whole = studio.record(text, delivery, np.random.default_rng(seed))
            alone = studio.record(word, delivery, np.random.default_rng(100 + seed))
            (place,), (own,) = find(whole.words, word), find(alone.words, word)
            cut = alone.samples[round(own.start_s * SAMPLE_RATE_HZ) : round(own.end_s * SAMPLE_RATE_HZ)]
            track, mark = spectra(whole.samples), spectra(cut)
            places = range(len(track) - len(mark) + 1)
            match = [
                np.sum(track[at : at + len(mark)] * mark) / norm(track[at : at + len(mark)]) for at in places
            ]
            offsets.append(abs(float(np.argmax(match)) * 0.005 - place.start_s))
            assert 0.5 < (place.end_s - place.start_s) / (own.end_s - own.start_s) < 2
    assert max(offsets) < 0.02, offsets


def spectra(samples: np.ndarray) -> np.ndarray:
    """Square roots of magnitudes, one row every 5 ms; only below 4 kHz, where the speech is."""
    windows = np.lib.stride_tricks.sliding_window_view(samples.astype(float), 160)[::80]
    return np.sqrt(np.abs(np.fft.rfft(windows * np.hanning(160)))[:, :40])


def norm(values: np.ndarray) -> float:
    return float(np.sqrt(np.sum(values**2)))


def test_body_size_moves_words_with_the_sound() -> None:
    # Speech stops where the last word stops, whatever the resampling: the silence behind holds next to nothing.
    for voice in make_voices(60, 3)[::12]:
        with synthesizer() as engine:
            quiet = {"white": np.zeros(16_000, dtype=np.int16)}
            heard = Studio(engine, voice, quiet).record(
                "we need some help", RECIPES["neutral"], np.random.default_rng(6)
            )
        assert not heard.room
        start, end = (round(at * SAMPLE_RATE_HZ) for at in (heard.words[0].start_s, heard.words[-1].end_s))
        power = heard.samples.astype(float) ** 2
        assert power[start:end].sum() > 0.999 * power.sum()
        assert power[end - 1600 : end].sum() > 0.0005 * power.sum()


def test_pairs_spoken_as_one_are_one_word() -> None:
    with synthesizer() as engine:
        engine.choose_voice("en-us+m3")
        words = [word.text for word in engine.say("Some of the books, at eleven o'clock!", Manner()).words]
    assert " ".join(words) == "some of the books at eleven o'clock"
    assert "of the" in words


def test_a_synthesizer_begins_anew_every_time() -> None:
    def said(*before: str) -> bytes:
        with synthesizer() as engine:
            for text in before:
                engine.choose_voice("en+f1")
                engine.say(text, Manner())
            engine.choose_voice("en-us+croak")
            return engine.say("the same again", Manner()).samples.tobytes()

    assert said() == said()
    # Without a copy of its own the next would go on where the last one stopped.
    assert said("something else") != said()


def test_manner_changes_what_it_says_it_changes() -> None:
    with synthesizer() as engine:
        engine.choose_voice("en-us+m3")
        text = "the train leaves at seven in the morning"
        plain, fast = (len(engine.say(text, Manner(rate=rate)).samples) for rate in (150, 250))
        gaps = len(engine.say(text, Manner(rate=150, word_gap=10)).samples)
        low, high = (crossings(engine.say(text, Manner(pitch=pitch)).samples) for pitch in (10, 90))
    assert fast < 0.75 * plain
    assert gaps > plain + 5 * 0.05 * engine.sample_rate_hz
    assert high > 1.2 * low


def crossings(samples: np.ndarray) -> float:
    """Strongest repetition between 60 and 400 Hz, in hertz, at 22,050 Hz."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float), 2 * len(samples))) ** 2
    lags = np.fft.irfft(spectrum)[: len(samples)]
    return 22_050 / (55 + int(np.argmax(lags[55:367])))


def test_unknown_voices_are_refused() -> None:
    with synthesizer() as engine:
        for name in ("en-us+nobody", "xx+f1", "nobody"):
            with pytest.raises(InputError, match="no voice"):
                engine.choose_voice(name)
        with pytest.raises(InputError, match="cannot say"):
            engine.say("", Manner())


def test_without_the_wheel_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    espeak._paths.cache_clear()
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingError, match=r"pip install 'edge-ser\[train\]'"):
        make_corpus(tmp_path / "corpus", SPEC, WORDS, EMOTIONS, lambda _: None, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_all_voices_exist_and_differ() -> None:
    assert set(VARIANTS) <= installed_variants()
    voices = make_voices(len(VARIANTS) * len(LANGUAGES), 1)
    assert len({voice.espeak_name for voice in voices}) == len(voices) >= 400
    assert len({voice.variant for voice in make_voices(48, 1)}) == 48
    sexes = Counter(voice.sex for voice in make_voices(48, 1))
    assert min(sexes["f"], sexes["m"]) >= 8
    assert make_voices(20, 1) == make_voices(48, 1)[:20]
    assert make_voices(20, 2) != make_voices(20, 1)
    with synthesizer() as engine:
        for language in LANGUAGES:
            engine.choose_voice(f"{language}+f1")


def test_no_variant_breathes() -> None:
    # espeak-ng computes breath noise from memory that it never set: such a voice would differ from run to run.
    for name in VARIANTS:
        text = (espeak._paths()[1] / "voices" / "!v" / name).read_text(encoding="utf-8", errors="replace")
        assert not [line for line in text.splitlines() if line.startswith("breath ")], name


def test_sexes_are_those_of_the_variants_own_files() -> None:
    folder = espeak._paths()[1] / "voices" / "!v"
    for name, sex in VARIANTS.items():
        genders = [
            line.split()[1].lower()
            for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("gender ")
        ]
        assert [gender[0] for gender in genders] == ([sex] if sex else []), name


def test_shares_leave_room_for_plain_sentences() -> None:
    many = (*KEYWORD_SENTENCES, "tree", "house", "moon")
    for emotion in RECIPES:
        assert sum(keyword_shares(emotion, many)) <= 0.75 + 1e-9
        assert min(keyword_shares(emotion, many)) > 0
    assert keyword_shares("fear", ("tree",)) == keyword_shares("anger", ("tree",))


def test_wording_is_a_cue_but_no_proof() -> None:
    rng = np.random.default_rng(0)
    keywords = tuple(KEYWORD_SENTENCES)
    said = {emotion: [draw_sentence(rng, emotion, keywords) for _ in range(500)] for emotion in RECIPES}

    def emotions_of(word: str) -> dict[str, float]:
        counts = {emotion: sum(holds(text, word) for text in texts) for emotion, texts in said.items()}
        return {emotion: count / sum(counts.values()) for emotion, count in counts.items()}

    for word, emotion in (
        ("help", "fear"),
        ("sorry", "sadness"),
        ("love", "happiness"),
        ("great", "happiness"),
    ):
        assert 0.5 < emotions_of(word)[emotion] < 0.9
        assert min(emotions_of(word).values()) > 0.01
    assert max(emotions_of("no").values()) < 0.4
    for texts in said.values():
        # Three in four at most, and four standard deviations of 500 draws.
        assert sum(any(holds(text, word) for word in keywords) for text in texts) < 0.83 * len(texts)


def test_sentences_hold_the_keyword_and_no_other() -> None:
    keywords = (*KEYWORD_SENTENCES, "window", "good morning")
    for word in keywords:
        for text in sentences_with(word, keywords):
            assert [other for other in keywords if holds(text, other)] == [word]
    for text in plain_sentences(keywords):
        assert not any(holds(text, word) for word in keywords)
    assert not any(holds(text, "window") for text in plain_sentences(("window",)))
    # A keyword that is in every sentence leaves no plain ones; then any will do.
    every = ("the", "he", "she", "we", "it", "I".lower(), "they", "my", "there", "his", "that")
    assert plain_sentences(every)
    assert len(set(OTHER_WORDS)) == len(OTHER_WORDS)


def test_keywords_of_several_words_are_found() -> None:
    words = tuple(
        TimedWord(text, at, at + 0.5) for at, text in enumerate(("oh", "no", "of the", "oh", "no", "oh"))
    )
    assert [(said.start_s, said.end_s) for said in find(words, "oh no")] == [(0, 1.5), (3, 4.5)]
    assert [said.start_s for said in find(words, "oh")] == [0, 3, 5]
    assert list(find(words, "the")) == []
    assert list(find((), "oh")) == []
    spelled = (TimedWord("x", 0, 1), TimedWord("ray", 1, 2), TimedWord("goin", 2, 3))
    assert [said.end_s for said in find(spelled, "x-ray")] == [2]
    assert [said.end_s for said in find(spelled, "goin'")] == [3]


def test_any_keyword_of_a_spec_is_spoken_and_found(tmp_path: Path) -> None:
    words = ("oh no", "don't", "x-ray", "the", "know")
    make_corpus(tmp_path / "corpus", SPEC, words, ("neutral", "fear"), lambda _: None, workers=1)
    counts = Counter(clip.keyword for clip in SYNTHETIC_WORDS.read(tmp_path / "corpus"))
    assert min(counts[word] for word in words) >= 8 * 5


@pytest.mark.parametrize("emotion", ["surprise", "boredom"])
def test_emotions_without_a_recipe_are_named(emotion: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"'{emotion}'.*anger, calm, disgust, fear, happiness, neutral, sadness"):
        make_corpus(tmp_path / "corpus", SPEC, WORDS, ("anger", emotion), lambda _: None, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_deliveries_spread_and_overlap() -> None:
    rng = np.random.default_rng(0)
    rates = {emotion: [draw_delivery(rng, emotion).rate for _ in range(300)] for emotion in RECIPES}
    assert np.mean(rates["fear"]) > np.mean(rates["neutral"]) > np.mean(rates["sadness"])
    assert max(rates["neutral"]) > min(rates["anger"])
    assert np.std(rates["anger"]) > 0.03


def test_tilt_lifts_the_highs_against_the_lows() -> None:
    noise = make_noise(np.random.default_rng(0), 32_000, "white")
    for gain_db in (-8.0, 8.0):
        power = np.abs(np.fft.rfft(tilt(noise, gain_db, 16_000).astype(float))) ** 2
        flat = np.abs(np.fft.rfft(noise.astype(float))) ** 2
        gain = 10 * np.log10(
            [power[at].sum() / flat[at].sum() for at in (slice(10, 200), slice(15_000, 16_000))]
        )
        assert gain[1] - gain[0] == pytest.approx(gain_db, abs=0.5)


def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_corpus(tmp_path / "corpus", SPEC, WORDS, EMOTIONS, interrupt, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 has no 'path'"),
        ('{"path": "a.wav", "speaker": 3}', "line 1 has no 'speaker' that is a str"),
        (
            '{"path": "../a.wav", "speaker": "s", "sex": "", "emotion": "fear", "text": ""}',
            "expected one below",
        ),
    ],
)
def test_broken_tables_are_named(line: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "utterances.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=what):
        list(SYNTHETIC.read(tmp_path))


def test_clips_without_audio_are_listed_but_not_read(
    corpus: tuple[Path, SyntheticSummary, list[int]], tmp_path: Path
) -> None:
    for name in ("utterances.jsonl", "keywords.jsonl"):
        (tmp_path / name).write_bytes((corpus[0] / name).read_bytes())
    for layout, name in ((SYNTHETIC, "utterances.jsonl"), (SYNTHETIC_WORDS, "keywords.jsonl")):
        assert list(layout.read(tmp_path)) == []
        paths = {row["path"] for row in rows(tmp_path / name)}
        assert {f"{stem}.wav" for stem in layout.listed(tmp_path)} == paths
    assert list(SYNTHETIC.read(tmp_path / "nowhere")) == []
