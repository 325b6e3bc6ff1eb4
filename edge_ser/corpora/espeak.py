"""A thin wrapper of the espeak-ng speech synthesiser: text and voice settings in, samples and word times out.

The library comes with the PyPI wheel ``espeakng-loader`` (no root, no network at run time). espeak-ng is
GPL-3.0-or-later: it is a tool of training that is loaded where it is installed and never shipped with the
project; the audio that it produces is not covered by its licence.

Constants and structures follow ``src/include/espeak-ng/speak_lib.h`` of espeak-ng 1.52.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError, MissingError

_OUTPUT_SYNCHRONOUS = 2
_BUFFER_MS = 500
_INITIALIZE_DONT_EXIT = 0x8000
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE, _WORD_GAP = 1, 3, 4, 7
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1

_FRAME_S = 0.005
_SILENCE_DB = -40.0
"""A word ends with its last frame louder than this against its loudest one; what follows is a pause."""


class _Event(ctypes.Structure):
    """espeak_EVENT."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Manner:
    """How a text is said, in espeak-ng's own units.

    Attributes:
        rate: words per minute, 80 to 450.
        pitch: base pitch, 0 to 99; 50 is the voice's own.
        pitch_range: liveliness of the intonation, 0 (monotone) to 99; 50 is the voice's own.
        word_gap: pause between words in units of 10 ms at the normal rate.
    """

    rate: int = 175
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0


@dataclass(frozen=True)
class SpokenWord:
    """One word (or a pair that espeak-ng speaks as one, such as "of the") and where it lies in the samples.

    Attributes:
        text: the word in lower case without punctuation.
        start: first sample.
        end: past-the-last sample; the pause behind the word is left out.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Speech:
    """What :meth:`Synthesizer.say` returns.

    Attributes:
        samples: int16 (n,) mono.
        words: the words in order.
    """

    samples: NDArray[np.int16]
    words: tuple[SpokenWord, ...]


@cache
def _paths() -> tuple[Path, Path]:
    """The library file and the data folder of the wheel."""
    try:
        import espeakng_loader
    except ImportError:
        message = "the speech synthesiser espeak-ng is not installed; pip install 'edge-ser[train]'"
        raise MissingError(message) from None
    return Path(espeakng_loader.get_library_path()), Path(espeakng_loader.get_data_path())


def installed_variants() -> frozenset[str]:
    """Names of the voice variants that the wheel brings, e.g. ``"f1"``.

    Raises:
        MissingError: the wheel is not installed.
    """
    return frozenset(path.name for path in (_paths()[1] / "voices" / "!v").iterdir())


class Synthesizer:
    """One espeak-ng in its initial state; make it with :func:`synthesizer`.

    espeak-ng is one state machine per process, not thread-safe, and what it says depends in the last bits
    on what it said before (phase of the flutter, noise generator); no call resets that. Every
    :class:`Synthesizer` therefore loads its own copy of the library, so that the same calls give the same
    bytes, wherever and after whatever they are made.

    Attributes:
        sample_rate_hz: of everything it says.
    """

    def __init__(self, library: ctypes.CDLL, data: Path) -> None:
        self._library = library
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.sample_rate_hz: int = library.espeak_Initialize(
            _OUTPUT_SYNCHRONOUS, _BUFFER_MS, str(data).encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate_hz <= 0:
            message = f"espeak-ng does not start with the data in {data}; reinstall espeakng-loader"
            raise MissingError(message)
        self._pieces: list[NDArray[np.int16]] = []
        self._starts: list[tuple[int, int]] = []
        # ctypes keeps no reference to a callback: without this attribute C would hold a dangling pointer.
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).astype(np.int16))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            if events[index].type == _EVENT_WORD:
                self._starts.append((events[index].text_position - 1, events[index].sample))
            index += 1
        return 0

    def choose_voice(self, name: str) -> None:
        """Speak with a voice from now on.

        Args:
            name: language and variant as espeak-ng writes them, e.g. ``"en-us+f1"``.

        Raises:
            InputError: espeak-ng does not know the language or the variant.
        """
        _language, _plus, variant = name.partition("+")
        # An unknown variant is no error to espeak-ng: it would speak with the plain language instead.
        known = not variant or variant in installed_variants()
        if not known or self._library.espeak_SetVoiceByName(name.encode()) != 0:
            message = (
                f"espeak-ng has no voice {name!r}; take a language and a variant of its own, e.g. en-us+f1"
            )
            raise InputError(message)

    def say(self, text: str, manner: Manner) -> Speech:
        """Say a text with the chosen voice.

        Raises:
            InputError: espeak-ng refuses the text.
        """
        self._pieces.clear()
        self._starts.clear()
        settings = ((_RATE, manner.rate), (_PITCH, manner.pitch), (_RANGE, manner.pitch_range))
        for parameter, value in (*settings, (_WORD_GAP, manner.word_gap)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        status = self._library.espeak_Synth(
            data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != 0 or not self._pieces or not self._starts:
            message = f"espeak-ng cannot say {text!r} (status {status}); take a text with words in it"
            raise InputError(message)
        samples = np.concatenate(self._pieces)
        return Speech(samples, tuple(_words(text, self._starts, samples, self.sample_rate_hz)))

    @property
    def version(self) -> str:
        """Version of espeak-ng."""
        return str(self._library.espeak_Info(None).decode())

    def phonemes(self, word: str) -> str:
        """Phonemes of a word in espeak-ng's notation without stress marks; words that sound alike agree."""
        text = ctypes.c_char_p(word.encode())
        spoken = self._library.espeak_TextToPhonemes(ctypes.byref(text), _CHARS_UTF8, 0)
        return (spoken or b"").decode().translate(str.maketrans("", "", "',_: ")).strip()


@contextmanager
def synthesizer() -> Iterator[Synthesizer]:
    """A fresh espeak-ng for the length of a ``with`` block.

    Raises:
        MissingError: the wheel is not installed, or its files do not work here.
    """
    library_file, data = _paths()
    with tempfile.TemporaryDirectory(prefix="edge-ser-") as folder:
        try:
            # The linker knows a file that it has loaded; a copy is a new library with a state of its own.
            library = ctypes.CDLL(str(shutil.copy(library_file, folder)))
        except OSError as error:
            message = f"{library_file}: cannot be loaded ({error}); reinstall espeakng-loader"
            raise MissingError(message) from None
    speaker = Synthesizer(library, data)
    try:
        yield speaker
    finally:
        library.espeak_Terminate()


def _words(
    text: str, starts: list[tuple[int, int]], samples: NDArray[np.int16], rate_hz: int
) -> Iterator[SpokenWord]:
    """Words from the (text position, sample) of every word event."""
    ends = [*starts[1:], (len(text), len(samples))]
    for (text_start, start), (text_end, end) in zip(starts, ends, strict=True):
        word = " ".join(text[text_start:text_end].lower().split()).strip(".,;:!?\"'- ")
        if word and end > start:
            yield SpokenWord(word, start, start + _spoken_samples(samples[start:end], rate_hz))


def _spoken_samples(samples: NDArray[np.int16], rate_hz: int) -> int:
    """Samples up to the pause at the end."""
    frame = round(_FRAME_S * rate_hz)
    padded = np.pad(samples.astype(np.float64), (0, -len(samples) % frame))
    power = np.mean(padded.reshape(-1, frame) ** 2, axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (_SILENCE_DB / 10))
    return min(len(samples), (int(loud[-1]) + 1) * frame) if len(loud) else len(samples)
