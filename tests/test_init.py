"""`edge-ser init`: what it writes is a project that works, and what it finds there it leaves alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from edge_ser.cli import init as command
from edge_ser.errors import InputError, MissingError
from edge_ser.project import BOARDS, Project, project_files, project_spec, write_new
from edge_ser.spec_file import load_spec

REPOSITORY = Path(__file__).resolve().parents[1]
EMOTIONS = ("anger", "neutral", "sadness")

app = typer.Typer()
app.command()(command.init)


def _init(folder: Path, *arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(app, [*map(str, arguments), "-o", str(folder), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _corpus(folder: Path, speakers: int = 8, emotions: tuple[str, ...] = EMOTIONS) -> Path:
    """A person's own folder, with spaces and worse in its name."""
    root = folder / "my own $recordings' #1"
    root.mkdir()
    rows = ["path,speaker,emotion"]
    for speaker in range(speakers):
        for number, emotion in enumerate(emotions):
            name = f"{speaker}-{number}.wav"
            soundfile.write(root / name, np.full(1600, speaker * 10 + number, dtype=np.int16), 16_000)
            rows.append(f"{name},speaker{speaker},{emotion}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    return root


def _make(folder: Path, *arguments: str) -> str:
    if shutil.which("make") is None:
        pytest.skip("make is absent")
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_default_project_is_the_base_system(tmp_path: Path) -> None:
    told = _init(tmp_path, "mine")
    written = load_spec(tmp_path / "mine.toml")
    assert replace(written, name="base") == load_spec(REPOSITORY / "models" / "base.toml")
    assert "extends" not in (tmp_path / "mine.toml").read_text()
    assert (told["corpus"], told["split"], told["board"]) == ("synthetic", None, "coral-micro")
    shown = _make(tmp_path, "-f", "mine.mk")
    for step in ("corpus synth", "train", "quantize", "compile", "show", "budget"):
        assert f"edge-ser {step} " in shown
    assert "mine.toml" in shown


@pytest.mark.parametrize("board", BOARDS)
def test_every_line_of_the_makefile_is_a_command(board: str, tmp_path: Path) -> None:
    """Each is parsed by the real command line; nothing runs."""
    from edge_ser.cli.main import app as whole

    targets = ["a-b", "a-b-train", "a-b-check", "a-b-budget", "a-b-bench", "a-b-evaluate"]
    _init(tmp_path, "a-b", "--board", board)
    shown = _make(tmp_path, "-f", "a-b.mk", *targets, *(["a-b-firmware"] if board == "coral-micro" else []))
    root = typer.main.get_command(whole)
    seen = set()
    for line in shown.splitlines():
        words = line.partition(" || ")[0].split()
        if words[:1] == ["edge-ser"]:
            inner = root.commands[words[1]]
            rest = words[2:]
            if hasattr(inner, "commands"):
                inner, rest = inner.commands[rest[0]], rest[1:]
            inner.make_context(words[1], rest)
            seen.add(words[1])
    wanted = {"corpus", "train", "quantize", "show", "budget", "check", "bench", "evaluate"}
    assert seen == wanted | ({"firmware"} if board == "coral-micro" else set()) | (
        {"compile"} if board != "cpu" else set()
    )


def test_a_corpus_of_ones_own(tmp_path: Path) -> None:
    root = _corpus(tmp_path)
    told = _init(tmp_path / "made", "mine", "--corpus", "folder", "--root", root, "--keywords", "help, stop")
    spec = load_spec(tmp_path / "made" / "mine.toml")
    assert spec.acoustic.classes == EMOTIONS
    assert spec.keyword.words == ("help", "stop")
    assert told["split"] == {
        "train": {"clips": 15, "speakers": 5},
        "validation": {"clips": 3, "speakers": 1},
        "test": {"clips": 6, "speakers": 2},
    }
    # make and the shell see the folder's name as it is.
    printer = tmp_path / "made" / "print.mk"
    printer.write_text("include mine.mk\nprint:\n\t@printf '%s' $(MINE_ROOT)\n")
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", "print.mk", "print"],
        cwd=tmp_path / "made",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == str(root)


def test_classes_and_words_of_real_corpora(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    emotions, words = shared_data("EMO-DB"), shared_data("speech_commands_v0.01")
    given = (
        "--corpus",
        "emo-db",
        "--root",
        emotions,
        "--words-corpus",
        "speech-commands",
        "--words-root",
        words,
    )
    told = _init(tmp_path, "german", *given)
    assert len(told["classes"]) == 7  # type: ignore[arg-type]
    assert told["keywords"] == ["bed", "cat", "happy"]
    with pytest.raises(InputError, match=r"no clip of surprise; it has anger \(127\)"):
        _init(tmp_path, "other", *given, "--classes", "anger,surprise")
    with pytest.raises(InputError, match="no clip of dog"):
        _init(tmp_path, "other", *given, "--keywords", "bed,dog")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("Mine",), InputError, "lower-case"),
        (("../mine",), InputError, "name"),
        (("",), InputError, "name"),
        (("m", "--classes", "anger,joy"), InputError, "happiness"),
        (("m", "--classes", "anger"), InputError, "at least two"),
        (("m", "--classes", "anger,anger"), InputError, "none twice"),
        (("m", "--keywords", "Help!"), InputError, "lower-case letters"),
        (("m", "--keywords", " , "), InputError, "at least one word"),
        (("m", "--board", "teensy"), InputError, "coral-micro"),
        (("m", "--corpus", "crema"), InputError, "crema-d"),
        (("m", "--corpus", "crema-d"), InputError, "--root"),
        (("m", "--corpus", "crema-d", "--root", "/no/such/folder"), MissingError, "no such folder"),
        (("m", "--corpus", "esc-10", "--root", "."), InputError, "noise"),
        (("m", "--words-corpus", "emo-db", "--words-root", "."), InputError, "emotion"),
        (("m", "--root", "."), InputError, "made by"),
    ],
)
def test_wrong_answers_write_nothing(
    arguments: tuple[str, ...], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        _init(tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_too_few_speakers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 3"):
        _init(tmp_path / "out", "m", "--corpus", "folder", "--root", _corpus(tmp_path, speakers=2))


def test_one_emotion_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least two"):
        _init(tmp_path / "out", "m", "--corpus", "folder", "--root", _corpus(tmp_path, emotions=("anger",)))


@pytest.mark.parametrize("there", ["mine.toml", "mine.mk"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("mine\n")
    with pytest.raises(InputError, match="is there already"):
        _init(tmp_path, "mine")
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine\n"


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file cannot be written: the first goes again; somebody else's, put there meanwhile, stays."""
    import edge_ser.project as project

    real = project.os.link

    def link(source: Path, place: Path) -> None:
        if place.name == "b":
            place.write_text("somebody else's")
        real(source, place)

    monkeypatch.setattr(project.os, "link", link)
    with pytest.raises(InputError, match="is there already"):
        write_new(tmp_path, {"a": "A", "b": "B"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b": "somebody else's"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_new(tmp_path / "file" / "folder", {"a": "A"})


def test_a_name_that_no_makefile_holds() -> None:
    with pytest.raises(InputError, match="rename the folder"):
        project_files(Project("m", corpus="folder", root=Path("/two\nlines")))


def test_budgets_go_into_the_spec(tmp_path: Path) -> None:
    _init(tmp_path, "m", "--compiled-bytes", 900_000, "--latency-ms", 12.5)
    budget = load_spec(tmp_path / "m.toml").budget
    assert (budget.compiled_bytes, budget.latency_ms) == (900_000, 12.5)
    for option in ("--compiled-bytes", "--latency-ms"):
        assert CliRunner().invoke(app, ["n", option, "0", "-o", str(tmp_path)]).exit_code == 2


def test_a_person_is_asked_until_the_answer_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _corpus(tmp_path)
    answers = ["folderr", "folder", str(tmp_path / "absent"), str(root), "anger,joy", "anger,sadness"]
    answers += ["", "stop", "cpu", "many", "500_000", "9"]
    monkeypatch.setattr(command.sys, "stdin", _Terminal(answers))
    told = iter(answers)

    def prompt(_question: str, default: str, err: bool) -> str:
        assert err
        return next(told) or default

    monkeypatch.setattr(command.typer, "prompt", prompt)
    command.init("mine", None, None, None, None, None, None, None, None, None, tmp_path, False, False)
    spec = load_spec(tmp_path / "mine.toml")
    assert spec.acoustic.classes == ("anger", "sadness")
    assert spec.keyword.words == ("stop",)
    assert (spec.budget.compiled_bytes, spec.budget.latency_ms) == (500_000, 9.0)
    assert next(told, None) is None


class _Terminal:
    def __init__(self, answers: list[str]) -> None:
        self.answers = answers

    def isatty(self) -> bool:
        return True


def test_away_from_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_ser.cli.main", "init", "quiet"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert project_spec(Project("quiet")) == load_spec(tmp_path / "quiet.toml")
