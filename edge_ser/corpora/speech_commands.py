"""Speech Commands (v0.01, v0.02): single words, one second each, many speakers.

``WORD/HASH_nohash_N.wav``; the hash is the speaker. ``validation_list.txt`` and ``testing_list.txt`` name
the clips of those parts, one ``WORD/FILE.wav`` a line; all others are for training. Where a list is absent,
the rule that made the lists decides (Warden, arXiv 1804.03209, and the README of the archive).

``_background_noise_`` holds recordings of a minute or more and no speech. Each is cut into clips of one
second with the silence class as keyword and no speaker: the first 80 % of a recording train, the next 10 %
validate, the last 10 % test, so that every part has silence and none shares a second of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edge_ser.audio import audio_info
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import beside, matching, read_text
from edge_ser.errors import InputError
from edge_ser.spec import SILENCE

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
SLICE_S = 1.0
"""Length of a clip of background noise, seconds: that of the words."""

_NAME = r"(?P<word>[a-z][a-z ]*)/(?P<speaker>[0-9a-z]+)_nohash_\d+"
_BACKGROUND = r"_background_noise_/[^/]+"


def read(root: Path) -> Iterator[Clip]:
    """Yield the words and the slices of background noise below ``root``."""
    lists = {part: _list(root, part) for part in LISTS}
    for path, match in matching(root, _NAME):
        word, speaker = match["word"].lower(), match["speaker"].lower()
        yield Clip(
            corpus="speech-commands",
            path=path,
            speaker=speaker,
            text=word,
            keyword=word,
            language="en",
            part=_part(match["ending"].lower(), speaker, lists),
            licence=SPEECH_COMMANDS.licence,
        )
    for path, _ in matching(root, _BACKGROUND):
        yield from _slices(path)


def listed(root: Path) -> Iterator[str]:
    """Yield the clips that the lists name, of the words of which there is a folder."""
    words = {match["word"].lower() for _, match in matching(root, _NAME)}
    for part in LISTS:
        for name in sorted(_list(root, part) or ()):
            if name.split("/")[0] in words:
                yield name


def part_of_hash(speaker: str, validation_percent: float = 10.0, test_percent: float = 10.0) -> str:
    """The part that the published rule gives a speaker.

    Args:
        speaker: the name of the clip before ``_nohash_``.
        validation_percent: share for validation.
        test_percent: share for testing.

    Returns:
        ``"train"``, ``"validation"`` or ``"test"``.
    """
    # SHA-1 modulo 2^27 as a percentage: README of the archive, "How the data was split".
    largest = 2**27 - 1
    position = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16) % (largest + 1)
    percent = position * (100.0 / largest)
    if percent < validation_percent:
        return "validation"
    return "test" if percent < validation_percent + test_percent else "train"


def _list(root: Path, part: str) -> frozenset[str] | None:
    path = beside(root, LISTS[part])
    if path is None:
        return None
    lines = (line.strip().lower() for line in read_text(path).splitlines())
    return frozenset(str(PurePosixPath(line).with_suffix("")) for line in lines if line)


def _part(name: str, speaker: str, lists: dict[str, frozenset[str] | None]) -> str:
    for part, names in lists.items():
        if (name in names) if names is not None else (part_of_hash(speaker) == part):
            return part
    return "train"


def _slices(path: Path) -> Iterator[Clip]:
    try:
        count = int(audio_info(path).duration_s / SLICE_S)
    except InputError:
        count = 0  # stays one clip, so that whoever reads or checks it is told
    if count == 0:
        yield _background(path, 0.0, None, "train")
        return
    train, validation = count * 8 // 10, count // 10
    for index in range(count):
        part = "train" if index < train else "validation" if index < train + validation else "test"
        yield _background(path, index * SLICE_S, (index + 1) * SLICE_S, part)


def _background(path: Path, start_s: float, end_s: float | None, part: str) -> Clip:
    return Clip(
        corpus="speech-commands",
        path=path,
        speaker="",
        start_s=start_s,
        end_s=end_s,
        keyword=SILENCE,
        part=part,
        licence=SPEECH_COMMANDS.licence,
    )


SPEECH_COMMANDS = Layout(
    name="speech-commands",
    title="Speech Commands",
    kind="keyword",
    language="en",
    licence="CC BY 4.0",
    publisher="Warden (Google)",
    shippable=True,
    read=read,
    hint="yes/0a7c2a8d_nohash_0.wav, with validation_list.txt and testing_list.txt",
    listed=listed,
)
