"""The extension module that `setup.py` builds from the C core, where there is one. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

_native: Any = None
WHY_NOT = ""
"""Why the extension is missing and how to get it; ``""`` where it is there."""
try:
    from edge_ser.frontend import _native  # type: ignore[attr-defined,no-redef]
except ImportError as error:
    WHY_NOT = f"{error}; install a C compiler (apt install gcc libc6-dev), then reinstall edge-ser"

NATIVE: Any = _native
"""cffi's module with ``ffi`` and ``lib``; ``None`` where it was not built."""

BUILT = NATIVE is not None
"""Whether it is there."""
