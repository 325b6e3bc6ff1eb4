"""Put neutral speech of its training speakers into a bundle that has none, for `edge-ser explain`.

python tools/neutral_cues.py BUNDLE --corpus crema-d=CREMA-D [-o OUT]

`edge-ser quantize` does so by itself; this is for bundles that were made before it did. Nothing else in the bundle
changes but its build id, and TensorFlow is not needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_ser.bundle import read_bundle, write_bundle
from edge_ser.corpora.registry import read_clips
from edge_ser.errors import EdgeSerError, InputError
from edge_ser.evaluation.explain_neutral import FEWEST_CLIPS, measure_neutral, training_clips, with_neutral


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--corpus", required=True, action="append", metavar="NAME=DIR", help="what taught it; repeatable"
    )
    parser.add_argument("-o", "--output", type=Path, help="the bundle; BUNDLE itself if not given")
    parser.add_argument("--jobs", type=int, default=1, help="clips at a time")
    chosen = parser.parse_args()
    try:
        print(add(chosen.bundle, chosen.corpus, chosen.output or chosen.bundle, chosen.jobs))
    except EdgeSerError as error:
        print(f"neutral_cues: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def add(path: Path, corpora: list[str], output: Path, jobs: int) -> str:
    """Write the bundle with neutral speech in it; gives a line that says what was measured.

    Args:
        path: the bundle.
        corpora: ``NAME=DIR`` each.
        output: where it goes.
        jobs: processes.

    Raises:
        InputError: a file cannot be read, or the corpora hold too little neutral speech of its training speakers.
    """
    bundle = read_bundle(path)
    clips = []
    for text in corpora:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            message = f"--corpus is {text!r}; expected NAME=DIR, e.g. crema-d=CREMA-D"
            raise InputError(message)
        clips += training_clips(bundle, read_clips(name, Path(folder)))
    neutral = measure_neutral(clips, bundle.spec.frontend, lambda _clips: None, jobs)
    if neutral is None:
        message = (
            f"{path}: {len(clips)} neutral clips of its training speakers are in these corpora; expected at least "
            f"{FEWEST_CLIPS}: name the corpus that taught it"
        )
        raise InputError(message)
    whole = with_neutral(bundle, neutral)
    write_bundle(output, whole)
    told = f"{neutral.clips} neutral clips of {neutral.speakers} speakers of {', '.join(neutral.corpora)}"
    return f"{output}: {told}; build {whole.build_id}"


if __name__ == "__main__":
    main()
