"""`edge-ser features`: the array, its hash, the picture of every stage, and what it says about bad input."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from edge_ser.cli.features import features
from edge_ser.errors import InputError, MissingError
from edge_ser.frontend import plot as plot_module
from edge_ser.frontend.plot import channel_centres_hz, draw_features
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.tables import make_tables
from edge_ser.frontend.torture import random_specs, torture_set
from edge_ser.spec import FrontendSpec, LogSpec, NoiseReductionSpec, PcanSpec

FULL = FrontendSpec(noise_reduction=NoiseReductionSpec(True), pcan=PcanSpec(True))


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


def test_something_must_be_asked_for(app: typer.Typer, noise: Path) -> None:
    result = CliRunner().invoke(app, [str(noise)])
    assert isinstance(result.exception, InputError)
    assert "-o" in str(result.exception)
    assert "--plot" in str(result.exception)


def test_a_trace_ends_in_the_features_and_holds_the_stages_that_are_on() -> None:
    for spec in random_specs(8):
        frontend = Frontend(make_tables(spec))
        for samples in torture_set(spec).values():
            trace = frontend.trace(samples)
            assert np.array_equal(trace.features, frontend.process(samples))
            assert np.array_equal(trace.filter_bank, frontend.filter_bank(samples[np.newaxis])[0])
            stages = {
                "noise_reduction": spec.noise_reduction.enabled,
                "pcan": spec.pcan.enabled,
                "log": spec.log.enabled,
            }
            last = trace.filter_bank
            for name, enabled in stages.items():
                signal = getattr(trace, name)
                assert (signal is not None) == enabled
                if signal is not None:
                    assert (signal.shape, signal.dtype) == (trace.features.shape, np.uint32)
                    last = signal
            assert np.array_equal(trace.features, np.minimum(last, 65_535))


def test_without_gain_control_noise_reduction_only_takes_away() -> None:
    spec = FrontendSpec(noise_reduction=NoiseReductionSpec(True), log=LogSpec(False))
    trace = Frontend(make_tables(spec)).trace(torture_set(spec)["level steps"])
    assert trace.noise_reduction is not None
    assert np.all(trace.noise_reduction <= trace.filter_bank)
    assert np.any(trace.noise_reduction < trace.filter_bank)


@pytest.mark.parametrize("spec", [FrontendSpec(), FrontendSpec(8000, 64, 32, 20, 60.0, 3900.0)])
def test_channel_centres_are_where_the_bands_meet(spec: FrontendSpec) -> None:
    tables = make_tables(spec)
    centres = channel_centres_hz(spec)
    assert centres.shape == (spec.channels,)
    hz_per_bin = spec.sample_rate_hz / tables.fft_size
    # Channel c peaks where band c ends and band c + 1 begins.
    last_bins = (tables.band_edges[1:-1] - 1) * hz_per_bin
    assert np.all((last_bins <= centres * 1.0001) & (centres <= last_bins + hz_per_bin * 1.0001))


def png_size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.fixture
def matplotlib_installed() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: nothing can be drawn")


@pytest.mark.usefixtures("matplotlib_installed")
def test_a_picture_has_a_panel_for_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    real = plot_module._draw_panel

    def noting(figure, axes, panel, spec) -> None:
        real(figure, axes, panel, spec)
        drawn.append(axes.get_title(loc="left").split(",")[0].split(":")[0])
        assert axes.get_ylabel() == "channel centre (Hz)"
        # The colours show the values as they are, channel 0 at the bottom.
        (image,) = axes.get_images()
        assert np.array_equal(image.get_array(), panel.values.T)
        assert image.origin == "lower"

    monkeypatch.setattr(plot_module, "_draw_panel", noting)
    heights = []
    for spec in (FrontendSpec(log=LogSpec(False)), FrontendSpec(), FULL):
        width, height = png_size(draw_features(spec, torture_set(spec)["chirp"], "chirp"))
        assert width == 1320
        heights.append(height)
    assert drawn == [
        *("Filter bank", "Net input"),
        *("Filter bank", "After the log", "Net input"),
        *("Filter bank", "After noise reduction", "After PCAN (gain control)", "After the log", "Net input"),
    ]
    assert heights == sorted(set(heights))


@pytest.mark.usefixtures("matplotlib_installed")
@pytest.mark.parametrize("name", ["silence", "int16 minimum", "one window"])
def test_extreme_sounds_are_drawn_without_a_warning(name: str, recwarn: pytest.WarningsRecorder) -> None:
    png_size(draw_features(FULL, torture_set(FULL)[name], "a $name$ \\frac \udcff \n 日本"))
    assert not recwarn.list


@pytest.mark.usefixtures("matplotlib_installed")
def test_a_long_recording_is_cut_and_says_so(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headings: list[tuple[int, str]] = []

    def noting(spec: FrontendSpec, samples: np.ndarray, heading: str) -> bytes:
        headings.append((len(samples), heading))
        return draw_features(spec, samples, heading)

    monkeypatch.setattr(plot_module, "draw_features", noting)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.random.default_rng(0).integers(-99, 99, 8000 * 40).astype(np.int16), 8000)
    picture = tmp_path / "long.png"
    result = CliRunner().invoke(app, [str(long), "--plot", str(picture), "--json"])
    told = json.loads(result.stdout)
    assert told["frames"] == FrontendSpec().frames_in(16_000 * 40)
    assert told["plotted_s"] == 30.0
    assert headings == [(480_000, "long.wav: the first 30 s of 40.00 s")]
    png_size(picture.read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.png", "long.wav"]


def test_what_cannot_be_drawn_is_told_before_any_work(
    app: typer.Typer, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.npy"
    result = CliRunner().invoke(app, [str(noise), "-o", str(out), "--plot", str(tmp_path / "out.jpg")])
    assert isinstance(result.exception, InputError)
    assert "out.jpg" in str(result.exception)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = CliRunner().invoke(app, [str(noise), "-o", str(out), "--plot", str(tmp_path / "out.png")])
    assert isinstance(result.exception, MissingError)
    assert "edge-ser[plot]" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["noise.wav"]


def test_matplotlib_is_imported_only_to_draw(noise: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from edge_ser.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert not ended.code\n"
        "assert 'edge_ser.frontend.tables' in sys.modules\n"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, "features", str(noise), "-o", str(tmp_path / "out.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
