"""What both fuzz tests share: the damage of tools/fuzz_models.py, drawn by hypothesis, and a count of what came out."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st


def _load() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "fuzz_models.py"
    spec = importlib.util.spec_from_file_location("fuzz_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fuzz_models = _load()

_NUMBERS = st.integers(0, 2**32 - 1)
_EDITS = st.lists(st.builds(fuzz_models.Edit, st.integers(0, 7), _NUMBERS, _NUMBERS), min_size=1, max_size=6)


def survive_at_random(seeds: Sequence[bytes], files: int, seed: int) -> Counter[str]:
    """The same without hypothesis, ten times faster: damage that a seeded generator draws."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(files):
        data = fuzz_models.damage(rng.choice(seeds), fuzz_models.random_edits(rng))
        with fuzz_models.bounded():
            outcomes[fuzz_models.examine(data)] += 1
    return outcomes


def survive(seeds: Sequence[bytes], examples: int, use: Callable[[bytes], str] | None = None) -> Counter[str]:
    """Damage files as hypothesis draws it, and read each one within bounds of time and memory.

    Args:
        seeds: undamaged files.
        examples: how many damaged ones.
        use: what is done with each; by default everything that edge-ser does with a file from elsewhere.

    Returns:
        How many were refused and how many read.
    """
    outcomes: Counter[str] = Counter()
    act = use or fuzz_models.examine

    # No database and no shrinking: a failing example is printed, and there are thousands.
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(range(len(seeds))), _EDITS)
    def one(seed: int, edits: list[tuple[int, int, int]]) -> None:
        data = fuzz_models.damage(seeds[seed], edits)
        with fuzz_models.bounded():
            outcomes[act(data)] += 1

    one()
    return outcomes
