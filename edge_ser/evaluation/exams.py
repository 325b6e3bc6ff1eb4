"""A bundle examined as it ships: from what a person asks for to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_ser.bundle import Bundle
from edge_ser.bundle_float import has_float
from edge_ser.corpora.clip import Clip
from edge_ser.corpora.registry import layout, read_clips
from edge_ser.corpora.synthetic_layout import is_synthetic
from edge_ser.errors import InputError
from edge_ser.evaluation.backends import BackendName, golden_verdicts
from edge_ser.evaluation.distributions import table_of as votes_table_of
from edge_ser.evaluation.distributions import votes_of
from edge_ser.evaluation.learned import Choice, Learned, choose_clips, learned_from
from edge_ser.evaluation.levels import level_copies
from edge_ser.evaluation.origin import origin
from edge_ser.evaluation.selective import coverage_table, thresholds_of
from edge_ser.evaluation.shipped import (
    Examination,
    Progress,
    Taught,
    among_shared,
    constant_of,
    examine,
    stress,
    taught_clips,
)
from edge_ser.evaluation.stress import Kind, conditions
from edge_ser.evaluation.summary import agreement, headline, keyword_gains, table_of

_SEED = 1
"""Of the baseline's perceptron and of the noises that stress tests draw."""


@dataclass(frozen=True)
class Exam:
    """What a person asks for.

    Attributes:
        bundle: what is examined.
        corpus: layout of the test corpus.
        root: its folder.
        speakers: only these; empty for all that the bundle did not learn from.
        taught_root: folder of the corpus that taught the bundle, for the baseline, if it is another one.
        level_dbfs: level that every clip is brought to first, in ``folder``; ``None`` leaves clips as they are.
        stress: stress tests.
        noises: layout and folder of noise recordings, or ``None``.
        backends: with what the bundle is run.
        jobs: processes.
        command: the command line that asks, for the report.
    """

    bundle: Bundle
    corpus: str
    root: Path
    speakers: tuple[str, ...]
    taught_root: Path | None
    level_dbfs: float | None
    stress: tuple[Kind, ...]
    noises: tuple[str, Path] | None
    backends: tuple[BackendName, ...]
    jobs: int
    command: str = ""


