"""The rules that the ``[training]`` tables of a system spec must keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, get_args

from edge_ser.errors import InputError
from edge_ser.spec import EMOTIONS, SystemSpec
from edge_ser.spec_training import (
    AugmentSpec,
    RebalanceSpec,
    RecipeSpec,
    TeacherKind,
    TeacherOutput,
    TeacherSpec,
)

_Checked: TypeAlias = tuple[str, object, bool, str]
"""Key, value, whether the rule holds, and the rule in words."""


def training_rules(spec: SystemSpec) -> Iterator[_Checked]:
    """Every rule of the training tables: (key, value, whether it holds, the rule in words)."""
    yield from _recipe_rules("training.keyword", spec.training.keyword)
    yield from _recipe_rules("training.acoustic", spec.training.acoustic, least=0)
    yield from _frozen_rules(spec)
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
    yield "training.seed", spec.training.seed, 0 <= spec.training.seed < 2**31, "0 to 2**31 - 1"


def require_start(spec: SystemSpec, start: object) -> None:
    """Refuse to train a net that stays as it starts from nothing.

    Raises:
        InputError: ``training.acoustic.epochs`` is 0 and there is no start.
    """
    if spec.training.acoustic.epochs == 0 and not start:
        message = "training.acoustic.epochs is 0: the net stays as it starts; name one to start from: --start BUNDLE"
        raise InputError(message)


def require_taught_speech(spec: SystemSpec, clips: int) -> None:
    """Refuse speech without emotions where nothing teaches it, or where something needs every clip's emotion.

    Args:
        spec: the system.
        clips: how many clips of such speech there are.

    Raises:
        InputError: the key of the spec that is in the way, and what it should be.
    """
    if not clips:
        return
    recipe = spec.training.acoustic
    needed = (
        ("training.acoustic.epochs", recipe.epochs, recipe.epochs > 0, "1 or more"),
        ("training.acoustic.teacher.paths", recipe.teacher.paths, bool(recipe.teacher.paths), "a teacher"),
        (
            "training.acoustic.teacher.output",
            recipe.teacher.output,
            recipe.teacher.output in ("vector", "probe"),
            "'vector' or 'probe'",
        ),
        (
            "training.acoustic.teacher.head_epochs",
            recipe.teacher.head_epochs,
            recipe.teacher.head_epochs == 0,
            "0",
        ),
        *(
            (f"training.acoustic.loss.{term}", weight, weight == 0, "0")
            for term in ("contrastive", "ccc", "octant")
            for weight in (getattr(recipe.loss, term),)
        ),
        ("training.acoustic.rebalance.epochs", recipe.rebalance.epochs, recipe.rebalance.epochs == 0, "0"),
        ("fusion.cross_fit", spec.fusion.cross_fit, spec.fusion.cross_fit == 0, "0"),
    )
    for key, value, right, expected in needed:
        if not right:
            message = (
                f"{clips} clips of speech without emotions: {key} is {value!r}; expected {expected}: nothing but a "
                "teacher's vectors, and a probe on them, say anything of such clips (models/speech.toml)"
            )
            raise InputError(message)


def _frozen_rules(spec: SystemSpec) -> Iterator[_Checked]:
    """Of a net that stays as it starts: something must fit its classifier, and nothing must teach the net."""
    acoustic = spec.training.acoustic
    if acoustic.epochs:
        return
    fitted = spec.fusion.probe or spec.fusion.alignment > 0
    rule = "1 to 1000, or 0 with fusion.probe or fusion.alignment: nothing else fits the classifier"
    yield "training.acoustic.epochs", 0, fitted, rule
    rule = "left out where training.acoustic.epochs is 0: the net learns nothing"
    yield "training.acoustic.teacher", acoustic.teacher.paths, not acoustic.teacher.paths, rule
    yield "training.acoustic.rebalance", acoustic.rebalance.epochs, acoustic.rebalance.epochs == 0, rule
    aware, rule = spec.quantization.aware, "false where training.acoustic.epochs is 0: the net learns nothing"
    yield "quantization.aware", aware, not aware, rule


def _teacher_rules(spec: SystemSpec) -> Iterator[_Checked]:
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


def _rebalance_rules(spec: SystemSpec) -> Iterator[_Checked]:
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


def _recipe_rules(table: str, recipe: RecipeSpec, least: int = 1) -> Iterator[_Checked]:
    yield f"{table}.epochs", recipe.epochs, least <= recipe.epochs <= 1000, f"{least} to 1000"
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


def _augment_rules(table: str, augment: AugmentSpec) -> Iterator[_Checked]:
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
