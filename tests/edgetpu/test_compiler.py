"""Running the compiler, by a stand-in that is not it, and reading what real versions print."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_ser.edgetpu import compiler
from edge_ser.edgetpu.compiler import (
    TableRow,
    compile_models,
    compiler_version,
    failure_reason,
    find_compiler,
    parse_console,
    parse_table,
)
from edge_ser.edgetpu.package import read_compiled
from edge_ser.errors import CheckError, InputError

# A published console output of version 16.0 with four operations, all mapped.
WHOLE = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 62 ms.

Input model: x.tflite
Input size: 9.87KiB
Output model: x_edgetpu.tflite
Output size: 56.59KiB
On-chip memory used for caching model parameters: 49.75KiB
On-chip memory remaining for caching model parameters: 7.68MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 4
Operation log: x_edgetpu.log
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!
"""
OLD = """Edge TPU Compiler version 2.0.267685300

Model compiled successfully in 77 ms.

Input model: dir/net.tflite
Input size: 2.94MiB
Output model: net_edgetpu.tflite
Output size: 3.12MiB
On-chip memory available for caching model parameters: 6.91MiB
On-chip memory used for caching model parameters: 6.89MiB
Off-chip memory used for streaming uncached model parameters: 175.00KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 229
Operation log: net_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. (…) g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 222
Number of operations that will run on CPU: 7
See the operation log file for individual operation details.
"""


# Published console outputs (github.com/google-coral/edgetpu/issues), cut where the operation table gets long.
V2_1 = """Edge TPU Compiler version 2.1.302470888

Model compiled successfully in 12264 ms.

Input model: model2.tflite
Input size: 8.11MiB
Output model: model2_edgetpu.tflite
Output size: 9.47MiB
On-chip memory used for caching model parameters: 6.86MiB
On-chip memory remaining for caching model parameters: 7.75KiB
Off-chip memory used for streaming uncached model parameters: 1.22MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 12
Operation log: model2_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will\
 instead run on the CPU, which is slower. If possible, consider updating your model to use only operations supported\
 by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 10
Number of operations that will run on CPU: 2

Operator                       Count      Status

LOGISTIC                       1          More than one subgraph is not supported
ADD                            10         Mapped to Edge TPU
CONCATENATION                  1          More than one subgraph is not supported
"""
V14_1 = """Edge TPU Compiler version 14.1.317412892
Model compiled successfully in 102 ms.
Input model: model_classifier_CNN.tflite
Input size: 379.89KiB
Output model: model_classifier_CNN_edgetpu.tflite
Output size: 3.28MiB
On-chip memory used for caching model parameters: 3.27MiB
On-chip memory remaining for caching model parameters: 2.84MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 14
Operation log: model_classifier_CNN_edgetpu.log
Operator                       Count      Status
RESHAPE                        1          Mapped to Edge TPU
MAX_POOL_2D                    4          Mapped to Edge TPU
FULLY_CONNECTED                2          Mapped to Edge TPU
CONV_2D                        4          Mapped to Edge TPU
QUANTIZE                       2          Mapped to Edge TPU
SOFTMAX                        1          Mapped to Edge TPU
"""
V15_PAIR = """Edge TPU Compiler version 15.0.340273435
Models compiled successfully in 2988 ms.
Input model: cnn.tflite
Input size: 8.00MiB
Output model: cnn_edgetpu.tflite
Output size: 9.30MiB
On-chip memory used for caching model parameters: 7.16MiB
On-chip memory remaining for caching model parameters: 2.25KiB
Off-chip memory used for streaming uncached model parameters: 2.95MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 313
Operation log: cnn_edgetpu.log
See the operation log file for individual operation details.
Input model: rnn.tflite
Input size: 2.97MiB
Output model: rnn_edgetpu.tflite
Output size: 4.74MiB
On-chip memory used for caching model parameters: 0.00B
On-chip memory remaining for caching model parameters: 2.25KiB
Off-chip memory used for streaming uncached model parameters: 4.53MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 78
Operation log: rnn_edgetpu.log
See the operation log file for individual operation details.
"""
SEARCHED = """Edge TPU Compiler version 16.0.384591198
Searching for valid delegate with step 10
Try to compile segment with 246 ops
Started a compilation timeout timer of 180 seconds.
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!
Try to compile segment with 236 ops
Intermediate tensors: tfl.dequantize,Sigmoid1
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 3133 ms.

Input model: runs/train/exp8/weights/best-int8.tflite
Input size: 6.00MiB
Output model: runs/train/exp8/weights/best-int8_edgetpu.tflite
Output size: 6.47MiB
On-chip memory used for caching model parameters: 5.90MiB
On-chip memory remaining for caching model parameters: 1.16MiB
Off-chip memory used for streaming uncached model parameters: 41.75KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 236
Operation log: runs/train/exp8/weights/best-int8_edgetpu.log
"""


