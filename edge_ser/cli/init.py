"""`edge-ser init`: a commented spec and a Makefile fragment for a project of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from edge_ser.cli.output import JsonFlag, emit, say
from edge_ser.errors import EdgeSerError, InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge_ser.corpora.manifest import Manifest
    from edge_ser.project import Project

_T = TypeVar("_T")

_FOLDS = (4, 5, 3, 6, 8, 10, 2)
"""Numbers of folds that are tried, until every part of the split has every class."""
_RARE = 0.02
_LEFT_OUT = "other"
"""What is no default class: a label with a smaller share of the clips than that, and the one that says nothing."""


@dataclass(frozen=True)
class _Labels:
    """What a corpus on disk can teach: clips by emotion, and whether anybody has looked."""

    clips: dict[str, int]

    def default(self) -> tuple[str, ...]:
        total = sum(self.clips.values())
        return tuple(
            label
            for label, count in sorted(self.clips.items())
            if label != _LEFT_OUT and count >= _RARE * total
        )


def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the system: lower-case letters, digits, - and _.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(help="Layout of the emotion corpus; see: edge-ser corpus list; default: synthetic."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Its folder; not for the synthetic corpus, which is made."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Emotions to tell apart; all that the corpus has if not given."),
    ] = None,
    keywords: Annotated[str | None, typer.Option(metavar="A,B,…", help="Words to listen for.")] = None,
    words_corpus: Annotated[
        str | None, typer.Option(help="Layout of the keyword corpus; default: synthetic-words.")
    ] = None,
    words_root: Annotated[Path | None, typer.Option(metavar="DIR", help="Its folder.")] = None,
    board: Annotated[
        str | None,
        typer.Option(help="coral-micro, usb (Coral USB Accelerator) or cpu; default: coral-micro."),
    ] = None,
    compiled_bytes: Annotated[
        int | None, typer.Option(min=1, help="Budget of both compiled nets; default: 1800000.")
    ] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0.001, help="Budget of one decision; default: 21.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of both files.")
    ] = Path(),
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: what no option says has its default.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write NAME.toml, a commented system spec, and NAME.mk, a Makefile fragment that makes it.

    Asks for what no option says; asks nothing with --yes, --json or away from a terminal. A corpus that is
    named is looked at: classes, and folds that leave every part of the split every class. Nothing that is
    there is ever overwritten (exit 2).

    Example: edge-ser init mine --corpus folder --root recordings --keywords help,stop --board cpu
    """
    from edge_ser.project import Project, project_files, project_spec, write_new

    project = Project(name)
    project_spec(project)  # a wrong name is said before anything is asked
    asker = _Asker(not (yes or as_json) and sys.stdin.isatty())
    project = _with_corpus(project, asker, corpus, root)
    labels = _labels(project)
    project = _with_classes(project, labels, asker, classes)
    project = _with_keywords(project, asker, keywords, words_corpus, words_root)
    project = _with_limits(project, asker, board, compiled_bytes, latency_ms)
    project, split = _dealt(project)
    places = write_new(output, project_files(project))
    data = _data(project, places, split)
    emit(data, as_json, lambda: _render(data))


@dataclass(frozen=True)
class _Asker:
    """Takes the option, else asks, else takes the default; asks again while an answer is wrong."""

    asks: bool

    def choose(self, given: str | None, default: str, question: str, read: Callable[[str], _T]) -> _T:
        if given is not None:
            return read(given)
        if not self.asks:
            return read(default)
        while True:
            answer = typer.prompt(question, default=default, err=True)
            try:
                return read(str(answer))
            except EdgeSerError as error:
                say(f"  {error}")


def _with_corpus(project: Project, asker: _Asker, corpus: str | None, root: Path | None) -> Project:
    from edge_ser.project import SYNTHETIC

    def layout_of_emotions(text: str) -> str:
        return _layout(text, "emotion")

    chosen = asker.choose(
        corpus, SYNTHETIC, "Corpus that teaches emotions (edge-ser corpus list)", layout_of_emotions
    )
    return replace(project, corpus=chosen, root=_root(asker, chosen, SYNTHETIC, root, "--root"))


