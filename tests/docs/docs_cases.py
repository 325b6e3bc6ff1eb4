"""The code blocks of README.md and docs/, and how a command line is held against what it would call.

The convention, also told in docs/docs-own.md: a block marked ``sh`` is run, line by line, and each line must end with 0
or with the code that its comment names (``# exit 1``). One that needs more has the line ``<!-- needs: EMO-DB -->``
above it: what :data:`AVAILABLE` can find is looked for, and the block run where it is there. For what it cannot find, a
board say, something stands in: the table in ``stand_ins.py``. Blocks marked ``python`` are run, page by page; those
marked ``toml`` are parts of a spec unless ``<!-- not a spec -->`` stands above them.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
for _room in ("edgetpu", "firmware_bridge"):  # whose stand-ins serve here, too
    sys.path.append(str(REPOSITORY / "tests" / _room))
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
LANGUAGES = ("csv", "json", "make", "python", "sh", "text", "toml", "yaml")
NOT_A_SPEC = "not a spec"
WRITTEN = {REPOSITORY / "docs" / "results.md": "the corpora and trainings of hours"}
"""Pages that a command writes, and what their blocks need."""

CORPORA = ("CREMA-D", "EMO-DB")
"""Corpora of real speech with which a block is run, too, where the fixture ``shared_data`` finds them."""

AVAILABLE: Mapping[str, Callable[[], bool]] = {
    "gcc": lambda: shutil.which("gcc") is not None,
    "an ARM compiler and QEMU": lambda: all(map(shutil.which, ("arm-none-eabi-gcc", "qemu-system-arm"))),
    "the extra train": lambda: importlib.util.find_spec("tensorflow") is not None,
}
"""What a block may need, and whether this machine has it."""

_FENCE = re.compile(r"^( *)```(.*)$")
_MARK = re.compile(r"^\s*<!-- (?:needs: )?(.+?) -->\s*$")
_INLINE = re.compile(r"`(edge-ser [a-z][^`]*)`", re.DOTALL)
_EXIT = re.compile(r"#.*?\bexit (\d)\b")
_OPERATORS = {"|", "||", "&&", ";", "&"}
_REDIRECTIONS = {">", ">>", "<", "2>", ">&"}
_OTHER_PROGRAMS = {"bash", "cd", "export", "git", "unzip"}
"""What may stand in a block besides edge-ser, make, python and pip."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: its file.
        line: of the fence, from 1.
        language: behind the fence.
        mark: what the comment above it says, ``""`` where there is none.
        text: what is between the fences.
    """

    page: Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def page_name(page: Path) -> str:
    """For the name of a test."""
    return str(page.relative_to(REPOSITORY))


def block_name(block: Block) -> str:
    """For the name of a test."""
    return f"{page_name(block.page)}-{block.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        indent, language = fence[1], fence[2].strip()
        end = next(
            (at for at in range(number + 1, len(lines)) if lines[at] == f"{indent}```"),
            len(lines),
        )
        above = next((line for line in reversed(lines[:number]) if line.strip()), "")
        mark = _MARK.match(above)
        text = "\n".join(line.removeprefix(indent) for line in lines[number + 1 : end])
        found.append(Block(page, number + 1, language, mark[1] if mark else WRITTEN.get(page, ""), text))
        number = end + 1
    return found


def inline_commands(page: Path) -> list[str]:
    """Command lines of edge-ser that stand in the text of a page."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        text = text.replace(block.text, "")
    return [" ".join(found.split()) for found in _INLINE.findall(text)]


