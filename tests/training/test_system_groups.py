"""A system trained with re-augmentation, a classifier fitted again and entropy averaging on a handful of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_ser.audio import write_wav
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.manifest import Manifest
from edge_ser.errors import InputError
from edge_ser.spec import DecisionSpec, FusionSpec
from edge_ser.spec_file import load_spec
from edge_ser.spec_training import AugmentSpec, RebalanceSpec, RecipeSpec
from edge_ser.training.float_system import load_system
from edge_ser.training.loop import WEIGHTS
from edge_ser.training.probing import STRENGTHS
from edge_ser.training.segments import cut_segments
from edge_ser.training.stages import result
from edge_ser.training.start import Start
from edge_ser.training.system import train_system

TINY = load_spec(Path(__file__).resolve().parents[2] / "models" / "tiny.toml")
RECIPE = RecipeSpec(epochs=1, batch_size=4, augment=AugmentSpec(copies=0, mixup=0.0))
SPEC = replace(
    TINY,
    keyword=replace(TINY.keyword, words=("yes",), width=8, blocks=1, embedding=8, window_s=0.5),
    acoustic=replace(
        TINY.acoustic, classes=("anger", "neutral"), stem=(8, 8), dim=8, embedding=8, segment_s=1.0, hop_s=1.0
    ),
    training=replace(
        TINY.training, keyword=RECIPE, acoustic=replace(RECIPE, rebalance=RebalanceSpec(epochs=1))
    ),
    fusion=replace(TINY.fusion, alignment=2),
    decision=DecisionSpec(averaging="entropy", abstain=0.6),
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
                write_wav(path, (rng.normal(size=30_000) * 300 * (1 + 9 * at)).astype(np.int16), 16_000)
                key = "emotion" if kind == "emotion" else "keyword"
                made.append(Clip("made", path, speaker, **{key: label}))
        return tuple(made)

    emotion, keyword = (
        Manifest("made", root, "by hand", clips(kind, "abc"), clips(kind, "de"), clips(kind, "f"))
        for kind in ("emotion", "keyword")
    )
    return emotion, keyword


def _progress(seen: list[str]) -> Callable[[str, int], Iterator[Callable[[int], None]]]:
    @contextmanager
    def progress(description: str, _total: int) -> Iterator[Callable[[int], None]]:
        seen.append(description)
        yield lambda _steps: None

    return progress


def test_all_three_go_into_the_system(manifests: tuple[Manifest, Manifest], tmp_path: Path) -> None:
    seen: list[str] = []
    system = train_system(SPEC, *manifests, tmp_path, _progress(seen))  # type: ignore[arg-type]
    assert {"first pass", "acoustic net", "alignment"} <= set(seen)
    groups = result(tmp_path / "acoustic-first-pass")["groups"]
    assert set(groups) == {"made/a", "made/b", "made/c"}
    own = system.acoustic.get_layer("classifier").get_weights()[0].T
    assert system.alone.weights.shape == own.shape
    assert np.linalg.matrix_rank(system.alone.weights, tol=1e-9) <= 2
    assert not np.allclose(system.alone.weights, own)
    # Fusion starts from the aligned classifier: its acoustic half is that one, tempered.
    acoustic = system.fusion.weights[:, :8]
    temperature = result(tmp_path / "fusion")["temperature"]
    assert np.allclose(acoustic * temperature, system.alone.weights)
    assert set(result(tmp_path / "fusion")["abstain"]) == {"0.95", "0.9", "0.8", "0.7", "0.5"}
    segments = cut_segments(SPEC, manifests[0].test, lambda _clips: None)
    assert len(segments.features) > len(segments.labels)
    fused, _ = system.logits(segments)
    assert np.allclose(np.exp(fused).sum(axis=1), 1, atol=1e-6)
    seen.clear()
    train_system(SPEC, *manifests, tmp_path, _progress(seen))  # type: ignore[arg-type]
    assert "acoustic net" not in seen
    (tmp_path / "aligned" / "head.npz").unlink()
    with pytest.raises(InputError, match="holds no finished training"):
        load_system(SPEC, tmp_path)


def test_a_net_may_stay_as_it_starts(manifests: tuple[Manifest, Manifest], tmp_path: Path) -> None:
    training = replace(SPEC.training, acoustic=RECIPE)
    taught = replace(SPEC, fusion=FusionSpec(), decision=DecisionSpec(), training=training)
    first = train_system(taught, *manifests, tmp_path / "first", _progress([]))  # type: ignore[arg-type]
    start = Start(taught, (tmp_path / "first" / "acoustic" / WEIGHTS).read_bytes(), "0" * 64, ())
    still = replace(
        taught,
        fusion=FusionSpec(probe=True),
        training=replace(training, acoustic=replace(RECIPE, epochs=0), seed=5),
    )
    with pytest.raises(InputError, match="name one to start from: --start BUNDLE"):
        train_system(still, *manifests, tmp_path / "no", _progress([]))  # type: ignore[arg-type]
    seen: list[str] = []
    system = train_system(still, *manifests, tmp_path / "still", _progress(seen), start)  # type: ignore[arg-type]
    assert "linear probe" in seen
    features = cut_segments(still, manifests[0].test, lambda _clips: None).features
    assert np.array_equal(system.embeddings(features)[0], first.embeddings(features)[0])
    assert result(tmp_path / "still" / "probe")["strength"] in STRENGTHS
    assert not np.allclose(system.alone.weights, system.acoustic.get_layer("classifier").get_weights()[0].T)
    seen.clear()
    train_system(still, *manifests, tmp_path / "still", _progress(seen), start)  # type: ignore[arg-type]
    assert "acoustic net" not in seen
    (tmp_path / "still" / "probe" / "head.npz").unlink()
    with pytest.raises(InputError, match="holds no finished training"):
        load_system(still, tmp_path / "still")
