"""Rewrite the versions of operations down to what their meaning needs, so that the compiler reads newer files.

Compiler 16 embeds a TensorFlow Lite of mid 2021 and refuses a whole file over one operation whose version it
does not know (github.com/google-coral/edgetpu issues 631, 845, 879), also where nothing in the file needs that
version. A version is one number in the file's list of operation codes; it is rewritten in place, so that the file
keeps its length and every other byte. What does need its version is left alone and said.

The proof has two halves. The file is read again and must be the same but for the versions. And both files are run
on edge and random inputs and must agree bit for bit. Running alone would prove little: the kernels of a newer
TensorFlow Lite hardly look at versions. That an older version means the same is what
:mod:`edge_ser.edgetpu.op_versions` holds.
"""

from __future__ import annotations

import dataclasses
import struct
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.compilers import LATEST, Compiler
from edge_ser.edgetpu.flatbuffer import Flatbuffer, MalformedError, Table
from edge_ser.edgetpu.model import Model, Operator, Tensor, read_model
from edge_ser.edgetpu.op_versions import Need, needed_version
from edge_ser.errors import CheckError, InputError

Inputs = tuple[NDArray[np.generic], ...]
"""One array per graph input, of its shape and type."""

Runner = Callable[[bytes, Sequence[Inputs]], Sequence[Inputs]]
"""Runs a model file on several inputs and gives the outputs of each."""

_EXAMPLE_TYPES = ("int8", "uint8", "int16", "float32")
_MAX_ELEMENTS = 2**24
_CODE_VERSION = 2
"""Number of the field ``version`` in OperatorCode, an int32 (schema.fbs)."""


@dataclass(frozen=True)
class Lowering:
    """One operation whose version was lowered.

    Attributes:
        op: builtin name.
        indices: the operators that it concerns.
        before: version in the file that was given.
        after: version in the file that came out.
    """

    op: str
    indices: tuple[int, ...]
    before: int
    after: int


@dataclass(frozen=True)
class Kept:
    """One operation that the compiler does not know in this version, and that cannot be lowered.

    Attributes:
        op: builtin name.
        indices: the operators that it concerns.
        version: its version.
        newest: the newest version that the compiler knows.
        why: what needs that version.
    """

    op: str
    indices: tuple[int, ...]
    version: int
    newest: int
    why: str

    def __str__(self) -> str:
        places = ", ".join(map(str, self.indices))
        return (
            f"{self.op} version {self.version} (operation {places}), where the compiler knows versions up to"
            f" {self.newest}: {self.why}"
        )


@dataclass(frozen=True)
class LoweredModel:
    """What :func:`lower_versions` made of a file.

    Attributes:
        data: the file, as long as the one that was given.
        lowered: what was changed; empty where the file is as it was.
        kept: what the compiler will refuse all the same.
    """

    data: bytes
    lowered: tuple[Lowering, ...]
    kept: tuple[Kept, ...]


def lower_versions(data: bytes, name: str, compiler: Compiler = LATEST) -> LoweredModel:
    """Lower every version that is higher than its operators need.

    Args:
        data: an uncompiled model file.
        name: what to call it in messages.
        compiler: the compiler that shall read it; decides what is said to be kept.

    Raises:
        InputError: it is no TFLite model, it is damaged, or a version shares its bytes with something else.
    """
    model = read_model(data, name)
    try:
        places = _version_places(Flatbuffer(data, schema.IDENTIFIER), model)
    except MalformedError as error:
        message = f"{name}: not a usable TFLite model ({error}); export it again"
        raise InputError(message) from None
    result = bytearray(data)
    lowered, kept = [], []
    for place, operators in places.items():
        before = operators[0].version
        needs = [needed_version(op) for op in operators]
        after = max((need.version if need else before for need in needs), default=before)
        if after < before:
            struct.pack_into("<i", result, place, after)
            lowered.append(Lowering(operators[0].name, _indices(operators), before, after))
        version = min(before, after)
        newest = compiler.newest_version(operators[0].name)
        if newest is not None and version > newest:
            kept.append(Kept(operators[0].name, _indices(operators), version, newest, _why(needs)))
    outcome = LoweredModel(bytes(result), tuple(lowered), tuple(kept))
    _require_same(model, outcome, name)
    return outcome


