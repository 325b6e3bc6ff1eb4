"""A STAND-IN for edgetpu_compiler, for tests only. It is NOT the compiler and compiles nothing.

It takes the compiler's switches, prints what version 16.0 prints (shapes from published logs) and writes small
files of zeros in the form of compiled ones, whatever model it is given. ``STAND_IN`` chooses how it behaves; every
call is appended to the file named in ``STAND_IN_CALLS``, every model to the folder named in ``STAND_IN_SEEN``.
``STAND_IN_COPY`` names a real compiled file that it then hands out in place of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

PLACEHOLDER = b"placeholder of the stand-in, not a compiled model: "
CACHED = 50_944
STREAMED = 1_509_952
BLOCK = """
Input model: {input}
Input size: 9.87KiB
Output model: {output}
Output size: 56.59KiB
On-chip memory used for caching model parameters: {cached}
On-chip memory remaining for caching model parameters: 7.68MiB
Off-chip memory used for streaming uncached model parameters: {streamed}
Number of Edge TPU subgraphs: {parts}
Total number of operations: 4
Operation log: {log}
{partial}"""
TABLE = """
Operator                       Count      Status

LOGISTIC                       1          {status}
CONV_2D                        3          Mapped to Edge TPU
"""
PARTIAL = """
Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model\
 will instead run on the CPU, which is slower. If possible, consider updating your model to use only\
 operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 3
Number of operations that will run on CPU: 1
"""
REFUSED = """ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. An older version of this builtin\
 might be supported. Are you using an old TFLite binary with a newer model?

ERROR: Registration failed.

Invalid model: {input}
Model could not be parsed
"""
TOO_LARGE = """ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!"""
# What a search prints before it succeeds (github.com/google-coral/edgetpu/issues/651).
SEARCH = f"""Searching for valid delegate with step 1
Try to compile segment with 4 ops
Started a compilation timeout timer of 180 seconds.
{TOO_LARGE}
Try to compile segment with 3 ops
Intermediate tensors: after
"""


def _compiled(model: Path, behaviour: str) -> bytes:
    copied = os.environ.get("STAND_IN_COPY")
    if copied:
        return Path(copied).read_bytes()
    if behaviour == "garbage":
        return PLACEHOLDER + model.read_bytes()
    kind = f"{behaviour}-{model.stem}" if behaviour == "two-tokens" else behaviour
    # Kept beside the list of calls: writing a file takes modules that take longer to load than all the rest.
    kept = Path(os.environ["STAND_IN_CALLS"]).with_name(f"stand-in-{kind}.tflite")
    if not kept.exists():
        kept.write_bytes(_written(model, behaviour))
    return kept.read_bytes()


def _written(model: Path, behaviour: str) -> bytes:
    from package_builder import TOKEN, Compiled, Layer

    made = {
        "partial": Compiled(cached=CACHED, host=("LOGISTIC",)),
        "hides-host-ops": Compiled(cached=CACHED, host=("LOGISTIC",)),
        "streams": Compiled(cached=CACHED, streamed=STREAMED),
        "two-parts": Compiled(cached=CACHED, ops=2),
        "scratch": Compiled(cached=CACHED, scratch=672, deterministic=False),
        "two-inputs": Compiled(cached=CACHED, inputs=(Layer("in", 16), Layer("state", 16))),
        "two-tokens": Compiled(cached=CACHED, token=TOKEN + len(model.stem)),
        "large-file": Compiled(cached=1_000_000),
    }
    return made.get(behaviour, Compiled(cached=CACHED)).data()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", "--version", action="store_true")
    parser.add_argument("-s", "--show_operations", action="store_true")
    parser.add_argument("-t", "--timeout_sec")
    parser.add_argument("-d", "--search_delegate", action="store_true")
    parser.add_argument("-o", "--out_dir", type=Path)
    parser.add_argument("models", nargs="*", type=Path)
    chosen = parser.parse_args()
    version = os.environ.get("STAND_IN_VERSION", "16.0.384591198")
    sys.stdout.write(f"Edge TPU Compiler version {version}\n")
    if chosen.version:
        return 0
    with Path(os.environ["STAND_IN_CALLS"]).open("a", encoding="utf-8") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    earlier = len(Path(os.environ["STAND_IN_CALLS"]).read_text(encoding="utf-8").splitlines()) - 1
    behaviour = os.environ.get("STAND_IN", "good")
    if behaviour == "refuses":
        sys.stdout.write(REFUSED.format(input=chosen.models[0]))
        return 1
    if behaviour == "large" and not chosen.search_delegate:
        sys.stdout.write(TOO_LARGE)
        return 1
    if behaviour == "segfault" and earlier < 2:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGSEGV)
    if behaviour == "crashes" or (behaviour == "third-time" and earlier < 2):
        sys.stdout.write("Internal compiler error. Aborting!\n")
        return 1
    if chosen.search_delegate:
        sys.stdout.write(SEARCH)
    sys.stdout.write(
        "Started a compilation timeout timer of 180 seconds.\n\nModels compiled successfully in 62 ms.\n"
    )
    for model in chosen.models:
        _compile(model, chosen.out_dir, behaviour)
    sys.stdout.write("Compilation child process completed within timeout period.\nCompilation succeeded! \n")
    return 0


def _compile(model: Path, out: Path, behaviour: str) -> None:
    if "STAND_IN_SEEN" in os.environ:
        (Path(os.environ["STAND_IN_SEEN"]) / model.name).write_bytes(model.read_bytes())
    output = f"{model.stem}_edgetpu.tflite"
    partial = behaviour == "partial"
    shown = behaviour != "table-in-log"
    table = TABLE.format(status="Operation not supported" if partial else "Mapped to Edge TPU")
    sys.stdout.write(
        BLOCK.format(
            input=model,
            output=output,
            log=f"{model.stem}_edgetpu.log",
            cached="49.75KiB" if behaviour != "unreadable" else "plenty",
            streamed="1.44MiB" if behaviour == "streams" else "0.00B",
            parts=2 if behaviour == "two-parts" else 1,
            partial=PARTIAL if partial else "",
        )
    )
    sys.stdout.write(table if shown else "See the operation log file for individual operation details.\n")
    if behaviour != "writes-nothing":
        (out / output).write_bytes(_compiled(model, behaviour))
        head = f"Edge TPU Compiler version 16.0\nInput: {model}\nOutput: {output}\n"
        (out / f"{model.stem}_edgetpu.log").write_text(head + table, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