def test_output_of_version_16() -> None:
    logs = parse_console(WHOLE)
    log = logs["x"]
    assert list(logs) == ["x"]
    assert (log.on_chip_bytes, log.streamed_bytes) == (50_944, 0)
    assert log.remaining_bytes == round(7.68 * 2**20)
    assert (log.operations, log.mapped, log.subgraphs) == (4, 4, 1)
    assert log.table == ()


def test_output_of_version_2_with_operations_on_the_host() -> None:
    log = parse_console(OLD)["net"]
    assert (log.operations, log.mapped) == (229, 222)
    assert log.streamed_bytes == 175 * 1024
    # Version 2.0 prints the whole room, of which the used part is gone.
    assert log.remaining_bytes == round(6.91 * 2**20) - round(6.89 * 2**20)


def test_output_of_version_2_1_with_a_table() -> None:
    log = parse_console(V2_1)["model2"]
    assert (log.operations, log.mapped, log.subgraphs) == (12, 10, 1)
    assert (log.streamed_bytes, log.remaining_bytes) == (round(1.22 * 2**20), 7936)
    assert log.table[0] == TableRow("LOGISTIC", 1, "More than one subgraph is not supported")


def test_output_of_version_14_1() -> None:
    log = parse_console(V14_1)["model_classifier_CNN"]
    assert (log.operations, log.mapped) == (14, 14)
    assert [row.count for row in log.table] == [1, 4, 2, 4, 2, 1]


def test_output_of_version_15_about_a_pair() -> None:
    logs = parse_console(V15_PAIR)
    assert [(name, log.operations, log.mapped) for name, log in logs.items()] == [
        ("cnn", 313, 313),
        ("rnn", 78, 78),
    ]
    assert (logs["rnn"].on_chip_bytes, logs["cnn"].on_chip_bytes) == (0, round(7.16 * 2**20))
    assert logs["rnn"].streamed_bytes == round(4.53 * 2**20)


def test_output_of_a_search_that_failed_before_it_succeeded() -> None:
    log = parse_console(SEARCHED)["best-int8"]
    assert (log.operations, log.mapped) == (236, 236)


def test_output_without_lines_about_memory_as_version_1_may_print_it() -> None:
    lines = [
        line for line in WHOLE.splitlines(keepends=True) if "memory" not in line and "subgraphs" not in line
    ]
    log = parse_console("".join(lines))["x"]
    assert (log.on_chip_bytes, log.remaining_bytes, log.streamed_bytes) == (None, None, None)
    assert (log.operations, log.mapped, log.subgraphs) == (4, 4, 0)


@pytest.mark.parametrize("text", ["many", "-1", "4.5", "9" * 5_000])
def test_a_count_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CheckError, match="expected a count"):
        parse_console(WHOLE.replace("operations: 4", f"operations: {text}"))


@pytest.mark.parametrize("text", ["1.2.3KiB", "KiB", "49,75KiB", "49.75"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CheckError, match="expected a size"):
        parse_console(WHOLE.replace("49.75KiB", text))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("model_conv_128x128x3x32x7x10", (("PAD", 1), ("CONV_2D", 11))),
        ("model_dense_2x2x3x100x100", (("FULLY_CONNECTED", 101),)),
    ],
)
def test_tables_of_real_logs(
    name: str, rows: tuple[tuple[str, int], ...], shared_models: Callable[[str], Path]
) -> None:
    table = parse_table(shared_models(f"conv_dense/{name}_edgetpu.log").read_text())
    assert table == tuple(TableRow(op, count, "Mapped to Edge TPU") for op, count in rows)


@pytest.mark.parametrize("cut", ["Total number of operations: 4\n", "Input model: x.tflite\n"])
def test_output_without_a_needed_line_is_refused(cut: str) -> None:
    with pytest.raises(CheckError, match="edgetpu_compiler: its output"):
        parse_console(WHOLE.replace(cut, ""))


