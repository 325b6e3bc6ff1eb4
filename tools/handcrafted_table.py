"""Print what the hand-crafted baseline reaches on a corpus, by speaker-disjoint folds, as a Markdown table.

python tools/handcrafted_table.py emo-db EMO-DB --protocol loso
python tools/handcrafted_table.py crema-d CREMA-D --protocol folds --folds 4
python tools/handcrafted_table.py emo-db EMO-DB --protocol cross --source crema-d=CREMA-D --both-ways
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edge_ser.corpora.registry import read_clips
from edge_ser.errors import EdgeSerError
from edge_ser.evaluation.decided import Decided, clip_names
from edge_ser.evaluation.handcrafted.baseline import KINDS, TITLES, fit_baseline
from edge_ser.evaluation.protocols import (
    PROTOCOLS,
    Corpus,
    Fold,
    across_corpora,
    only_classes,
    shared_classes,
    within_corpus,
)
from edge_ser.evaluation.summary import over_seeds
from edge_ser.handcrafted.clips import clip_functionals
from edge_ser.handcrafted.frames import Floats
from edge_ser.spec import CorporaSpec


def main() -> None:
    """Read, divide, fit, score, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("root", type=Path)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="folds")
    parser.add_argument("--folds", type=int)
    parser.add_argument("--source", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--both-ways", action="store_true")
    parser.add_argument("--classes", help="comma-separated; what the corpora share if not given")
    parser.add_argument("--seeds", default="1,2,3", help="of the perceptron")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=1, help="take every n-th clip only, to try it out")
    chosen = parser.parse_args()
    try:
        print(_report(chosen))
    except EdgeSerError as error:
        print(f"handcrafted_table: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _report(chosen: argparse.Namespace) -> str:
    target = _corpus(chosen.corpus, chosen.root, chosen.limit)
    named = (text.partition("=") for text in chosen.source)
    sources = [_corpus(name, Path(folder), chosen.limit) for name, _, folder in named]
    classes = tuple(chosen.classes.split(",")) if chosen.classes else shared_classes([target, *sources])
    target, *sources = (only_classes(one, classes) for one in (target, *sources))
    rule = CorporaSpec()
    folds = (
        across_corpora(sources, target, rule, both_ways=chosen.both_ways)
        if chosen.protocol == "cross"
        else within_corpus(chosen.protocol, target, rule, chosen.folds)
    )
    clips = [clip for one in (target, *sources) for clip in one.clips]
    done = iter(range(1, len(clips) + 1))
    rows = clip_functionals(clips, lambda _steps: _told(next(done), len(clips)), chosen.jobs)
    features = {(clip.path, clip.start_s): row for clip, row in zip(clips, rows, strict=True)}
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    tables: dict[str, dict[int, list[Decided]]] = {}
    for fold in folds:
        for seed in seeds:
            decided = _decide(fold, classes, features, seed)
            tables.setdefault(fold.table, {}).setdefault(seed, []).append(decided)
    return "\n\n".join(_markdown(name, by_seed) for name, by_seed in tables.items())


def _told(done: int, total: int) -> None:
    if done % 200 == 0 or done == total:
        print(f"{done} of {total} clips", file=sys.stderr, flush=True)


def _corpus(name: str, root: Path, limit: int) -> Corpus:
    clips = [clip for clip in read_clips(name, root.resolve()) if clip.emotion and clip.speaker]
    return Corpus(name, root.resolve(), tuple(clips[::limit]))


def _decide(
    fold: Fold, classes: tuple[str, ...], features: dict[tuple[Path, float], Floats], seed: int
) -> Decided:
    manifest = fold.manifest
    learned = (*manifest.train, *manifest.validation)
    heard = np.stack([features[clip.path, clip.start_s] for clip in manifest.test])
    known = np.stack([features[clip.path, clip.start_s] for clip in learned])
    labels = np.array([classes.index(str(clip.emotion)) for clip in learned], dtype=np.int64)
    speakers = [f"{clip.corpus}/{clip.speaker}" for clip in learned]
    return Decided(
        classes=classes,
        clips=clip_names(manifest.test, {}),
        labels=np.array([classes.index(str(clip.emotion)) for clip in manifest.test], dtype=np.int64),
        probabilities={
            kind: fit_baseline(kind, known, labels, speakers, seed).probabilities(heard) for kind in KINDS
        },
        constant=int(np.bincount(labels).argmax()),
    )


def _markdown(name: str, by_seed: dict[int, list[Decided]]) -> str:
    report = over_seeds(by_seed)
    pooled, spread = report["pooled"], report["spread"]
    row = pooled["lr"]
    note = " SYNTHETIC." if "synthetic" in name else ""
    lines = [
        f"{name}: {row['n'] // len(by_seed)} clips of {row['speakers']} speakers, {len(row['per_class'])} classes, "
        f"seeds {', '.join(map(str, by_seed))} (mean ± sd), per cent.{note}",
        "",
        "| | UAR | macro-F1 | 95 % interval of the UAR over speakers |",
        "|---|---|---|---|",
    ]
    for key, title in (*TITLES.items(), ("constant", "constant predictor")):
        cells = [_cell(spread[key][score]) for score in ("uar", "macro_f1")]
        low, high = pooled[key]["interval"]
        lines.append(f"| {title} | {' | '.join(cells)} | {100 * low:.1f}–{100 * high:.1f} |")
    return "\n".join(lines)


def _cell(found: dict[str, float | None]) -> str:
    mean, deviation = found["mean"], found["sd"]
    return f"{100 * (mean or 0):.1f}" + (f" ± {100 * deviation:.1f}" if deviation is not None else "")


if __name__ == "__main__":
    main()
