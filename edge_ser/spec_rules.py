"""The rules that a system spec must keep; :mod:`edge_ser.spec_training_rules` has those of ``[training]``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from edge_ser.spec import EMOTIONS, FLOAT_ONLY_MIXING, FUNCTIONALS, FrontendSpec, StreamSpec, SystemSpec
from edge_ser.spec_training_rules import training_rules

_Checked: TypeAlias = tuple[str, object, bool, str]
"""Key, value, whether the rule holds, and the rule in words."""


def broken_rules(spec: SystemSpec) -> Iterator[tuple[str, object, str]]:
    """Every (key, value, rule) that the spec breaks, in reading order."""
    for key, value, holds, rule in _rules(spec):
        if not holds:
            yield key, value, rule


def _rules(spec: SystemSpec) -> Iterator[_Checked]:
    yield (
        "name",
        spec.name,
        bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", spec.name)),
        "lower-case letters, digits, - and _",
    )
    yield from _frontend_rules(spec.frontend)
    yield from _network_rules(spec)
    yield from training_rules(spec)
    yield from _decision_rules(spec)
    yield from _stream_rules(spec.stream)
    calibration = spec.quantization.calibration_segments
    yield "quantization.calibration_segments", calibration, calibration >= 8, "at least 8"
    yield from _aware_rules(spec)
    for name in ("compiled_bytes", "arena_bytes", "latency_ms", "int8_drop"):
        value = getattr(spec.budget, name)
        yield f"budget.{name}", value, value >= 0, "not negative"
    corpora = spec.corpora
    yield "corpora.folds", corpora.folds, 2 <= corpora.folds <= 1000, "2 to 1000"
    yield "corpora.test_fold", corpora.test_fold, 0 <= corpora.test_fold < corpora.folds, "0 to folds - 1"
    share = corpora.validation_share
    yield "corpora.validation_share", share, 0 < share < 0.9, "above 0 and below 0.9"
    synthetic = corpora.synthetic
    yield "corpora.synthetic.voices", synthetic.voices, 8 <= synthetic.voices <= 400, "8 to 400"
    yield "corpora.synthetic.minutes", synthetic.minutes, 1 <= synthetic.minutes <= 600, "1 to 600"


def _frontend_rules(frontend: FrontendSpec) -> Iterator[_Checked]:
    rate = frontend.sample_rate_hz
    yield "frontend.sample_rate_hz", rate, rate in (8000, 16_000), "8000 or 16000"
    yield "frontend.window_ms", frontend.window_ms, 10 <= frontend.window_ms <= 64, "10 to 64"
    yield "frontend.step_ms", frontend.step_ms, 5 <= frontend.step_ms <= 32, "5 to 32"
    yield "frontend.step_ms", frontend.step_ms, frontend.step_ms <= frontend.window_ms, "at most window_ms"
    yield "frontend.channels", frontend.channels, 8 <= frontend.channels <= 80, "8 to 80"
    yield (
        "frontend.lower_hz",
        frontend.lower_hz,
        0 <= frontend.lower_hz < frontend.upper_hz,
        "0 to below upper_hz",
    )
    # Exactly half the rate is refused by the C library or not, depending on a rounding error.
    yield (
        "frontend.upper_hz",
        frontend.upper_hz,
        frontend.upper_hz < rate / 2,
        f"below {rate / 2:g} Hz, half the sample rate",
    )
    low, high = frontend.feature_low, frontend.feature_high
    yield "frontend.feature_low", low, 0 <= low < high, "0 to below feature_high"
    yield "frontend.feature_high", high, high <= 65_535, "at most 65535"
    noise = frontend.noise_reduction
    # At 13 and 14 bits the C library's uint32 wraps on loud sound.
    yield (
        "frontend.noise_reduction.smoothing_bits",
        noise.smoothing_bits,
        0 <= noise.smoothing_bits <= 12,
        "0 to 12",
    )
    for name in ("even_smoothing", "odd_smoothing", "min_signal_remaining"):
        value = getattr(noise, name)
        yield f"frontend.noise_reduction.{name}", value, 0 <= value <= 1, "0 to 1"
    pcan = frontend.pcan
    # Above 1 the 16-bit gain table of the C library can overflow.
    yield "frontend.pcan.strength", pcan.strength, 0 <= pcan.strength <= 1, "0 to 1"
    yield "frontend.pcan.offset", pcan.offset, 0 < pcan.offset <= 1e6, "above 0, at most 1e6"
    yield "frontend.pcan.gain_bits", pcan.gain_bits, 1 <= pcan.gain_bits <= 30, "1 to 30"
    if pcan.enabled:
        # The features are corrected by this many bits; the C library shifts by what is left of these settings.
        correction = (frontend.window_samples - 1).bit_length() - 6
        least = 12 + correction
        yield (
            "frontend.pcan.gain_bits",
            pcan.gain_bits,
            pcan.gain_bits >= least,
            f"at least {least} for this window",
        )
        bits = noise.smoothing_bits
        yield (
            "frontend.noise_reduction.smoothing_bits",
            bits,
            bits >= correction,
            f"at least {correction} with PCAN",
        )
    yield "frontend.log.scale_shift", frontend.log.scale_shift, 0 <= frontend.log.scale_shift <= 8, "0 to 8"


def _network_rules(spec: SystemSpec) -> Iterator[_Checked]:
    keyword, acoustic = spec.keyword, spec.acoustic
    words = keyword.words
    yield (
        "keyword.words",
        words,
        len(words) >= 1 and len(set(words)) == len(words),
        "at least one word, none twice",
    )
    yield (
        "keyword.words",
        words,
        all(re.fullmatch(r"[a-z][a-z' -]*", word) for word in words),
        "words in lower-case letters",
    )
    yield (
        "keyword.width",
        keyword.width,
        keyword.width % 4 == 0 and 4 <= keyword.width <= 256,
        "a multiple of 4, 4 to 256",
    )
    yield "keyword.blocks", keyword.blocks, 1 <= keyword.blocks <= 16, "1 to 16"
    yield (
        "keyword.embedding",
        keyword.embedding,
        keyword.embedding % 4 == 0 and 4 <= keyword.embedding <= 512,
        "a multiple of 4, 4 to 512",
    )
    step = spec.frontend.step_ms
    yield (
        "keyword.window_s",
        keyword.window_s,
        0.2 <= keyword.window_s <= acoustic.segment_s,
        "0.2 to acoustic.segment_s",
    )
    hop_ms = keyword.hop_s * 1000
    yield (
        "keyword.hop_s",
        keyword.hop_s,
        keyword.hop_s > 0 and abs(hop_ms - round(hop_ms)) < 1e-6 and round(hop_ms) % step == 0,
        f"a multiple of frontend.step_ms = {step} ms",
    )
    classes = acoustic.classes
    yield (
        "acoustic.classes",
        classes,
        len(classes) >= 2 and len(set(classes)) == len(classes),
        "at least two classes, none twice",
    )
    yield "acoustic.classes", classes, set(classes) <= set(EMOTIONS), f"names of {', '.join(EMOTIONS)}"
    yield (
        "acoustic.stem",
        acoustic.stem,
        1 <= len(acoustic.stem) <= 4 and all(c % 4 == 0 and 4 <= c <= 512 for c in acoustic.stem),
        "one to four multiples of 4, 4 to 512",
    )
    yield (
        "acoustic.dim",
        acoustic.dim,
        acoustic.dim % 4 == 0 and 4 <= acoustic.dim <= 512,
        "a multiple of 4, 4 to 512",
    )
    yield "acoustic.blocks", acoustic.blocks, 0 <= acoustic.blocks <= 12, "0 to 12"
    yield (
        "acoustic.embedding",
        acoustic.embedding,
        acoustic.embedding % 4 == 0 and 4 <= acoustic.embedding <= 512,
        "a multiple of 4, 4 to 512",
    )
    yield (
        "acoustic.dim",
        acoustic.dim,
        acoustic.mixing != FLOAT_ONLY_MIXING or acoustic.dim % 16 == 0,
        "a multiple of 16 with acoustic.mixing = 'attention'",
    )
    yield "acoustic.segment_s", acoustic.segment_s, 0.5 <= acoustic.segment_s <= 20, "0.5 to 20"
    yield "acoustic.hop_s", acoustic.hop_s, 0.05 <= acoustic.hop_s <= acoustic.segment_s, "0.05 to segment_s"
    yield "acoustic.dropout", acoustic.dropout, 0 <= acoustic.dropout < 1, "0 to below 1"
    penalties = spec.fusion.penalties
    yield (
        "fusion.penalties",
        penalties,
        len(penalties) >= 1 and min(penalties) > 0,
        "at least one, all above 0",
    )
    cross_fit = spec.fusion.cross_fit
    yield "fusion.cross_fit", cross_fit, cross_fit == 0 or 2 <= cross_fit <= 20, "0, or 2 to 20"
    taught = bool(spec.training.acoustic.teacher.paths)
    rule = "0 with training.acoustic.teacher: a teacher has heard the speakers that cross-fitting holds out"
    yield "fusion.cross_fit", cross_fit, not (cross_fit and taught), rule


def _aware_rules(spec: SystemSpec) -> Iterator[_Checked]:
    quantization = spec.quantization
    yield (
        "quantization.aware",
        quantization.aware,
        not (quantization.aware and spec.acoustic.mixing == FLOAT_ONLY_MIXING),
        f"false with acoustic.mixing = {FLOAT_ONLY_MIXING!r}, which stays in float",
    )
    epochs = quantization.aware_epochs
    yield "quantization.aware_epochs", epochs, 1 <= epochs <= 1000, "1 to 1000"
    rate = quantization.aware_learning_rate
    yield "quantization.aware_learning_rate", rate, 0 < rate <= 1, "above 0, at most 1"


def _decision_rules(spec: SystemSpec) -> Iterator[_Checked]:
    most, alignment = min(spec.acoustic.embedding, FUNCTIONALS), spec.fusion.alignment
    rule = f"0 to {most}: the embedding's size, or the {FUNCTIONALS} functionals"
    yield "fusion.alignment", alignment, 0 <= alignment <= most, rule
    probe = spec.fusion.probe
    yield (
        "fusion.probe",
        probe,
        not (probe and alignment),
        "false with fusion.alignment: one fits the classifier",
    )
    averaging, abstain = spec.decision.averaging, spec.decision.abstain
    yield "decision.abstain", abstain, 0 <= abstain < 1, "0 to below 1"
    # Only the shares of the entropy rule are integers, so that every backend keeps silent on the same recordings.
    exact = abstain == 0 or averaging == "entropy"
    rule = "0 unless decision.averaging is 'entropy', which decides in integers"
    yield "decision.abstain", abstain, exact, rule


def _stream_rules(stream: StreamSpec) -> Iterator[_Checked]:
    gate, hangover = stream.gate_dbfs, stream.hangover_s
    yield "stream.gate_dbfs", gate, gate == 0 or -90 <= gate <= -10, "0, or -90 to -10"
    yield "stream.hangover_s", hangover, 0 <= hangover <= 10, "0 to 10"
    yield "stream.hangover_s", hangover, hangover == 0 or gate != 0, "0 unless stream.gate_dbfs sets a gate"
    yield "stream.smoothing", stream.smoothing, 1 <= stream.smoothing <= 32, "1 to 32"
    yield "stream.hysteresis", stream.hysteresis, 0 <= stream.hysteresis <= 0.5, "0 to 0.5"
