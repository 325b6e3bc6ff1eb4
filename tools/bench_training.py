"""How fast the acoustic net of a spec trains here: Keras' BatchNormalization, ours, and ours in bfloat16, side by side.

python tools/bench_training.py models/distilled.toml [--rounds 5]

Clips of noise, the three ways taking turns, on one thread (TF_NUM_INTRAOP_THREADS), as a fold of `evaluate --jobs` has
it. Says nothing of how well a net learns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import numpy as np
from keras import layers

from edge_ser.errors import EdgeSerError
from edge_ser.networks import layers as blocks
from edge_ser.networks import mixing
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import Precision
from edge_ser.training.objective import make_loss, make_optimizer, training_model

_CLIPS = 640


def main() -> None:
    """Print clips per second of processor time, which other work on the machine changes least."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    try:
        spec = load_spec(chosen.spec)
    except EdgeSerError as error:
        print(f"bench_training: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    ways = {
        "Keras' BatchNormalization, float32": _trainer(spec, "float32", keras_norm=True),
        "fused BatchNorm, float32": _trainer(spec, "float32"),
        "fused BatchNorm, bfloat16": _trainer(spec, "bfloat16"),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, train in ways.items():
            started = time.process_time()
            train()
            found[name].append(_CLIPS / (time.process_time() - started))
    print(
        f"{spec.name}, batches of {spec.training.acoustic.batch_size}, clips a processor second: median (least to most)"
    )
    for name, rates in found.items():
        print(f"  {name:36s} {statistics.median(rates):6.0f}  ({min(rates):.0f} to {max(rates):.0f})")


def _trainer(spec: SystemSpec, precision: Precision, *, keras_norm: bool = False) -> Callable[[], object]:
    recipe, classes = spec.training.acoustic, len(spec.acoustic.classes)
    theirs = lambda **options: layers.BatchNormalization(momentum=0.9, **options)  # noqa: E731
    norm = theirs if keras_norm else blocks.BatchNorm
    with (
        blocks.computed_in(precision),
        patch.object(blocks, "BatchNorm", norm),
        patch.object(mixing, "BatchNorm", norm),
    ):
        model = training_model(build_acoustic(spec), classes, spec.acoustic.dropout, recipe.loss)
    model.compile(optimizer=make_optimizer(1e-3, recipe.weight_decay), loss=make_loss(recipe.loss, classes))
    rng = np.random.default_rng(1)
    inputs = rng.random((_CLIPS, spec.segment_frames, spec.frontend.channels, 1), np.float32)
    targets = keras.utils.to_categorical(rng.integers(0, classes, _CLIPS), classes)

    def train() -> object:
        return model.fit(inputs, targets, batch_size=recipe.batch_size, shuffle=False, verbose=0)

    train()  # traced, and memory at hand
    return train


if __name__ == "__main__":
    main()
