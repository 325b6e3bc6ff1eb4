"""Files that a report is made from, made by hand: scores, a bench, a training folder, a bundle full of markup."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ser.audio import write_wav
from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.bundle_shipped import SHIPPED

POISON = "\"'><script>alert(1)</script><img src=http://evil.test/x onerror=alert(2)>|`@you`"
"""What a text from elsewhere may hold; nothing of it may be more than text."""


def row(classes: tuple[str, ...] = ("anger", "joy"), right: int = 8, **more: Any) -> dict[str, Any]:
    """A predictor that gets ``right`` of ten clips of every class."""
    share = right / 10
    size = len(classes)
    confusion = [
        [right if at == to else (10 - right if to == (at + 1) % size else 0) for to in range(size)]
        for at in range(size)
    ]
    each = {"clips": 10, "recall": share, "precision": share, "f1": share}
    return {
        "uar": share,
        "macro_f1": share,
        "accuracy": share,
        "interval": [max(0.0, share - 0.1), min(1.0, share + 0.1)],
        "per_class": dict.fromkeys(classes, each),
        "confusion": confusion,
        "n": 10 * size,
        "speakers": 4,
        "ece": 0.1,
        **more,
    }


def exam(build: str = "ab" * 32, **more: Any) -> dict[str, Any]:
    """What ``edge-ser evaluate BUNDLE --json`` prints, as far as it is read."""
    rows = {"float": row(right=9), "litert": row(), "constant": row(right=5, label="anger")}
    return {
        "corpus": "emo-db",
        "synthetic": False,
        "trained_on": {"emotions": ["crema-d"]},
        "bundle": {"name": "made", "build": build},
        "rows": rows,
        "agreement": {"float, litert": 0.9},
        "command": "edge-ser evaluate made.edgeser --corpus emo-db --root EMO-DB",
        **more,
    }


def trial(name: str, uars: dict[str, float], **more: Any) -> dict[str, Any]:
    """What ``edge-ser evaluate SPEC --json`` prints of trainings with these seeds."""
    mean = sum(uars.values()) / len(uars)
    table = {
        "pooled": {"litert": row(), "constant": row(right=5, label="anger")},
        "spread": {"litert": {"uar": {"mean": mean, "sd": 0.02}}},
        "agreement": {},
        "seeds": {seed: {"litert": {"uar": uar}} for seed, uar in uars.items()},
    }
    return {
        "corpus": "emo-db",
        "synthetic": False,
        "protocol": "loso",
        "folds": ["03"],
        "seeds": [int(seed) for seed in uars],
        "spec": {"name": name},
        "params": 1234,
        "tables": {"emo-db": table},
        "command": f"edge-ser evaluate {name}.toml",
        **more,
    }


def bench(build: str = "ab" * 32, **more: Any) -> dict[str, Any]:
    """What ``edge-ser bench -o FILE.json`` writes."""
    stage = {
        "runs": 200,
        "first_ms": 9.0,
        "p50_ms": 1.0,
        "p95_ms": 1.5,
        "p99_ms": 2.0,
        "mean_ms": 1.1,
        "least_ms": 0.9,
        "most_ms": 3.0,
    }
    machine = {
        "system": "Linux 6",
        "architecture": "x86_64",
        "cpu": "A processor",
        "cores": 2,
        "usable_cores": 2,
        "memory_bytes": 10**9,
        "governor": "",
        "python": "3.11",
        "packages": {},
    }
    return {
        "format": 1,
        "backend": "litert",
        "kind": "measured",
        "device": "a processor",
        "what": "all of it",
        "bundle": {"name": "made", "build": build},
        "settings": {"threads": 1, "xnnpack": False},
        "machine": machine,
        "runs": 200,
        "warm_up": 3,
        **{key: stage[key] for key in stage if key != "runs"},
        "stages": {"acoustic": stage},
        "segment": {},
        "file": None,
        "usage": None,
        "instructions": {},
        "agreement": {"differences": {"features": 0}, "within": True, "problem": ""},
        "notes": [],
        "runs_ms": {"whole": [1.0]},
        **more,
    }


def parity(mismatches: int = 0) -> dict[str, Any]:
    """What ``edge-ser parity --json`` prints."""
    pair = {
        "a": "numpy",
        "b": "native",
        "values": 5960,
        "mismatches": mismatches,
        "largest": mismatches,
        "must_agree": True,
        "first": None,
    }
    return {"pairs": [pair], "specs": ["base"], "seconds": 12.5, "absent": []}


def written(path: Path, record: dict[str, Any]) -> Path:
    """The record as a JSON file."""
    path.write_text(json.dumps(record))
    return path


def training(folder: Path, epochs: int = 3) -> Path:
    """A folder as ``edge-ser train`` leaves it."""
    for stage in ("acoustic", "keyword"):
        (folder / stage).mkdir(parents=True)
        lines = [
            json.dumps(
                {"epoch": at + 1, "loss": 2.0 / (at + 1), "validation_uar": 0.2 * (at + 1), "seconds": 1}
            )
            for at in range(epochs)
        ]
        (folder / stage / "log.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def recording(path: Path, seconds: float = 2.0) -> Path:
    """A voiced sound with a pause, as far from silence as a test needs."""
    time = np.arange(int(16000 * seconds)) / 16000
    sound = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12)) * (np.sin(3 * time) > -0.5)
    write_wav(path, (4000 * sound).astype(np.int16), 16000)
    return path


def poisoned(path: Path) -> Path:
    """The shipped bundle with markup in every text that a stranger may choose."""
    bundle = read_bundle(SHIPPED)
    entries = bundle.provenance["corpora"]["emotions"]
    entry = entries[0] if isinstance(entries, list) else entries
    emotions = {**entry, "licence": POISON, "protocol": POISON}
    told = {
        **bundle.provenance,
        "corpora": {"emotions": emotions},
        "commit": POISON,
        "seed": POISON,
        "versions": {POISON: POISON},
    }
    labels = tuple(f"{POISON}{at}" for at in range(2))
    rows = {"float": row(labels), "litert": row(labels), POISON: row(labels, label=POISON)}
    scores = exam(corpus=POISON, rows=rows, command=POISON, trained_on={"emotions": [POISON]})
    quantized = {**(bundle.report("quantize") or {}), "layers": {POISON: [{"tensor": POISON, "snr_db": 1.0}]}}
    lines = (
        f"# Card\n\n## {POISON}\n\n{POISON}",
        "![x](http://evil.test/y.png) [z](javascript:alert(3))",
        f"| {POISON} | b |\n|---|---|\n| 1 | 2 |",
    )
    card = "\n\n".join(lines)
    made: Bundle = replace(
        bundle.with_members(
            {
                "reports/evaluation-crema-d.json": json.dumps(scores).encode(),
                "reports/quantize.json": json.dumps(quantized).encode(),
                "card.md": card.encode(),
            }
        ),
        provenance=told,
        made_by=POISON,
    )
    write_bundle(path, made)
    return path
