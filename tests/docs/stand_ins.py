"""What the blocks of the documentation need and no test machine has, and what stands in for it: one table.

:data:`STAND_INS` gives each mark (``<!-- needs: a board -->``) the stand-ins that its block gets. The command line, the
Makefile, the tools and all code behind them are the real ones in every case; a stand-in provides what is around them
and may change a line, visibly, by a regular expression.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from coral_cases import with_compiled
from docs_cases import REPOSITORY
from miniature import copy_checkout, make_smaller, plant, smaller
from test_probe import STAND_IN as PROBE_COMPILER

from edge_ser.bench.estimated import Beside, write_calibration
from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.edgetpu.interval import exactly
from edge_ser.files import read_json, sha256_hex, write_json
from edge_ser.teacher_vectors import write_vectors
from firmware_bridge.framing import Frame
from firmware_bridge.link_channel import FramedChannel
from firmware_bridge.messages import BoardKind, Message
from firmware_bridge.virtual_board import VirtualBoard, build_virtual_board

MODULES = Path(__file__).resolve().parent / "stand_in_modules"
TESTS = REPOSITORY / "tests"

_NO_ENCODER = b"stand-in, no encoder"

PROGRAMS = ".programs"
"""Folder of a sandbox that is first on the path."""


class Change(NamedTuple):
    """A regular expression and what is put in its place, line by line."""

    pattern: str
    becomes: str


@dataclass(frozen=True)
class Given:
    """What a stand-in adds to the sandbox that it has prepared.

    Attributes:
        environment: variables; a ``PYTHONPATH`` goes before the one that is there.
        changes: to lines of the block, known only now (which port a virtual board has).
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()


Fixture = Callable[[str], object]
"""``request.getfixturevalue``: what is made once for all blocks, or missing and skipped."""


@dataclass(frozen=True)
class StandIn:
    """One thing that stands in for another.

    Attributes:
        real: what a reader of the documentation has.
        stand_in: what the test has instead.
        given: prepares a sandbox; a context, because a board has to be put away again.
        changes: to lines of the block.
    """

    real: str
    stand_in: str
    given: Callable[[Path, Fixture], AbstractContextManager[Given]]
    changes: tuple[Change, ...] = ()


def program(sandbox: Path, name: str, command: str) -> None:
    """Put a program on the sandbox's path that runs ``command`` with its own arguments behind."""
    path = sandbox / PROGRAMS / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def need(*programs: str) -> None:
    """Skip where a program is not installed."""
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


def _speech() -> np.ndarray:
    return read_bundle(SHIPPED).array("golden/samples.npy")


