"""Valence, arousal, dominance and octants: their targets, their losses, and what is left of them after training."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from edge_ser.audio import write_wav
from edge_ser.bundle import read_bundle
from edge_ser.corpora.affect import TERMS, octants_of, vad_of
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.edgetpu.model import read_model
from edge_ser.errors import InputError
from edge_ser.evaluation.child import train_fold
from edge_ser.evaluation.concordance import concordance, ratings_from_dict
from edge_ser.networks.acoustic import build_acoustic
from edge_ser.networks.layers import conv, embed, relu, with_classifier
from edge_ser.quantization.aware import train_aware
from edge_ser.quantization.convert import convert_net
from edge_ser.spec import FrontendSpec, QuantizationSpec
from edge_ser.spec_file import load_spec, spec_from_dict
from edge_ser.spec_training import AugmentSpec, LossSpec, RecipeSpec
from edge_ser.training.affect import AffectTargets, affect_targets, octant_weight
from edge_ser.training.examples import Epochs, Example, load_examples
from edge_ser.training.float_system import load_system, weights_file
from edge_ser.training.loop import CHECKPOINT, WEIGHTS, Validation, train_net
from edge_ser.training.objective import make_loss, training_model
from edge_ser.training.prepared import calibration_features
from edge_ser.training.vad import ccc_loss, load_vad_head, vad_report

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
RNG = np.random.default_rng(0)


def _clip(emotion: str, vad: tuple[float, float, float] | None = None, corpus: str = "iemocap") -> Clip:
    return Clip(corpus, Path("a.wav"), "s", emotion=emotion, vad=vad)


def test_ratings_are_brought_to_one_scale() -> None:
    found = vad_of(
        [_clip("anger", (1.0, 5.0, 3.0)), _clip("anger"), _clip("fear", (2.0, 4.0, 4.5), "msp-improv")]
    )
    assert found[0].tolist() == [-1, 1, 0]
    assert np.isnan(found[1]).all()
    assert found[2].tolist() == [-0.5, 0.5, 0.75]
    with pytest.raises(InputError, match="made, whose scale is not known"):
        vad_of([_clip("anger", (1.0, 1.0, 1.0), "made")])


def test_emotions_lie_in_their_octants() -> None:
    # Order of the signs: arousal, valence, dominance.
    octants = {"anger": 5, "fear": 4, "happiness": 7, "sadness": 0, "surprise": 6, "calm": 3}
    found = octants_of([_clip(name) for name in octants])
    assert (found == np.eye(8)[list(octants.values())]).all()
    assert octants_of([_clip("neutral")]).tolist() == [[0.125] * 8]
    assert not octants_of([_clip("other")]).any()
    assert len(TERMS) == 12


def test_ratings_go_before_names_and_a_middle_counts_for_both_sides() -> None:
    (angry_but_low,) = octants_of([_clip("anger", (2.0, 1.5, 1.0))])
    assert angry_but_low.tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    (middle,) = octants_of([_clip("anger", (3.0, 5.0, 1.0))])
    assert middle.tolist() == [0, 0, 0, 0, 0.5, 0, 0.5, 0]


def test_the_octants_weight_is_that_of_the_paper() -> None:
    found = [octant_weight(epoch, 20) for epoch in range(20)]
    assert found[:5] == pytest.approx([1, 0.802, 0.604, 0.406, 0.208])
    assert found[5:] == [0.0] * 15


@given(epochs=st.integers(4, 1000))
def test_the_octants_are_gone_after_the_first_quarter(epochs: int) -> None:
    found = [octant_weight(epoch, epochs) for epoch in range(epochs)]
    assert found[0] == 1
    kept, gone = found[: epochs // 4], found[epochs // 4 :]
    assert all(one > other for one, other in itertools.pairwise(kept))
    assert min(kept) > 0
    assert set(gone) == {0.0}


LOSS = LossSpec(ccc=0.7, octant=2.0, centre=0.1, contrastive=0.2)
CLASSES = 3
TARGETS = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 2, 2, 1]]
OUTPUTS = RNG.normal(size=(6, CLASSES + 3 + 8 + CLASSES + 4)).astype(np.float32)
CLIPS = [
    _clip("anger", (1.0, 4.0, 4.0)),
    _clip("neutral", (3.0, 2.5, 3.0)),
    _clip("anger", (2.0, 5.0, 3.5)),
    _clip("sadness"),
    _clip("sadness", (1.5, 1.0, 2.0)),
    _clip("neutral"),
]
EPOCHS = 8


def _affect() -> AffectTargets:
    found = affect_targets(CLIPS, LOSS, EPOCHS)
    assert found is not None
    return found


def _ccc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's formula by the covariance matrix."""
    (one, both), (_, other) = np.cov(true, predicted, bias=True)
    return float(2 * both / (one + other + (true.mean() - predicted.mean()) ** 2))


