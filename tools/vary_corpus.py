"""Copies of corpora in other voices: what a net that learns from a speech encoder can hear besides.

python tools/vary_corpus.py emo-db=EMO-DB urdu=URDU --copies 5 -o build/varied

Every copy is one recording played faster or slower (pitch, formants and tempo together, as of another body: speed
perturbation, Ko et al., Interspeech 2015, with a wider range), brighter or darker, louder or softer. The copies are a
corpus of their own (layout ``folder``) whose table says of which corpus and speaker each is a copy; what was drawn
depends on the recording's name and the seed alone. The labels go along, but a faster voice is not the same emotion:
ask an encoder what it hears in the copies (`tools/speech_vectors.py build/varied …`) and teach that, with a small
weight on the labels (models/speech.toml).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from rich.progress import track
from scipy.signal import lfilter

from edge_ser.audio import read_audio
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.folder import TABLE
from edge_ser.corpora.registry import is_nameless, read_clips
from edge_ser.errors import EdgeSerError, InputError
from edge_ser.files import replacing_folder

RATE_HZ = 16_000
SPEED = (1 / 1.22, 1.22)
"""Slowest and fastest; drawn evenly in between."""

TILT = 0.35
"""Largest first coefficient of a two-tap filter: about 3 dB either way at the ends of the band."""

GAIN_DB = (-6.0, 4.0)


def main() -> None:
    """Write the copies, all or nothing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", nargs="+", metavar="NAME=DIR")
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    try:
        if chosen.output.exists():
            message = f"{chosen.output}: is there already; name a folder that is not"
            raise InputError(message)
        with replacing_folder(chosen.output) as folder:
            rows = list(copies(chosen.corpora, chosen.copies, chosen.seed, folder))
            with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(("path", "speaker", "emotion", "sex", "language", "corpus"))
                table.writerows(rows)
        print(f"{chosen.output}: {len(rows)} copies", file=sys.stderr)
    except EdgeSerError as error:
        print(f"vary_corpus: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def copies(places: Sequence[str], count: int, seed: int, folder: Path) -> Iterator[tuple[str, ...]]:
    """Write the copies of all corpora below ``folder``; yields the rows of their table.

    Raises:
        InputError: a place is not NAME=DIR, or a corpus cannot be read.
    """
    for place in places:
        name, equals, root = place.partition("=")
        if not (name and equals and root):
            message = f"{place!r}: expected NAME=DIR, e.g. emo-db=EMO-DB"
            raise InputError(message)
        clips = [clip for clip in read_clips(name, Path(root)) if clip.speaker and not is_nameless(clip)]
        (folder / name).mkdir()
        for clip in track(clips, description=name):
            samples = read_audio(clip.path, RATE_HZ, clip.start_s, clip.end_s)
            for number in range(count):
                path = f"{name}/{_name(clip, Path(root))}-{number}.flac"
                soundfile.write(folder / path, varied(samples, _rng(path, seed)), RATE_HZ)
                yield path, clip.speaker, clip.emotion or "", clip.sex, clip.language, clip.corpus


def varied(samples: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """One copy, int16 (n,) → int16 (about n / speed,), saturated."""
    speed = rng.uniform(*SPEED)
    # Played at another rate and called the old one.
    played = soxr.resample(samples.astype(np.float64), RATE_HZ, RATE_HZ / speed)
    tilted = lfilter([1.0, rng.uniform(-TILT, TILT)], [1.0], played)
    louder = tilted * 10 ** (rng.uniform(*GAIN_DB) / 20)
    limits = np.iinfo(np.int16)
    copy: NDArray[np.int16] = np.clip(np.rint(louder), limits.min, limits.max).astype(np.int16)
    return copy


def _name(clip: Clip, root: Path) -> str:
    """Of one clip among all: a file may hold several, and folders several files of one name."""
    place = f"{clip.path.relative_to(root).as_posix()}:{clip.start_s}"
    return f"{clip.path.stem}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _rng(path: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(path.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])


if __name__ == "__main__":
    main()
