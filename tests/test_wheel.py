"""What is published: the sdist builds the wheel, and where there is no compiler the wheel falls back to NumPy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import setuptools

import edge_ser
from edge_ser.frontend import extension

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "edge_ser", "firmware_bridge")
NEEDS_SETUPTOOLS = 77
"""[build-system] in pyproject.toml: the first that knows a licence by its SPDX name."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        int(setuptools.__version__.partition(".")[0]) < NEEDS_SETUPTOOLS,
        reason=f"setuptools {setuptools.__version__} is too old to build: pip install 'edge-ser[dev]'",
    ),
]


@dataclass(frozen=True)
class Built:
    """What was built, and the wheel unpacked as pip would."""

    sdist: Path
    wheel: Path
    said: str
    site: Path


def _build(kind: str, folder: Path, out: Path, **environment: str) -> tuple[Path, str]:
    script = f"from setuptools import build_meta; print('made', build_meta.build_{kind}({str(out)!r}))"
    command = [sys.executable, "-c", script]
    out.mkdir(parents=True, exist_ok=True)
    clean = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=clean)
    assert done.returncode == 0, done.stderr[-3000:]
    return out / done.stdout.strip().splitlines()[-1].removeprefix("made "), done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel of the sdist of this checkout, built where every C compiler fails."""
    place = tmp_path_factory.mktemp("published")
    checkout = place / "checkout"
    checkout.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(source, checkout / name)
    sdist, _ = _build("sdist", checkout, place / "sdist")
    shutil.unpack_archive(sdist, place / "unpacked")
    (unpacked,) = (place / "unpacked").iterdir()
    wheel, said = _build("wheel", unpacked, place / "wheel", CC="false", CXX="false", LDSHARED="false")
    site = place / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return Built(sdist, wheel, said, site)


def test_the_wheel_holds_what_is_needed(built: Built) -> None:
    names = set(zipfile.ZipFile(built.wheel).namelist())
    assert {"edge_ser/py.typed", "edge_ser/shipped/base.edgeser", "firmware_bridge/core/frontend.c"} <= names
    made = {f"edge_ser/{path.relative_to(ROOT / 'edge_ser')}" for path in (ROOT / "edge_ser").rglob("*.py")}
    assert made <= names
    assert not [name for name in names if name.startswith(("tests/", "tools/", "build/"))]


def test_the_wheel_asks_for_no_extra(built: Built) -> None:
    (metadata,) = built.site.glob("*.dist-info/METADATA")
    asked = [line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist: ")]
    plain = " ".join(line for line in asked if "extra ==" not in line).lower()
    assert "numpy" in plain
    for package in ("tensorflow", "keras", "scipy", "scikit-learn", "joblib", "torch"):
        assert package not in plain


def test_without_a_compiler_numpy_takes_over_and_classifies_equally(built: Built, tmp_path: Path) -> None:
    from test_python_use import make_speech

    assert not list(built.site.rglob("*.so")), "a compiler was found after all"
    make_speech(tmp_path / "speech.wav")
    script = (
        "import json, edge_ser\n"
        "from edge_ser.frontend.extension import BUILT\n"
        "answer = edge_ser.classify('speech.wav')\n"
        "scores = [part.logits.tolist() for part in answer.segments]\n"
        "print(json.dumps([edge_ser.__file__, BUILT, scores, edge_ser.features('speech.wav').tolist()]))\n"
    )
    clean = {**os.environ, "PYTHONPATH": str(built.site)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path, env=clean
    )
    assert done.returncode == 0, done.stderr
    file, has_c, scores, spectrogram = json.loads(done.stdout)
    assert Path(file).is_relative_to(built.site)
    assert has_c is False
    # Against this checkout, which has the C front end wherever there is a compiler.
    if not extension.BUILT:
        pytest.skip("no C front end here to compare with; it is built as edge-ser is installed")
    answer = edge_ser.classify(tmp_path / "speech.wav")
    assert scores == [part.logits.tolist() for part in answer.segments]
    assert spectrogram == edge_ser.features(tmp_path / "speech.wav").tolist()