def report(exam: Exam, scratch: Path, progress: Progress, tell: Callable[[str], None]) -> dict[str, Any]:
    """Score a bundle.

    Args:
        exam: what is asked for.
        scratch: a folder for copies of clips, where the level is changed.
        progress: shows what is going on.
        tell: says one line: who is left out, what cannot be compared.

    Returns:
        The keys of the command's contract, of what ships; ``rows`` per predictor; ``among_shared`` where the
        corpus lacks some of the bundle's emotions; ``keywords``, what they are worth
        (:func:`edge_ser.evaluation.summary.keyword_gains`), where the bundle carries its controls; ``votes`` where
        raters voted on the clips, its constant mean that of the training clips, or, where they are not at hand, of the
        test's own; ``stress`` where asked for.

    Raises:
        InputError: nobody is left to score, a speaker is on both sides, or what is asked for does not fit.
        MissingError: a corpus or an interpreter is not there.
    """
    made = origin(exam.bundle.spec, exam.command)
    learned = learned_from(exam.bundle)
    corpora = _corpora(exam, learned)
    choice = choose_clips(corpora[exam.corpus], exam.bundle.labels, learned, exam.speakers)
    _tell_choice(exam, choice, tell)
    noises = _noises(exam, learned)
    taught = taught_clips(exam.bundle, learned, corpora)
    if taught.why_not:
        tell(f"no hand-crafted row: {taught.why_not}")
    clips, root = choice.clips, exam.root.resolve()
    if exam.level_dbfs is not None:
        rate = exam.bundle.spec.frontend.sample_rate_hz
        clips = tuple(level_copies(clips, exam.level_dbfs, rate, scratch))
        copies = level_copies(taught.clips, exam.level_dbfs, rate, scratch)
        taught, root = Taught(tuple(copies), taught.why_not), scratch
    verdicts = golden_verdicts(exam.bundle, exam.backends)
    for name, verdict in verdicts.items():
        if verdict["problem"]:
            tell(f"{name}: {verdict['problem']}: DO NOT BELIEVE ITS ROW")
    if "float" in exam.backends and not has_float(exam.bundle):
        tell("no float row: the bundle does not carry its float nets")
    constant, chosen_on = constant_of(exam.bundle, clips, taught)
    examination = Examination(exam.bundle, clips, root, taught, constant, exam.backends, exam.jobs)
    decided, fitted = examine(examination, _SEED, progress)
    rows = table_of(decided)
    record: dict[str, Any] = {
        **headline(rows),
        **made,
        "bundle": {"name": exam.bundle.spec.name, "build": exam.bundle.build_id},
        "corpus": exam.corpus,
        "synthetic": is_synthetic(exam.corpus),
        "trained_on": {"emotions": list(learned.emotions), "all": list(learned.corpora)},
        "trained_on_synthetic": any(map(is_synthetic, learned.emotions)),
        "left_out": {
            "speakers": list(choice.left_out_speakers),
            "clips": choice.left_out_clips,
            "labels": dict(choice.unknown_labels),
            "without_speaker": choice.without_speaker,
        },
        "level_dbfs": exam.level_dbfs,
        "constant_chosen_on": chosen_on,
        "baseline": taught.why_not or {kind: model.penalty for kind, model in fitted.items()},
        "golden": verdicts,
        "agreement": agreement(decided),
        "rows": rows,
    }
    narrowed = among_shared(decided)
    if narrowed is not None:
        record["among_shared"] = {"classes": list(narrowed.classes), "rows": table_of(narrowed)}
    trained = exam.bundle.report("train") or exam.bundle.provenance
    name, abstain = f"bundle {exam.bundle.spec.name}", exam.bundle.spec.decision.abstain
    covered = coverage_table([(decided, thresholds_of(trained.get("fusion"), abstain, name))])
    if covered:
        record["abstaining"] = covered
    worth = keyword_gains(decided)
    if worth:
        record["keywords"] = worth
    votes = votes_of(clips, taught.clips or clips, exam.bundle.labels)
    if votes is not None:
        mean_of = "training" if taught.clips else "test"
        record["votes"] = {**votes_table_of([(decided, votes)]), "mean_of": mean_of}
    if exam.stress:
        tests = conditions(exam.stress, clips, noises, exam.bundle.spec.frontend.sample_rate_hz, _SEED)
        record["stress"] = stress(examination, decided, fitted, tests, progress)
    return record


def _corpora(exam: Exam, learned: Learned) -> dict[str, Sequence[Clip]]:
    """Clips by layout: the test corpus, and the one that taught the bundle where it is at hand."""
    found: dict[str, Sequence[Clip]] = {exam.corpus: read_clips(exam.corpus, exam.root.resolve())}
    if exam.taught_root is not None:
        others = [name for name in learned.emotions if name != exam.corpus]
        if len(others) != 1:
            message = (
                f"--taught-root: the bundle learned from {', '.join(learned.emotions)}; expected one corpus "
                f"other than {exam.corpus}: leave it out"
            )
            raise InputError(message)
        found[others[0]] = read_clips(others[0], exam.taught_root.resolve())
    return found


def _tell_choice(exam: Exam, choice: Choice, tell: Callable[[str], None]) -> None:
    if choice.left_out_speakers:
        tell(
            f"LEFT OUT: {choice.left_out_clips} clips of {len(choice.left_out_speakers)} speakers of {exam.corpus} "
            "who taught or chose the bundle"
        )
    if choice.without_speaker:
        tell(f"left out: {choice.without_speaker} clips of which nobody says who speaks")
    for label, count in choice.unknown_labels.items():
        tell(f"left out: {count} clips of {label}, which the bundle does not know")


def _noises(exam: Exam, learned: Learned) -> Sequence[Clip]:
    if exam.noises is None:
        return ()
    name, root = exam.noises
    if layout(name).kind != "noise":
        message = f"{name} is no noise corpus; expected one such as esc-10, esc-50 or musan"
        raise InputError(message)
    if name in learned.corpora:
        message = f"{name} taught the bundle; noise tests need noises that it never heard"
        raise InputError(message)
    return read_clips(name, root.resolve())
