"""The compilers of the vendor: what each one's parser and runtime know, as data.

A compiler carries the TensorFlow Lite of its day and refuses a file, when it reads it, over any operation
version or builtin code that its TensorFlow does not have, even for an operation meant for the host.

Sources: dates of the builds, read from their numbers, against the releases of TensorFlow; the release that
brought each version of an operation is in tensorflow/lite/tools/versioning/runtime_version.cc. Every published
rejection fits (github.com/google-coral/edgetpu/issues): TRANSPOSE_CONV 3 by compiler 2.1 (147), RSQRT 2 and
DEPTH_TO_SPACE 2 by 15 (384, 386), QUANTIZE 3, CONV_2D 6, TRANSPOSE_CONV 4 by 16 (879, 631, 845).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_ser.errors import InputError

_Release = tuple[int, int]


@dataclass(frozen=True)
class Compiler:
    """One compiler.

    Attributes:
        version: as it names itself, without the build number where one build is known.
        runtime: newest runtime version that it writes for; decides which operations it maps.
        tensorflow: release of TensorFlow whose operation versions its parser knows.
        first_unknown_code: first builtin code that its parser refuses.
        newest: newest version of an operation where the person's own compiler was asked; wins over
            ``tensorflow``.
    """

    version: str
    runtime: int
    tensorflow: _Release
    first_unknown_code: int
    newest: Mapping[str, int] = field(default_factory=dict)

    @property
    def age(self) -> int:
        """Place among the public compilers, 0 for the oldest."""
        return age_of(self.version)

    def newest_version(self, op: str) -> int | None:
        """Newest version of an operation that the parser takes; ``None`` where that is not known."""
        if op in self.newest:
            return self.newest[op]
        releases = VERSION_RELEASES.get(op)
        if releases is None:
            return None
        return sum(release <= self.tensorflow for release in releases)


def _releases(table: str) -> dict[str, tuple[_Release, ...]]:
    found = {}
    for line in table.strip().splitlines():
        op, *releases = line.split()
        found[op] = tuple(_release(text) for text in releases)
    return found


def _release(text: str) -> _Release:
    major, minor = text.split(".")
    return int(major), int(minor)


# Per line: operation, then the release that brought version 1, 2, 3 …; releases before 1.14 count as 1.14, which
# every compiler has. Versions beyond the end of a line came later than 2.11.
VERSION_RELEASES = _releases("""
    ABS 1.14 2.4 2.5 2.6
    ADD 1.14 1.14 2.4 2.6
    ARG_MAX 1.14 1.14 2.9
    ARG_MIN 1.14 1.14 2.9
    AVERAGE_POOL_2D 1.14 1.14 2.3
    BATCH_MATMUL 2.3 2.3 2.4 2.5
    BATCH_TO_SPACE_ND 1.14 1.14 2.3
    CAST 1.14 2.7 2.8 2.9
    CONCATENATION 1.14 1.14 2.3
    CONV_2D 1.14 1.14 1.14 2.3 2.4 2.9
    CUMSUM 2.4
    DEPTHWISE_CONV_2D 1.14 1.14 1.14 2.2 2.3 2.3
    DEPTH_TO_SPACE 2.1 2.5
    DEQUANTIZE 1.14 1.14 1.15 2.2 2.7
    DIV 1.14 2.3
    ELU 1.14
    EXP 1.14
    EXPAND_DIMS 1.14
    FILL 1.14 2.3 2.5
    FLOOR_DIV 1.14 1.14
    FULLY_CONNECTED 1.14 1.14 1.14 1.14 2.0 2.1 2.3 2.3 2.3
    GATHER 1.14 1.14 1.15 2.4 2.5
    GATHER_ND 1.14 2.3 2.5
    GELU 2.9 2.9
    HARD_SWISH 1.15
    L2_NORMALIZATION 1.14 1.14
    LEAKY_RELU 1.14 2.3
    LOGISTIC 1.14 1.14 2.3
    LOG_SOFTMAX 1.14 1.14
    MAXIMUM 1.14 1.14 2.3 2.3
    MAX_POOL_2D 1.14 1.14 2.3
    MEAN 1.14 1.14 2.4
    MINIMUM 1.14 1.14 2.3 2.3
    MIRROR_PAD 1.14 2.3
    MUL 1.14 1.14 1.15 2.3 2.6
    PACK 1.14 1.14 2.3
    PAD 1.14 1.14 2.4 2.6
    PADV2 1.14 1.14 2.4 2.6
    PRELU 1.14
    QUANTIZE 1.14 1.15 2.7
    REDUCE_MAX 1.14 1.14 2.5
    REDUCE_MIN 1.14 1.14 2.5
    REDUCE_PROD 1.14 2.6
    RELU 1.14 2.1 2.5
    RELU6 1.14 1.14 2.5
    RELU_N1_TO_1 1.14
    RESHAPE 1.14
    RESIZE_BILINEAR 1.14 1.14 2.2 2.5
    RESIZE_NEAREST_NEIGHBOR 1.14 1.14 2.3 2.4
    RSQRT 1.14 2.5
    SHAPE 1.14
    SLICE 1.14 1.14 1.14 2.4 2.5
    SOFTMAX 1.14 1.14 2.3
    SPACE_TO_BATCH_ND 1.14 1.14 2.3
    SPACE_TO_DEPTH 1.14 1.14
    SPLIT 1.14 1.14 1.14 2.3
    SPLIT_V 1.14 2.3
    SQRT 1.14
    SQUARED_DIFFERENCE 1.14 2.5
    SQUEEZE 1.14 2.5
    STRIDED_SLICE 1.14 1.14 2.1 2.2 2.5 2.6
    SUB 1.14 1.14 2.3 2.4 2.4
    SUM 1.14 1.15
    TANH 1.14 1.14 2.3
    TILE 1.14 2.2 2.8
    TRANSPOSE 1.14 1.14 1.15 2.3 2.4
    TRANSPOSE_CONV 1.14 2.2 2.3
    UNIDIRECTIONAL_SEQUENCE_LSTM 1.14 1.14 2.3
    UNPACK 1.14 1.14 2.2 2.3
