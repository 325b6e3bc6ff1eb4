"""Small systems that listen, and nets that are quick: what the tests of the listeners share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.frontend.tables import make_tables
from edge_ser.integer_head import IntegerHead
from edge_ser.runtime.record import Record
from edge_ser.runtime.stream import AnyListener, Due
from edge_ser.runtime.stream_system import StreamSystem, system_of
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec

BUILD_ID = "00112233445566778899"
TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")


def spec_with(**tables: dict[str, Any]) -> SystemSpec:
    """The tiny spec with entries of its tables replaced."""
    return replace(
        TINY, **{name: replace(getattr(TINY, name), **entries) for name, entries in tables.items()}
    )


def system_with(seed: int = 1, **tables: dict[str, Any]) -> StreamSystem:
    """Random heads over the tiny spec's embeddings."""
    spec, rng = spec_with(**tables), np.random.default_rng(seed)
    keyword, acoustic = spec.keyword.embedding, spec.acoustic.embedding

    def head(classes: int, inputs: int) -> IntegerHead:
        weights = rng.integers(-8000, 8000, (classes, inputs)).astype(np.int16)
        return IntegerHead(weights, rng.integers(-(10**6), 10**6, classes).astype(np.int32), 2e-6)

    fusion, words = (
        head(len(spec.acoustic.classes), acoustic + keyword),
        head(len(spec.keyword.classes), keyword),
    )
    return system_of(spec, make_tables(spec.frontend), fusion, words, BUILD_ID)


def sound(seconds: float, level: int = 3000, seed: int = 3) -> np.ndarray:
    """int16 noise."""
    return (np.random.default_rng(seed).normal(size=round(16_000 * seconds)) * level).astype(np.int16)


class Watched:
    """Drives a listener with stand-in nets and notes what it asks for."""

    def __init__(self, listener: AnyListener, system: StreamSystem) -> None:
        self.listener, self.system = listener, system
        self.asked: list[tuple[Due, int]] = []
        self.records: list[Record] = []
        self.fails: set[Due] = set()

    def hear(self, samples: np.ndarray) -> Watched:
        left = samples
        while len(left):
            left = left[self.listener.feed(left) :]
            while (due := self.listener.due) is not Due.NOTHING:
                if due is Due.RECORD:
                    self.records.append(Record.decode(self.listener.record()))
                    continue
                self.asked.append((due, self.listener.frame))
                if due in self.fails:
                    self.listener.fail()
                else:
                    self.listener.embedding(self._embedding(due))
        return self

    def _embedding(self, due: Due) -> np.ndarray:
        size = self.system.keyword_embedding if due is Due.KEYWORD else self.system.acoustic_embedding
        # Of the place alone, so that a listener that gives one window's embedding to another is seen.
        return np.random.default_rng([due, self.listener.frame]).integers(0, 256, size, np.uint8)