def prove_same(before: bytes, after: bytes, name: str, run: Runner) -> int:
    """Run both files on edge and random inputs and compare every output bit for bit.

    Args:
        before: the file as it was.
        after: the file with lowered versions.
        name: what to call it in messages.
        run: runs a file; with the built-in kernels, since a delegate computes in its own way.

    Returns:
        The number of inputs that were compared.

    Raises:
        CheckError: an output differs.
    """
    examples = example_inputs(read_model(before, name))
    for index, (one, other) in enumerate(zip(run(before, examples), run(after, examples), strict=True)):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            if left.dtype != right.dtype or left.shape != right.shape or left.tobytes() != right.tobytes():
                message = (
                    f"{name}: with lowered versions output {number} differs on input {index}; compile the file"
                    " as it is (--keep-versions) and report this"
                )
                raise CheckError(message)
    return len(examples)


def example_inputs(model: Model, random: int = 11, seed: int = 1) -> list[Inputs]:
    """Inputs that a proof runs: smallest, largest and zero-point values, both extremes in turns, a ramp, noise.

    Args:
        model: the model.
        random: how many of noise.
        seed: of the noise.

    Returns:
        For each of them one array per input of the model, in that input's dtype; any shape that it has.

    Raises:
        InputError: an input has a type or a size that cannot be run.
    """
    rng = np.random.default_rng(seed)
    kinds = ("low", "high", "zero", "turns", "ramp", *["noise"] * random)
    return [tuple(_example(tensor, kind, rng) for tensor in model.inputs) for kind in kinds]


def _example(tensor: Tensor, kind: str, rng: np.random.Generator) -> NDArray[np.generic]:
    if tensor.dtype not in _EXAMPLE_TYPES or tensor.elements > _MAX_ELEMENTS:
        message = f"input {tensor}: expected {', '.join(_EXAMPLE_TYPES)} and at most {_MAX_ELEMENTS} values, to be run"
        raise InputError(message)
    dtype, size = np.dtype(tensor.dtype), tensor.elements
    floating = dtype.kind == "f"
    low, high = (-1.0, 1.0) if floating else (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    makers: dict[str, Callable[[], NDArray[np.float64]]] = {
        "low": lambda: np.full(size, low),
        "high": lambda: np.full(size, high),
        "zero": lambda: np.full(size, 0.0 if floating else float(tensor.zero_point)),
        "turns": lambda: np.where(np.arange(size) % 2 == 0, low, high),
        "ramp": lambda: np.linspace(low, high, size),
        "noise": lambda: rng.uniform(low, high, size),
    }
    values = np.clip(makers[kind](), low, high)
    return (values if floating else np.round(values)).astype(dtype).reshape(tensor.shape)


def _version_places(buffer: Flatbuffer, model: Model) -> dict[int, list[Operator]]:
    """The operators of the main graph by the place of their version; places that others use too are left out."""
    root = buffer.root()
    codes, graphs = root.tables(1), root.tables(2)
    users: dict[int, list[Operator]] = defaultdict(list)
    for table, op in zip(graphs[0].tables(3), model.operators, strict=True):
        place = _version_place(codes, table)
        if place is not None:
            users[place].append(op)
    for graph in graphs[1:]:
        for table in graph.tables(3):
            users.pop(_version_place(codes, table) or 0, None)
    return {place: operators for place, operators in users.items() if operators[0].name != "CUSTOM"}


def _version_place(codes: tuple[Table, ...], operator: Table) -> int | None:
    index = operator.integer(0, "I")
    return codes[index].locate(_CODE_VERSION) if index < len(codes) else None


def _indices(operators: Sequence[Operator]) -> tuple[int, ...]:
    return tuple(op.index for op in operators)


def _why(needs: Sequence[Need | None]) -> str:
    if None in needs:
        return "no rule is known for these types"
    highest = max((need for need in needs if need), key=lambda need: need.version)
    return f"it has {highest.why}"


def _require_same(model: Model, outcome: LoweredModel, name: str) -> None:
    """Refuse a file whose versions share their bytes with anything else."""
    again = read_model(outcome.data, name)
    versions = {index: item.after for item in outcome.lowered for index in item.indices}
    expected = dataclasses.replace(
        model,
        operators=tuple(
            dataclasses.replace(op, version=versions.get(op.index, op.version)) for op in model.operators
        ),
    )
    contents = zip(_contents(model), _contents(again), strict=True) if again == expected else ()
    if again != expected or any(one != other for one, other in contents):
        message = f"{name}: its version numbers are used for something else too; export it again"
        raise InputError(message)


def _contents(model: Model) -> list[memoryview]:
    """Everything that comparing two models leaves out: values of constants and options of custom operations."""
    tensors = [t.data for op in model.operators for t in (*op.inputs, *op.outputs) if t is not None]
    return [*tensors, *(op.custom_options for op in model.operators)]
