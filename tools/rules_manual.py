"""Write `docs/edgetpu-rules.md` from the rules: `python tools/rules_manual.py`."""

from __future__ import annotations

from pathlib import Path

from edge_ser.edgetpu.rules_manual import manual
from edge_ser.files import write_atomically

PLACE = Path(__file__).resolve().parents[1] / "docs" / "edgetpu-rules.md"

if __name__ == "__main__":
    write_atomically(PLACE, manual().encode())
    print(PLACE)
