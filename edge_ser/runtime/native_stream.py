"""The listener in C: the files that run on the board (`firmware_bridge/core`), as a Python extension."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.averaging import POWERS, Steps
from edge_ser.errors import InputError, MissingError
from edge_ser.frontend.native import tables_struct
from edge_ser.frontend.reference import check_samples
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.stream import AnyListener, Due, Listener, check_embedding
from edge_ser.runtime.stream_system import StreamSystem

_native: Any = None
WHY_NOT = ""
"""Why the extension is missing and how to get it; ``""`` where it is there."""
try:
    from edge_ser.runtime import _native  # type: ignore[attr-defined,no-redef]
except ImportError as error:
    WHY_NOT = f"{error}; install a C compiler (apt install gcc libc6-dev), then reinstall edge-ser"

BUILT = _native is not None
"""Whether it is there."""


def open_listener(system: StreamSystem) -> AnyListener:
    """A listener, in C where that was built, else in Python; both give the same records."""
    return NativeListener(system) if BUILT else Listener(system)


class NativeListener:
    """The listener in C.

    Args:
        system: what listens.

    Raises:
        InputError: the core refuses the system.
        MissingError: the extension was not built.
    """

    def __init__(self, system: StreamSystem) -> None:
        if not BUILT:
            raise MissingError(WHY_NOT)
        self.system = system
        self._alive: list[Any] = []
        self._struct = _native.ffi.new("EserListener *")
        status = _native.lib.eser_listener_init(self._struct, self._system(), self._memory())
        if status != _native.lib.ESER_OK:
            message = (
                f"stream system {system.name}: the C core refuses it (status {status}); make the bundle again"
            )
            raise InputError(message)

    @property
    def due(self) -> Due:
        """As :attr:`edge_ser.runtime.stream.AnyListener.due`."""
        return Due(_native.lib.eser_listener_due(self._struct))

    @property
    def frame(self) -> int:
        """As :attr:`edge_ser.runtime.stream.AnyListener.frame`."""
        return int(_native.lib.eser_listener_frame(self._struct))

    def reset(self) -> None:
        """As :meth:`edge_ser.runtime.stream.AnyListener.reset`."""
        _native.lib.eser_listener_reset(self._struct)

    def feed(self, samples: NDArray[np.int16]) -> int:
        """As :meth:`edge_ser.runtime.stream.Listener.feed`."""
        check_samples(samples, dimensions=1)
        pointer = _native.ffi.from_buffer("int16_t[]", np.ascontiguousarray(samples))
        return int(_native.lib.eser_listener_feed(self._struct, pointer, len(samples)))

    def net_input(self) -> NDArray[np.uint8]:
        """As :meth:`edge_ser.runtime.stream.AnyListener.net_input`."""
        schedule = self.system.schedule
        frames = {Due.KEYWORD: schedule.keyword_frames, Due.ACOUSTIC: schedule.segment_frames}.get(
            self.due, 0
        )
        filled = np.empty((frames, self.system.tables.channels), np.uint8)
        _native.lib.eser_listener_fill(self._struct, _bytes(filled))
        return filled

    def embedding(self, values: NDArray[np.uint8]) -> None:
        """As :meth:`edge_ser.runtime.stream.AnyListener.embedding`."""
        due, system = self.due, self.system
        check_embedding(
            due, values, system.keyword_embedding if due is Due.KEYWORD else system.acoustic_embedding
        )
        _native.lib.eser_listener_embedding(self._struct, _native.ffi.from_buffer("uint8_t[]", values.copy()))

    def fail(self) -> None:
        """As :meth:`edge_ser.runtime.stream.AnyListener.fail`."""
        _native.lib.eser_listener_fail(self._struct)

    def record(self) -> bytes:
        """As :meth:`edge_ser.runtime.stream.Listener.record`."""
        if (due := self.due) is not Due.RECORD:
            message = f"listener: {due.name.lower()} is due; expected a record"
            raise InputError(message)
        record = _native.ffi.new("EserRecord *")
        encoded = np.empty(_native.lib.ESER_RECORD_MAX_BYTES, np.uint8)
        _native.lib.eser_listener_record(self._struct, record)
        size = _native.lib.eser_record_encode(record, _bytes(encoded))
        return encoded[:size].tobytes()

    def _system(self) -> Any:
        system, schedule = self.system, self.system.schedule
        struct = self._kept(_native.ffi.new("EserSystem *"))
        struct.tables = self._kept(tables_struct(_native.ffi, system.tables))
        for name in ("segment_frames", "hop_frames", "keyword_frames", "slots"):
            setattr(struct.schedule, name, getattr(schedule, name))
        struct.schedule.keyword_embedding = system.keyword_embedding
        struct.schedule.keyword_windows = len(schedule.keyword_starts)
        struct.schedule.keyword_starts = self._array("uint16_t", np.array(schedule.keyword_starts, np.uint16))
        struct.gate.step_samples = system.tables.step_samples
        struct.gate.power, struct.gate.enabled = system.gate.power, system.gate.enabled
        struct.gate.hangover_frames = system.gate.hangover_frames
        struct.smoothing.classes = len(system.classes)
        for name in ("decisions", "hysteresis", "least"):
            setattr(struct.smoothing, name, getattr(system.smoothing, name))
        self._set_head(struct.fusion, struct.fusion_steps, system.fusion, system.fusion_steps)
        self._set_head(struct.words, struct.words_steps, system.head, system.head_steps)
        struct.powers = self._array("uint16_t", (POWERS - 1).astype(np.uint16))
        struct.abstain, struct.keyword_share = system.abstain, system.keyword_share
        struct.centre_channels = system.centre_channels
        struct.build_id = list(system.id_bytes)
        return struct

    def _set_head(self, head: Any, steps: Any, given: IntegerHead, given_steps: Steps) -> None:
        head.weights = self._array("int16_t", np.ascontiguousarray(given.weights))
        head.bias = self._array("int32_t", np.ascontiguousarray(given.bias))
        head.classes, head.inputs = given.weights.shape
        steps.multiplier, steps.shift = given_steps.multiplier, given_steps.shift

    def _memory(self) -> Any:
        system, schedule = self.system, self.system.schedule
        classes, words, channels = len(system.classes), len(system.words) + 2, system.tables.channels
        memory = self._kept(_native.ffi.new("EserListenerMemory *"))
        for name, kind, size in (
            ("ring", "uint8_t", schedule.segment_frames * channels),
            ("windows", "uint8_t", schedule.slots * system.keyword_embedding),
            ("slot_windows", "uint32_t", schedule.slots),
            ("fused", "uint8_t", system.fusion.weights.shape[1]),
            ("word_scores", "int32_t", words),
            ("word_shares", "uint32_t", words),
            ("history", "uint32_t", system.smoothing.decisions * classes),
            ("features", "uint16_t", channels),
        ):
            setattr(memory, name, self._kept(_native.ffi.new(f"{kind}[]", size)))
        return memory

    def _array(self, kind: str, values: NDArray[Any]) -> Any:
        return self._kept(_native.ffi.from_buffer(f"{kind}[]", values))

    def _kept(self, struct: Any) -> Any:
        """The same; it lives as long as the listener, which points to it."""
        self._alive.append(struct)
        return struct


def _bytes(values: NDArray[np.uint8]) -> Any:
    return _native.ffi.from_buffer("uint8_t[]", values, require_writable=True)