@contextmanager
def _checkout(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    copy_checkout(sandbox)
    # What make would install is there: the environment that runs the tests.
    for ready in (".venv/.train", ".venv/.dev", ".venv-runtime/.ready"):
        (sandbox / ready).parent.mkdir(exist_ok=True)
        (sandbox / ready).touch()
    yield Given(
        {
            "PYTHONPATH": str(sandbox),
            "PYTEST_ARGS": "tests/test_files.py",
            "PYTEST_ADDOPTS": "",
            "PIP_NO_INDEX": "1",
        }
    )


@contextmanager
def _corpora(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    speech = _speech()
    for name in ("CREMA-D", "EMO-DB", "speech_commands", "EmoSpeech"):
        plant(sandbox / "path" / "to" / name, name, speech)
    for name in ("CREMA-D", "EMO-DB", "URDU", "ESC-10"):
        plant(sandbox / name, name, speech)
    plant(sandbox / "EMOSPEECH", "EmoSpeech", speech)
    plant(sandbox / "SPEECH-COMMANDS", "speech_commands", speech)
    yield Given()


@contextmanager
def _training(sandbox: Path, fixture: Fixture) -> Iterator[Given]:
    need("make")
    pytest.importorskip("tensorflow", reason="pip install 'edge-ser[train]'")
    make_smaller(sandbox / "models")
    words = fixture("synthetic")
    for place in (sandbox / "SYNTHETIC", sandbox / "SYNTHETIC-WORDS", sandbox / "build" / "synthetic"):
        place.symlink_to(str(words))
    project = ("init", "mine", "--corpus", "folder", "--root", "recordings", "--keywords", "stop,no")
    _edge_ser(sandbox, *project, "--board", "cpu")
    (sandbox / "mine.toml").write_text(smaller((sandbox / "mine.toml").read_text()))
    makefile = sandbox / "mine.mk"
    makefile.write_text(makefile.read_text().replace("--seeds 1,2,3", "--seeds 1"))
    # Without XLA, which compiles for longer than a miniature trains; and in one process.
    yield Given({"PYTHONPATH": str(MODULES / "one_processor"), "TF_DETERMINISTIC_OPS": "1"})


def _edge_ser(sandbox: Path, *arguments: str) -> None:
    _python(sandbox, "-m", "edge_ser.cli.main", *arguments)


def _python(sandbox: Path, *arguments: str) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=sandbox, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@contextmanager
def _vectors(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    for copies in ("build/varied-crema-d", "FOLDER"):
        _python(sandbox, "tools/vary_corpus.py", "crema-d=CREMA-D", "--copies", "1", "-o", copies)
    rng = np.random.default_rng(5)
    recordings = sorted(path for path in sandbox.rglob("*") if path.suffix in (".wav", ".flac"))
    rows = {sha256_hex(path.read_bytes()): rng.normal(size=12).astype(np.float32) for path in recordings}
    write_vectors(sandbox / "build" / "speech-vectors.npz", rows)
    yield Given()


@contextmanager
def _start(sandbox: Path, fixture: Fixture) -> Iterator[Given]:
    made = Path(str(fixture("untrained")))
    shutil.copy(made / "speech.edgeser", sandbox / "START.edgeser")
    shutil.copy(made / "speech-plain.edgeser", sandbox)
    yield Given()


@contextmanager
def _encoders(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    for name in ("encoder_model.ort", "pretrained.pt"):
        (sandbox / name).write_bytes(_NO_ENCODER)
    # The environment that make would fill with the packages.
    python = sandbox / ".venv-encoders" / "bin" / "python"
    python.parent.mkdir(parents=True)
    path = f"{MODULES / 'encoders'}{os.pathsep}$PYTHONPATH"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (sandbox / ".venv-encoders" / ".ready").touch()
    yield Given({"ENCODERS": str(MODULES / "encoders")})


@contextmanager
def _wheels(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    shelf = sandbox / "wheels"
    shelf.mkdir()
    wanted = (
        ("moonshine_voice", "0.0.73", "assets/tiny-en/encoder_model.ort"),
        ("resemblyzer", "0.1.4", "pretrained.pt"),
    )
    for name, version, file in wanted:
        about = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(shelf / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
            wheel.writestr(f"{name}/{file}", _NO_ENCODER)
    program(sandbox, "pip", f"{sys.executable} -m pip")
    yield Given({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)})


@contextmanager
def _index(sandbox: Path, fixture: Fixture) -> Iterator[Given]:
    fixture("package_index")
    copy_checkout(sandbox)
    shutil.rmtree(sandbox / ".venv")
    for built in sandbox.rglob("_native*.so"):
        built.unlink()
    cache = os.environ.get("PIP_CACHE_DIR") or str(Path.home() / ".cache" / "pip")
    yield Given({"PIP_CACHE_DIR": cache, "PIP_CONSTRAINT": "constraints.txt", "PYTHONPATH": ""})


@contextmanager
def _clone(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    need("git")
    shelf = sandbox / "github"
    kernel, sdk = shelf / "kernel", shelf / "coralmicro"
    for repository, file, text in (
        (kernel, "tasks.c", ""),
        (sdk, "setup.sh", "test -e coralmicro/kernel/tasks.c\n"),
    ):
        repository.mkdir(parents=True)
        (repository / file).write_text(text)
        _git(repository, "init", "--quiet")
        if repository == sdk:
            _git(repository, "submodule", "--quiet", "add", str(kernel), "kernel")
        _git(repository, "add", ".")
        _git(repository, "commit", "--quiet", "--message", "stand-in")
    settings = {f"url.file://{shelf}/.insteadOf": "https://github.com/google-coral/", **_LOCAL}
    yield Given(_configured(settings))


_LOCAL = {"protocol.file.allow": "always"}
"""git clones submodules from the same disk only where it is told that it may."""


def _configured(settings: Mapping[str, str]) -> dict[str, str]:
    """Git's settings as variables, so that nobody's configuration is touched."""
    numbered = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_CONFIG_GLOBAL": os.devnull}
    for number, (key, value) in enumerate(settings.items()):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return numbered


def _git(repository: Path, *arguments: str) -> None:
    somebody = {"user.name": "nobody", "user.email": "nobody@example.org", **_LOCAL}
    environment = {**os.environ, **_configured(somebody)}
    subprocess.run(["git", *arguments], cwd=repository, env=environment, check=True, capture_output=True)


@contextmanager
def _microphone(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    program(sandbox, "by_hand", f"{sys.executable} {MODULES / 'by_hand.py'}")
    yield Given({"PYTHONPATH": f"{MODULES / 'microphone'}{os.pathsep}{TESTS}"})


@contextmanager
def _somebody(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    need("gcc")
    program(sandbox, "by_hand", f"{sys.executable} {MODULES / 'by_hand.py'}")
    yield Given()


@contextmanager
def _compiler(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    program(sandbox, "edgetpu_compiler", f"{sys.executable} {TESTS / 'edgetpu' / 'stand_in_compiler.py'}")
    yield Given({"EDGETPU_COMPILER": "", "STAND_IN_CALLS": str(sandbox / "calls")})


@contextmanager
def _compiler_elsewhere(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    elsewhere = sandbox / "elsewhere" / "edgetpu_compiler"
    elsewhere.parent.mkdir()
    elsewhere.write_text(PROBE_COMPILER)
    elsewhere.chmod(0o755)
    yield Given({"EDGETPU_COMPILER": "", "EDGE_SER_OP_TABLE": str(sandbox / "op-table.json")})


def _compiled(sandbox: Path) -> Bundle:
    """The shipped bundle with files in place of compiled ones, also in the sandbox's build folders."""
    write_bundle(sandbox / "compiled.edgeser", with_compiled(read_bundle(SHIPPED)))
    for system in ("base", "tiny"):
        place = sandbox / "build" / system / f"{system}.edgeser"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sandbox / "compiled.edgeser", place)
    return read_bundle(sandbox / "compiled.edgeser")


class _SaysItIsABoard(FramedChannel):
    """A virtual board says that it is one, and then nothing is written down as measured: here it is to be."""

    def ask(self, request: Frame, limit_s: float, work_s: float = 0.0) -> Frame:
        answer = super().ask(request, limit_s, work_s)
        if request.type != Message.INFO:
            return answer
        claim = bytes([BoardKind.CORAL_MICRO])
        return replace(answer, payload=answer.payload[:2] + claim + answer.payload[3:])


@contextmanager
def _board(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    need("gcc")
    pytest.importorskip("serial", reason="pip install 'edge-ser[board]'")
    bundle = _compiled(sandbox)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("firmware_bridge.virtual_rpc.FramedChannel", _SaysItIsABoard)
        board = VirtualBoard(build_virtual_board(bundle, sandbox / "virtual"), bundle)
    with board:
        yield Given(
            changes=(
                Change(r"serial:/dev/ttyACM0", board.where["serial"]),
                # Where no address is named, it is that of a board on USB: rpc:10.10.10.1.
                Change(r"--backend board(?! --board)", f"--backend board --board {board.where['rpc']}"),
            )
        )


@contextmanager
def _measurements(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    rows = (Beside("keyword", 1.92, exactly(2.0)), Beside("acoustic", 4.31, exactly(4.0)))
    bundle = _compiled(sandbox)
    for clock_mhz in (250.0, 500.0):
        write_calibration(sandbox / "my-board.csv", rows, bundle, clock_mhz)
    yield Given()


@contextmanager
def _sdk(sandbox: Path, fixture: Fixture) -> Iterator[Given]:
    need("make", "cmake", "arm-none-eabi-g++")
    sdk = sandbox / "path" / "to" / "coralmicro"
    shutil.copytree(str(fixture("made_up_sdk")), sdk)
    # Which the SDK's setup.sh fetches.
    compiler = Path(shutil.which("arm-none-eabi-g++") or "").resolve()
    tools = sdk / "third_party" / "toolchain-linux" / "gcc-arm-none-eabi-9-2020-q2-update"
    tools.mkdir(parents=True)
    (tools / "bin").symlink_to(compiler.parent)
    _compiled(sandbox)
    flashtool = sdk / "scripts" / "flashtool.py"
    flashtool.parent.mkdir()
    flashtool.write_text(
        "import argparse\nfrom pathlib import Path\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--build_dir', type=Path)\nparser.add_argument('--elf_path', type=Path)\n"
        "given = parser.parse_args()\nassert given.build_dir.is_dir()\n"
        "assert given.elf_path.read_bytes()[:4] == b'\\x7fELF'\n"
    )
    yield Given()


@contextmanager
def _evaluation(sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    kept = read_json(sandbox / "docs" / "results" / "crema-d-folds.json")
    (sandbox / "build" / "loso").mkdir(parents=True)
    write_json(sandbox / "build" / "loso" / "evaluation.json", kept)
    with (sandbox / "docs" / "results" / "index.toml").open("a") as index:
        index.write('\n[[section]]\ntitle = "Stand-in"\nfile = "emo-db-loso.json"\n')
    yield Given()


@contextmanager
def _nothing(_sandbox: Path, _fixture: Fixture) -> Iterator[Given]:
    yield Given()


CHECKOUT = StandIn(
    "a clone of the repository and its environments",
    "a copy of its files; the environment is the one that runs the tests, and `make test` runs one file of tests",
    _checkout,
)
CORPORA = StandIn(
    "corpora of real speech",
    "miniature.CORPORA: the same folders and names, a few speakers, one sentence again and again",
    _corpora,
)
TRAINING = StandIn(
    "hours of training",
    "miniature.SMALLER: the same specs, small nets, one epoch; one seed and two folds; synthetic words of eight voices",
    _training,
    (Change(r"--folds 4\b", "--folds 2"), Change(r"--seeds 1,2,3\b", "--seeds 1")),
)
VECTORS = StandIn("what speech encoders said of the recordings", "random vectors of them", _vectors)
START = StandIn(
    "a bundle to start from, trained before",
    "one with random weights, of the input that the spec has",
    _start,
    (
        Change(
            r"^edge-ser evaluate models/emo-db\.toml",
            "cp speech-plain.edgeser START.edgeser && edge-ser evaluate models/emo-db.toml",
        ),
    ),
)
ENCODERS = StandIn(
    "two encoder files, and the packages that run them",
    "empty files, and modules named torch, librosa and onnxruntime that measure loudness",
    _encoders,
    (
        Change(
            r"^python tools/speech_vectors", 'PYTHONPATH="$ENCODERS:$PYTHONPATH" python tools/speech_vectors'
        ),
    ),
)
WHEELS = StandIn(
    "wheels of the encoders on the package index",
    "wheels of the same names with nothing but a stand-in of the file that is wanted",
    _wheels,
)
INDEX = StandIn("the package index", "the package index itself, where it answers; else skipped", _index)
CLONE = StandIn("the SDK on GitHub", "a repository on this disk with one submodule", _clone)
MICROPHONE = StandIn(
    "a microphone, and somebody who presses Ctrl-C",
    "a module named sounddevice that plays speech; SIGINT after the first decision",
    _microphone,
    (Change(r"^edge-ser listen(?! --list-devices)", "by_hand edge-ser listen"),),
)
SOMEBODY = StandIn(
    "somebody who presses Ctrl-C",
    "SIGINT once the program has said something",
    _somebody,
    (Change(r"^python -m firmware_bridge", "by_hand python -m firmware_bridge"),),
)
COMPILER = StandIn(
    "edgetpu_compiler", "tests/edgetpu/stand_in_compiler.py, which compiles nothing", _compiler
)
COMPILER_ELSEWHERE = StandIn(
    "another machine with edgetpu_compiler",
    "the script of the pack, run here with the stand-in of tests/edgetpu/test_probe.py",
    _compiler_elsewhere,
    (
        Change(
            r"^edge-ser doctor --import",
            'PATH="$PWD/elsewhere:$PATH" probe-pack/compile.sh && edge-ser doctor --import',
        ),
    ),
)
BOARD = StandIn(
    "a board with a compiled bundle",
    "the virtual board of firmware_bridge, over JSON-RPC and a pseudo-terminal; the compiled files are made up",
    _board,
)
MEASUREMENTS = StandIn(
    "measurements of a board", "made-up ones at two clocks, written as the bench does", _measurements
)
SDK = StandIn(
    "the coralmicro SDK, and a board to flash",
    "the made-up SDK of tests/firmware_bridge/test_coral_sdk.py (stub headers, no libraries), compiled and linked "
    "for the Cortex-M7; a flashtool that looks whether the image is there",
    _sdk,
)
EVALUATION = StandIn(
    "a finished evaluation, shown by docs/results/index.toml",
    "a report that is kept there already",
    _evaluation,
)
MINUTES = StandIn(
    "minutes",
    "three random front ends instead of two hundred",
    _nothing,
    (Change(r"--random-specs 200\b", "--random-specs 3"),),
)

STAND_INS: Mapping[str, tuple[StandIn, ...]] = {
    "CREMA-D": (CORPORA,),
    "EMO-DB": (CORPORA,),
    "EMO-DB and minutes": (CORPORA,),
    "training": (CHECKOUT, CORPORA, TRAINING),
    "CREMA-D and training": (CHECKOUT, CORPORA, TRAINING),
    "CREMA-D, EMO-DB and training": (CHECKOUT, CORPORA, TRAINING),
    "the corpora named, and training": (CHECKOUT, CORPORA, TRAINING),
    "the corpora, a network and training": (CHECKOUT, CORPORA, TRAINING, ENCODERS, WHEELS),
    "the corpora, two encoder files and training": (CHECKOUT, CORPORA, TRAINING, ENCODERS),
    "the corpora and trainings of hours": (CHECKOUT, CORPORA, TRAINING, VECTORS, START),
    "a finished evaluation": (CHECKOUT, EVALUATION),
    "an environment of its own": (INDEX,),
    "a clone of the SDK": (CLONE,),
    "a microphone": (MICROPHONE,),
    "gcc, and somebody who ends it": (SOMEBODY,),
    "edgetpu_compiler": (COMPILER,),
    "edgetpu_compiler on another machine": (COMPILER_ELSEWHERE,),
    "a board": (BOARD,),
    "measurements of a board": (MEASUREMENTS,),
    "the SDK, and a board": (CHECKOUT, SDK),
    "minutes": (MINUTES,),
}
"""Mark → what stands in. A mark that is neither here nor in ``docs_cases.AVAILABLE`` fails the tests."""
