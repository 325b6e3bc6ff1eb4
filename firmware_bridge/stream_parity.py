"""Comparison of all listeners, byte by byte: Python, C in this process, C as a process, C on the emulated Cortex-M7.

Compared is all that a listener does: which net it asks for on which frames, every byte of their inputs, and every
record. The nets run once, where Python listens; the others are fed what they gave.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_ser.bundle import Bundle
from edge_ser.frontend.stream import FrontendStream
from edge_ser.frontend.tables import make_tables
from edge_ser.runtime.interpreters import LiteRtNet
from edge_ser.runtime.native_stream import NativeListener
from edge_ser.runtime.stream import AnyListener, Due, Listener
from edge_ser.runtime.stream_system import StreamSystem, stream_system, system_of
from edge_ser.spec import DecisionSpec, NoiseReductionSpec, PcanSpec, StreamSpec, SystemSpec
from firmware_bridge.host_process import HostProcess
from firmware_bridge.qemu_m7 import QemuM7
from firmware_bridge.stream_job import (
    END,
    STAGES,
    StreamRecording,
    StreamResult,
    event,
    run_on_host,
    run_on_m7,
)

PYTHON: Final = "python"
NATIVE: Final = "native"
HOST: Final = "host"
M7: Final = "m7"

Embed: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""A net: uint8 (frames, channels) in, uint8 (embedding,) out."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A system to compare, and its nets.

    Attributes:
        name: what it is called.
        system: what listens.
        nets: the nets.
    """

    name: str
    system: StreamSystem
    nets: dict[Due, Embed]


def settings_of(bundle: Bundle) -> list[Setting]:
    """Three settings of a bundle's segments.

    ``own`` is the bundle as it is. ``overlapping`` has segments of the same length a second apart, so that they share
    keyword windows, with a gate, smoothing and hysteresis; both run the bundle's nets. ``short`` has shorter segments
    at a hop that shares no windows, noise reduction and PCAN in the front end, no normalisation, a gate, and abstains;
    the nets cannot read its segments, so that every embedding is a hash of the net's input.

    Raises:
        InputError: a member of the bundle is not what its spec says.
    """
    own = own_setting(bundle)
    overlapping, short = _overlapping(bundle.spec), _short(bundle.spec)
    tables, heads = own.system.tables, (own.system.fusion, own.system.head)
    shared = system_of(overlapping, tables, *heads, bundle.build_id)
    apart = system_of(short, make_tables(short.frontend), *heads, bundle.build_id)
    return [own, Setting("overlapping", shared, own.nets), Setting("short", apart, stand_in_nets(apart))]


def own_setting(bundle: Bundle) -> Setting:
    """The bundle as it is, with its nets run by LiteRT.

    Raises:
        InputError: a member of the bundle is not what its spec says.
    """
    spec, channels = bundle.spec, bundle.spec.frontend.channels
    nets = {
        Due.KEYWORD: _real(
            LiteRtNet(bundle.member("keyword.tflite"), "keyword", spec.keyword_frames, channels)
        ),
        Due.ACOUSTIC: _real(
            LiteRtNet(bundle.member("acoustic.tflite"), "acoustic", spec.segment_frames, channels)
        ),
    }
    return Setting("own", stream_system(bundle), nets)


def stand_in_nets(system: StreamSystem) -> dict[Due, Embed]:
    """Nets that give a hash of their input: another input, even by one bit, is another embedding."""
    sizes = {Due.KEYWORD: system.keyword_embedding, Due.ACOUSTIC: system.acoustic_embedding}
    return {due: _hashing(size) for due, size in sizes.items()}


