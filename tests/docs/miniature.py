"""A checkout in which every training takes seconds: the repository's own files, its specs made small, small corpora.

What is small is said here, in :data:`SMALLER` and :data:`CORPORA`, and nowhere else. The specs are those of models/,
line by line: whatever else makes one special is kept. The corpora have the publishers' folders and names; every
recording in them is the golden segment of the bundle that ships, shifted and at another level, so that nothing needs to
be downloaded. Scores that come out of it mean nothing.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from docs_cases import REPOSITORY

SMALLER: Mapping[str, str] = {
    "epochs": "1",
    "copies": "0",
    "stem": "[8, 8]",
    "dim": "8",
    "width": "8",
    "blocks": "1",
    "cross_fit": "3",
    "folds": "2",
    "voices": "10",
    "minutes": "1.0",
    "int8_drop": "100.0",
}
"""Key of a spec, in whatever table, and the value that it gets instead. Nets that heard a dozen clips for one epoch
guess, so that int8 may fall as far as it likes."""

CHECKOUT = (
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "constraints.txt",
    "docs",
    "edge_ser",
    "firmware_bridge",
    "models",
    "pyproject.toml",
    "setup.py",
    "tools",
)
"""What of the repository a block may work with; copied, so that nothing is written to the repository itself."""

SMALL_TEST = ("tests/conftest.py", "tests/test_files.py")
"""The tests that ``make test`` runs there."""

RATE_HZ = 16_000
_CLIP_S = 1.2

_USERS = ("1a", "2b", "3c", "4d", "5e", "6f", "7a", "8b")
_SPOKEN = ("background", "unknown", "bacho", "go", "help", "no", "stop", "yes")
_FELT = ("angry", "calm", "fearful", "happy")
_HEARD = {"0": "train", "1": "train", "4": "validation", "5": "validation", "7": "test", "8": "test"}


def _crema_d() -> Iterator[str]:
    emotions = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    for actor, emotion in product(range(1001, 1007), emotions):
        yield f"AudioWAV/{actor}_IEO_{emotion}_XX.wav"


def _emo_db() -> Iterator[str]:
    # As many speakers as the corpus has: a command that asks for more folds than that must fail here, too.
    for speaker, emotion in product(("03", *(f"{number:02d}" for number in range(8, 17))), "WLEAFTN"):
        yield f"wav/{speaker}a01{emotion}a.wav"


def _urdu() -> Iterator[str]:
    folders = ("Angry", "Happy", "Neutral", "Sad")
    for speaker, folder in product(("SM1", "SM2", "SF1", "SF2"), folders):
        yield f"{folder}/{speaker}_F01_{folder[0]}001.wav"


def _emospeech() -> Iterator[str]:
    for number, (user, said) in enumerate(product(_USERS, _SPOKEN)):
        yield f"House/{said}-safe-{_FELT[number % 4]}-15629070{number:02d}-{user}.wav"


def _speech_commands() -> Iterator[str]:
    for word, voice in product(("bed", "cat", "happy", "no", "stop"), _HEARD):
        yield f"{word}/{voice * 8}_nohash_0.wav"


def _esc_10() -> Iterator[str]:
    for fold in range(1, 6):
        yield f"001 - Dog bark/{fold}-3022{fold}-A.flac"
        yield f"002 - Rain/{fold}-4022{fold}-A.flac"


CORPORA: Mapping[str, tuple[str, ...]] = {
    "CREMA-D": tuple(_crema_d()),
    "EMO-DB": tuple(_emo_db()),
    "URDU": tuple(_urdu()),
    "EmoSpeech": tuple(_emospeech()),
    "speech_commands": tuple(_speech_commands()),
    "ESC-10": tuple(_esc_10()),
}
"""The recordings of each corpus: enough speakers and classes for every protocol that the documentation shows."""


def smaller(text: str) -> str:
    """A spec's text with the values of :data:`SMALLER`; everything else, comments included, as it was."""
    for key, value in SMALLER.items():
        text = re.sub(rf"^{key} = [^#\n]*[^#\s]", f"{key} = {value}", text, flags=re.MULTILINE)
    return text


def make_smaller(folder: Path) -> None:
    """Make every spec in a folder small."""
    for path in sorted(folder.glob("*.toml")):
        path.write_text(smaller(path.read_text(encoding="utf-8")), encoding="utf-8")


def copy_checkout(folder: Path) -> None:
    """Copy :data:`CHECKOUT` and :data:`SMALL_TEST` into a folder."""
    for name in (*CHECKOUT, *SMALL_TEST):
        source, target = REPOSITORY / name, folder / name
        if target.is_symlink():
            target.unlink()
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy(source, target)


def plant(root: Path, name: str, speech: np.ndarray) -> Path:
    """Write the corpus ``name`` of :data:`CORPORA` to a folder.

    Args:
        root: takes the corpus.
        name: of the corpus.
        speech: int16 (n,), what is said in every recording.
    """
    for number, place in enumerate(CORPORA[name]):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, variant(speech, number), RATE_HZ)
    if name == "speech_commands":
        for file, part in (("validation_list.txt", "validation"), ("testing_list.txt", "test")):
            lines = [place for place in CORPORA[name] if _HEARD[place.split("/")[1][0]] == part]
            (root / file).write_text("\n".join(lines) + "\n")
    return root


def variant(speech: np.ndarray, number: int) -> np.ndarray:
    """A recording like no other: shifted by, and at a level of, its number; int16 (n,) → int16 (1.2 s,)."""
    quieter = speech // (2 + number % 7)
    return np.roll(quieter, 997 * number)[: round(_CLIP_S * RATE_HZ)].astype(np.int16)
