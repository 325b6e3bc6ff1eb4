"""How many bytes of instructions the compiler will write for a net: what most of a small net's time is.

Every inference sends the instructions anew. Their size hardly depends on channels or weights, but on how many
kinds of tiles an operation meets (:mod:`edge_ser.edgetpu.grid`) and on how often values move between tiles. The
sizes below are those of single instructions and of the frames around them, decoded from compiled files
(google-coral/test_data 104342d2 and coralmicro c9f665b0, ricardodeazambuja/LibrEdgeTPU be71d6de,
Jorgitou98/EdgeTPU-QuantRL-Evaluation ecd386c3, jveitchmichaelis/edgetpu-yolo, iwatake2222/EdgeTPU_Analysis
1f5fbce4). What no file shows is a range.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from edge_ser.edgetpu import schema
from edge_ser.edgetpu.grid import (
    LANES,
    TILES,
    Stretch,
    Window,
    borders,
    exchanges,
    kinds,
    lengths,
    plain_kinds,
    reading_kinds,
    stretches,
    writing_kinds,
)
from edge_ser.edgetpu.interval import Interval, exactly, independent, sum_intervals
from edge_ser.edgetpu.model import Operator, Tensor

ALIASES: Final = frozenset(("QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"))
"""Operations that write no instruction where the layout stays: the next one reads the values as they lie."""

REDUCTIONS: Final = frozenset(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "AVERAGE_POOL_2D"))

# One instruction that computes, one that sends to a neighbour, one that loads or gives out by channels.
_COMPUTE, _EXCHANGE, _CHANNELS = 272, 96, 352
_HEADER, _VECTOR_HEADER = 1376, 208
_PICTURE_INPUT, _INPUT_KIND = 1264, 640
_PICTURE_OUTPUT, _OUTPUT_KIND = 2256, 260
_VECTOR_OUTPUT = 720
# The frame of one operation: waiting for the one before, where its parameters and its results lie.
_FRAMES: Final = {
    "CONV_2D": 288,
    "TRANSPOSE_CONV": 288,
    "DEPTHWISE_CONV_2D": 384,
    "MAX_POOL_2D": 256,
    "AVERAGE_POOL_2D": 256,
    "ADD": 1088,
    "SUB": 1088,
    "MAXIMUM": 1088,
    "MINIMUM": 1088,
    "SQUARED_DIFFERENCE": 1088,
    "LOGISTIC": 256,
    "TANH": 256,
    "RELU": 16,
    "RELU6": 16,
    "RELU_N1_TO_1": 16,
    "PRELU": 288,
}
_PRODUCT_FRAME, _DENSE_FRAME, _REDUCTION_FRAME = 208, 608, 1040
_MOVES: Final = frozenset(
    ("CONCATENATION", "SPLIT", "PAD", "SLICE", "STRIDED_SLICE", "PACK", "RESIZE_BILINEAR")
)
_MOVE_FRAME = Interval(300, 600, 2000)
_UNSEEN = Interval(500, 1500, 6000)
# A gate of one value per channel on a picture: no compiled file shows how it gets to all tiles.
_GATE = Interval(0, 448, 2500)
# A picture that becomes a vector moves every value: 8 kB in edgetpu-tcn, up to 30 kB in small classifiers.
_FLATTEN = Interval(4000, 8000, 30_000)
# Per class: 36 bytes in a file of compiler 16 (965 classes), 120 in three of compiler 14 or 15 (1,001 classes).
_SOFTMAX_FRAME, _SOFTMAX_CLASS, _OLDER_SOFTMAX_CLASS = Interval(3000, 5000, 14_000), 36, 120
_OLD_SOFTMAX = Interval(1000, 2500, 6000)
_OLD_REDUCTION = 2000
_LSTM = Interval(20_000, 45_000, 90_000)
# An operation that does not fit into the tiles is run in passes, each written out, or by channels, in a loop.
_TILE_BYTES = 192 * 1024
_PASS = Interval(0, 10_000, 30_000)
SPREAD: Final = Interval(0.85, 1.0, 1.2)
"""Real over predicted bytes of whole nets whose operations are all known: within these for 9 of 10 files."""


@dataclass(frozen=True)
class OpInstructions:
    """Predicted instruction bytes of one operation.

    Attributes:
        index: place of the operator in the model; -1 for what the net as a whole needs.
        op: its name, or ``"start"``, ``"input"``, ``"output"``.
        bytes: what its own work takes.
        exchange_bytes: what sending rows and columns to neighbouring tiles afterwards takes.
    """

    index: int
    op: str
    bytes: Interval
    exchange_bytes: int = 0

    @property
    def total(self) -> Interval:
        """Both together."""
        return sum_intervals(self.bytes, exactly(self.exchange_bytes))


@dataclass(frozen=True)
class _Graph:
    """The part of a net that is compiled.

    Attributes:
        readers: operators that read a tensor, by the tensor's index.
        made: indices of the tensors that it computes, but for an input put in another scale.
        old: whether a compiler before 14 is asked about.
        newest: whether it is compiler 16.
    """

    readers: Mapping[int, list[Operator]]
    made: frozenset[int]
    old: bool
    newest: bool

    def layout(self, tensor: Tensor) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...], int]:
        """How the tiles keep a tensor for the window that asks most, and the exchanges before it is moved."""
        height, width, _ = picture(tensor)
        found = stretches(height, None), stretches(width, None)
        most = 0
        for op in self.readers.get(tensor.index, []):
            if op.name in ALIASES and op.outputs:
                rows, columns, count = self.layout(op.outputs[0]) if _same_layout(op) else (*found, 0)
            else:
                windows = windows_of(op)
                if windows is None or op.inputs[0] is None or op.inputs[0].index != tensor.index:
                    continue
                rows, columns = stretches(height, windows[0]), stretches(width, windows[1])
                count = exchanges(rows, columns)
            if count >= most:
                found, most = (rows, columns), count
        return (*found, most)


def instructions_of(
    ops: Sequence[Operator], inputs: Sequence[Tensor], outputs: Sequence[Tensor], major: int
) -> tuple[OpInstructions, ...]:
    """Predict the instructions of the part of a net that is compiled.

    Args:
        ops: its operators in execution order.
        inputs: tensors that go into it.
        outputs: tensors that come out of it.
        major: major version of the compiler.

    Returns:
        One entry for the start, each input, each operator and each output; :func:`total_instructions` adds them.
    """
    readers: dict[int, list[Operator]] = {}
    for op in ops:
        for tensor in op.inputs:
            if tensor is not None and not tensor.constant:
                readers.setdefault(tensor.index, []).append(op)
    given = {tensor.index for tensor in inputs}
    for op in ops:
        source = op.input(0)
        if op.name == "QUANTIZE" and source is not None and source.index in given:
            given.update(tensor.index for tensor in op.outputs)
    made = frozenset(tensor.index for op in ops for tensor in op.outputs if tensor.index not in given)
    graph = _Graph(readers, made, major < 14, major >= 16)
    header = _VECTOR_HEADER if inputs and all(_vector(tensor) for tensor in inputs) else _HEADER
    return (
        OpInstructions(-1, "start", exactly(header)),
        *(_input(graph, tensor) for tensor in inputs),
        *(_operation(graph, op) for op in ops),
        *(OpInstructions(-1, "output", exactly(_output(tensor))) for tensor in outputs),
    )


def total_instructions(parts: Sequence[OpInstructions]) -> Interval:
    """The instructions of all parts, with the spread that whole nets show against compiled files.

    What is not known about one kind of operation is wrong for all of that kind in the same way, and has
    nothing to do with other kinds.
    """
    mid = sum(part.total.mid for part in parts)
    by_kind: dict[str, list[Interval]] = {}
    for part in parts:
        by_kind.setdefault(part.op, []).append(part.total)
    sums = (sum_intervals(*items) for items in by_kind.values())
    ends = [(mid - item.mid + item.low, mid - item.mid + item.high) for item in sums]
    return independent(mid, [*ends, (mid * SPREAD.low, mid * SPREAD.high)])


def picture(tensor: Tensor) -> tuple[int, int, int]:
    """Height, width and channels of a tensor; a vector is a picture of one pixel."""
    shape = tensor.shape
    if len(shape) >= 3:
        return shape[-3], shape[-2], shape[-1]
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return 1, 1, shape[0] if shape else 1


def windows_of(op: Operator) -> tuple[Window, Window] | None:
    """The windows that an operation moves along height and width, ``None`` where it moves none."""
    source, options = op.input(0), op.options
    if source is None or not op.outputs or _vector(source):
        return None
    if op.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        size = options.filter_h, options.filter_w
    elif op.name in ("CONV_2D", "DEPTHWISE_CONV_2D") and (weights := op.input(1)) is not None:
        if len(weights.shape) != 4:
            return None
        size = weights.shape[1], weights.shape[2]
    else:
        return None
    height, width, _ = picture(op.outputs[0])
    if _reduces(op):
        return None
    same = options.padding == schema.PADDING_SAME
    dilation = options.dilation_h, options.dilation_w
    reach = [(length - 1) * max(step, 1) + 1 for length, step in zip(size, dilation, strict=True)]
    return (
        Window(reach[0], max(options.stride_h, 1), height, same),
        Window(reach[1], max(options.stride_w, 1), width, same),
    )


def _vector(tensor: Tensor) -> bool:
    height, width, _ = picture(tensor)
    return height <= 1 and width <= 1


def _same_layout(op: Operator) -> bool:
    source = op.input(0)
    return source is not None and picture(source) == picture(op.outputs[0])


def _reduces(op: Operator) -> bool:
    """Whether an operation takes a whole picture to one value per channel."""
    source = op.input(0)
    return (
        op.name in REDUCTIONS
        and source is not None
        and not _vector(source)
        and bool(op.outputs)
        and op.outputs[0].elements <= source.shape[-1]
    )


def _channel_tiles(channels: int) -> int:
    """Tiles that hold a vector: 64 channels each, or 128 (1,280 channels lie on ten tiles); at most 16."""
    each = LANES if channels <= TILES * LANES else 2 * LANES
    return min(TILES, -(-channels // each))


def _input(graph: _Graph, tensor: Tensor) -> OpInstructions:
    height, width, channels = picture(tensor)
    if _vector(tensor):
        tiles = _channel_tiles(channels)
        return OpInstructions(-1, "input", exactly(320 + 112 * min(tiles, 4) + 128 * -(-tiles // 4)))
    _, _, count = graph.layout(tensor)
    # The host sends rows one after the other: a stretch that does not begin at a multiple of 8 bytes is a kind.
    across = kinds(_aligned(width, channels))
    down = kinds(_aligned(height, width * channels))
    return OpInstructions(
        -1, "input", exactly(_PICTURE_INPUT + _INPUT_KIND * (across * down - 1)), _EXCHANGE * count
    )


def _aligned(length: int, step: int) -> list[tuple[int, int]]:
    edges = borders(length)
    spans = itertools.pairwise(edges)
    return [(end - begin, begin * step % 8) for begin, end in spans if end > begin]


def _output(tensor: Tensor) -> int:
    height, width, channels = picture(tensor)
    if _vector(tensor):
        return _VECTOR_OUTPUT + _EXCHANGE * _channel_tiles(channels)
    return _PICTURE_OUTPUT + _OUTPUT_KIND * (plain_kinds(height, width) - 1)


def _operation(graph: _Graph, op: Operator) -> OpInstructions:
    if not op.outputs:
        return OpInstructions(op.index, op.name, exactly(0))
    if op.name in ALIASES:
        return OpInstructions(op.index, op.name, _FLATTEN if _moves_values(graph, op) else exactly(0))
    rows, columns, count = graph.layout(op.outputs[0])
    own = _own(graph, op, rows, columns)
    passes = _passes(op, rows, columns) if op.name not in _MOVES else 1
    if passes > 1:
        own = sum_intervals(own, _PASS.times(passes))
    return OpInstructions(op.index, op.name, own, 0 if _vector(op.outputs[0]) else _EXCHANGE * count)


def _moves_values(graph: _Graph, op: Operator) -> bool:
    """Whether a reshape sends values from tile to tile; the host sends an input in the shape that is wanted."""
    source = op.input(0)
    if op.name == "QUANTIZE" or source is None or _vector(source) or source.index not in graph.made:
        return False
    before, after = picture(source), picture(op.outputs[0])
    return [side for side in before if side > 1] != [side for side in after if side > 1]


def _own(graph: _Graph, op: Operator, rows: Sequence[Stretch], columns: Sequence[Stretch]) -> Interval:
    special = _SPECIAL.get(op.name)
    if _reduces(op):
        return _reduction(graph, op)
    if special is not None:
        return special(graph, op)
    height, width, _ = picture(op.outputs[0])
    found = plain_kinds(height, width)
    if not _vector(op.outputs[0]):
        found = max(found, writing_kinds(rows, columns), _reading(op))
    if op.name in ("CONV_2D", "TRANSPOSE_CONV") and _vector(op.outputs[0]) and _vector_source(op):
        return exactly(_dense(op))
    if op.name in _FRAMES:
        return exactly(_FRAMES[op.name] + _COMPUTE * found)
    if op.name in _MOVES:
        pieces = max(len(op.activations) - 1, 1)
        return sum_intervals(_MOVE_FRAME, exactly(_COMPUTE * found * pieces))
    return sum_intervals(_UNSEEN, exactly(_COMPUTE * found))


def _reading(op: Operator) -> int:
    """Kinds of tiles that differ in how they move a window."""
    windows, source = windows_of(op), op.input(0)
    if windows is None or source is None:
        return 1
    height, width, _ = picture(source)
    down, across = windows
    found = reading_kinds(down.outputs, stretches(height, down))
    return found * reading_kinds(across.outputs, stretches(width, across))


def _vector_source(op: Operator) -> bool:
    source = op.input(0)
    return source is not None and _vector(source)


def _dense(op: Operator) -> int:
    """A vector times a matrix: every tile that holds inputs gives them to all others."""
    weights = op.input(1)
    inputs = weights.shape[-1] if weights is not None and weights.shape else 1
    return _DENSE_FRAME + _CHANNELS * _channel_tiles(inputs)


def _reduction(graph: _Graph, op: Operator) -> Interval:
    """A picture to a vector: since compiler 14 every tile sends its part of each channel to the one that keeps it."""
    source = op.inputs[0]
    if graph.old or source is None:
        return exactly(_OLD_REDUCTION)
    height, width, channels = picture(source)
    tiles = _channel_tiles(channels)
    senders = len(lengths(height)) * len(lengths(width))
    # 54 transfers for 4 keepers of 16 senders, 98 for 8, 142 for 12, 198 for 16; 75 for 16 keepers of 6 senders.
    transfers = round(0.85 * tiles * (senders - 1))
    size = _REDUCTION_FRAME + _EXCHANGE * transfers + 224 * round(tiles / 2 + 2)
    # The files show 4 keepers and more; what fewer take is drawn out from them.
    return exactly(size) if tiles >= 4 else Interval(0.7 * size, size, 1.5 * size)


def _product(_graph: _Graph, op: Operator) -> Interval:
    height, width, channels = picture(op.outputs[0])
    work = exactly(_PRODUCT_FRAME + 2 * _COMPUTE * plain_kinds(height, width))
    gated = not _vector(op.outputs[0]) and any(_vector(item) for item in op.activations)
    return sum_intervals(work, _GATE.times(_channel_tiles(channels))) if gated else work


def _softmax(graph: _Graph, op: Operator) -> Interval:
    if graph.old:
        return _OLD_SOFTMAX
    classes = min(op.outputs[0].shape[-1] if op.outputs[0].shape else 1, TILES * LANES)
    each = _SOFTMAX_CLASS if graph.newest else _OLDER_SOFTMAX_CLASS
    return sum_intervals(_SOFTMAX_FRAME, exactly(each * classes))


def _lstm(_graph: _Graph, _op: Operator) -> Interval:
    return _LSTM


def _fully_connected(_graph: _Graph, op: Operator) -> Interval:
    source = op.input(0)
    flattens = source is not None and not _vector(source)
    return sum_intervals(exactly(_dense(op)), _FLATTEN if flattens else exactly(0))


_SPECIAL: Final[Mapping[str, Callable[[_Graph, Operator], Interval]]] = {
    "MUL": _product,
    "SOFTMAX": _softmax,
    "FULLY_CONNECTED": _fully_connected,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}


def _passes(op: Operator, rows: Sequence[Stretch], columns: Sequence[Stretch]) -> int:
    """How often an operation is run because one tile's part of its pictures exceeds the tile's memory."""
    kept = max((item.held for item in rows), default=0) * max((item.held for item in columns), default=0)
    need = kept * -(-picture(op.outputs[0])[2] // 4) * 4
    for tensor in op.inputs:
        if tensor is not None and not tensor.constant:
            height, width, channels = picture(tensor)
            tile = max(lengths(height), default=0) * max(lengths(width), default=0)
            need += tile * -(-channels // 4) * 4
    return -(-need // _TILE_BYTES)
