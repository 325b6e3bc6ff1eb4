"""A whole system trained on a handful of made clips: stages are kept, quantisation-aware ones among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import write_wav
from edge_ser.bundle_controls import CONTROLS as CONTROLS_MEMBER
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.quantization.aware import RANGES
from edge_ser.quantization.system import quantize_system
from edge_ser.runtime.interpreters import output_quantization
from edge_ser.spec import QuantizationSpec, SystemSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import AugmentSpec, RecipeSpec
from edge_ser.training.crossfit import CONTROLS
from edge_ser.training.examples import load_examples
from edge_ser.training.float_system import WORDS_PROBE, load_system, ranges_file, weights_file
from edge_ser.training.probing import STRENGTHS
from edge_ser.training.stages import result
from edge_ser.training.system import train_system

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
RECIPE = RecipeSpec(epochs=1, batch_size=4, augment=AugmentSpec(copies=0, mixup=0.0))
SPEC = replace(
    TINY,
    keyword=replace(TINY.keyword, words=("yes",), width=8, blocks=1, embedding=8, window_s=0.5),
    acoustic=replace(
        TINY.acoustic,
        classes=("anger", "neutral"),
        stem=(8, 8),
        dim=8,
        embedding=8,
        segment_s=1.0,
        hop_s=1.0,
    ),
    training=replace(TINY.training, keyword=RECIPE, acoustic=replace(RECIPE, soft_labels=0.5)),
    quantization=QuantizationSpec(calibration_segments=8, aware=True, aware_epochs=1),
)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Manifest]:
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)

    def clips(kind: str, speakers: str) -> tuple[Clip, ...]:
        made = []
        for speaker in speakers:
            for at, label in enumerate(SPEC.acoustic.classes if kind == "emotion" else SPEC.keyword.classes):
                path = root / f"{kind}-{speaker}-{at}.wav"
                write_wav(path, (rng.normal(size=14_000) * 300 * (1 + 9 * at)).astype(np.int16), 16_000)
                votes = (("anger", 0.5), ("neutral", 0.5))
                made.append(
                    Clip("made", path, speaker, emotion=label, soft_label=votes)
                    if kind == "emotion"
                    else Clip("made", path, speaker, keyword=label)
                )
        return tuple(made)

    return tuple(  # type: ignore[return-value]
        Manifest("made", root, "by hand", clips(kind, "ab"), clips(kind, "de"), clips(kind, "f"))
        for kind in ("emotion", "keyword")
    )


def _progress(seen: list[str]) -> Callable[[str, int], Iterator[Callable[[int], None]]]:
    @contextmanager
    def progress(description: str, _total: int) -> Iterator[Callable[[int], None]]:
        seen.append(description)
        yield lambda _steps: None

    return progress


def _train(spec: SystemSpec, manifests: tuple[Manifest, Manifest], folder: Path) -> list[str]:
    seen: list[str] = []
    train_system(spec, *manifests, folder, _progress(seen))  # type: ignore[arg-type]
    return [
        description for description in seen if description.split(" ")[1] == "net" or "aware" in description
    ]


def test_a_quantisation_aware_system_trains_resumes_and_ships(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
) -> None:
    keyword, acoustic = "keyword net", "acoustic net"
    aware = ", quantisation-aware"
    assert _train(SPEC, manifests, tmp_path) == [keyword, keyword + aware, acoustic, acoustic + aware]
    assert _train(SPEC, manifests, tmp_path) == []
    assert result(tmp_path / "acoustic-aware") == {"epochs": 1}
    for net in ("keyword", "acoustic"):
        assert weights_file(SPEC, tmp_path, net).parent == tmp_path / f"{net}-aware"
        assert ranges_file(tmp_path, net).name == RANGES
    made = (tmp_path / "acoustic-examples" / "train.npz").stat().st_mtime_ns
    quantized = quantize_system(
        load_system(SPEC, tmp_path), tmp_path, output_quantization, lambda _steps: None
    )
    differences = quantized.report()["fake_quant_difference_lsb"]
    assert set(differences) == {"keyword", "acoustic"}
    assert all(isinstance(value, int) for value in differences.values())
    plain = replace(SPEC, quantization=replace(SPEC.quantization, aware=False))
    assert weights_file(plain, tmp_path, "acoustic").parent == tmp_path / "acoustic"
    assert _train(plain, manifests, tmp_path) == []
    probed = replace(plain, keyword=replace(plain.keyword, probe=True))
    assert _train(probed, manifests, tmp_path) == []
    assert result(tmp_path / WORDS_PROBE)["strength"] in STRENGTHS
    again, own = load_system(probed, tmp_path).words, load_system(plain, tmp_path).words
    assert again.weights.shape == own.weights.shape
    assert not np.allclose(again.weights, own.weights)
    varied = replace(RECIPE, augment=replace(RECIPE.augment, vtlp=0.1, time_warp_frames=3))
    other = replace(plain, training=replace(plain.training, acoustic=varied))
    assert _train(other, manifests, tmp_path) == [acoustic]
    # Only what is drawn anew every epoch has changed: the features are those that were there.
    assert (tmp_path / "acoustic-examples" / "train.npz").stat().st_mtime_ns == made


def test_who_validates_may_teach_and_then_no_words_are_weighed(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
) -> None:
    spec = replace(
        SPEC,
        quantization=replace(SPEC.quantization, aware=False),
        corpora=replace(SPEC.corpora, validation_teaches=True),
    )
    assert _train(spec, manifests, tmp_path) == ["keyword net", "acoustic net"]
    emotions = manifests[0]
    heard = {one.speaker for one in load_examples(tmp_path / "acoustic-examples" / "train.npz")}
    assert heard == {*emotions.speakers("train"), *emotions.speakers("validation")}
    told = result(tmp_path / "fusion")
    assert (told["held_out_speakers"], told["penalty"], told["temperature"]) == (0, None, 1.0)
    assert told["abstain"] == {}
    system = load_system(spec, tmp_path)
    acoustic = spec.acoustic.embedding
    assert np.array_equal(system.fusion.weights[:, :acoustic], system.alone.weights)
    assert not system.fusion.weights[:, acoustic:].any()
    assert len(system.controls) == CONTROLS


def test_cross_fitting_trains_a_net_per_fold_resumes_and_leaves_controls(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
) -> None:
    spec = replace(
        SPEC,
        quantization=replace(SPEC.quantization, aware=False),
        fusion=replace(SPEC.fusion, cross_fit=2, penalties=(1.0,)),
    )
    acoustic = "acoustic net"
    assert _train(spec, manifests, tmp_path) == ["keyword net", acoustic, acoustic, acoustic]
    told = result(tmp_path / "fusion")
    assert (told["cross_fit"], told["held_out_speakers"]) == (2, 4)
    assert _train(spec, manifests, tmp_path) == []
    system = load_system(spec, tmp_path)
    assert len(system.controls) == CONTROLS == len(told["control_penalties"])
    # A fold's net never met its speakers: the speakers sorted, every second one.
    heard = [
        {one.speaker for one in load_examples(tmp_path / "cross-fit" / name / "acoustic-examples/train.npz")}
        for name in ("fold-00", "fold-01")
    ]
    assert heard == [{"b", "e"}, {"a", "d"}]
    made = quantize_system(system, tmp_path, output_quantization, lambda _steps: None)
    assert made.controls is not None
    assert len(made.controls.taught) == CONTROLS
    alone = made.controls.alone.integer.weights
    assert not alone[:, spec.acoustic.embedding :].any()
    assert alone[:, : spec.acoustic.embedding].any()
    assert CONTROLS_MEMBER in made.members(spec)
