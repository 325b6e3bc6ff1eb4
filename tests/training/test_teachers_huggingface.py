"""A HuggingFace encoder folder as a teacher, with tiny encoders of random weights."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from teacher_cases import SPEC, clips, manifest, progress_into, taught

from edge_ser.audio import read_audio
from edge_ser.errors import InputError, MissingError
from edge_ser.spec_training import TeacherSpec
from edge_ser.teacher_files import find_teachers
from edge_ser.training.lessons import make_lessons
from edge_ser.training.teachers import said_by

WHY = "needs torch and transformers: pip install 'edge-ser[teachers]'"
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8, 8),
    "conv_stride": (20, 16),
    "conv_kernel": (40, 16),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}


def _saved(name: str, folder: Path) -> Any:
    """A tiny encoder with random weights, saved to ``folder``."""
    torch = pytest.importorskip("torch", reason=WHY)
    transformers = pytest.importorskip("transformers", reason=WHY)
    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**SIZES)
    model = getattr(transformers, f"{name}Model")(config).eval()
    model.save_pretrained(folder)
    return model


def _asked(folder: Path) -> TeacherSpec:
    return TeacherSpec((str(folder),), "huggingface", "vector", learned_from="random weights")


def _said(folder: Path, root: Path) -> np.ndarray:
    asked, emotions = _asked(folder), manifest(root, "emotion")
    (file,) = find_teachers(taught(asked), emotions)
    assert file.learned_from == "random weights"
    return said_by(asked, file, SPEC.frontend, emotions.train, lambda _clips: None)


def _waveform(clip: Any, rate: int = 16_000) -> np.ndarray:
    samples = read_audio(clip.path, rate).astype(np.float32) / 32768
    return np.pad(samples, (0, max(0, rate - len(samples))))


@pytest.mark.parametrize("name", ["Wav2Vec2", "Hubert", "WavLM"])
def test_the_vector_is_the_mean_of_the_last_hidden_states(name: str, tmp_path: Path) -> None:
    model = _saved(name, tmp_path / "encoder")
    torch = importlib.import_module("torch")
    found = _said(tmp_path / "encoder", tmp_path)
    heard = clips(tmp_path, "emotion", "ab", SPEC.acoustic.classes)
    assert found.shape == (len(heard), SIZES["hidden_size"])
    for row, clip in zip(found, heard, strict=True):
        with torch.no_grad():
            states = model(torch.from_numpy(_waveform(clip))[None]).last_hidden_state
        assert row == pytest.approx(states[0].mean(dim=0).numpy(), abs=1e-4)
    lessons = make_lessons(
        TeacherSpec(("a",), "huggingface", "vector", learned_from="x", head_epochs=1),
        [found],
        [()],
        np.array([SPEC.acoustic.classes.index(str(clip.emotion)) for clip in heard]),
        [clip.speaker for clip in heard],
        2,
        progress_into([]),
    )
    assert lessons.head is not None
    assert np.isfinite(lessons.net.values).all()


def test_the_folder_s_preprocessor_decides_rate_and_scale(tmp_path: Path) -> None:
    model = _saved("Wav2Vec2", tmp_path / "encoder")
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    raw = _said(tmp_path / "encoder", tmp_path)
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True)
    extractor.save_pretrained(tmp_path / "encoder")
    found = _said(tmp_path / "encoder", tmp_path)
    assert np.abs(found - raw).max() > 1e-3
    clip = manifest(tmp_path, "emotion").train[0]
    samples = _waveform(clip, 8000)
    scaled = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.no_grad():
        states = model(torch.from_numpy(scaled.astype(np.float32))[None]).last_hidden_state
    assert found[0] == pytest.approx(states[0].mean(dim=0).numpy(), abs=1e-3)


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    _saved("Wav2Vec2", folder)
    safetensors = importlib.import_module("safetensors.torch")
    weights = folder / "model.safetensors"
    tensors = safetensors.load_file(weights)
    lacking = {name: values for name, values in tensors.items() if "encoder.layers.0" not in name}
    safetensors.save_file(lacking, weights, {"format": "pt"})
    with pytest.raises(InputError, match=r"lack \d+ tensors of the encoder"):
        _said(folder, tmp_path)
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(InputError, match="not an encoder that transformers can load"):
        _said(folder, tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "of nobody"}))
    with pytest.raises(InputError, match="not an encoder that transformers can load"):
        _said(folder, tmp_path)


def test_an_encoder_of_text_cannot_hear(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason=WHY)
    transformers = pytest.importorskip("transformers", reason=WHY)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=8
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "text")
    with pytest.raises(InputError, match="expected an encoder of speech"):
        _said(tmp_path / "text", tmp_path)


def test_no_safetensors_no_teacher(tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle could run anything")
    with pytest.raises(InputError, match=r"expected a folder with config\.json and model\.safetensors"):
        _said(folder, tmp_path)


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_what_to_install_is_said(absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"never read")
    there = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == absent:
            message = f"No module named {name!r}"
            raise ModuleNotFoundError(message)
        return there("json") if name in ("torch", "transformers") else there(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingError, match=r"edge-ser\[teachers\]"):
        _said(folder, tmp_path)
