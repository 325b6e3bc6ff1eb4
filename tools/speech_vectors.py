"""What published speech encoders say of recordings: the vectors that teach an acoustic net (kind = "vectors").

python tools/speech_vectors.py CREMA-D EMO-DB --encoder encoder_model.ort --speaker-encoder pretrained.pt -o vectors.npz

--encoder is an ONNX or ORT file from a waveform (batch, samples) to (batch, time, values), e.g. the encoder of
Moonshine tiny (Useful Sensors, arXiv 2410.15608), which the wheel moonshine-voice 0.0.73 holds under
assets/tiny-en. --speaker-encoder is the GE2E network (arXiv 1710.10467) that the wheel Resemblyzer 0.1.4 holds. Neither
is ever fetched here: `pip download --no-deps WHEEL` and unzip it. Of each, the mean and the standard deviation over time
are taken. What is done already in the output file is kept. Needs, in an environment of its own:
pip install onnxruntime torch librosa soundfile, and this package.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnxruntime
import torch
from rich.progress import track

from edge_ser.audio import read_audio
from edge_ser.errors import EdgeSerError, InputError
from edge_ser.teacher_vectors import read_vectors, write_vectors

RATE_HZ = 16_000
SHORTEST_S = 1.2
"""Zeros behind a shorter recording: the encoders need about a second."""

PEAK = 0.5
"""Of what the waveform encoder hears: the level of a recording is not taught."""

LEVEL_DB = -30.0
"""Of what the speaker encoder hears; as in its own package (``audio_norm_target_dBFS``)."""

LSTM_LAYERS, LSTM_SIZE, MELS = 3, 256, 40
"""Of the speaker encoder; 25 ms windows every 10 ms, as its package says."""

SUFFIXES = (".wav", ".flac")
SAVED_EVERY = 500

Encoder = Callable[[np.ndarray], np.ndarray]
"""float32 (samples,), full scale 1.0 → float32 (K,)."""


def main() -> None:
    """Hear every recording below the folders that has no vector yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--speaker-encoder", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    chosen = parser.parse_args()
    try:
        hear(chosen.folders, [waveform_encoder(chosen.encoder), speaker_encoder(chosen.speaker_encoder)], chosen.output)
    except EdgeSerError as error:
        print(f"speech_vectors: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def hear(folders: Sequence[Path], encoders: Sequence[Encoder], output: Path) -> None:
    """Add the vectors of all recordings below ``folders`` to ``output``.

    Raises:
        InputError: a folder has no recordings, or one cannot be read.
    """
    known: dict[str, np.ndarray] = {}
    if output.exists():
        before = read_vectors(output)
        known = {digest: before.rows[row] for digest, row in before.at.items()}
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not files:
            message = f"{folder}: no recordings ({', '.join(SUFFIXES)}) below it"
            raise InputError(message)
        for number, path in enumerate(track(files, description=folder.name)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest not in known:
                samples = read_audio(path, RATE_HZ).astype(np.float32) / np.float32(32768)
                heard = np.pad(samples, (0, max(0, round(SHORTEST_S * RATE_HZ) - len(samples))))
                known[digest] = np.concatenate([encode(heard) for encode in encoders])
            if number % SAVED_EVERY == SAVED_EVERY - 1:
                write_vectors(output, known)
        write_vectors(output, known)
    print(f"{output}: {len(known)} recordings", file=sys.stderr)


def waveform_encoder(path: Path) -> Encoder:
    """Mean and deviation over time of the last hidden states of an ONNX or ORT encoder."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def encode(samples: np.ndarray) -> np.ndarray:
        loudest = max(float(np.abs(samples).max()), 1e-3)
        given: dict[str, Any] = {names[0]: samples[np.newaxis] * np.float32(PEAK / loudest)}
        # Recent encoders of variable length also take which samples count: all of them.
        given |= dict.fromkeys(names[1:], np.ones((1, len(samples)), np.int64))
        return _statistics(session.run(None, given)[0][0])

    return encode


def speaker_encoder(path: Path) -> Encoder:
    """Mean and deviation over time of the states of every layer of the GE2E speaker encoder, the last layer first."""
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    layers = []
    for layer in range(LSTM_LAYERS):
        net = torch.nn.LSTM(LSTM_SIZE if layer else MELS, LSTM_SIZE, batch_first=True)
        ending = f"_l{layer}"
        own = {name: value for name, value in state.items() if name.startswith("lstm.") and name.endswith(ending)}
        net.load_state_dict({name[len("lstm.") : -len(ending)] + "_l0": value for name, value in own.items()})
        layers.append(net.eval())

    def encode(samples: np.ndarray) -> np.ndarray:
        level = max(float(np.sqrt(np.mean(samples**2))), 1e-6)
        heard = samples * np.float32(10 ** (LEVEL_DB / 20) / level)
        mel = librosa.feature.melspectrogram(y=heard, sr=RATE_HZ, n_fft=400, hop_length=160, n_mels=MELS)
        states = torch.from_numpy(mel.T[np.newaxis].astype(np.float32))
        said = []
        with torch.inference_mode():
            for net in layers:
                states, _ = net(states)
                said.append(_statistics(states[0].numpy()))
        return np.concatenate([said[-1], *said[:-1]])

    return encode


def _statistics(states: np.ndarray) -> np.ndarray:
    """(time, K) → (2 K,)."""
    return np.concatenate([states.mean(axis=0), states.std(axis=0)]).astype(np.float32)


if __name__ == "__main__":
    main()
