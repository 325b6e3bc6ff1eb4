"""What `edge-ser firmware` writes: equal bytes each time, in the repository's style, never over what is not its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coral_cases import stand_in_bundle, with_compiled
from typer.testing import CliRunner

from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.cli.main import app as command_line
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.tflm_ops import BOARD_OPS
from edge_ser.errors import CheckError, InputError
from edge_ser.npz import npy_bytes
from edge_ser.spec_file import spec_from_dict
from firmware_bridge.app_folder import SUMS, write_app_folder
from firmware_bridge.generate import CLOCK_MODES, firmware_app
from firmware_bridge.op_resolver import method_of

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(shipped_bundle())


def _with_spec(bundle: Bundle, table: str, key: str, value: Any) -> Bundle:
    told = bundle.spec.to_dict()
    told[table][key] = value
    return Bundle(spec_from_dict(told), bundle.members, bundle.provenance, bundle.made_by)


def test_equal_bundles_give_equal_bytes(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "copy.edgeser", bundle)
    first, second = firmware_app(bundle), firmware_app(read_bundle(tmp_path / "copy.edgeser"))
    assert first.files == second.files
    other = firmware_app(_with_spec(bundle, "firmware", "clock", "low"))
    assert other.files["generated/app_data.h"] != first.files["generated/app_data.h"]


def test_generated_files_name_the_bundle_and_no_place_of_this_machine(bundle: Bundle) -> None:
    app = firmware_app(bundle)
    for name, data in app.files.items():
        assert str(REPOSITORY).encode() not in data, name
        assert str(Path.home()).encode() + b"/" not in data, name
        if name.startswith("generated/") or "/" not in name:
            head = data[:400].decode()
            assert f"from the bundle {bundle.spec.name}" in head, name
            assert bundle.build_id in head, name


@pytest.mark.parametrize("compiled", [False, True])
def test_code_is_in_the_repositorys_style(bundle: Bundle, tmp_path: Path, compiled: bool) -> None:
    tool = REPOSITORY / ".venv" / "bin" / "clang-format"
    found = str(tool) if tool.exists() else shutil.which("clang-format")
    if found is None:
        pytest.skip("clang-format is not installed: pip install 'edge-ser[dev]'")
    app = firmware_app(with_compiled(bundle) if compiled else bundle)
    shutil.copy(REPOSITORY / ".clang-format", tmp_path)
    write_app_folder(tmp_path / "app", app.files)
    code = [str(tmp_path / "app" / name) for name in app.files if name.endswith((".c", ".cc", ".h"))]
    done = subprocess.run(
        [found, "--dry-run", "--Werror", *code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_resolver_has_just_the_operations_of_the_files(bundle: Bundle) -> None:
    cpu, tpu = firmware_app(with_compiled(bundle)).builds
    names = {
        op.name
        for member in ("keyword.tflite", "acoustic.tflite")
        for op in read_model(bundle.member(member), member).operators
    }
    assert set(cpu.calls) == {f"{method_of(name)}()" for name in names}
    assert len(cpu.calls) == len(names)
    assert tpu.calls == ("AddCustom(coralmicro::kCustomOp, coralmicro::RegisterCustomOp())",)
    text = firmware_app(with_compiled(bundle)).files["generated/op_resolver.h"].decode()
    on_cpu, on_tpu = text.split("#else")
    assert re.findall(r"resolver->(\w+\(\))", on_cpu) == list(cpu.calls)
    assert f"MicroMutableOpResolver<{len(cpu.calls)}>" in on_cpu
    assert "MicroMutableOpResolver<1>" in on_tpu
    assert "AddConv2D" not in on_tpu


def test_methods_are_named_as_tensorflow_lite_micro_names_them() -> None:
    names = {name: method_of(name) for name in BOARD_OPS}
    assert len(set(names.values())) == len(names)
    assert all(re.fullmatch(r"Add[A-Z][A-Za-z0-9]*", method) for method in names.values())
    odd = (
        "CONV_2D",
        "L2_POOL_2D",
        "PADV2",
        "CUMSUM",
        "GATHER_ND",
        "SVDF",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "ADD_N",
    )
    assert [names[name] for name in odd] == [
        "AddConv2D",
        "AddL2Pool2D",
        "AddPadV2",
        "AddCumSum",
        "AddGatherNd",
        "AddSvdf",
        "AddUnidirectionalSequenceLSTM",
        "AddAddN",
    ]


def test_without_compiled_files_the_edge_tpu_build_says_so(bundle: Bundle) -> None:
    app = firmware_app(bundle)
    cpu, tpu = app.builds
    assert not cpu.problem
    assert "edge-ser compile" in tpu.problem
    assert "-DCPU_FALLBACK=ON" in tpu.problem
    assert tpu.problem.replace('"', '\\"') in app.files["CMakeLists.txt"].decode()
    assert b"#error" in app.files["generated/app_data.h"]
    assert not any("edgetpu" in name for name in app.files)
    whole = firmware_app(with_compiled(bundle))
    assert not whole.builds[1].problem
    assert b'FATAL_ERROR "The bundle' not in whole.files["CMakeLists.txt"]
    assert b"#error" not in whole.files["generated/app_data.h"]
    assert whole.files["models/keyword_edgetpu.tflite"] == with_compiled(bundle).member(
        "keyword_edgetpu.tflite"
    )


@pytest.mark.parametrize("clock", CLOCK_MODES)
def test_clock_comes_from_the_spec(bundle: Bundle, clock: str) -> None:
    text = firmware_app(_with_spec(bundle, "firmware", "clock", clock)).files["generated/app_data.h"].decode()
    assert f"kClockMode = {CLOCK_MODES.index(clock)};" in text


def test_unknown_clock_is_refused(bundle: Bundle) -> None:
    with pytest.raises(InputError, match=r"firmware\.clock"):
        _with_spec(bundle, "firmware", "clock", "turbo")


def test_every_source_is_compiled_and_every_model_flashed(bundle: Bundle) -> None:
    app = firmware_app(with_compiled(bundle))
    listing = app.files["CMakeLists.txt"].decode()
    sources = {name for name in app.files if name.endswith((".c", ".cc"))}
    assert set(re.findall(r"^  (\S+\.cc?)$", listing, re.MULTILINE)) == sources
    assert "core/listener.c" in sources
    for name in app.files:
        if name.startswith("models/"):
            assert name.removeprefix("models/") in listing


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("scores", np.zeros(5, np.int32)),
        ("samples", np.zeros(46_400, np.int32)),
        ("features", np.zeros((1, 40), np.uint8)),
    ],
)
def test_golden_vectors_of_another_shape_are_refused(bundle: Bundle, name: str, values: np.ndarray) -> None:
    wrong = bundle.with_members({f"golden/{name}.npy": npy_bytes(values)})
    with pytest.raises(InputError, match=f"golden/{name}.npy is"):
        firmware_app(wrong)


def test_no_build_at_all_is_an_error(bundle: Bundle) -> None:
    swapped = {
        "keyword.tflite": bundle.member("acoustic.tflite"),
        "acoustic.tflite": bundle.member("keyword.tflite"),
    }
    with pytest.raises(CheckError, match=r"keyword\.tflite has tensors uint8 of 5760 bytes"):
        firmware_app(bundle.with_members(swapped))


def test_folder_is_replaced_only_where_it_was_written_so(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    write_app_folder(folder, {"a/b.txt": b"one", "c.txt": b"two"})
    write_app_folder(folder, {"a/b.txt": b"three"})
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [SUMS, "b.txt"]
    assert (folder / "a" / "b.txt").read_bytes() == b"three"
    (folder / "mine.txt").write_text("work")
    with pytest.raises(InputError, match=r"mine\.txt: was not written by edge-ser firmware"):
        write_app_folder(folder, {"a/b.txt": b"four"})
    (folder / "mine.txt").unlink()
    (folder / "a" / "b.txt").write_text("edited")
    with pytest.raises(InputError, match=r"b\.txt: was changed since"):
        write_app_folder(folder, {"a/b.txt": b"four"})
    assert (folder / "a" / "b.txt").read_text() == "edited"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="is not empty"):
        write_app_folder(other, {"a": b""})


def test_unchanged_folder_is_left_as_it_is(tmp_path: Path) -> None:
    write_app_folder(tmp_path / "app", {"a": b"one"})
    before = (tmp_path / "app" / "a").stat()
    write_app_folder(tmp_path / "app", {"a": b"one"})
    assert (tmp_path / "app" / "a").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "app" / "a").stat().st_ino == before.st_ino


def test_command(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    done = CliRunner().invoke(command_line, ["firmware", str(shipped_bundle()), "-o", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["files"].keys() == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {SUMS}
    assert told["bytes"] == sum(told["files"].values())
    assert [build["possible"] for build in told["builds"]] == [True, False]


def test_golden_file_is_what_the_header_says(bundle: Bundle) -> None:
    data = firmware_app(stand_in_bundle()).files["models/golden.bin"]
    spec, made = bundle.spec, stand_in_bundle()
    scores = len(spec.acoustic.classes) * 4
    assert data[:scores] == made.array("golden/scores.npy").astype("<i4").tobytes()
    samples = made.array("golden/samples.npy").astype("<i2").tobytes()
    assert data[scores : scores + len(samples)] == samples
    assert len(data) % 4 == 0