def _value(loss: LossSpec, outputs: np.ndarray, epoch: int) -> float:
    targets = np.hstack([TARGETS, _affect().columns(epoch)])
    return float(make_loss(loss, CLASSES)(targets, outputs))


def test_each_term_is_its_formula_and_lies_where_the_model_puts_it() -> None:
    rest = LossSpec(centre=0.1, contrastive=0.2)
    plain = float(make_loss(rest, CLASSES)(TARGETS, np.delete(OUTPUTS, np.s_[3:14], axis=1)))
    rated = np.array([clip.vad is not None for clip in CLIPS])
    true = vad_of(CLIPS)[rated]
    ccc = sum(1 - _ccc(true[:, at], OUTPUTS[rated, 3 + at].astype(float)) for at in range(3))
    log_p = OUTPUTS[:, 6:14] - np.log(np.exp(OUTPUTS[:, 6:14]).sum(axis=1, keepdims=True))
    octants = -(octants_of(CLIPS) * log_p).sum(axis=1).mean()
    for epoch, weight in ((0, 1.0), (1, 0.505), (2, 0.0)):
        expected = plain + 0.7 * ccc + 2 * weight * octants
        assert _value(LOSS, OUTPUTS, epoch) == pytest.approx(expected, rel=1e-4)
    without = np.delete(OUTPUTS, np.s_[6:14], axis=1)
    assert _value(replace(LOSS, octant=0.0), without, 0) == pytest.approx(plain + 0.7 * ccc, rel=1e-4)


