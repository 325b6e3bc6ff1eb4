"""What a first answer must not wait for. The tools measure the seconds; the cause of a slow start is an import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from live_cases import write_noise

HEAVY = ("scipy", "sklearn", "matplotlib", "tensorflow", "joblib", "jinja2", "torch")


@pytest.mark.parametrize("command", ["classify", "listen"])
def test_an_answer_needs_nothing_heavy(command: str, tmp_path: Path) -> None:
    file = write_noise(tmp_path / "a.wav", 0.6)
    arguments = [command, *(["--from"] if command == "listen" else []), str(file), "--json"]
    script = (
        f"import sys\nsys.argv = {['edge-ser', *arguments]!r}\nfrom edge_ser.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"sys.exit(' '.join(sorted(set({HEAVY!r}) & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"emotion"' in done.stdout
