"""Reading a system spec from ``models/*.toml`` or from a bundle, and the rules that it must keep.

Whatever is wrong is an error that names file, key, value and rule; nothing is silently ignored or coerced.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from edge_ser.errors import InputError
from edge_ser.spec import (
    EMOTIONS,
    FLOAT_ONLY_MIXING,
    FUNCTIONALS,
    AugmentSpec,
    FrontendSpec,
    RebalanceSpec,
    RecipeSpec,
    StreamSpec,
    SystemSpec,
    TeacherKind,
    TeacherOutput,
    TeacherSpec,
)


def load_spec(path: Path) -> SystemSpec:
    """Read a spec file; ``extends = "base.toml"`` takes another file of the same folder as the ground.

    Args:
        path: a TOML file.

    Returns:
        The validated spec.

    Raises:
        InputError: the file cannot be read, is not TOML, or breaks a rule; the text names file, key, value
            and rule.
    """
    return spec_from_dict(_read_merged(path, ()), source=str(path))


def spec_from_dict(data: Mapping[str, Any], source: str = "spec") -> SystemSpec:
    """Validate nested dicts (from TOML or from a bundle's manifest).

    Raises:
        InputError: an unknown key, a wrong type or an impossible value.
    """
    try:
        # By way of JSON: there strict mode takes lists for tuples and tables for dataclasses, and still no "3" for 3.
        spec: SystemSpec = TypeAdapter(SystemSpec).validate_json(json.dumps(dict(data), default=str))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = f"{source}: unknown key {key!r}; remove it or correct its spelling"
        elif first["type"] in ("missing", "missing_argument"):
            message = f"{source}: key {key!r} is missing; add it"
        else:
            message = f"{source}: key {key!r} is {first['input']!r}; rule: {first['msg']}"
        raise InputError(message) from None
    for key, value, rule in _broken_rules(spec):
        message = f"{source}: key {key!r} is {value!r}; rule: {rule}"
        raise InputError(message)
    return spec


def _read_merged(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    resolved = path.resolve()
    if resolved in seen:
        message = f"{path}: key 'extends' goes in a circle; let one file extend nothing"
        raise InputError(message)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{path}: no such spec file; specs are TOML files such as models/base.toml"
        raise InputError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path}: cannot be read ({error}); expected a TOML file in UTF-8"
        raise InputError(message) from None
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not valid TOML ({error}); mend that line"
        raise InputError(message) from None
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str) or Path(parent).name != parent:
        message = f"{path}: key 'extends' is {parent!r}; rule: the name of a TOML file in the same folder"
        raise InputError(message)
    return _merge(_read_merged(path.parent / parent, (*seen, resolved)), data)


def _merge(ground: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(ground)
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _broken_rules(spec: SystemSpec) -> Iterator[tuple[str, object, str]]:
    """Every (key, value, rule) that the spec breaks, in reading order."""
    for key, value, holds, rule in _rules(spec):
        if not holds:
            yield key, value, rule


def _rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
    yield (
        "name",
        spec.name,
        bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", spec.name)),
        "lower-case letters, digits, - and _",
    )
    yield from _frontend_rules(spec.frontend)
    yield from _network_rules(spec)
    yield from _recipe_rules("training.keyword", spec.training.keyword)
    yield from _recipe_rules("training.acoustic", spec.training.acoustic)
    for name, recipe in (("keyword", spec.training.keyword), ("acoustic", spec.training.acoustic)):
        share = recipe.augment.energy_mixup
        rule = "0 unless frontend.log.enabled: energies are read from log features"
        yield f"training.{name}.augment.energy_mixup", share, share == 0 or spec.frontend.log.enabled, rule
    votes = spec.training.keyword.soft_labels
    yield "training.keyword.soft_labels", votes, votes == 0, "0: nobody votes on keywords"
    for term in ("ccc", "octant"):
        weight, rule = getattr(spec.training.keyword.loss, term), "0: nobody rates keywords"
        yield f"training.keyword.loss.{term}", weight, weight == 0, rule
    taught = spec.training.keyword.teacher
    yield (
        "training.keyword.teacher",
        taught.paths,
        taught == TeacherSpec(),
        "left out: only the acoustic net is taught",
    )
    yield from _teacher_rules(spec)
    yield from _rebalance_rules(spec)
    yield from _decision_rules(spec)
    yield from _stream_rules(spec.stream)
    yield "training.seed", spec.training.seed, 0 <= spec.training.seed < 2**31, "0 to 2**31 - 1"
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


def _frontend_rules(frontend: FrontendSpec) -> Iterator[tuple[str, object, bool, str]]:
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


def _network_rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
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


def _aware_rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
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


def _teacher_rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
    table, teacher = "training.acoustic.teacher", spec.training.acoustic.teacher
    if not teacher.paths:
        yield f"{table}.paths", (), teacher == TeacherSpec(), "at least one path, or the whole table left out"
        return
    paths, kind, output = teacher.paths, teacher.kind, teacher.output
    yield f"{table}.paths", paths, all(paths) and len(set(paths)) == len(paths), "none empty, none twice"
    gives: dict[TeacherKind, tuple[TeacherOutput, ...]] = {
        "training": ("logits", "vector", "probe"),
        "bundle": ("logits", "vector", "probe"),
        "huggingface": ("vector", "probe"),
        "vectors": ("vector", "probe"),
    }
    possible = gives.get(kind, get_args(TeacherOutput))
    yield f"{table}.output", output, output in possible, f"{' or '.join(possible)} with kind = {kind!r}"
    classes, named = teacher.classes, kind in ("keras", "tflite") and teacher.names_classes
    rule = (
        "the emotions of its outputs, in order, of a keras or tflite teacher that names classes; else empty"
    )
    yield f"{table}.classes", classes, bool(classes) == named, rule
    known = len(set(classes)) == len(classes) and set(classes) <= set(EMOTIONS)
    yield f"{table}.classes", classes, known, f"names of {', '.join(EMOTIONS)}, none twice"
    lacking = [name for name in spec.acoustic.classes if name not in classes]
    yield f"{table}.classes", classes, not (classes and lacking), "every one of acoustic.classes"
    told, elsewhere = teacher.learned_from.strip(), kind not in ("training", "bundle")
    rule = "of a teacher from elsewhere what it has heard, in words; else empty: trainings and bundles tell"
    yield f"{table}.learned_from", teacher.learned_from, bool(told) == elsewhere, rule
    yield f"{table}.weight", teacher.weight, 0 < teacher.weight <= 1, "above 0, at most 1"
    epochs, vector = teacher.head_epochs, output == "vector"
    yield f"{table}.head_epochs", epochs, 0 <= epochs <= 1000, "0 to 1000"
    yield f"{table}.head_epochs", epochs, vector or epochs == 0, "0 unless output is vector"
    beside = teacher.vector_weight
    yield f"{table}.vector_weight", beside, 0 <= beside <= 100, "0 to 100"
    yield f"{table}.vector_weight", beside, output == "probe" or beside == 0, "0 unless output is probe"
    alone = teacher.weight == 1 and vector and epochs == 0
    yield (
        f"{table}.weight",
        teacher.weight,
        not alone,
        "below 1 without head_epochs: a vector names no classes",
    )
    softness = teacher.temperature
    yield f"{table}.temperature", softness, 0.1 <= softness <= 20, "0.1 to 20"
    unused = vector and epochs == 0 and softness != TeacherSpec().temperature
    yield f"{table}.temperature", softness, not unused, "left out: a vector in one stage is not softened"


def _rebalance_rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
    table, rebalance, off = "training.acoustic.rebalance", spec.training.acoustic.rebalance, RebalanceSpec()
    keyword = spec.training.keyword.rebalance
    yield "training.keyword.rebalance", keyword.epochs, keyword == off, "left out: it is for the acoustic net"
    epochs = rebalance.epochs
    yield f"{table}.epochs", epochs, 0 <= epochs <= 100, "0 to 100"
    yield f"{table}.epochs", epochs, epochs > 0 or rebalance == off, "above 0, or the whole table left out"
    yield f"{table}.exponent", rebalance.exponent, 0 < rebalance.exponent <= 1, "above 0, at most 1"
    yield f"{table}.strength", rebalance.strength, 0 <= rebalance.strength <= 4, "0 to 4"
    guiding, vtlp = rebalance.guiding, rebalance.vtlp
    yield f"{table}.guiding", guiding, 0 <= guiding <= 1, "0 to 1"
    yield f"{table}.vtlp", vtlp, 0 <= vtlp <= 0.5, "0 to 0.5"
    yield f"{table}.vtlp", vtlp, (vtlp > 0) == (guiding > 0), "0 where guiding is 0, above it where not"
    works = rebalance.strength > 0 or guiding > 0
    yield f"{table}.strength", rebalance.strength, works, "above 0, or guiding above 0: else nothing is done"


def _decision_rules(spec: SystemSpec) -> Iterator[tuple[str, object, bool, str]]:
    most, alignment = min(spec.acoustic.embedding, FUNCTIONALS), spec.fusion.alignment
    rule = f"0 to {most}: the embedding's size, or the {FUNCTIONALS} functionals"
    yield "fusion.alignment", alignment, 0 <= alignment <= most, rule
    averaging, abstain = spec.decision.averaging, spec.decision.abstain
    yield "decision.abstain", abstain, 0 <= abstain < 1, "0 to below 1"
    # Only the shares of the entropy rule are integers, so that every backend keeps silent on the same recordings.
    exact = abstain == 0 or averaging == "entropy"
    rule = "0 unless decision.averaging is 'entropy', which decides in integers"
    yield "decision.abstain", abstain, exact, rule


def _stream_rules(stream: StreamSpec) -> Iterator[tuple[str, object, bool, str]]:
    gate, hangover = stream.gate_dbfs, stream.hangover_s
    yield "stream.gate_dbfs", gate, gate == 0 or -90 <= gate <= -10, "0, or -90 to -10"
    yield "stream.hangover_s", hangover, 0 <= hangover <= 10, "0 to 10"
    yield "stream.hangover_s", hangover, hangover == 0 or gate != 0, "0 unless stream.gate_dbfs sets a gate"
    yield "stream.smoothing", stream.smoothing, 1 <= stream.smoothing <= 32, "1 to 32"
    yield "stream.hysteresis", stream.hysteresis, 0 <= stream.hysteresis <= 0.5, "0 to 0.5"


def _recipe_rules(table: str, recipe: RecipeSpec) -> Iterator[tuple[str, object, bool, str]]:
    yield f"{table}.epochs", recipe.epochs, 1 <= recipe.epochs <= 1000, "1 to 1000"
    yield f"{table}.batch_size", recipe.batch_size, 2 <= recipe.batch_size <= 4096, "2 to 4096"
    yield f"{table}.learning_rate", recipe.learning_rate, 0 < recipe.learning_rate <= 1, "above 0, at most 1"
    yield f"{table}.weight_decay", recipe.weight_decay, 0 <= recipe.weight_decay <= 1, "0 to 1"
    yield f"{table}.label_smoothing", recipe.label_smoothing, 0 <= recipe.label_smoothing < 1, "0 to below 1"
    yield f"{table}.soft_labels", recipe.soft_labels, 0 <= recipe.soft_labels <= 1, "0 to 1"
    loss = recipe.loss
    for name in ("divergence", "focal", "centre", "contrastive", "ccc", "octant"):
        value = getattr(loss, name)
        yield f"{table}.loss.{name}", value, 0 <= value <= 100, "0 to 100"
    learns = loss.divergence > 0 or loss.focal > 0
    yield (
        f"{table}.loss.divergence",
        loss.divergence,
        learns,
        "above 0, or focal above 0: one of them names classes",
    )
    rule = f"0 unless {table}.epochs is at least 4: it works in the first quarter of them"
    yield f"{table}.loss.octant", loss.octant, loss.octant == 0 or recipe.epochs >= 4, rule
    yield f"{table}.loss.focal_gamma", loss.focal_gamma, 0 <= loss.focal_gamma <= 10, "0 to 10"
    yield f"{table}.loss.temperature", loss.temperature, 0.01 <= loss.temperature <= 10, "0.01 to 10"
    yield from _augment_rules(f"{table}.augment", recipe.augment)


def _augment_rules(table: str, augment: AugmentSpec) -> Iterator[tuple[str, object, bool, str]]:
    yield f"{table}.copies", augment.copies, 0 <= augment.copies <= 50, "0 to 50"
    yield f"{table}.speed", augment.speed, 0 <= augment.speed <= 0.5, "0 to 0.5"
    yield f"{table}.gain_db", augment.gain_db, 0 <= augment.gain_db <= 40, "0 to 40"
    for name in ("noise_snr_db", "energy_mixup_snr_db"):
        low, high = getattr(augment, name)
        yield f"{table}.{name}", (low, high), low <= high, "lowest first, highest second"
        yield f"{table}.{name}", (low, high), low >= -60 and high <= 60, "-60 to 60"
    for name in ("noise_share", "room_share", "energy_mixup"):
        value = getattr(augment, name)
        yield f"{table}.{name}", value, 0 <= value <= 1, "0 to 1"
    yield f"{table}.time_shift_s", augment.time_shift_s, 0 <= augment.time_shift_s <= 10, "0 to 10"
    yield f"{table}.vtlp", augment.vtlp, 0 <= augment.vtlp <= 0.5, "0 to 0.5"
    for name in ("time_warp_frames", "time_mask_frames", "channel_mask"):
        value = getattr(augment, name)
        yield f"{table}.{name}", value, value >= 0, "not negative"
    for name in ("time_masks", "channel_masks"):
        value = getattr(augment, name)
        yield f"{table}.{name}", value, 1 <= value <= 20, "1 to 20"
    yield f"{table}.mixup", augment.mixup, 0 <= augment.mixup <= 2, "0 to 2"
    both = augment.mixup > 0 and augment.energy_mixup > 0
    yield (
        f"{table}.energy_mixup",
        augment.energy_mixup,
        not both,
        "0 unless mixup is 0: one way to mix clips at a time",
    )
