"""`import edge_ser`: light, the names that a person needs, every one with an example that runs, no second pipeline."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edge_ser
from edge_ser.audio import write_wav
from edge_ser.errors import InputError

HERE = Path(__file__).resolve().parent
NAMES = [name for name in edge_ser.__all__ if name != "__version__"]
RATE = 16_000


def make_speech(path: Path) -> None:
    """Two seconds of a buzz that swells twice a second, in noise."""
    seconds = np.arange(2 * RATE) / RATE
    rng = np.random.default_rng(0)
    buzz = 8000 * np.sin(2 * np.pi * 150 * seconds) * np.sin(2 * np.pi * 2 * seconds)
    write_wav(path, (buzz + 300 * rng.normal(size=len(seconds))).astype(np.int16), RATE)


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the examples: a recording, and a file in the form of a compiled one."""
    monkeypatch.syspath_prepend(str(HERE / "edgetpu"))
    from package_builder import Compiled

    make_speech(tmp_path / "speech.wav")
    (tmp_path / "net_edgetpu.tflite").write_bytes(Compiled().data())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["", *NAMES])
def test_every_name_has_an_example_and_it_runs(name: str, examples: Path) -> None:
    thing = getattr(edge_ser, name) if name else edge_ser
    found = [
        test for test in doctest.DocTestFinder(recurse=True).find(thing, name or "edge_ser") if test.examples
    ]
    assert found, f"edge_ser.{name} has no example"
    said: list[str] = []
    for test in found:
        test.globs = {}
        doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=said.append)
    assert not said, "".join(said)


def test_every_name_is_documented_and_written_out_for_type_checkers() -> None:
    written = Path(edge_ser.__file__).read_text()
    typed = written[written.index("if TYPE_CHECKING:") : written.index("else:")]
    for name in NAMES:
        assert getattr(edge_ser, name).__doc__, name
        assert name in typed, name
        assert f"`{name}`" in (edge_ser.__doc__ or ""), name
    assert set(NAMES) <= set(dir(edge_ser))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="clasify"):
        _ = edge_ser.clasify


def test_importing_it_imports_nothing_else() -> None:
    listing = "print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    script = f"import sys, edge_ser; {listing}"
    bare = [sys.executable, "-I", "-c", script.replace(", edge_ser", "")]
    with_it = [sys.executable, "-I", "-c", script]
    before, after = (
        set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        for command in (bare, with_it)
    )
    assert after - before == {"edge_ser"}


def test_classify_is_what_the_command_prints(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edge_ser.cli.classify import classify

    classify([Path("speech.wav")], as_json=True)
    (printed,) = json.loads(capsys.readouterr().out)["files"]
    answer = edge_ser.classify("speech.wav", edge_ser.Bundle.read(edge_ser.shipped_bundle()))
    assert len(printed["segments"]) == len(answer.segments)
    for row, part in zip(printed["segments"], answer.segments, strict=True):
        assert (row["start"], row["end"], row["emotion"]) == (part.start_s, part.end_s, part.emotion)
        assert list(row["scores"]) == list(answer.labels)
        assert list(row["scores"].values()) == [round(score, 4) for score in part.scores]


def test_estimate_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    from edge_ser.cli.estimate import estimate

    estimate(edge_ser.shipped_bundle(), as_json=True)
    printed = json.loads(capsys.readouterr().out)
    found = edge_ser.estimate(edge_ser.Bundle.read(edge_ser.shipped_bundle()))
    assert printed["ms"]["mid"] == round(found.ms.mid, 4)
    assert [term["term"] for term in printed["terms"]] == [name for name, _ in found.terms]
    assert sorted(printed["operations"]) == ["acoustic", "keyword"]


@pytest.mark.parametrize("name", ["classify", "features", "check", "inspect", "estimate", "load"])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.bin"):
        getattr(edge_ser, name)(tmp_path / "absent.bin")


def test_a_recording_that_is_no_recording_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is text")
    for use in (edge_ser.classify, edge_ser.features):
        with pytest.raises(InputError, match=r"text\.wav"):
            use(text)


def test_features_of_less_than_a_window(tmp_path: Path) -> None:
    write_wav(tmp_path / "click.wav", np.ones(100, np.int16), RATE)
    with pytest.raises(InputError, match="shorter than one window"):
        edge_ser.features(tmp_path / "click.wav")


def test_inspect_needs_a_file() -> None:
    with pytest.raises(TypeError, match="at least one"):
        edge_ser.inspect()


def test_a_bundle_has_its_own_sources() -> None:
    with pytest.raises(InputError, match="leave it out"):
        edge_ser.estimate(edge_ser.shipped_bundle(), source="net.tflite")


def test_a_type_checker_knows_the_names(tmp_path: Path) -> None:
    script = tmp_path / "use.py"
    script.write_text(
        "import edge_ser\n"
        "reveal_type(edge_ser.classify('a.wav').recording.emotion)\n"
        "reveal_type(edge_ser.check('a.tflite').maps_fully)\n"
        "edge_ser.clasify('a.wav')\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    shown = done.stdout.splitlines()
    assert [line.rpartition("is ")[2].strip('"') for line in shown if "Revealed" in line] == [
        "str",
        "bool",
    ], shown
    assert any("clasify" in line and "attr-defined" in line for line in shown), shown