def padded(system: StreamSystem, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """A recording, int16 (samples,), with zeros behind it up to the end of the segment that holds its last sample."""
    schedule, tables = system.schedule, system.tables
    frames = -(-len(samples) // tables.step_samples)
    hops = max(0, -(-(frames - schedule.segment_frames) // schedule.hop_frames))
    whole = (
        hops * schedule.hop_frames + schedule.segment_frames - 1
    ) * tables.step_samples + tables.window_samples
    return np.pad(samples, (0, max(0, whole - len(samples))))


def heard(
    listener: AnyListener, nets: dict[Due, Embed], samples: NDArray[np.int16], chunk_samples: int
) -> tuple[bytes, bytes]:
    """What a listener does with a recording.

    Args:
        listener: in its reset state.
        nets: the nets.
        samples: int16 (n,).
        chunk_samples: samples that it is given at once.

    Returns:
        Its events, as the result file of the listener's program holds them, and all embeddings that it was given.
    """
    events, embeddings = bytearray(), bytearray()
    for start in range(0, len(samples), chunk_samples):
        left = samples[start : start + chunk_samples]
        while len(left):
            left = left[listener.feed(left) :]
            while (due := listener.due) is not Due.NOTHING:
                if due is Due.RECORD:
                    events += event(due, 0, listener.record())
                    continue
                read = listener.net_input()
                events += event(due, listener.frame, read.tobytes())
                embedding = nets[due](read)
                embeddings += embedding.tobytes()
                listener.embedding(embedding)
    return bytes(events + END), bytes(embeddings)


@dataclass(frozen=True)
class Difference:
    """A recording in which a listener does something else than Python's.

    Attributes:
        setting: the setting.
        recording: its name.
        byte: the first byte of its events that differs.
    """

    setting: str
    recording: str
    byte: int


@dataclass(frozen=True)
class ListenerCount:
    """How often a listener differs from Python's, in one setting.

    Attributes:
        setting: the setting.
        listener: the listener.
        recordings: that were compared.
        records: that they gave.
        bytes: of events compared.
        differences: bytes that differ; bytes that only one of both gave count.
        first: the first place that differs.
        instructions: by stage, all recordings together; zeros where the machine cannot count.
        memory_bytes: variables of the listener, its buffers included; 0 where that is not a program of its own.
    """

    setting: str
    listener: str
    recordings: int = 0
    records: int = 0
    bytes: int = 0
    differences: int = 0
    first: Difference | None = None
    instructions: tuple[int, ...] = (0,) * len(STAGES)
    memory_bytes: int = 0


@dataclass
class StreamComparison:
    """Counts, batch by batch.

    Attributes:
        settings: what is compared.
        folder: for programs, which are built there once.
        host: the C compiler, or ``None`` to leave the process out.
        m7: the emulated Cortex-M7, or ``None`` to leave it out.
        native: whether the extension takes part.
    """

    settings: Sequence[Setting]
    folder: Path
    host: HostProcess | None
    m7: QemuM7 | None
    native: bool
    counts: dict[tuple[str, str], ListenerCount] = field(init=False, default_factory=dict)
    """By setting and listener."""
    seconds: float = field(init=False, default=0.0)
    """Of audio, with the zeros behind recordings; each setting counts."""
    seconds_of: dict[str, float] = field(init=False, default_factory=dict)
    """The same by setting, seconds."""

    @property
    def broken(self) -> list[ListenerCount]:
        """Listeners that differ."""
        return [count for count in self.counts.values() if count.differences]

    def add(self, recordings: dict[str, NDArray[np.int16]]) -> None:
        """Compare recordings in every setting.

        Args:
            recordings: int16 (samples,) at the systems' rate, by name.

        Raises:
            CheckError: a program cannot be built or fails.
        """
        for setting in self.settings:
            self.add_to(
                setting, {name: padded(setting.system, samples) for name, samples in recordings.items()}
            )

    def add_to(self, setting: Setting, recordings: dict[str, NDArray[np.int16]]) -> None:
        """Compare recordings in one setting, as they are: without zeros behind them.

        Args:
            setting: one of the settings.
            recordings: int16 (samples,) each, as for :meth:`add`.

        Raises:
            CheckError: a program cannot be built or fails.
        """
        system, step = setting.system, setting.system.tables.step_samples
        expected: dict[str, StreamResult] = {}
        jobs: list[StreamRecording] = []
        for name, samples in recordings.items():
            listener = Listener(system, FrontendStream(system.tables))
            events, embeddings = heard(listener, setting.nets, samples, len(samples))
            expected[name] = StreamResult(events, (0,) * len(STAGES))
            jobs.append(StreamRecording(samples, embeddings))
        self._count(setting.name, PYTHON, expected, list(expected.values()), 0)
        if self.native:
            found = [self._native(system, job) for job in jobs]
            self._count(setting.name, NATIVE, expected, found, 0)
        if self.host:
            results = run_on_host(self.host, system, jobs, self.folder, _UNEVEN)
            self._count(setting.name, HOST, expected, results.recordings, results.memory_bytes)
        if self.m7:
            results = run_on_m7(self.m7, system, jobs, self.folder, step)
            self._count(setting.name, M7, expected, results.recordings, results.memory_bytes)
        seconds = sum(map(len, recordings.values())) / system.tables.sample_rate_hz
        self.seconds += seconds
        self.seconds_of[setting.name] = self.seconds_of.get(setting.name, 0.0) + seconds

    def _native(self, system: StreamSystem, job: StreamRecording) -> StreamResult:
        """The extension, fed chunks of the odd length, with the nets' answers replayed."""
        left = memoryview(job.embeddings)
        sizes = {Due.KEYWORD: system.keyword_embedding, Due.ACOUSTIC: system.acoustic_embedding}

        def replayed(size: int) -> Embed:
            def embed(_: NDArray[np.uint8]) -> NDArray[np.uint8]:
                nonlocal left
                # Behind the last one zeros follow: the events differ by then, and are counted.
                piece, left = bytes(left[:size]).ljust(size, b"\0"), left[size:]
                return np.frombuffer(piece, np.uint8)

            return embed

        nets = {due: replayed(size) for due, size in sizes.items()}
        events, _ = heard(NativeListener(system), nets, job.samples, _UNEVEN)
        return StreamResult(events, (0,) * len(STAGES))

    def _count(
        self,
        setting: str,
        listener: str,
        expected: dict[str, StreamResult],
        found: Sequence[StreamResult],
        memory_bytes: int,
    ) -> None:
        count = self.counts.get((setting, listener), ListenerCount(setting, listener))
        for (name, right), result in zip(expected.items(), found, strict=True):
            differ, first = _differences(right.events, result.events)
            place = Difference(setting, name, first) if differ else None
            count = dataclasses.replace(
                count,
                recordings=count.recordings + 1,
                records=count.records + _records(right.events),
                bytes=count.bytes + max(len(right.events), len(result.events)),
                differences=count.differences + differ,
                first=count.first or place,
                instructions=tuple(map(sum, zip(count.instructions, result.instructions, strict=True))),
                memory_bytes=memory_bytes,
            )
        self.counts[setting, listener] = count


_UNEVEN: Final = 1234
"""Samples at once that are no multiple of any step, so that every place in a step is cut at."""


def _differences(a: bytes, b: bytes) -> tuple[int, int]:
    """How many bytes differ, and the first of them."""
    if a == b:
        return 0, 0
    both = min(len(a), len(b))
    unequal = np.flatnonzero(np.frombuffer(a[:both], np.uint8) != np.frombuffer(b[:both], np.uint8))
    first = int(unequal[0]) if len(unequal) else both
    return len(unequal) + max(len(a), len(b)) - both, first


def _records(events: bytes) -> int:
    place = records = 0
    while events[place] != Due.NOTHING:
        is_record = events[place] == Due.RECORD
        head = 5 if is_record else 9
        records += is_record
        place += head + int.from_bytes(events[place + head - 4 : place + head], "little")
    return records


def _real(net: LiteRtNet) -> Embed:
    return lambda read: net.embed(read[np.newaxis])[0]


def _hashing(size: int) -> Embed:
    return lambda read: np.frombuffer(hashlib.shake_256(read.tobytes()).digest(size), np.uint8)


def _overlapping(spec: SystemSpec) -> SystemSpec:
    return dataclasses.replace(
        spec,
        acoustic=dataclasses.replace(spec.acoustic, hop_s=1.0),
        stream=StreamSpec(gate_dbfs=-50.0, hangover_s=0.2, smoothing=3, hysteresis=0.1),
    )


def _short(spec: SystemSpec) -> SystemSpec:
    return dataclasses.replace(
        spec,
        frontend=dataclasses.replace(
            spec.frontend, noise_reduction=NoiseReductionSpec(enabled=True), pcan=PcanSpec(enabled=True)
        ),
        acoustic=dataclasses.replace(spec.acoustic, segment_s=1.5, hop_s=0.37, normalisation="none"),
        decision=DecisionSpec(averaging="entropy", abstain=0.4),
        stream=StreamSpec(gate_dbfs=-40.0, smoothing=2),
    )
