"""A bundle whose golden vectors are those of simple stand-in nets, and its application built for this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from package_files import compiled_net

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.frontend.net_input import NetInput, acoustic_input
from edge_ser.frontend.tables import FrontendTables
from edge_ser.integer_head import IntegerHead
from edge_ser.npz import npy_bytes
from firmware_bridge.app_folder import write_app_folder
from firmware_bridge.framing import Frame, FrameReader
from firmware_bridge.generate import FirmwareApp, firmware_app

HERE = Path(__file__).parent
SETTLE_SAMPLES = 2560
"""What the microphone drops: 150 ms, rounded up to blocks of 20 ms."""
FLAGS = ("-Wall", "-Wextra", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
INCLUDE = re.compile(r'#include "((?:libs|third_party)/[^"]+)"')


class StandInNet:
    """Output i is the sum of the inputs j with j % outputs == i, modulo 256; coral_stub.cc has the same."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs

    def embed(self, features: NDArray[np.uint8]) -> NDArray[np.uint8]:
        flat = features.reshape(len(features), -1).astype(np.int64)
        sums = np.zeros((len(flat), self.outputs), np.int64)
        for j in range(flat.shape[1]):
            sums[:, j % self.outputs] += flat[:, j]
        return (sums % 256).astype(np.uint8)


@dataclass(frozen=True)
class Spoken:
    """What the board said.

    Attributes:
        text: on the console.
        frames: on the console.
        rpc: the answer to the JSON-RPC request.
    """

    text: str
    frames: list[Frame]
    rpc: bytes


def stand_in_bundle(changed: Mapping[str, Any] | None = None) -> Bundle:
    """The shipped bundle with golden vectors of the stand-in nets; ``changed`` replaces some of them."""
    bundle = read_bundle(shipped_bundle())
    samples = bundle.array("golden/samples.npy")
    net_input = NetInput(FrontendTables.from_arrays(bundle.arrays("frontend_tables.npz")))
    features = net_input.features(samples[np.newaxis])
    spec = bundle.spec
    windows = np.stack([features[0, at : at + spec.keyword_frames] for at in spec.keyword_starts])
    keyword = StandInNet(spec.keyword.embedding).embed(windows)
    heard = acoustic_input(features, spec.acoustic.normalisation)
    acoustic = StandInNet(spec.acoustic.embedding).embed(heard)[0]
    fusion = IntegerHead.from_arrays(bundle.arrays("fusion.npz"), "fusion")
    scores = fusion.scores(np.hstack([acoustic, keyword.max(axis=0)])[np.newaxis])[0]
    golden = {
        "features": features[0],
        "keyword_windows": keyword,
        "acoustic_embedding": acoustic,
        "scores": scores,
        **(changed or {}),
    }
    return bundle.with_members({f"golden/{name}.npy": npy_bytes(values) for name, values in golden.items()})


def with_compiled(bundle: Bundle) -> Bundle:
    """The bundle with files in place of compiled ones, of the right tensors; no compiler made them."""
    spec = bundle.spec
    keyword = compiled_net((spec.keyword_frames, spec.frontend.channels, 1), spec.keyword.embedding)
    acoustic = compiled_net((spec.segment_frames, spec.frontend.channels, 1), spec.acoustic.embedding)
    return bundle.with_members({"keyword_edgetpu.tflite": keyword, "acoustic_edgetpu.tflite": acoustic})


def forwarding_headers(app: Path, folder: Path) -> Path:
    """A tree in which every header of the SDK that the application includes is the stub."""
    sources = [*app.glob("app/*"), *app.glob("generated/*")]
    for name in sorted({name for source in sources for name in INCLUDE.findall(source.read_text())}):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#include "coral_stub.h"\n')
    return folder


@dataclass(frozen=True)
class HostApp:
    """The application as a process.

    Attributes:
        program: the executable.
        folder: of the application.
    """

    program: Path
    folder: Path

    def run(
        self,
        sound: NDArray[np.int16],
        requests: bytes = b"",
        rpc: bytes = b"",
        files: Mapping[str, bytes] | None = None,
        **environment: str,
    ) -> Spoken:
        """Let it listen; ``files`` replaces files of its file system, ``environment`` is that of coral_stub.cc."""
        work = self.program.parent / "run"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.folder / "models", work / "models")
        for name, data in (files or {}).items():
            (work / "models" / name).write_bytes(data)
        heard = np.concatenate([np.zeros(SETTLE_SAMPLES, np.int16), sound])
        for name, data in (("sound", heard.tobytes()), ("requests", requests), ("rpc", rpc), ("answer", b"")):
            (work / name).write_bytes(data)
        names = [str(work), *(str(work / name) for name in ("sound", "requests", "rpc", "answer"))]
        done = subprocess.run(
            [str(self.program), *names],
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, **environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        text = "\n".join(
            line.decode(errors="replace")
            for line in done.stdout.splitlines()
            if line.startswith(b"edge-ser: ")
        )
        return Spoken(text, FrameReader().feed(done.stdout), (work / "answer").read_bytes())


def build_host_app(
    app: FirmwareApp, folder: Path, *, cpu_fallback: bool = True, more_flags: tuple[str, ...] = ()
) -> HostApp:
    """Compile every file of the application for this machine, with stub headers, and link it with the stub."""
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        pytest.skip("gcc and g++ are not installed (Debian: gcc g++)")
    source = folder / "app"
    write_app_folder(source, app.files)
    stubs = forwarding_headers(source, folder / "stubs")
    definitions = re.findall(r"ESER_MAX_\w+=\d+", (source / "CMakeLists.txt").read_text())
    flags = [*FLAGS, *more_flags, *(f"-D{definition}" for definition in definitions)]
    flags += ["-DCPU_FALLBACK"] * cpu_fallback
    includes = [f"-I{path}" for path in (source / "app", source / "core", source / "generated", stubs, HERE)]
    c_files = [path for room in ("app", "core", "generated") for path in sorted(source.glob(f"{room}/*.c"))]
    objects = []
    for path in c_files:
        objects.append(folder / f"{path.stem}.o")
        _compile(["gcc", "-std=c99", *flags, *includes, "-c", str(path), "-o", str(objects[-1])])
    cxx = [str(path) for path in sorted((source / "app").glob("*.cc"))]
    program = folder / "board"
    command = [
        "g++",
        "-std=c++17",
        "-fno-rtti",
        "-fno-exceptions",
        *flags,
        *includes,
        *cxx,
        str(HERE / "coral_stub.cc"),
    ]
    _compile([*command, *(str(path) for path in objects), "-pthread", "-o", str(program)])
    return HostApp(program, source)


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def stand_in_app(changed: Mapping[str, Any] | None = None) -> tuple[Bundle, FirmwareApp]:
    """The stand-in bundle and its application."""
    bundle = stand_in_bundle(changed)
    return bundle, firmware_app(bundle)
