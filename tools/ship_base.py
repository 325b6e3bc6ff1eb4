"""Train the shipped bundle again: `models/base.edgeser`, from corpora whose licences allow weights to ship.

python tools/ship_base.py models/base.toml --corpus crema-d=CREMA-D --words synthetic-words=SYNTHETIC

--words may be repeated: further words, other speech or noise. --evaluate tests on another corpus too, --scores adds
what the same recipe reached under a protocol.

Trains, quantises, scores the bundle on its own test speakers and on the corpora of --evaluate (which only test, so any
licence will do), writes the model card and puts the bundle into the package. The same corpora, spec and seed give the
same bundle wherever TensorFlow computes the same; at the end it says whether the nets are those that shipped before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_ser.bundle import Bundle, read_bundle, write_bundle
from edge_ser.bundle_card import CARD, EVALUATIONS, TRIALS, model_card
from edge_ser.bundle_shipped import SHIPPED, check_shippable, corpora_of
from edge_ser.errors import CheckError, EdgeSerError, InputError
from edge_ser.evaluation.condensed import condensed, folders_named
from edge_ser.files import json_bytes, read_json
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import load_spec, spec_from_dict

REPOSITORY = Path(__file__).resolve().parents[1]
LINK = REPOSITORY / "models" / "base.edgeser"
"""Where a person looks for it; the bundle itself lies in the package, so that it is installed with it."""

_NETS = ("keyword.tflite", "acoustic.tflite", "fusion.npz", "frontend_tables.npz")
_RECIPE = ("frontend", "keyword", "acoustic", "fusion", "quantization")

Place = tuple[str, Path]


def main() -> None:
    """Train, score, dress and ship."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    place: dict[str, Any] = {"type": _place, "metavar": "NAME=DIR"}
    parser.add_argument("spec", type=Path)
    parser.add_argument("--corpus", **place, required=True, help="the emotion corpus")
    parser.add_argument("--words", **place, required=True, action="append", help="keyword corpora")
    parser.add_argument("--evaluate", **place, action="append", default=[], help="test on this corpus too")
    parser.add_argument(
        "--scores", type=Path, action="append", default=[], help="a report of the same recipe's trials"
    )
    parser.add_argument(
        "--teacher-licence",
        default="",
        help="licences of teachers from elsewhere that let what they taught be passed on; goes into the bundle",
    )
    parser.add_argument(
        "--train-option", action="append", default=[], help="handed to edge-ser train as it is"
    )
    parser.add_argument(
        "--folder", type=Path, default=REPOSITORY / "build" / "ship", help="takes the training"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=SHIPPED, help="the bundle; the shipped one if not given"
    )
    chosen = parser.parse_args()
    try:
        check_shippable([chosen.corpus[0], *(name for name, _ in chosen.words)])
        name = load_spec(chosen.spec).name
        trained = _train(name, chosen.spec, chosen.corpus, chosen.words, chosen.train_option, chosen.folder)
        bundle = read_bundle(trained)
        check_origins(bundle, chosen.teacher_licence)
        if chosen.teacher_licence:
            told = {**bundle.provenance, "teacher_licence": chosen.teacher_licence}
            bundle = replace(bundle, provenance=told, manifest=b"")
            bundle = bundle.with_members({CARD: model_card(bundle).encode()})
            write_bundle(trained, bundle)
        records = {
            name: _evaluate(trained, name, root)
            for name, root in dict((chosen.corpus, *chosen.evaluate)).items()
        }
        trials = {path.stem: read_json(path) for path in chosen.scores}
        whole = dress(bundle, records, trials)
        before = read_bundle(chosen.output) if chosen.output.is_file() else None
        write_bundle(chosen.output, whole)
        if chosen.output == SHIPPED and not LINK.is_symlink():
            LINK.unlink(missing_ok=True)  # a copy, where the files came without links
            LINK.symlink_to(os.path.relpath(SHIPPED, LINK.parent))
        print(f"{chosen.output}: {chosen.output.stat().st_size:,} bytes, build {whole.build_id}")
        if before is not None:
            print(_compared(before, whole))
    except EdgeSerError as error:
        print(f"ship_base: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def check_origins(bundle: Bundle, teacher_licence: str = "") -> None:
    """Refuse what may not ship: by what really taught the bundle, not by what was asked for.

    Args:
        bundle: what shall ship.
        teacher_licence: under which licences teachers from elsewhere stand, by the word of whoever ships.

    Raises:
        InputError: a corpus' licence forbids it, a teacher learned nobody knows from what, or a folder is named.
    """
    check_shippable([str(entry["name"]) for _, entry in corpora_of(bundle)])
    for teacher in bundle.provenance.get("teachers", []):
        if not teacher.get("corpora") and not teacher_licence:
            message = (
                f"a {teacher.get('kind')} teacher does not say which corpora it learned from, so nobody knows "
                "whether its pupil may ship; teach with a bundle or a training of edge-ser, or name the licences of "
                "such teachers: --teacher-licence"
            )
            raise InputError(message)
    for text in folders_named([bundle.provenance, bundle.spec.to_dict()]):
        message = f"the bundle would name a folder of this machine: {text!r}; give relative paths"
        raise InputError(message)


def dress(
    bundle: Bundle, records: Mapping[str, Mapping[str, Any]], trials: Mapping[str, Mapping[str, Any]]
) -> Bundle:
    """The bundle with its evaluations and the card that they make.

    Args:
        bundle: as quantize wrote it.
        records: by corpus, what ``edge-ser evaluate BUNDLE`` reports of this very bundle.
        trials: by name, what ``edge-ser evaluate SPEC`` reports of the same recipe.

    Raises:
        InputError: a report is of another bundle or of another recipe.
    """
    for name, record in records.items():
        found = record.get("bundle", {}).get("build")
        if found != bundle.build_id:
            message = (
                f"evaluation on {name}: of bundle {found}; expected {bundle.build_id}: evaluate this bundle"
            )
            raise InputError(message)
    for name, trial in trials.items():
        _check_recipe(name, trial, bundle.spec)
    members = {
        f"reports/{EVALUATIONS}{name}.json": json_bytes(condensed(one)) for name, one in records.items()
    }
    members |= {f"reports/{TRIALS}{name}.json": json_bytes(condensed(one)) for name, one in trials.items()}
    whole = bundle.with_members(members)
    return whole.with_members({CARD: model_card(whole).encode()})


def _check_recipe(name: str, trial: Mapping[str, Any], spec: SystemSpec) -> None:
    """Scores of another system must not stand in a card; seed and division of speakers may differ."""
    tried, ours = spec_from_dict(trial.get("spec", {}), source=name).to_dict(), spec.to_dict()
    for key in _RECIPE:
        if tried[key] != ours[key]:
            message = f"{name}: its [{key}] is not that of the spec; expected scores of the same recipe"
            raise InputError(message)
    if {**tried["training"], "seed": 0} != {**ours["training"], "seed": 0}:
        message = f"{name}: its [training] is not that of the spec; expected scores of the same recipe"
        raise InputError(message)


def _train(
    name: str, spec: Path, corpus: Place, words: Sequence[Place], options: Sequence[str], folder: Path
) -> Path:
    bundle = folder / f"{name}.edgeser"
    # Through the commands, as anybody trains: there is no second way to a bundle.
    _run(
        *("train", spec, "--corpus", corpus[0], "--root", corpus[1], "--words-corpus", words[0][0]),
        *("--words-root", words[0][1], "-o", folder, *options),
        *(part for name, root in words[1:] for part in ("--words", f"{name}={root}")),
    )
    _run("quantize", folder, "-o", bundle)
    return bundle


def _evaluate(bundle: Path, corpus: str, root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run("evaluate", bundle, "--corpus", corpus, "--root", root, "--json"))
    return found


def _run(*arguments: object) -> str:
    command = [sys.executable, "-m", "edge_ser.cli.main", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        message = f"edge-ser {arguments[0]} ended with {done.returncode}; its last words stand above"
        raise CheckError(message)
    return done.stdout


def _compared(before: Bundle, after: Bundle) -> str:
    same = [name for name in _NETS if before.members.get(name) == after.members.get(name)]
    other = [name for name in _NETS if name not in same]
    return (
        f"beside the one before: same {', '.join(same) or 'nothing'}; other {', '.join(other) or 'nothing'}"
    )


def _place(text: str) -> Place:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        message = f"{text!r}: expected NAME=DIR, e.g. crema-d=CREMA-D"
        raise argparse.ArgumentTypeError(message)
    return name, Path(folder)


if __name__ == "__main__":
    main()
