"""What a compiled file holds: its Edge TPU operations with their packages, and what is left to the host.

A compiled file is a TFLite model in which everything that the compiler took has become one custom operation.
Its options are a FlexBuffer map; key ``"4"`` holds the DarwiNN package (github.com/google-coral/libedgetpu,
tflite/custom_op_user.cc; the keys are read from about 150 files of compilers 1 to 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_ser.edgetpu.darwinn import Executable, Layer, Package, read_package
from edge_ser.edgetpu.flatbuffer import Allowance, MalformedError
from edge_ser.edgetpu.flexbuffer import read_map
from edge_ser.edgetpu.model import COMPILED_OP, Model, Operator, read_model
from edge_ser.errors import InputError
from edge_ser.files import reason

MAX_COMPILED_BYTES = 64 * 1024 * 1024
"""Largest compiled file that is read; the Micro's whole flash file system has as much."""

MAX_PACKAGES = 256
"""Edge TPU operations of one file; with the compiler's switch ``-a`` there may be dozens."""

_PACKAGE_KEY = "4"
_SEPARATE_CACHING_KEY = "3"


@dataclass(frozen=True)
class EdgeTpuOp:
    """One Edge TPU operation of a compiled file.

    Attributes:
        operator: the custom operation.
        package: what the Edge TPU is sent.
        separate_caching: whether a second executable lies outside the package, as very old compilers wrote.
    """

    operator: Operator
    package: Package
    separate_caching: bool


@dataclass(frozen=True)
class CompiledModel:
    """A compiled file.

    Attributes:
        name: what to call it in messages.
        model: the TFLite model around it.
        edgetpu_ops: the Edge TPU operations in execution order; one in what the compiler writes by default.
    """

    name: str
    model: Model
    edgetpu_ops: tuple[EdgeTpuOp, ...]

    @property
    def host_ops(self) -> tuple[Operator, ...]:
        """The operations left to the host, in execution order."""
        return tuple(op for op in self.model.operators if op.custom_code != COMPILED_OP)

    @property
    def min_runtime(self) -> int:
        """Oldest Edge TPU runtime that runs it."""
        return max(op.package.min_runtime for op in self.edgetpu_ops)

    @property
    def cached_bytes(self) -> int:
        """Parameters that are sent once and stay on the chip, padding included."""
        return sum(item.parameter_bytes for item in self.caching)

    @property
    def streamed_bytes(self) -> int:
        """Parameters that are sent at every inference."""
        return sum(item.parameter_bytes for item in self.inference)

    @property
    def instruction_bytes(self) -> int:
        """Instructions that are sent at every inference."""
        return sum(sum(item.instruction_bytes) for item in self.inference)

    @property
    def first_inference_bytes(self) -> int:
        """What the first inference sends beyond the others: the cached parameters and their instructions."""
        return self.cached_bytes + sum(sum(item.instruction_bytes) for item in self.caching)

    @property
    def scratch_bytes(self) -> int:
        """Memory of the host that the chip uses as its own."""
        return max((item.scratch_bytes for item in self.inference), default=0)

    @property
    def deterministic(self) -> bool:
        """Whether every transfer of an inference is announced beforehand."""
        return all(item.deterministic for item in self.inference)

    @property
    def tokens(self) -> tuple[int, ...]:
        """Parameter-caching tokens, one per operation that keeps parameters on the chip."""
        return tuple(item.token for item in self.caching)

    @property
    def inference(self) -> tuple[Executable, ...]:
        """The executables that run at every inference."""
        found = (op.package.inference for op in self.edgetpu_ops)
        return tuple(item for item in found if item is not None)

    @property
    def caching(self) -> tuple[Executable, ...]:
        """The executables that send parameters to the chip."""
        found = (op.package.caching for op in self.edgetpu_ops)
        return tuple(item for item in found if item is not None)

    @property
    def inputs(self) -> tuple[Layer, ...]:
        """What goes into the Edge TPU operations."""
        return tuple(layer for item in self.inference for layer in item.inputs)

    @property
    def outputs(self) -> tuple[Layer, ...]:
        """What comes out of the Edge TPU operations."""
        return tuple(layer for item in self.inference for layer in item.outputs)


def load_compiled(path: Path) -> CompiledModel:
    """Read a compiled file.

    Raises:
        InputError: the file cannot be read, is too large, is not compiled or is damaged.
    """
    try:
        size = path.stat().st_size
        if size > MAX_COMPILED_BYTES:
            message = f"{path}: {size} bytes; expected a compiled file of at most {MAX_COMPILED_BYTES}"
            raise InputError(message)
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected a compiled .tflite file"
        raise InputError(message) from None
    return read_compiled(data, str(path))


def read_compiled(data: bytes, name: str = "compiled file") -> CompiledModel:
    """Read a compiled file from its bytes.

    Reading is bounded: a file that points at itself, or claims lengths that it does not have, costs at most
    some seconds and some ten megabytes beside the file.

    Args:
        data: the whole file.
        name: what to call it in messages.

    Raises:
        InputError: it is not a TFLite model, not compiled, or damaged.
    """
    if len(data) > MAX_COMPILED_BYTES:
        message = f"{name}: {len(data)} bytes; expected a compiled file of at most {MAX_COMPILED_BYTES}"
        raise InputError(message)
    model = read_model(data, name)
    operators = [op for op in model.operators if op.custom_code == COMPILED_OP]
    if not operators:
        message = (
            f"{name}: not compiled for the Edge TPU: it holds no {COMPILED_OP}; to look at an uncompiled model"
            " use: edge-ser check; to compile one: edge-ser compile"
        )
        raise InputError(message)
    try:
        if len(operators) > MAX_PACKAGES:
            message = f"{len(operators)} Edge TPU operations, at most {MAX_PACKAGES} are possible"
            raise MalformedError(message)
        allowance = Allowance()
        return CompiledModel(name, model, tuple(_edgetpu_op(op, allowance) for op in operators))
    except MalformedError as error:
        message = (
            f"{name}: operation {COMPILED_OP} is damaged ({error}); compile again or copy the whole file"
        )
        raise InputError(message) from None


def _edgetpu_op(op: Operator, allowance: Allowance) -> EdgeTpuOp:
    options = read_map(op.custom_options)
    data = options.get(_PACKAGE_KEY)
    if not isinstance(data, memoryview):
        message = f"its options have no package under key {_PACKAGE_KEY!r}"
        raise MalformedError(message)
    package = read_package(data, allowance)
    if not package.executables:
        message = "its package holds no executable"
        raise MalformedError(message)
    separate = options.get(_SEPARATE_CACHING_KEY)
    return EdgeTpuOp(op, package, isinstance(separate, memoryview) and len(separate) > 0)
