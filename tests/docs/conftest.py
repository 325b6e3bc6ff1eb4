"""What the stand-ins of several blocks share, made once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from docs_cases import REPOSITORY
from miniature import make_smaller
from stand_ins import PROGRAMS, program
from test_coral_sdk import made_up_sdk

from edge_ser.bundle import REQUIRED_MEMBERS, Bundle, read_bundle, write_bundle
from edge_ser.bundle_float import FLOAT_WEIGHTS
from edge_ser.bundle_shipped import SHIPPED
from edge_ser.frontend.tables import make_tables
from edge_ser.npz import npz_bytes
from edge_ser.spec_file import load_spec

__all__ = ["made_up_sdk"]

_INDEX_LIMIT_S = 60
EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has at hand: recordings of real speech, a corpus of them, a bundle and its nets."""
    if not SHIPPED.is_file():
        pytest.skip("no shipped bundle")
    folder = tmp_path_factory.mktemp("docs") / "stock"
    bundle = read_bundle(SHIPPED)
    samples = bundle.array("golden/samples.npy")
    rate = bundle.spec.frontend.sample_rate_hz
    (folder / "recordings").mkdir(parents=True)
    soundfile.write(folder / "call.wav", samples, rate)
    soundfile.write(folder / "meeting.flac", np.tile(samples, 2), rate)
    rows = ["path,speaker,emotion"]
    for speaker in range(8):
        for number, emotion in enumerate(EMOTIONS):
            name = f"{speaker}-{emotion}.wav"
            quieter = (samples // (2 + number + speaker)).astype(np.int16)
            soundfile.write(folder / "recordings" / name, np.roll(quieter, 1000 * speaker), rate)
            rows.append(f"{name},person{speaker},{emotion}")
    (folder / "recordings" / "clips.csv").write_text("\n".join(rows) + "\n")
    for net in ("keyword.tflite", "acoustic.tflite"):
        (folder / net).write_bytes(bundle.member(net))
    (folder / "build" / "base").mkdir(parents=True)
    shutil.copy(SHIPPED, folder / "build" / "base" / "base.edgeser")
    shutil.copy(SHIPPED, folder / "before.edgeser")
    shutil.copy(SHIPPED, folder / "now.edgeser")
    for name in ("models", "tools"):
        (folder / name).symlink_to(REPOSITORY / name)
    program(folder, "edge-ser", f"{sys.executable} -m edge_ser.cli.main")
    for name in ("python", "python3"):
        program(folder, name, sys.executable)
    (folder / ".venv").mkdir()
    shutil.copytree(folder / PROGRAMS, folder / ".venv" / "bin")
    return folder


@pytest.fixture
def sandbox(stock: Path, tmp_path: Path) -> Path:
    """A copy of it for one page."""
    return Path(shutil.copytree(stock, tmp_path / "sandbox", symlinks=True))


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the specs, made small."""
    folder = tmp_path_factory.mktemp("models")
    for path in (REPOSITORY / "models").glob("*.toml"):
        shutil.copy(path, folder)
    make_smaller(folder)
    return folder


@pytest.fixture(scope="session")
def synthetic(small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic corpus of few voices."""
    pytest.importorskip("espeakng_loader", reason="pip install 'edge-ser[train]'")
    folder = tmp_path_factory.mktemp("docs-synthetic") / "corpus"
    command = [
        "-m",
        "edge_ser.cli.main",
        "corpus",
        "synth",
        "-o",
        folder,
        "--spec",
        small_models / "base.toml",
    ]
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def untrained(small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles to start from, by spec: random weights of the small net, and word of a speaker whom nobody tests."""
    from edge_ser.networks.acoustic import build_acoustic
    from edge_ser.networks.layers import with_classifier

    folder = tmp_path_factory.mktemp("start")
    told = {"name": "urdu", "speakers": {"train": ["SM1"], "validation": ["SM2"], "test": []}}
    for name in ("speech", "speech-plain"):
        spec = load_spec(small_models / f"{name}.toml")
        weights = folder / f"{name}.weights.h5"
        with_classifier(build_acoustic(spec), len(spec.acoustic.classes), 0.0).save_weights(weights)
        members = dict.fromkeys(REQUIRED_MEMBERS, b"stand-in")
        members["frontend_tables.npz"] = npz_bytes(make_tables(spec.frontend).to_arrays())
        members[FLOAT_WEIGHTS["acoustic"]] = weights.read_bytes()
        write_bundle(folder / f"{name}.edgeser", Bundle(spec, members, {"corpora": {"emotions": told}}))
    return folder


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where no package index answers."""
    fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path_factory.mktemp("index"))]
    try:
        done = subprocess.run(
            [sys.executable, *fetch, "--retries", "0", "typer"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INDEX_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("no package index answered within a minute")
    if done.returncode != 0:
        pytest.skip(f"no package index: {' '.join(done.stderr.split())[-200:]}")