def test_both_models_go_in_one_call_without_the_forbidden_switch(
    stand_in: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seen").mkdir()
    monkeypatch.setenv("STAND_IN_SEEN", str(tmp_path / "seen"))
    result = compile_models(stand_in(), {"keyword": b"one", "acoustic": b"two"})
    assert result.version == "16.0.384591198"
    assert (result.tries, result.searched) == (1, False)
    assert (tmp_path / "seen" / "acoustic.tflite").read_bytes() == b"two"
    assert read_compiled(result.models["acoustic"].data).cached_bytes == 50_944
    assert result.models["keyword"].log.table == (
        TableRow("LOGISTIC", 1, "Mapped to Edge TPU"),
        TableRow("CONV_2D", 3, "Mapped to Edge TPU"),
    )
    (call,) = (tmp_path / "calls").read_text().splitlines()
    words = call.split()
    assert words.index("-s") < words.index("-t")
    assert "-a" not in words
    assert [Path(word).name for word in words[-2:]] == ["keyword.tflite", "acoustic.tflite"]


def test_a_partly_mapped_model_is_reported(stand_in: Callable[..., Path]) -> None:
    log = compile_models(stand_in("partial"), {"net": b"x"}).models["net"].log
    assert (log.operations, log.mapped) == (4, 3)
    assert log.table[0].status == "Operation not supported"


def test_an_internal_error_is_tried_again(stand_in: Callable[..., Path]) -> None:
    result = compile_models(stand_in("third-time"), {"net": b"x"})
    assert (result.tries, result.searched) == (3, False)


def test_after_three_internal_errors_the_compiler_searches_and_then_it_is_over(
    stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckError, match="Internal compiler error"):
        compile_models(stand_in("crashes"), {"net": b"x"})
    calls = (tmp_path / "calls").read_text().splitlines()
    assert ["--search_delegate" in call for call in calls] == [False, False, False, True]


def test_a_crash_of_the_compiler_is_tried_again(stand_in: Callable[..., Path]) -> None:
    result = compile_models(stand_in("segfault"), {"net": b"x"})
    assert (result.tries, result.searched) == (3, False)


def test_no_search_where_the_caller_wants_none(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="large activation tensors"):
        compile_models(stand_in("large"), {"net": b"x"}, search=False)
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_a_table_that_is_only_in_the_log_file_is_read_there(stand_in: Callable[..., Path]) -> None:
    log = compile_models(stand_in("table-in-log"), {"net": b"x"}).models["net"].log
    assert [row.op for row in log.table] == ["LOGISTIC", "CONV_2D"]
    assert (log.operations, log.mapped) == (4, 4)


def test_large_activations_go_straight_to_the_search(stand_in: Callable[..., Path], tmp_path: Path) -> None:
    result = compile_models(stand_in("large"), {"net": b"x"})
    # The stand-in prints the failed parts of a search before the one that succeeds, as the compiler does.
    assert (result.searched, result.tries) == (True, 2)
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_older_versions_get_no_switches_they_do_not_know(
    stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckError, match=r"14\.1"):
        compile_models(stand_in("crashes", version="14.1.317412892"), {"net": b"x"})
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 3
    assert not any("-t" in call.split() or "--search_delegate" in call for call in calls)


def test_a_refused_model_gives_the_compilers_reason(stand_in: Callable[..., Path]) -> None:
    with pytest.raises(CheckError, match=r"version '6'.*Model could not be parsed") as caught:
        compile_models(stand_in("refuses"), {"net": b"x"})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("unreadable", "expected a size"), ("writes-nothing", "left no net_edgetpu.tflite")],
)
def test_what_cannot_be_read_is_a_check_error(
    behaviour: str, words: str, stand_in: Callable[..., Path]
) -> None:
    with pytest.raises(CheckError, match=words):
        compile_models(stand_in(behaviour), {"net": b"x"})


def test_a_compiler_that_does_not_end_is_stopped_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "edgetpu_compiler"
    late = tmp_path / "late"
    program.write_text(
        f'#!/bin/sh\ncase "$1" in --version) echo "Edge TPU Compiler version 16.0.1"; exit;; esac\n'
        f'(sleep 3; touch "{late}") &\nwait\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(compiler, "_GRACE_S", 0)
    begin = time.monotonic()
    with pytest.raises(CheckError, match="no end after 1 s"):
        compile_models(program, {"net": b"x"}, timeout_s=1)
    assert time.monotonic() - begin < 2.5
    time.sleep(2.5)
    assert not late.exists()


def test_names_that_cannot_be_files_are_refused(stand_in: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="letters"):
        compile_models(stand_in(), {"../net": b"x"})


def test_a_failure_without_a_reason_says_so() -> None:
    assert failure_reason("Edge TPU Compiler version 16.0\nCompilation failed!") == "it gives no reason"


def test_where_the_compiler_is_looked_for(
    stand_in: Callable[..., Path], no_compiler: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert find_compiler(None) is None
    program = stand_in()
    assert find_compiler(str(program)) == program.absolute()
    monkeypatch.setenv("EDGETPU_COMPILER", str(program))
    assert find_compiler(None) == program.absolute()
    assert find_compiler(str(tmp_path / "absent")) is None
    monkeypatch.delenv("EDGETPU_COMPILER")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_compiler(None) == program.absolute()


def test_another_program_is_not_taken_for_the_compiler() -> None:
    with pytest.raises(CheckError, match="is not edgetpu_compiler"):
        compiler_version(Path("/bin/echo"))
    with pytest.raises(CheckError, match="cannot be run"):
        compiler_version(Path("/absent/edgetpu_compiler"))
