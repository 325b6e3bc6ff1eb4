"""The tensor arena that TensorFlow Lite Micro needs for a model, measured by planning it on this host.

The planner prints its result from C++, so it runs in a child process: its words stay off the command's own
output, and a crash on an odd model is a message.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge_ser.errors import MissingError

_ROOM_BYTES = 32 * 1024 * 1024
_TIMEOUT_S = 60
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_PLAN = f"""
import sys
from tflite_micro import runtime
for path in sys.argv[1:]:
    runtime.Interpreter.from_file(path, arena_size={_ROOM_BYTES}).print_allocations()
"""


def arena_bytes(models: Mapping[str, bytes]) -> dict[str, int]:
    """Arena of each model.

    Args:
        models: models by name.

    Returns:
        Bytes by name, 64-bit host pointers included, which is a little more than on a 32-bit board.

    Raises:
        MissingError: tflite-micro is not installed, or it cannot plan one of the models.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        message = "arena: tflite-micro is not installed; pip install 'edge-ser[micro]'"
        raise MissingError(message)
    with tempfile.TemporaryDirectory(prefix="edge-ser-arena-") as folder:
        paths = [Path(folder) / f"{index}.tflite" for index in range(len(models))]
        for path, data in zip(paths, models.values(), strict=True):
            path.write_bytes(data)
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PLAN, *(str(path) for path in paths)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"arena: TensorFlow Lite Micro did not end within {_TIMEOUT_S} s"
            raise MissingError(message) from None
    text = done.stdout.decode("utf-8", errors="replace")
    totals = [int(match.group(1)) for match in _TOTAL.finditer(text)]
    if done.returncode != 0 or len(totals) != len(models):
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no output")
        message = f"arena: TensorFlow Lite Micro cannot load the model ({last[:160]}); check its operations"
        raise MissingError(message)
    return dict(zip(models, totals, strict=True))
