"""Recordings whose explanation is known, and the bundle that hears them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from evaluation_cases import CLASSES, HERTZ, hearing_bundle, hiss, learned_from_nobody

from edge_ser.bundle import Bundle
from edge_ser.integer_head import Quantized, make_integer_head
from edge_ser.npz import npz_bytes
from edge_ser.runtime.pipeline import Pipeline, load_pipeline

RATE = 16_000


def hearing() -> Pipeline:
    """The pipeline that hears in which band a hiss is; segments of one second, no normalisation."""
    return load_pipeline(hearing_bundle(learned_from_nobody()))


def centring() -> Pipeline:
    """The same with ``normalisation = "channels"``."""
    bundle = hearing_bundle(learned_from_nobody())
    acoustic = replace(bundle.spec.acoustic, normalisation="channels")
    return load_pipeline(replace(bundle, spec=replace(bundle.spec, acoustic=acoustic), manifest=b""))


def burst(at_s: float, emotion: str = "anger", seconds: float = 1.0, length_s: float = 0.2) -> np.ndarray:
    """Weak noise, and a hiss of one emotion for a moment; int16."""
    rng = np.random.default_rng(3)
    samples = rng.normal(size=round(RATE * seconds)) * 20
    start = round(RATE * at_s)
    loud = hiss(rng, HERTZ[emotion], length_s)
    samples[start : start + len(loud)] += loud
    return samples.astype(np.int16)


def listening_to_words() -> Bundle:
    """A bundle whose keyword net alone decides: loud high bands in any keyword window are anger."""
    bundle = hearing_bundle(learned_from_nobody())
    size = bundle.spec.keyword.embedding
    weights = np.zeros((len(CLASSES), 2 * size))
    weights[CLASSES.index("anger"), size + 6] = 30.0
    part = (size, Quantized(1 / 255, 0))
    bias = np.array([-16.0, 0.0, -1.0])
    fusion = make_integer_head(weights, bias, [part, part])
    words = make_integer_head(np.eye(3, size, 5) * 40, np.array([0.0, 0.0, 20.0]), [part])
    heads = {**fusion.to_arrays("fusion"), **words.to_arrays("words")}
    return bundle.with_members({"fusion.npz": npz_bytes(heads)})


def vowel(
    hertz: float, seconds: float = 1.0, level: float = 6000.0, noise_db: float | None = None
) -> np.ndarray:
    """Ten harmonics that fall with their number, and white noise so many decibels below them; int16."""
    time = np.arange(round(RATE * seconds)) / RATE
    sound = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 11))
    scale = level / np.abs(sound).max()
    sound = sound * scale
    if noise_db is not None:
        noise = np.random.default_rng(5).normal(size=len(sound))
        sound = sound + noise * np.sqrt(np.mean(sound**2) / np.mean(noise**2) / 10 ** (noise_db / 10))
    return np.clip(sound, -32768, 32767).astype(np.int16)
