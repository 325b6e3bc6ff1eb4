"""Fuzz what a board reads from its lines (frame reader and protocol), with libFuzzer and two sanitizers.

python tools/fuzz_frame.py --seconds 600 --corpus DIR      needs clang; exit 1 where an input breaks something

The target is firmware_bridge/boards/host/fuzz_frame.c; the address and the undefined-behaviour sanitizer watch.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge_ser.errors import CheckError, EdgeSerError
from firmware_bridge.host_process import C_FLAGS, INCLUDES, headers
from firmware_bridge.programs import BOARDS, CORE, Compiler, Program, find_tool

_SANITIZERS = ("-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
_LONGEST_INPUT = 4200
_MARGIN_S = 120.0


def fuzz(folder: Path, seconds: int, corpus: Path) -> dict[str, object]:
    """Build the target and run it.

    Raises:
        MissingError: there is no clang.
        CheckError: an input broke something; its file is named.
    """
    compiler = Compiler(find_tool("clang", "on Debian: apt install clang"))
    sources = (
        BOARDS / "host" / "fuzz_frame.c",
        *(CORE / f"{name}.c" for name in ("frame", "protocol", "crc32")),
    )
    flags = (*C_FLAGS, *INCLUDES, *_SANITIZERS)
    program = Program("fuzz_frame", sources, flags, link_flags=_SANITIZERS, watched=headers())
    executable = compiler.build(program, folder)
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(executable), f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}"]
    command += [f"-artifact_prefix={corpus.absolute()}-", str(corpus.absolute())]
    begin = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _MARGIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"fuzz_frame: no end {_MARGIN_S:g} s after its time; an input may hang it"
        raise CheckError(message) from None
    took = time.monotonic() - begin
    if done.returncode != 0:
        message = f"fuzz_frame: {done.stderr.strip()[-2000:]}"
        raise CheckError(message)
    ran = re.search(r"Done (\d+) runs", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    return {
        "runs": int(ran[1]) if ran else 0,
        "seconds": round(took, 1),
        "edges": int(covered[-1]) if covered else 0,
        "corpus": len(list(corpus.iterdir())),
        "clean": True,
    }


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument(
        "--corpus", type=Path, default=Path("build/fuzz_frame"), help="inputs, kept between runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="edge-ser-fuzz-") as folder:
            found = fuzz(Path(folder), arguments.seconds, arguments.corpus)
    except EdgeSerError as error:
        print(f"fuzz_frame: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{found['runs']} inputs in {found['seconds']} s, {found['edges']} edges, clean")


if __name__ == "__main__":
    main()
