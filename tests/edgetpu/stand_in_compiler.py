"""A STAND-IN for edgetpu_compiler, for tests only. It is NOT the compiler and compiles nothing.

It takes the compiler's switches, prints what version 16.0 prints (shapes from published logs) and writes
placeholder bytes. ``STAND_IN`` chooses how it behaves; every call is appended to the file
named in ``STAND_IN_CALLS``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

PLACEHOLDER = b"placeholder of the stand-in, not a compiled model: "
SUCCESS = """
Input model: {input}
Input size: 9.87KiB
Output model: {output}
Output size: 56.59KiB
On-chip memory used for caching model parameters: {cached}
On-chip memory remaining for caching model parameters: 7.68MiB
Off-chip memory used for streaming uncached model parameters: {streamed}
Number of Edge TPU subgraphs: 1
Total number of operations: 4
Operation log: {log}
{partial}
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
    if behaviour == "crashes" or (behaviour == "third-time" and earlier < 2):
        sys.stdout.write("Internal compiler error. Aborting!\n")
        return 1
    sys.stdout.write(
        "Started a compilation timeout timer of 180 seconds.\n\nModels compiled successfully in 62 ms.\n"
    )
    for model in chosen.models:
        output = f"{model.stem}_edgetpu.tflite"
        partial = behaviour == "partial"
        text = SUCCESS.format(
            input=model,
            output=output,
            log=f"{model.stem}_edgetpu.log",
            cached="49.75KiB" if behaviour != "unreadable" else "plenty",
            streamed="1.44MiB" if behaviour == "streams" else "0.00B",
            partial=PARTIAL if partial else "",
            status="Operation not supported" if partial else "Mapped to Edge TPU",
        )
        sys.stdout.write(text)
        if behaviour != "writes-nothing":
            (chosen.out_dir / output).write_bytes(PLACEHOLDER + model.read_bytes())
    sys.stdout.write("Compilation child process completed within timeout period.\nCompilation succeeded! \n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
