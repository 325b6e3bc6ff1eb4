"""What a training process that ended badly is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_ser.errors import CheckError, EdgeSerError, InputError, MissingError
from edge_ser.evaluation.child import _failure


@pytest.mark.parametrize(
    ("code", "log", "kind", "words"),
    [
        (2, "keyword net …\nedge-ser: a.wav: empty (0 bytes)\n", InputError, "a.wav: empty"),
        (3, "edge-ser: training needs TensorFlow\n", MissingError, "needs TensorFlow"),
        (1, "edge-ser: acoustic: the conversion is wrong\n", CheckError, "conversion is wrong"),
        (1, "Traceback ...\nKeyError: 'joy'\n", CheckError, "exit code 1; last words: KeyError: 'joy'"),
        (-9, "acoustic net …\n", CheckError, "ended by SIGKILL; last words: acoustic net …"),
        (1, "", CheckError, "it printed nothing"),
    ],
)
def test_how_a_training_ended(
    code: int, log: str, kind: type[EdgeSerError], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(log)
    error = _failure(code, path)
    assert type(error) is kind
    assert words in str(error)
    assert len(str(error).splitlines()) == 1