def test_after_the_quarter_nothing_pulls_on_the_octants() -> None:
    def pull(epoch: int) -> np.ndarray:
        outputs = tf.Variable(OUTPUTS)
        with tf.GradientTape() as tape:
            targets = np.hstack([TARGETS, _affect().columns(epoch)])
            value = make_loss(LOSS, CLASSES)(targets, outputs)
        return np.asarray(tape.gradient(value, outputs))[:, 6:14]

    assert np.abs(pull(EPOCHS // 4 - 1)).max() > 0
    assert (pull(EPOCHS // 4) == 0).all()
    assert not _affect().columns(EPOCHS // 4)[:, 4:].any()
    # And the value does not depend on what the head says.
    other = OUTPUTS.copy()
    other[:, 6:14] = RNG.normal(size=(6, 8))
    assert _value(LOSS, other, 2) == _value(LOSS, OUTPUTS, 2)


def test_concordance_as_a_loss_weighs_clips() -> None:
    predicted, true = RNG.normal(size=(2, 7, 3))
    loss = float(ccc_loss(tf.constant(predicted), tf.constant(true), tf.ones((7, 1), tf.float64)))
    assert loss == pytest.approx(sum(1 - _ccc(true[:, at], predicted[:, at]) for at in range(3)))
    # A weight of two is the clip twice; a weight of nothing is no clip.
    weights = np.array([[2.0], [1], [1], [1], [1], [1], [0]])
    twice = [0, 0, 1, 2, 3, 4, 5]
    expected = float(
        ccc_loss(tf.constant(predicted[twice]), tf.constant(true[twice]), tf.ones((7, 1), tf.float64))
    )
    assert float(ccc_loss(tf.constant(predicted), tf.constant(true), tf.constant(weights))) == pytest.approx(
        expected
    )
    assert float(ccc_loss(tf.constant(true), tf.constant(true), tf.constant(weights))) == pytest.approx(0)


@pytest.mark.parametrize("weights", [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
def test_a_batch_with_too_few_ratings_is_finite(weights: list[float]) -> None:
    predicted = tf.Variable(RNG.normal(size=(3, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = ccc_loss(predicted, tf.zeros((3, 3)), tf.constant(weights)[:, tf.newaxis])
    assert float(loss) == (3.0 if any(weights) else 0.0)
    assert not np.asarray(tape.gradient(loss, predicted)).any()


def test_a_term_without_effect_is_an_error() -> None:
    unrated = [_clip("anger"), _clip("neutral")]
    assert affect_targets(unrated, LossSpec(), 8) is None
    with pytest.raises(InputError, match=r"loss\.ccc is 1\.0, and none of 2 training clips"):
        affect_targets(unrated, LossSpec(ccc=1.0), 8)
    with pytest.raises(InputError, match=r"loss\.octant is 1\.0, and none of 1 training clips"):
        affect_targets([_clip("other")], LossSpec(octant=1.0), 8)
    assert affect_targets(unrated, LossSpec(octant=1.0), 8) is not None


@pytest.mark.parametrize(
    ("net", "loss", "epochs", "words"),
    [
        ("keyword", {"ccc": 1.0}, 8, r"training\.keyword\.loss\.ccc.*nobody rates keywords"),
        ("keyword", {"octant": 1.0}, 8, r"training\.keyword\.loss\.octant.*nobody rates keywords"),
        ("acoustic", {"octant": 1.0}, 3, r"training\.acoustic\.loss\.octant.*epochs is at least 4"),
        ("acoustic", {"ccc": -1.0}, 8, r"training\.acoustic\.loss\.ccc.*0 to 100"),
    ],
)
def test_a_spec_that_asks_for_the_impossible(
    net: str, loss: dict[str, float], epochs: int, words: str
) -> None:
    plain = TINY.to_dict()
    plain["training"][net]["loss"] |= loss
    plain["training"][net]["epochs"] = epochs
    with pytest.raises(InputError, match=words):
        spec_from_dict(plain)


def _net() -> keras.Model:
    inputs = keras.Input((20, 10, 1))
    x = relu(conv(inputs, 4, 3, "stem"), "stem")
    return keras.Model(inputs, embed(keras.layers.GlobalAveragePooling2D(keepdims=True)(x), 8), name="net")


def _loud(rng: np.random.Generator, count: int) -> tuple[list[Example], list[Clip]]:
    """Clips whose arousal is their level and whose valence is which channels are loud; dominance goes with both."""
    examples, clips = [], []
    for at in range(count):
        level, tilt = rng.uniform(0, 1), at % 2
        features = rng.integers(1, 30, size=(20, 10), dtype=np.uint8)
        features[:, tilt::2] += np.uint8(40 + 160 * level)
        examples.append(Example(tilt, f"s{at % 4}", (features,), ((0, 20),)))
        valence, arousal = 2.0 + 2 * tilt, 1 + 4 * level
        clips.append(_clip("anger" if tilt else "sadness", (valence, arousal, (valence + arousal) / 2)))
    return examples, clips


def test_a_mixed_clip_has_mixed_ratings() -> None:
    """Columns are mixed as labels are: the ratings of a mixed clip are its columns over its weight."""
    rng = np.random.default_rng(2)
    examples, clips = _loud(rng, 40)
    clips = [replace(clip, vad=None) if at % 4 == 0 else clip for at, clip in enumerate(clips)]
    recipe = RecipeSpec(epochs=8, loss=LOSS, label_smoothing=0.1, augment=AugmentSpec(copies=0, mixup=1.0))
    epochs = Epochs(
        examples,
        2,
        20,
        recipe,
        FrontendSpec(channels=10),
        1,
        centred=False,
        affect=affect_targets(clips, LOSS, 8),
    )
    _, targets, _ = epochs.epoch(0)
    assert targets.shape == (40, 2 + 12)
    assert targets[:, :2].sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert targets[:, 6:].sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    weight, vad = targets[:, 2], targets[:, 3:6]
    assert 0 < (weight < 0.999).sum() < 40
    mixed = vad[weight > 0] / weight[weight > 0, np.newaxis]
    # Dominance is the mean of the other two in every clip, and so in every mixture of rated clips.
    assert mixed[:, 2] == pytest.approx(mixed[:, :2].mean(axis=1), abs=1e-4)
    assert epochs.epoch(2)[1][:, 6:].any() == np.False_


def test_a_training_learns_the_ratings_resumes_and_keeps_its_head(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (examples, clips), (held, held_clips) = _loud(rng, 96), _loud(rng, 48)
    loss = LossSpec(ccc=1.0, octant=1.0)
    recipe = RecipeSpec(
        epochs=12,
        batch_size=16,
        learning_rate=1e-2,
        loss=loss,
        augment=AugmentSpec(copies=0, mixup=0.0, gain_db=0.0, time_mask_frames=0, channel_mask=0),
    )
    epochs = Epochs(
        examples,
        2,
        20,
        recipe,
        FrontendSpec(channels=10),
        1,
        centred=False,
        affect=affect_targets(clips, loss, 12),
    )
    features = np.stack([one.versions[0] for one in held])
    validation = Validation(features, np.array([one.label for one in held], dtype=np.int64))

    def stop(_steps: int) -> None:
        if (tmp_path / CHECKPOINT).exists():
            raise KeyboardInterrupt

    keras.utils.set_random_seed(1)
    with pytest.raises(KeyboardInterrupt):
        train_net(_net(), epochs, validation, recipe, 0.0, 1, tmp_path, stop)
    trained = train_net(_net(), epochs, validation, recipe, 0.0, 1, tmp_path, lambda _steps: None)
    embedding = keras.Model(trained.input, trained.get_layer("flat_embedding").output)
    inputs = features[..., np.newaxis] / np.float32(255)
    predicted = load_vad_head(tmp_path).logits(embedding.predict(inputs, verbose=0))
    for at, true in enumerate(vad_of(held_clips).T):
        assert concordance(true, predicted[:, at]) > 0.8
    assert not {"vad_head", "octant_head"} & {layer.name for layer in trained.layers}


def test_the_heads_are_beside_the_classifier_and_not_in_it() -> None:
    both = training_model(_net(), CLASSES, 0.1, LossSpec(ccc=1.0, octant=1.0))
    assert both.output_shape == (None, CLASSES + 3 + 8)
    everything = training_model(_net(), CLASSES, 0.1, replace(LOSS, focal=1.0))
    assert everything.output_shape == (None, CLASSES + 3 + 8 + CLASSES + 8)
    assert training_model(_net(), CLASSES, 0.1, LossSpec(ccc=1.0)).output_shape == (None, CLASSES + 3)


RECIPE = RecipeSpec(epochs=4, batch_size=4, augment=AugmentSpec(copies=0, mixup=0.2))
SPEC = replace(
    TINY,
    keyword=replace(TINY.keyword, words=("yes",), width=8, blocks=1, embedding=8, window_s=0.5),
    acoustic=replace(
        TINY.acoustic, classes=("anger", "neutral"), stem=(8, 8), dim=8, embedding=8, segment_s=1.0, hop_s=1.0
    ),
    training=replace(TINY.training, keyword=replace(RECIPE, epochs=1), acoustic=RECIPE),
    quantization=QuantizationSpec(calibration_segments=8, aware_epochs=1),
)


def _manifest(root: Path, kind: str) -> Manifest:
    rng = np.random.default_rng(0)

    def clips(speakers: str) -> tuple[Clip, ...]:
        made = []
        for speaker in speakers:
            for at, label in enumerate(SPEC.acoustic.classes if kind == "emotion" else SPEC.keyword.classes):
                path = root / f"{kind}-{speaker}-{at}.wav"
                write_wav(path, (rng.normal(size=14_000) * 300 * (1 + 9 * at)).astype(np.int16), 16_000)
                vad = (2.0 + at, 4.0 - at, 3.0 + at / 2) if speaker != "g" else None
                made.append(
                    Clip("iemocap", path, speaker, emotion=label, vad=vad)
                    if kind == "emotion"
                    else Clip("speech-commands", path, speaker, keyword=label)
                )
        return tuple(made)

    corpus = "iemocap" if kind == "emotion" else "speech-commands"
    return Manifest(corpus, root, "by hand", clips("abg"), clips("de"), clips("f"))


def _stored(path: Path) -> dict[str, tuple[int, ...]]:
    """What a weights file holds, by name, and its shapes."""
    found: dict[str, tuple[int, ...]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, one: found.update({name: one.shape}) if isinstance(one, h5py.Dataset) else None
        )
    return found


def _ops(int8: bytes) -> list[Any]:
    """Operations of an int8 file, and the shapes of what they read and write."""
    return [
        (op.name, [[tensor.shape if tensor else None for tensor in side] for side in (op.inputs, op.outputs)])
        for op in read_model(int8, "acoustic.tflite").operators
    ]


@pytest.mark.slow
def test_a_real_training_deploys_the_same_net(tmp_path: Path) -> None:
    """A fold as evaluation trains it, in a child process, with both heads."""
    emotions, words = _manifest(tmp_path, "emotion"), _manifest(tmp_path, "keyword")
    loss = LossSpec(ccc=1.0, octant=1.0)
    recipe = replace(RECIPE, loss=loss)
    spec = replace(SPEC, training=replace(SPEC.training, acoustic=recipe))
    folder = tmp_path / "run"
    bundle = read_bundle(train_fold(spec, emotions, words, folder, 1))
    # The file of the weights and the int8 file are what a net without the heads gives.
    plain = tmp_path / WEIGHTS
    with_classifier(build_acoustic(SPEC), len(SPEC.acoustic.classes), 0.0).save_weights(plain)
    trained = weights_file(spec, folder, "acoustic")
    assert _stored(trained) == _stored(plain)
    _, features = calibration_features(spec, folder)
    assert _ops(bundle.member("acoustic.tflite")) == _ops(convert_net(SPEC, "acoustic", plain, features).int8)
    # What the head hears of the test clips is told beside the ratings, in float.
    told = bundle.report("vad")
    assert told is not None
    assert told["rated"] == [[-0.5, 0.5, 0.0], [0.0, 0.0, 0.25]]
    system = load_system(spec, folder)
    again = vad_report(system, trained.parent, emotions.test)
    assert again is not None
    rated, predicted = ratings_from_dict(told, "bundle")
    assert np.allclose(again["predicted"], predicted, atol=1e-3)
    assert rated.shape == predicted.shape == (2, 3)
    assert np.isfinite(predicted).all()
    assert vad_report(system, trained.parent, [replace(clip, vad=None) for clip in emotions.test]) is None
    with pytest.raises(InputError, match=r"vad-head\.npz: not the head of a training with loss\.ccc above 0"):
        load_vad_head(tmp_path)
    # Quantisation-aware training goes on with the head and moves it a little.
    examples = load_examples(folder / "acoustic-examples" / "train.npz")
    affect = affect_targets(emotions.train, loss, recipe.epochs)
    epochs = Epochs(examples, 2, spec.segment_frames, recipe, spec.frontend, 1, centred=False, affect=affect)
    train_aware(
        lambda: build_acoustic(spec),
        trained,
        epochs,
        features,
        spec.quantization,
        0.0,
        tmp_path / "aware",
        lambda _steps: None,
    )
    before, after = load_vad_head(trained.parent), load_vad_head(tmp_path / "aware")
    assert after.weights.shape == (3, 8)
    assert 0 < np.abs(after.weights - before.weights).max() < 0.1
    assert _stored(tmp_path / "aware" / WEIGHTS).keys() == _stored(plain).keys()
