"""LibriSpeech with word times: every aligned word is a clip, for keywords.

``LibriSpeech/{dev,test,train}-.../SPK/CHAPTER/SPK-CHAPTER-NNNN.flac``. LibriSpeech itself has no word
times; they come from an alignment release unpacked over it, or anywhere below the root, in one of three formats
(the first two: github.com/CorentinJ/librispeech-alignments):

* ``SPK-CHAPTER-NNNN.TextGrid``, the Montreal Forced Aligner's files in Praat's long text format, tier
  ``words``
  (the exact spelling of the Praat format from memory);
* ``SPK-CHAPTER.alignment.txt``, lines ``SPK-CHAPTER-NNNN ",W1,,W2," "t1,t2,t3,t4"``: the words, empty for a
  silence,
  and the second at which each ends;
* ``*.ctm``, as Kaldi and NIST's scoring tools write it: lines ``SPK-CHAPTER-NNNN CHANNEL START DURATION WORD``, a
  confidence behind it or not, ``;;`` before a remark; any number of utterances a file.

An utterance without alignment gives no clip. The TextGrid wins where there are several, then the chapter's table. A
clip spans its word and no more; who wants context takes it from the same file. Sex from ``SPEAKERS.TXT``, where it is
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.tree import beside, files_below, matching, read_text
from edge_ser.errors import InputError

PARTS = {"train": "train", "dev": "validation", "test": "test"}
NO_WORD = frozenset({"", "sil", "sp", "spn", "<unk>", "<eps>"})
"""What the aligner writes where there is no word, or none that it knows."""

Word = tuple[str, float, float]
"""A word in lower case, its start and its end in seconds."""

_NAME = r"(?P<chapter>(?P<speaker>\d+)-\d+)-\d{4}"
_SET = re.compile(r"(?:^|/)(?P<set>train|dev|test)-", re.IGNORECASE)
_ALIGNED = re.compile(r'(?P<name>\d+-\d+-\d{4})\s+"(?P<words>[^"]*)"\s+"(?P<ends>[^"]*)"\s*')
_SECONDS = r"\d{1,6}(?:\.\d{1,9})?"
_CTM = re.compile(
    rf"(?P<name>\d+-\d+-\d{{4}})\s+\S+\s+(?P<start>{_SECONDS})\s+(?P<duration>{_SECONDS})\s+(?P<word>\S+)"
    r"(?:\s+[\d.]+)?"
)
_TIER = re.compile(r'name = "words"(?P<body>.*?)(?=\bitem \[\d+\]|\Z)', re.DOTALL)
_INTERVAL = re.compile(r'xmin = (?P<start>[\d.]+)\s+xmax = (?P<end>[\d.]+)\s+text = "(?P<word>[^"]*)"')


def read(root: Path) -> Iterator[Clip]:
    """Yield the aligned words below ``root``.

    Raises:
        InputError: when an alignment file cannot be read.
    """
    sexes = _sexes(root)
    grids = {path.stem: path for path in files_below(root, (".textgrid",))}
    tables = {path.name.split(".")[0]: path for path in files_below(root, (".alignment.txt",))}
    timed = _ctm_words(root)
    open_chapter, open_words = "", dict[str, list[Word]]()
    for path, match in matching(root, _NAME):
        name, chapter = match["ending"], match["chapter"]
        if name in grids:
            words = textgrid_words(grids[name])
        else:
            if chapter != open_chapter:
                open_chapter, open_words = (
                    chapter,
                    condensed_words(tables[chapter]) if chapter in tables else {},
                )
            words = open_words.get(name, timed.get(name, []))
        folder = _SET.search(path.parent.as_posix())
        for word, start_s, end_s in words:
            yield Clip(
                corpus="librispeech",
                path=path,
                speaker=match["speaker"],
                start_s=start_s,
                end_s=end_s,
                sex=sexes.get(match["speaker"], ""),
                text=word,
                keyword=word,
                language="en",
                part=PARTS[folder["set"].lower()] if folder is not None else "",
                licence=LIBRISPEECH.licence,
            )


def listed(root: Path) -> Iterator[str]:
    """Yield every utterance that has a transcript line, of the chapters that are there."""
    for path in files_below(root, (".trans.txt",)):
        for line in read_text(path).splitlines():
            if line.strip():
                yield line.split()[0]


def textgrid_words(path: Path) -> list[Word]:
    """The words of a TextGrid's tier ``words``.

    Returns:
        (word in lower case, start, end) of each, in seconds.

    Raises:
        InputError: when it holds no such tier.
    """
    tier = _TIER.search(read_text(path))
    if tier is None:
        message = f'{path}: no tier named "words"; expected a TextGrid in Praat\'s long text format'
        raise InputError(message)
    spans = (
        (m["word"].strip().lower(), float(m["start"]), float(m["end"]))
        for m in _INTERVAL.finditer(tier["body"])
    )
    return [span for span in spans if span[0] not in NO_WORD and span[1] < span[2]]


def condensed_words(path: Path) -> dict[str, list[Word]]:
    """The words of each utterance of a chapter's ``.alignment.txt``.

    Returns:
        By utterance (word in lower case, start, end) of each, in seconds.

    Raises:
        InputError: when a line cannot be read.
    """
    utterances: dict[str, list[Word]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        match = _ALIGNED.fullmatch(line)
        spans = _spans(match) if match is not None else None
        if match is None or spans is None:
            message = (
                f"{path}: line {number} is {line.strip()[:80]!r}; expected an utterance, its words and "
                'as many rising end times: 84-121123-0000 ",GO,," "0.49,0.89,1.27"'
            )
            raise InputError(message)
        utterances[match["name"]] = spans
    return utterances


def ctm_words(path: Path) -> dict[str, list[Word]]:
    """The words of each utterance of a ``.ctm`` file, in the order of time.

    Returns:
        By utterance (word in lower case, start, end) of each, in seconds.

    Raises:
        InputError: when a line cannot be read.
    """
    utterances: dict[str, list[Word]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(";;"):
            continue
        match = _CTM.fullmatch(line.strip())
        if match is None:
            message = (
                f"{path}: line {number} is {line.strip()[:80]!r}; expected an utterance, a channel, a start, a "
                "duration and a word: 84-121123-0000 1 0.49 0.40 GO"
            )
            raise InputError(message)
        word, start_s, lasts_s = match["word"].lower(), float(match["start"]), float(match["duration"])
        if word not in NO_WORD and lasts_s > 0:
            # Sums of two decimals are off by a last bit; no aligner is finer than a millisecond.
            span = (word, start_s, round(start_s + lasts_s, 4))
            utterances.setdefault(match["name"], []).append(span)
    return {name: sorted(words, key=lambda span: span[1:]) for name, words in utterances.items()}


def _ctm_words(root: Path) -> dict[str, list[Word]]:
    """The words of every ``.ctm`` below a folder; of an utterance that two files align, those of the later file."""
    found: dict[str, list[Word]] = {}
    for path in files_below(root, (".ctm",)):
        found |= ctm_words(path)
    return found


def _spans(match: re.Match[str]) -> list[Word] | None:
    words = match["words"].split(",")
    try:
        ends = [float(end) for end in match["ends"].split(",")]
    except ValueError:
        return None
    starts = [0.0, *ends[:-1]]
    if len(words) != len(ends) or any(end < start for start, end in zip(starts, ends, strict=True)):
        return None
    spans = ((word.strip().lower(), start, end) for word, start, end in zip(words, starts, ends, strict=True))
    return [span for span in spans if span[0] not in NO_WORD and span[1] < span[2]]


def _sexes(root: Path) -> dict[str, str]:
    path = beside(root, "SPEAKERS.TXT")
    if path is None:
        return {}
    rows = (line.split("|") for line in read_text(path).splitlines() if not line.startswith(";"))
    return {row[0].strip(): row[1].strip().lower() for row in rows if len(row) > 1}


LIBRISPEECH = Layout(
    name="librispeech",
    title="LibriSpeech with word alignments",
    kind="keyword",
    language="en",
    licence="CC BY 4.0",
    publisher="Panayotov, Chen, Povey, Khudanpur",
    shippable=True,
    read=read,
    hint="dev-clean/84/121123/84-121123-0000.flac with 84-121123-0000.TextGrid or 84-121123.alignment.txt "
    "beside it, or a .ctm anywhere (word times come from an alignment release)",
    listed=listed,
)
