"""What a bundle says of the corpora that it learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.provenance import told_corpora


def test_changed_copies_are_counted_apart() -> None:
    clips = [Clip("crema-d", Path(f"{at}.wav"), str(at % 2), emotion="anger") for at in range(4)]
    copies = [replace(clip, path=Path(f"copy-{at}.wav"), copy=True) for at, clip in enumerate(clips)]
    test = Clip("crema-d", Path("t.wav"), "9", emotion="anger")
    own = Manifest("crema-d", Path(), "by hand", tuple(clips), (), (test,))
    (entry,) = told_corpora(replace(own, train=(*clips, *copies)))
    assert entry["clips"] == {"train": 4, "validation": 0, "test": 1}
    assert entry["copies"] == {"train": 4, "validation": 0, "test": 0}
    assert entry["speakers"] == {"train": ["0", "1"], "validation": [], "test": ["9"]}
    assert "copies" not in told_corpora(own)[0]
