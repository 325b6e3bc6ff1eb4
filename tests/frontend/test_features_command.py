"""`edge-ser features`: the array, its hash, and what it says about bad input."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from edge_ser.cli.features import features
from edge_ser.errors import InputError
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import make_tables
from edge_ser.spec import FrontendSpec


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(features)
    return app


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    samples = np.random.default_rng(0).integers(-3000, 3000, 40_000).astype(np.int16)
    soundfile.write(path, samples, 16_000)
    return path


def test_writes_what_the_front_end_gives(app: typer.Typer, noise: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npy"
    result = CliRunner().invoke(app, [str(noise), "-o", str(out), "--json"])
    array = np.load(out, allow_pickle=False)
    told = json.loads(result.stdout)
    samples, _ = soundfile.read(noise, dtype="int16")
    assert np.array_equal(array, Frontend(make_tables(FrontendSpec())).process(samples))
    assert told == {
        "frames": len(array),
        "channels": 40,
        "sha256": hashlib.sha256(array.astype("<u2").tobytes()).hexdigest(),
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["features.npy", "noise.wav"]


def test_takes_the_front_end_of_a_spec(app: typer.Typer, noise: Path, tmp_path: Path) -> None:
    spec = tmp_path / "narrow.toml"
    spec.write_text(
        'name = "narrow"\n[frontend]\nsample_rate_hz = 8000\nchannels = 12\nupper_hz = 3800.0\n'
        '[keyword]\nwords = ["yes"]\n[acoustic]\nclasses = ["anger", "neutral"]\n'
    )
    out = tmp_path / "features.npy"
    result = CliRunner().invoke(app, [str(noise), "-o", str(out), "--spec", str(spec), "--json"])
    told = json.loads(result.stdout)
    assert (told["channels"], told["frames"]) == (12, FrontendSpec(8000).frames_in(20_000))


def test_a_recording_shorter_than_a_window_is_refused(app: typer.Typer, tmp_path: Path) -> None:
    short = tmp_path / "click.wav"
    soundfile.write(short, np.ones(100, np.int16), 16_000)
    result = CliRunner().invoke(app, [str(short), "-o", str(tmp_path / "out.npy")])
    assert isinstance(result.exception, InputError)
    assert "click.wav: shorter than one window of 30 ms" in str(result.exception)
    assert not (tmp_path / "out.npy").exists()


def test_a_place_that_cannot_be_written_is_named(app: typer.Typer, noise: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(noise), "-o", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert str(tmp_path) in str(result.exception)