def _layout(text: str, kind: str) -> str:
    from edge_ser.corpora.registry import layout

    form = layout(text.strip())
    # A person's own folder, like EmoSpeech, may hold both.
    if form.kind != kind and form.name not in ("folder", "emospeech"):
        message = (
            f"{form.name} is a corpus of kind {form.kind}; expected one of kind {kind} (edge-ser corpus list)"
        )
        raise InputError(message)
    return form.name


def _root(asker: _Asker, corpus: str, made: str, root: Path | None, option: str) -> Path | None:
    if corpus == made:
        if root is not None:
            message = (
                f"{option} {root}: {corpus} is made by the Makefile fragment; leave it out, or name a corpus"
            )
            raise InputError(message)
        return None
    if root is None and not asker.asks:
        message = f"{corpus} is on this machine somewhere; say where with {option} DIR"
        raise InputError(message)
    given = None if root is None else str(root)
    return asker.choose(given, corpus, f"Folder of {corpus}", lambda text: _clips_in(corpus, Path(text)))


def _clips_in(corpus: str, root: Path) -> Path:
    from edge_ser.corpora.registry import read_clips

    place = root.expanduser()
    read_clips(corpus, place)
    return place.resolve()


def _labels(project: Project) -> _Labels | None:
    """What the corpus holds; ``None`` where it is still to be made."""
    if project.root is None:
        return None
    from collections import Counter

    from edge_ser.corpora.registry import read_clips

    counts = Counter(clip.emotion for clip in read_clips(project.corpus, project.root) if clip.emotion)
    if len(counts) < 2:
        message = (
            f"{project.root}: {project.corpus} has {len(counts)} emotions; expected clips of at least two "
            "(edge-ser corpus check counts them)"
        )
        raise InputError(message)
    return _Labels(dict(counts))


def _with_classes(project: Project, labels: _Labels | None, asker: _Asker, classes: str | None) -> Project:
    from edge_ser.project import project_spec

    def read(text: str) -> tuple[str, ...]:
        chosen = _list(text)
        project_spec(replace(project, classes=chosen))
        lacking = [] if labels is None else [label for label in chosen if label not in labels.clips]
        if labels is not None and lacking:
            held = ", ".join(f"{label} ({count})" for label, count in sorted(labels.clips.items()))
            message = f"{project.corpus} has no clip of {', '.join(lacking)}; it has {held}"
            raise InputError(message)
        return chosen

    default = project.classes if labels is None else labels.default()
    return replace(project, classes=asker.choose(classes, ",".join(default), "Emotions to tell apart", read))


def _with_keywords(
    project: Project, asker: _Asker, keywords: str | None, words_corpus: str | None, words_root: Path | None
) -> Project:
    from edge_ser.project import SYNTHETIC_WORDS, project_spec

    def layout_of_words(text: str) -> str:
        return _layout(text, "keyword")

    question = "Corpus that teaches words (synthetic-words: voices made here)"
    corpus = asker.choose(words_corpus, SYNTHETIC_WORDS, question, layout_of_words)
    root = _root(asker, corpus, SYNTHETIC_WORDS, words_root, "--words-root")
    spoken = _spoken(corpus, root)

    def read(text: str) -> tuple[str, ...]:
        chosen = _list(text)
        project_spec(replace(project, keywords=chosen))
        lacking = [] if spoken is None else [word for word in chosen if word not in spoken]
        if spoken is not None and lacking:
            message = f"{corpus} has no clip of {', '.join(lacking)}; it has {', '.join(sorted(spoken))}"
            raise InputError(message)
        return chosen

    default = project.keywords if spoken is None else tuple(sorted(spoken))
    chosen = asker.choose(keywords, ",".join(default), "Words to listen for", read)
    return replace(project, keywords=chosen, words_corpus=corpus, words_root=root)


