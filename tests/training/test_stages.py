"""A stage is used again only if everything that made it is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.training import stages


def test_a_finished_stage_is_kept_and_another_key_empties_it(tmp_path: Path) -> None:
    folder = tmp_path / "stage"
    assert not stages.is_done(folder, "one")
    (folder / "half").write_text("state to resume from")
    assert not stages.is_done(folder, "one")
    assert (folder / "half").exists()
    stages.mark_done(folder, {"uar": 0.5})
    assert stages.is_done(folder, "one")
    assert stages.result(folder) == {"uar": 0.5}
    assert not stages.is_done(folder, "two")
    assert not (folder / "half").exists()


def test_a_clip_counts_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.arange(100, dtype=np.int16), 16_000)
    clip = Clip("test", path, "s")
    first = stages.clips_digest([clip], [0])
    path.write_bytes(path.read_bytes())
    assert stages.clips_digest([clip], [0]) == first
    assert stages.clips_digest([clip], [1]) != first
    write_wav(path, np.arange(101, dtype=np.int16), 16_000)
    assert stages.clips_digest([clip], [0]) != first
