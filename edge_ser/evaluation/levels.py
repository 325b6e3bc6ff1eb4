"""Copies of a corpus at one level, for corpora whose recording chain gives each label a level of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_ser.acoustics import active_power, change_gain
from edge_ser.audio import read_audio, write_wav
from edge_ser.corpora.clip import Clip


def level_copies(clips: Sequence[Clip], rms_dbfs: float, rate_hz: int, folder: Path) -> list[Clip]:
    """Copies of clips whose active frames have one level.

    Args:
        clips: the clips.
        rms_dbfs: level of the active frames, decibels below full scale; peaks beyond full scale saturate.
        rate_hz: of the copies.
        folder: takes one WAV file per clip; what is there already is used again.

    Returns:
        The clips with the copies as their files, in order.
    """
    copies = []
    for clip in clips:
        name = f"{clip.corpus}/{clip.path}/{clip.start_s}/{clip.end_s}/{rms_dbfs}/{rate_hz}".encode()
        path = folder / f"{clip.path.stem}-{hashlib.sha256(name).hexdigest()[:12]}.wav"
        if not path.exists():
            samples = read_audio(clip.path, rate_hz, clip.start_s, clip.end_s)
            power = active_power(samples)
            gain = rms_dbfs - 10 * np.log10(power / 32768**2) if power > 0 else 0.0
            write_wav(path, change_gain(samples, gain), rate_hz)
        copies.append(replace(clip, path=path, start_s=0.0, end_s=None))
    return copies