def logical_lines(text: str) -> Iterator[str]:
    """The commands of a block: continued lines in one, comments and empty lines left out."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.strip().startswith("#"):
            yield line.strip()


def script(block: Block) -> str:
    """A shell script that runs a block and stops with 99 at the first line that ends as it should not."""
    parts = []
    for line in logical_lines(block.text):
        told = _EXIT.search(line)
        code = int(told[1]) if told else 0
        message = shlex.quote(f"{block.place}: {line}: ended with another code than {code}:")
        parts.append(f"{line}\ncode=$?\n[ $code -eq {code} ] || {{ echo {message} $code >&2; exit 99; }}\n")
    return "".join(parts)


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands in a line of a block: words without redirections, assignments and comments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for word in lexer:
        if word in _OPERATORS:
            yield words
            words = []
        elif word in _REDIRECTIONS:
            skip = True
        elif skip:
            skip = False
        elif words or not re.fullmatch(r"[A-Z_]+=.*", word):
            words.append(word)
    yield words


def problem_with(words: list[str]) -> str:
    """What is wrong with a command that is not run; ``""`` where nothing is."""
    if not words:
        return ""
    program, arguments = Path(words[0]).name, words[1:]
    if program == "edge-ser":
        return _edge_ser_problem(arguments)
    if program == "make":
        return _make_problem(arguments)
    if program in ("python", "python3"):
        return _python_problem(arguments)
    if program == "pip":
        return _pip_problem(arguments)
    return "" if program in _OTHER_PROGRAMS else f"{program}: no program that the documentation may name"


@cache
def edge_ser_command() -> Any:
    """The command line, as typer made it."""
    import typer

    from edge_ser.cli.main import app

    return typer.main.get_command(app)


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words behind its name; ``None`` where there is none."""
    command, rest = edge_ser_command(), list(words)
    while getattr(command, "commands", None) is not None:
        if not rest or rest[0] not in command.commands:
            return None, rest
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def options_of(command: Any) -> set[str]:
    """Every switch that a command takes."""
    switches = {switch for each in command.params for switch in (*each.opts, *each.secondary_opts)}
    return {switch for switch in switches if switch.startswith("-")} | {"--help"}


def _edge_ser_problem(arguments: list[str]) -> str:
    if arguments[:1] == ["--version"] or arguments[:1] == ["--help"]:
        return ""
    command, rest = command_of(arguments)
    if command is None:
        return f"edge-ser has no command {' '.join(arguments[:2])}"
    try:
        # As the real command line would: unknown options, missing arguments and wrong types are errors, nothing runs.
        command.make_context(command.name or "", rest)
    except Exception as error:
        return f"edge-ser {' '.join(arguments)}: {error or type(error).__name__}"
    except SystemExit:
        return f"edge-ser {' '.join(arguments)}: refused"
    return ""


def _make_problem(arguments: list[str]) -> str:
    if "-f" in arguments:
        return ""  # a fragment that edge-ser init wrote: tests/test_init.py
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text, re.MULTILINE))
    variables = set(re.findall(r"\b([A-Z][A-Z_]+) \?=", text))
    for word in arguments:
        name, assigned, _ = word.partition("=")
        if assigned and name not in variables:
            return f"make: {name} is no variable of the Makefile"
        if not assigned and not word.startswith("-") and word not in targets:
            return f"make: {word} is no target of the Makefile"
    return ""


@cache
def _help(program: tuple[str, ...]) -> str:
    """What a program says of its options; of a tool whose own packages are not installed here, its source."""
    done = subprocess.run(
        [sys.executable, *program, "--help"], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    if done.returncode == 0:
        return done.stdout
    source = REPOSITORY / program[0]
    absent = "ModuleNotFoundError" in done.stderr and source.is_file()
    return source.read_text(encoding="utf-8") if absent else ""


def _python_problem(arguments: list[str]) -> str:
    program = tuple(arguments[:2]) if arguments[:1] == ["-m"] else tuple(arguments[:1])
    if program == ("-m", "venv"):
        return ""
    said = _help(program)
    if not said:
        return f"python {' '.join(program)}: does not tell its options"
    known = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", said))
    used = {word.partition("=")[0] for word in arguments[len(program) :] if re.match(r"--?[a-zA-Z]", word)}
    lacking = sorted(used - known)
    return f"python {' '.join(program)}: has no option {', '.join(lacking)}" if lacking else ""


def _pip_problem(arguments: list[str]) -> str:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = set(project["optional-dependencies"])
    wanted = {
        extra for word in arguments for found in re.findall(r"\[(.*?)\]", word) for extra in found.split(",")
    }
    lacking = sorted(wanted - known)
    return f"pip: no extra is named {', '.join(lacking)}" if lacking else ""
