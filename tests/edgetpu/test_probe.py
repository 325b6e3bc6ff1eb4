"""The probe pack: every model runs, asks what it says, and the stand-in's answers reach the table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edge_ser.edgetpu.compilers import LATEST
from edge_ser.edgetpu.model import read_model
from edge_ser.edgetpu.op_table import read_table, write_table
from edge_ser.edgetpu.patterns import pattern_of
from edge_ser.edgetpu.probe import PROBES, Probe, probe_files
from edge_ser.edgetpu.probing import SCRIPT, ask_compiler, predictions, read_answers, write_pack
from edge_ser.edgetpu.rules import RULES, check_model
from edge_ser.errors import CheckError, InputError

# A STAND-IN for edgetpu_compiler, for tests only. It is NOT the compiler and compiles nothing: it prints what version
# 16.0 prints (shapes from published logs) and decides by the name of the probe.
STAND_IN = """#!/bin/sh
out=.
for word in "$@"; do
  case "$word" in
    -v|--version) echo "Edge TPU Compiler version 16.0.384591198"; exit 0 ;;
    *.tflite) model=$word ;;
    --search_delegate) exit 1 ;;
  esac
  [ "$previous" = -o ] && out=$word
  previous=$word
done
name=$(basename "$model" .tflite)
echo "Edge TPU Compiler version 16.0.384591198"
case "$name" in
  version-conv-2d-6) ;;
  version-*)
    echo "ERROR: Didn't find op for builtin opcode 'X' version 'N'."
    echo "Invalid model: $model"
    echo "Model could not be parsed"
    exit 1 ;;
  batch-matmul)
    echo "Internal compiler error. Aborting!"
    exit 1 ;;
esac
case "$name" in
  transpose-0213|leaky-relu)
    on=0; status="Operation is otherwise supported, but not mapped due to some unspecified limitation" ;;
  *) on=1; status="Mapped to Edge TPU" ;;
