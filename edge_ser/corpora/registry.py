"""The known layouts, and reading the clips of one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.crema_d import CREMA_D
from edge_ser.corpora.emo_db import EMO_DB
from edge_ser.corpora.emospeech import EMOSPEECH
from edge_ser.corpora.emovo import EMOVO
from edge_ser.corpora.esc import ESC_10, ESC_50
from edge_ser.corpora.folder import FOLDER
from edge_ser.corpora.iemocap import IEMOCAP
from edge_ser.corpora.layout import Layout
from edge_ser.corpora.librispeech import LIBRISPEECH
from edge_ser.corpora.msp_improv import MSP_IMPROV
from edge_ser.corpora.musan import MUSAN
from edge_ser.corpora.quiet import QUIET
from edge_ser.corpora.ravdess import RAVDESS
from edge_ser.corpora.savee import SAVEE
from edge_ser.corpora.shemo import SHEMO
from edge_ser.corpora.speech_commands import SPEECH_COMMANDS
from edge_ser.corpora.synthetic_layout import SYNTHETIC, SYNTHETIC_WORDS
from edge_ser.corpora.tess import TESS
from edge_ser.corpora.tree import ANY_AUDIO_EXTENSIONS, files_below, stem_below
from edge_ser.corpora.turev_db import TUREV_DB
from edge_ser.corpora.urdu import URDU
from edge_ser.errors import InputError, MissingError

_LAYOUTS = (
    CREMA_D,
    EMO_DB,
    RAVDESS,
    SAVEE,
    TESS,
    EMOVO,
    URDU,
    EMOSPEECH,
    TUREV_DB,
    IEMOCAP,
    MSP_IMPROV,
    SHEMO,
    SPEECH_COMMANDS,
    LIBRISPEECH,
    ESC_50,
    ESC_10,
    MUSAN,
    SYNTHETIC,
    SYNTHETIC_WORDS,
    QUIET,
    FOLDER,
)


def layouts() -> tuple[Layout, ...]:
    """All known layouts, in the order in which they are shown."""
    return _LAYOUTS


def layout(name: str) -> Layout:
    """The layout of a name.

    Raises:
        InputError: when there is none of that name; it lists the names and the nearest.
    """
    by_name = {known.name: known for known in _LAYOUTS}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), by_name, n=1, cutoff=0.5)
    message = f"no corpus layout is named {name!r}; " + (f"did you mean {near[0]!r}? " if near else "")
    message += f"Known are {', '.join(by_name)}"
    raise InputError(message)


def read_clips(name: str, root: Path) -> list[Clip]:
    """The clips of a corpus on disk, sorted by path and start.

    Args:
        name: name of the layout, e.g. ``"crema-d"``.
        root: the unpacked corpus, or the folder that holds it.

    Returns:
        At least one clip.

    Raises:
        InputError: when there is no such layout, ``root`` is no folder or holds no clip of that layout, a
            table of
            the corpus is broken, or a person's own table names a file that is not there.
        MissingError: when ``root`` does not exist.
    """
    form = layout(name)
    clips = present_clips(form, root)
    if form.complete:
        absent = missing_files(form, root, clips)
        if absent:
            message = (
                f"{root}: {len(absent)} files of its table are not there, the first is {absent[0]}; "
                f"add them or take their rows out (edge-ser corpus check {name} lists them)"
            )
            raise InputError(message)
    if not clips:
        raise InputError(nothing_found(form, root))
    return clips


def is_nameless(clip: Clip) -> bool:
    """Whether a clip's speaker name stands for nobody in particular, see :attr:`~.layout.Layout.nameless`."""
    return any(form.name == clip.corpus and clip.speaker in form.nameless for form in layouts())


def present_clips(form: Layout, root: Path) -> list[Clip]:
    """The clips of a layout whose audio is below a folder, sorted by path and start; there may be none.

    Raises:
        InputError: when ``root`` is no folder, or a table of the corpus is broken.
        MissingError: when ``root`` does not exist.
    """
    if not root.exists():
        message = (
            f"{root}: no such folder; point at an unpacked copy of {form.title}, which holds {form.hint}"
        )
        raise MissingError(message)
    if not root.is_dir():
        message = f"{root}: is a file; expected the folder of {form.title}, which holds {form.hint}"
        raise InputError(message)
    return sorted(form.read(root), key=lambda clip: (clip.path, clip.start_s))


def missing_files(form: Layout, root: Path, clips: Sequence[Clip]) -> list[str]:
    """The files that the tables of a corpus name and that are not among its clips.

    A file counts as there when the path of a clip ends in its path, whatever the case and the extension.
    """
    endings: set[tuple[str, ...]] = set()
    for path in {clip.path for clip in clips}:
        parts = tuple(stem_below(path, root).lower().split("/"))
        endings.update(parts[start:] for start in range(len(parts)))
    names = sorted(set(form.listed(root)))
    return [name for name in names if tuple(name.lower().split("/")) not in endings]


def nothing_found(form: Layout, root: Path) -> str:
    """The message for a folder that holds no clip of a layout: what was expected, and what is there."""
    audio = files_below(root, ANY_AUDIO_EXTENSIONS)
    names = sorted(path.name for path in root.iterdir())
    if audio:
        found = f"{len(audio)} audio files of other names, such as {audio[0].relative_to(root).as_posix()}"
    else:
        found = f"no audio, only {', '.join(names[:3])}" if names else "an empty folder"
    return f"{root}: no clip of {form.name} found; expected {form.hint}; found {found}"