def _spoken(corpus: str, root: Path | None) -> frozenset[str] | None:
    """The words of a keyword corpus; ``None`` where it is still to be made."""
    if root is None:
        return None
    from edge_ser.corpora.registry import read_clips
    from edge_ser.spec import SILENCE, UNKNOWN_WORD

    found = {clip.keyword for clip in read_clips(corpus, root) if clip.keyword} - {SILENCE, UNKNOWN_WORD}
    if not found:
        message = (
            f"{root}: {corpus} has no clip of a keyword; take another --words-corpus, or synthetic-words"
        )
        raise InputError(message)
    return frozenset(found)


def _with_limits(
    project: Project, asker: _Asker, board: str | None, compiled_bytes: int | None, latency_ms: float | None
) -> Project:
    from edge_ser.project import BOARDS

    def read_board(text: str) -> str:
        if text.strip() not in BOARDS:
            message = f"board {text!r}; expected {', '.join(BOARDS)}"
            raise InputError(message)
        return text.strip()

    chosen = asker.choose(board, project.board, f"Board ({', '.join(BOARDS)})", read_board)
    size = asker.choose(
        None if compiled_bytes is None else str(compiled_bytes),
        str(project.compiled_bytes),
        "Budget of both compiled nets, bytes",
        lambda text: int(_number(text, whole=True)),
    )
    limit = asker.choose(
        None if latency_ms is None else repr(latency_ms),
        f"{project.latency_ms:g}",
        "Budget of one decision, milliseconds",
        lambda text: _number(text, whole=False),
    )
    known = next(name for name in BOARDS if name == chosen)
    return replace(project, board=known, compiled_bytes=size, latency_ms=limit)


def _number(text: str, *, whole: bool) -> float:
    import math

    plain = text.strip().replace("_", "").replace(",", "") if whole else text.strip()
    try:
        value = float(int(plain)) if whole else float(plain)
    except (ValueError, OverflowError):
        value = math.nan
    if not 0 < value < 1e12:
        message = f"{text!r}; expected a {'whole ' if whole else ''}number above 0"
        raise InputError(message)
    return value


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _dealt(project: Project) -> tuple[Project, Manifest | None]:
    """The number of folds with which every part has every class, and that split; the corpus must allow one."""
    if project.root is None:
        return project, None
    from edge_ser.corpora.selection import emotion_manifest
    from edge_ser.project import project_spec

    first: InputError | None = None
    for folds in _FOLDS:
        tried = replace(project, folds=folds)
        try:
            return tried, emotion_manifest(project_spec(tried), project.corpus, project.root)
        except InputError as error:
            first = first or error
    message = f"{project.corpus} cannot be split so that no speaker is on two sides: {first}"
    raise InputError(message)


def _data(project: Project, places: list[Path], split: Manifest | None) -> dict[str, Any]:
    from edge_ser.corpora.splits import PARTS

    spec, makefile = places
    parts = None
    if split is not None:
        parts = {
            part: {
                "clips": len(split.part(part)),
                "speakers": len({clip.speaker for clip in split.part(part)}),
            }
            for part in PARTS
        }
    return {
        "name": project.name,
        "spec": str(spec),
        "makefile": str(makefile),
        "corpus": project.corpus,
        "root": None if project.root is None else str(project.root),
        "words_corpus": project.words_corpus,
        "words_root": None if project.words_root is None else str(project.words_root),
        "classes": list(project.classes),
        "keywords": list(project.keywords),
        "board": project.board,
        "budget": {"compiled_bytes": project.compiled_bytes, "latency_ms": project.latency_ms},
        "folds": project.folds,
        "split": parts,
        "next": f"make -f {makefile}",
    }


def _render(data: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines = [
        f"{data['spec']}: {len(data['classes'])} emotions, {len(data['keywords'])} keywords, corpus {data['corpus']}",
        f"{data['makefile']}: {data['next']} makes the bundle and holds it against the budget",
    ]
    if data["split"] is not None:
        parts = ", ".join(
            f"{part} {held['clips']} clips of {held['speakers']} speakers"
            for part, held in data["split"].items()
        )
        lines.append(f"Speakers in {data['folds']} folds: {parts}.")
    if data["root"] is None:
        lines.append(
            "No recordings yet: synthetic voices stand in; their scores say that the line works, no more."
        )
    return Group(*(Text(line) for line in lines))