""")

# The codes' releases: 117 HARD_SWISH 1.15, 120 NON_MAX_SUPPRESSION_V4 2.1, 123 SELECT_V2 2.2, 126 BATCH_MATMUL
# 2.3, 128 CUMSUM 2.4, 129 CALL_ONCE 2.5, 142 VAR_HANDLE 2.6 (of which compiler 16 may have caught a part).
COMPILERS: tuple[Compiler, ...] = (
    Compiler("1.0", 10, (1, 14), 117),
    Compiler("2.0.267685300", 12, (2, 0), 120),
    Compiler("2.0", 13, (2, 1), 123),
    Compiler("2.1", 13, (2, 2), 126),
    Compiler("14.1", 13, (2, 3), 127),
    Compiler("15.0", 13, (2, 4), 129),
    Compiler("16.0", 14, (2, 6), 142),
)
"""Every public compiler, oldest first."""

LATEST = COMPILERS[-1]
"""Compiler 16.0 of mid 2021, the last one."""


def age_of(version: str) -> int:
    """Place of a version among the public compilers, 0 for the oldest; it stands in :data:`COMPILERS`."""
    return next(age for age, compiler in enumerate(COMPILERS) if compiler.version == version)


def compiler_named(version: str) -> Compiler:
    """The compiler of a version such as ``"16"``, ``"15.0"`` or ``"2.0.267685300"``.

    Raises:
        InputError: no compiler has that version.
    """
    if re.fullmatch(r"\d{1,9}(\.\d{1,9}){0,2}", version):
        asked = version.split(".")
        found = [compiler for compiler in COMPILERS if _agree(asked, compiler.version.split("."))]
        if found:
            # The most exact one; among equals the newest: "2" is 2.1, "2.0" the later of its two builds.
            return max(reversed(found), key=lambda compiler: min(len(asked), compiler.version.count(".") + 1))
    known = ", ".join(compiler.version for compiler in COMPILERS)
    message = (
        f"compiler version {version!r:.40} is not known; expected one of {known}, e.g. --compiler-version 16"
    )
    raise InputError(message)


def _agree(asked: list[str], own: list[str]) -> bool:
    shared = min(len(asked), len(own))
    return asked[:shared] == own[:shared]
