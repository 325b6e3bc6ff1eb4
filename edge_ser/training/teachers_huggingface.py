"""A HuggingFace encoder on disk as a teacher: the mean of its last hidden states is its vector.

Needs torch and transformers, the optional extra ``teachers``; nothing is ever downloaded, and no code or pickle out of
the folder is run: weights come from safetensors alone.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ser.errors import InputError, MissingError
from edge_ser.training.teachers import WAVEFORM_RATE_HZ, Hearing

_NOT_NEEDED = {"masked_spec_embed"}
"""Of wav2vec 2.0 and its kin: stands for what is masked in their own training, and is not saved by all."""

_OFFLINE = {"local_files_only": True, "trust_remote_code": False}


class HuggingFaceTeacher:
    """An encoder of speech, e.g. wav2vec 2.0, HuBERT or WavLM; of an encoder with a decoder the encoder alone.

    Where the folder has a ``preprocessor_config.json``, that decides the sample rate and what is done to the samples
    (wav2vec 2.0: zero mean and unit variance); else they go in as they are, at 16 kHz.
    """

    def __init__(self, folder: Path) -> None:
        """Load an encoder.

        Args:
            folder: holds config.json and model.safetensors.

        Raises:
            MissingError: torch or transformers is not installed.
            InputError: the folder holds something else, or an encoder of something else than sound.
        """
        self._folder = folder
        self._torch, transformers = _packages()
        try:
            self._prepare: Any = None
            if (folder / "preprocessor_config.json").is_file():
                self._prepare = transformers.AutoFeatureExtractor.from_pretrained(folder, **_OFFLINE)
            model, loaded = transformers.AutoModel.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **_OFFLINE
            )
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, self._damaged()) as error:
            lines = str(error).strip().splitlines()
            message = (
                f"{folder}: not an encoder that transformers can load ({lines[0] if lines else type(error).__name__}); "
                "save it with save_pretrained(folder, safe_serialization=True)"
            )
            raise InputError(message) from None
        lacking = sorted(set(loaded["missing_keys"]) - _NOT_NEEDED)
        if lacking:
            # transformers would go on with random numbers in their place.
            found = f"its weights lack {len(lacking)} tensors of the encoder, e.g. {lacking[0]}"
            message = f"{folder}: {found}; get a whole copy"
            raise InputError(message)
        self._model = (model.get_encoder() if model.config.is_encoder_decoder else model).eval()
        rate = WAVEFORM_RATE_HZ if self._prepare is None else getattr(self._prepare, "sampling_rate", None)
        if not isinstance(rate, int) or rate < 1:
            message = f"{folder}: its preprocessor names no sampling rate; expected an encoder of speech"
            raise InputError(message)
        self.hearing = Hearing("waveform", None, rate)

    def outputs(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (n, samples) → float32 (n, hidden size).

        Raises:
            InputError: the encoder cannot hear them.
        """
        rows = []
        for piece in pieces:
            try:
                with self._torch.inference_mode():
                    states = self._model(**self._inputs(piece)).last_hidden_state
            except (AttributeError, TypeError, ValueError, RuntimeError, IndexError) as error:
                message = f"{self._folder}: cannot hear {len(piece)} samples ({error}); expected an encoder of speech"
                raise InputError(message) from None
            rows.append(states[0].mean(dim=0).float().numpy())
        return np.stack(rows)

    def _inputs(self, piece: NDArray[np.float32]) -> dict[str, Any]:
        if self._prepare is None:
            return {"input_values": self._torch.from_numpy(piece[np.newaxis])}
        rate = round(self.hearing.per_second)
        return dict(self._prepare(piece, sampling_rate=rate, return_tensors="pt"))

    @staticmethod
    def _damaged() -> type[Exception]:
        """What safetensors raises of a damaged file; it derives from nothing but Exception."""
        kind: type[Exception] = importlib.import_module("safetensors").SafetensorError
        return kind


def _packages() -> tuple[Any, Any]:
    # By name: they are an optional extra, and type checking shall not depend on whether they are there.
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        message = (
            f"a huggingface teacher needs torch and transformers ({error}); pip install 'edge-ser[teachers]'; a build "
            "of torch for the CPU is enough"
        )
        raise MissingError(message) from None