esac
echo "Model compiled successfully in 6 ms."
echo
echo "Input model: $model"
echo "On-chip memory used for caching model parameters: 1.00KiB"
echo "On-chip memory remaining for caching model parameters: 7.68MiB"
echo "Off-chip memory used for streaming uncached model parameters: 0.00B"
echo "Number of Edge TPU subgraphs: $on"
echo "Total number of operations: 1"
echo "Number of operations that will run on Edge TPU: $on"
echo
echo "Operator                       Count      Status"
echo
echo "SOMETHING                      1          $status"
echo "Compilation succeeded! "
: > "$out/${name}_edgetpu.tflite"
"""


@pytest.fixture
def stand_in_program(tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "edgetpu_compiler"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_probe_model_runs_in_litert(probe: Probe) -> None:
    interpreter = Interpreter(model_content=probe.build())
    interpreter.allocate_tensors()
    rng = np.random.default_rng(3)
    for detail in interpreter.get_input_details():
        limits = np.iinfo(detail["dtype"])
        values = rng.integers(limits.min, limits.max, detail["shape"]).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    for detail in interpreter.get_output_details():
        result = interpreter.get_tensor(detail["index"])
        assert result.dtype in (np.int8, np.uint8)
        # A result that never varies would compile into nothing.
        assert len(np.unique(result)) > 1


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probe_asks_what_it_says(probe: Probe) -> None:
    model = read_model(probe.build(), probe.name)
    first = model.operators[0]
    if probe.ladder:
        assert (first.name, first.version) == (probe.ladder, probe.version)
    elif probe.pattern:
        assert len(model.operators) == 1
        assert pattern_of(first) == probe.pattern
        speaking = next((rule.name for rule in RULES if rule.look(first, LATEST) is not None), "")
        assert speaking == probe.rule
    else:
        assert len(model.operators) > 1


def test_the_pack_is_about_seventy_small_models() -> None:
    files = probe_files()
    assert 60 <= len(files) <= 80
    assert max(map(len, files.values())) < 20_000
    assert len({probe.pattern for probe in PROBES if probe.pattern}) == sum(bool(p.pattern) for p in PROBES)
    assert files == probe_files()


def test_probes_are_made_without_tensorflow_and_without_litert() -> None:
    script = (
        "import sys; from edge_ser.edgetpu.probe import probe_files; probe_files();"
        "print(*{'tensorflow', 'keras', 'ai_edge_litert'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_rules_predict_every_probe() -> None:
    predicted = predictions()
    assert predicted["conv-3x3"] == "mapped"
    assert predicted["batch-matmul"] == "host"
    assert predicted["layer-norm"] == "unknown"
    assert predicted["version-quantize-3"] == "refused"


def test_answers_of_a_compiler_win_over_the_rules(stand_in_program: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    table = ask_compiler(stand_in_program, steps.append)
    assert len(steps) == len(PROBES)
    assert table.compiler == "16.0.384591198"
    write_table(tmp_path / "table.json", table)
    assert read_table(tmp_path / "table.json") == table
    files = probe_files()

    def verdict(name: str) -> tuple[str, str, str]:
        first = check_model(read_model(files[name], name), LATEST, table).ops[0]
        return first.verdict, first.rule, first.confidence

    assert verdict("conv-3x3") == ("mapped", "your-compiler", "your compiler")
    assert verdict("transpose-0213") == ("host", "your-compiler", "your compiler")
    assert verdict("transpose-0321") == ("mapped", "your-compiler", "your compiler")
    # The rules say host, the stand-in maps it; for leaky-relu both say host and the rule's rewrite is kept.
    assert verdict("hard-swish") == ("mapped", "your-compiler", "your compiler")
    leaky = check_model(read_model(files["leaky-relu"], "leaky"), LATEST, table).ops[0]
    assert (leaky.verdict, leaky.rule) == ("host", "your-compiler")
    assert "PRELU" in leaky.hint
    assert "unspecified limitation" in leaky.reason
    assert verdict("batch-matmul") == ("host", "your-compiler", "your compiler")
    by_name = {result.probe: result for result in table.results}
    assert by_name["batch-matmul"].accepted
    assert not by_name["version-quantize-3"].accepted


def test_version_ladders_move_the_ceiling(stand_in_program: Path) -> None:
    table = ask_compiler(stand_in_program, lambda _steps: None)
    assert table.newest == {
        "CONV_2D": 6,
        "DEPTHWISE_CONV_2D": 6,
        "FULLY_CONNECTED": 9,
        "QUANTIZE": 2,
        "TRANSPOSE": 5,
        "TRANSPOSE_CONV": 3,
    }
    conv = read_model(probe_files()["version-conv-2d-6"], "conv")
    assert check_model(conv).refused
    assert check_model(conv, LATEST, table).maps_fully
    quantize = check_model(read_model(probe_files()["version-quantize-3"], "quantize"), LATEST, table)
    assert quantize.refused
    assert quantize.ops[0].confidence == "your compiler"


def test_rules_about_what_no_probe_asks_still_speak(stand_in_program: Path) -> None:
    from tflite_builder import Builder

    table = ask_compiler(stand_in_program, lambda _steps: None)
    for dtype, shape, rule in (
        ("float32", (1, 8, 8, 8), "data-type"),
        ("int8", (2, 8, 8, 8), "three-inner-dimensions"),
        ("int8", (1, 8, 8, 8), "your-compiler"),
    ):
        builder = Builder()
        source, result = builder.tensor(shape, dtype), builder.tensor(shape, dtype)
        builder.op("HARD_SWISH", [source], [result])
        report = check_model(read_model(builder.finish([source], [result]), "x"), LATEST, table)
        assert report.ops[0].rule == rule


def test_a_pack_compiled_elsewhere_gives_the_same_table(stand_in_program: Path, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    write_pack(pack)
    assert len(list(pack.glob("*.tflite"))) == len(PROBES)
    with pytest.raises(InputError, match=f"run {SCRIPT}"):
        read_answers(pack)
    path = f"{stand_in_program.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([str(pack / SCRIPT)], env={**os.environ, "PATH": path}, check=True, cwd=tmp_path)
    asked = ask_compiler(stand_in_program, lambda _steps: None)
    got = read_answers(pack)
    assert got.compiler == asked.compiler
    assert [(r.probe, r.accepted, r.mapped) for r in got.results] == [
        (r.probe, r.accepted, r.mapped) for r in asked.results
    ]


def test_a_compiler_that_maps_nothing_is_no_compiler(
    make_broken: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckError, match="maps none of the probe models"):
        ask_compiler(make_broken("echo 'Internal compiler error. Aborting!'; exit 1"), lambda _steps: None)
    pack = tmp_path / "pack"
    write_pack(pack)
    (pack / "version.txt").write_text("Edge TPU Compiler version 16.0.384591198\n")
    for probe in PROBES:
        (pack / f"{probe.name}.txt").write_text("sh: edgetpu_compiler: not found\n")
    with pytest.raises(InputError, match="mapped none of the probe models"):
        read_answers(pack)
    (pack / "version.txt").write_text("what?\n" * 9000)
    with pytest.raises(InputError, match="is not known"):
        read_answers(pack)


@pytest.fixture
def make_broken(tmp_path: Path) -> Callable[[str], Path]:
    """A program that has the compiler's version and otherwise does what it is told; NOT the compiler."""

    def make(command: str) -> Path:
        program = tmp_path / "broken_compiler"
        version = "Edge TPU Compiler version 16.0.384591198"
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "{version}"; exit 0; }}\n{command}\n')
        program.chmod(0o755)
        return program

    return make
