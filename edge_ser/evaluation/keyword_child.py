"""One training of the keyword net alone, in a process of its own: ``python -m edge_ser.evaluation.keyword_child``.

As :mod:`edge_ser.evaluation.child`, for the smaller task. What it leaves in the request's folder is read by
:func:`edge_ser.evaluation.keyword_nets.read_nets`.
"""

from __future__ import annotations

from pathlib import Path

from edge_ser.corpora.manifest import Manifest, read_manifest, write_manifest
from edge_ser.evaluation.child import launch, serve, told
from edge_ser.evaluation.keyword_nets import FLOAT, HEADS, INT8, RECORD
from edge_ser.files import read_json, write_atomically, write_json
from edge_ser.npz import npz_bytes
from edge_ser.spec import SystemSpec
from edge_ser.spec_file import spec_from_dict


def train_words(spec: SystemSpec, words: Manifest, folder: Path, threads: int | None) -> None:
    """Train and quantise a keyword net in a child process; what is done already is used again.

    Args:
        spec: the system, its seed in it.
        words: who teaches, chooses and tests.
        folder: takes every stage's files, a log and the nets.
        threads: of TensorFlow; ``None`` for as many as there are cores.

    Raises:
        CheckError, InputError, MissingError: as the child ended; its last line is the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(words, folder / "words.json")
    request = folder / "request.json"
    write_json(request, {"spec": spec.to_dict()})
    launch("edge_ser.evaluation.keyword_child", request, threads)


def _work(request: Path) -> None:
    """The child's work."""
    from edge_ser.provenance import commit
    from edge_ser.quantization.keyword import quantize_keyword
    from edge_ser.runtime.interpreters import output_quantization
    from edge_ser.training.system import train_keyword

    folder = request.parent
    spec = spec_from_dict(read_json(request)["spec"], source=str(request))
    trained = train_keyword(spec, read_manifest(folder / "words.json"), folder, told)
    with told("int8 conversion", 1):
        made = quantize_keyword(trained, folder, output_quantization)
    write_atomically(folder / INT8, made.keyword.int8)
    write_atomically(folder / FLOAT, made.keyword.float32)
    heads = {
        **made.words.to_arrays("words"),
        "float_weights": trained.words.weights,
        "float_bias": trained.words.bias,
    }
    write_atomically(folder / HEADS, npz_bytes(heads))
    record = {
        "params": trained.params,
        "bytes": len(made.keyword.int8),
        "keras_difference": made.keyword.keras_difference,
        "commit": commit(),
    }
    write_json(folder / RECORD, record)


if __name__ == "__main__":
    serve(_work)
