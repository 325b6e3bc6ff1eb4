"""A stopped training goes on where it stopped, and leaves nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from edge_ser.bundle_curves import LOG
from edge_ser.networks.layers import conv, embed, relu
from edge_ser.spec import FrontendSpec
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training.examples import Epochs, Example
from edge_ser.training.loop import CHECKPOINT, WEIGHTS, Validation, train_net

RECIPE = RecipeSpec(
    epochs=8,
    batch_size=8,
    learning_rate=2e-2,
    augment=AugmentSpec(copies=0, mixup=0.0, time_mask_frames=2, channel_mask=1),
)


def _net() -> keras.Model:
    inputs = keras.Input((20, 10, 1))
    x = relu(conv(inputs, 4, 3, "stem"), "stem")
    return keras.Model(inputs, embed(keras.layers.GlobalAveragePooling2D(keepdims=True)(x), 4))


def _examples(rng: np.random.Generator) -> list[Example]:
    """Two classes: every second channel loud, or all alike."""
    made = []
    for at in range(40):
        features = rng.integers(1, 60, size=(20, 10), dtype=np.uint8)
        features[:, ::2] += np.uint8(150 if at % 2 else 70)
        features[:, 1::2] += np.uint8(0 if at % 2 else 70)
        made.append(Example(at % 2, f"s{at % 4}", (features,), ((0, 20),)))
    return made


def _train(folder: Path, advance: Callable[[int], None] = lambda _steps: None) -> keras.Model:
    rng = np.random.default_rng(0)
    examples = _examples(rng)
    held = _examples(rng)
    validation = Validation(
        np.stack([one.versions[0] for one in held]), np.array([one.label for one in held], dtype=np.int64)
    )
    epochs = Epochs(examples, 2, 20, RECIPE, FrontendSpec(), seed=1, centred=False)
    keras.utils.set_random_seed(1)
    return train_net(_net(), epochs, validation, RECIPE, 0.0, 1, folder, advance)


def test_it_learns_and_says_so(tmp_path: Path) -> None:
    _train(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 9))
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["validation_uar"] > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([LOG, WEIGHTS])


def test_a_stopped_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = _train(tmp_path / "whole")

    seen = 0

    def stop_after_two(steps: int) -> None:
        nonlocal seen
        seen += steps
        if seen == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "stopped", stop_after_two)
    assert (tmp_path / "stopped" / CHECKPOINT).exists()
    assert not (tmp_path / "stopped" / WEIGHTS).exists()
    done: list[int] = []
    resumed = _train(tmp_path / "stopped", done.append)
    assert done == [2, *[1] * 6]
    lines = (tmp_path / "stopped" / LOG).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 9))
    for expected, found in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert np.allclose(expected, found, atol=1e-4)
    assert sorted(path.name for path in (tmp_path / "stopped").iterdir()) == sorted([LOG, WEIGHTS])
