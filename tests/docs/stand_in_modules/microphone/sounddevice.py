"""A STAND-IN for the module sounddevice, for tests only: one USB microphone that hears speech, again and again.

The speech is the golden segment of the bundle that ships; nothing is recorded.
"""

from __future__ import annotations

import time

import numpy as np
from live_cases import FakeSoundSystem, PortAudioError, shipped

__all__ = ["InputStream", "PortAudioError", "query_devices", "query_hostapis"]

_BLOCK_S = 0.02

_SYSTEM = FakeSoundSystem(np.tile(shipped()[0].array("golden/samples.npy"), 20) / 32_768)
_SYSTEM.pace = lambda: time.sleep(_BLOCK_S)

query_hostapis = _SYSTEM.query_hostapis
query_devices = _SYSTEM.query_devices
InputStream = _SYSTEM.InputStream
