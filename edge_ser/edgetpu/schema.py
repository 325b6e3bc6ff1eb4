"""The parts of the TFLite schema that the checker reads: names of codes and numbers of fields.

Source: tensorflow/lite/schema/schema.fbs (TensorFlow 2.21). The numbers never change once published, so they
are data here and need no generated module; a test compares them with the module that LiteRT ships.
"""

from __future__ import annotations

from dataclasses import dataclass

IDENTIFIER = b"TFL3"

_OPERATORS = """
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
    EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
    LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
    RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM
    EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
    TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN
    EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX
    MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV
    SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT
    REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU
    SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU
    REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
    NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL
    PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
    HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE
    READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM
    MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
    STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
    STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
    STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
    STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG STABLEHLO_MINIMUM
    STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT STABLEHLO_SELECT
    STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
    STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA
    STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER
    STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE
    STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""

OPERATORS: tuple[str, ...] = tuple(_OPERATORS.split())
"""Builtin operator names by code."""

_TYPES = """
    float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64
    resource variant uint32 uint16 int4 bfloat16 int2 uint4 float8_e4m3fn float8_e5m2
"""

TYPES: tuple[str, ...] = tuple(_TYPES.split())
"""Tensor type names by code."""

ACTIVATIONS: tuple[str, ...] = ("none", "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")
"""Fused activation names by code."""

PADDING_SAME = 0

ITEM_BYTES = {
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "float32": 4,
}
"""Bytes of one element; what is absent counts as 8."""


@dataclass(frozen=True)
class OptionField:
    """Where one option of an operator lies.

    Attributes:
        name: the attribute of :class:`edge_ser.edgetpu.model.Options`.
        field: number of the field in the options table.
        code: struct code of its type.
        default: the schema's default, which files leave out.
    """

    name: str
    field: int
    code: str
    default: int = 0


@dataclass(frozen=True)
class OptionTable:
    """The options of one operator: the union member that the file must hold, and the fields that are read."""

    union: int
    fields: tuple[OptionField, ...]


_POOL = OptionTable(
    5,
    (
        OptionField("padding", 0, "b"),
        OptionField("stride_w", 1, "i"),
        OptionField("stride_h", 2, "i"),
        OptionField("filter_w", 3, "i"),
        OptionField("filter_h", 4, "i"),
        OptionField("fused_activation", 5, "b"),
    ),
)
_REDUCER = OptionTable(27, (OptionField("keep_dims", 0, "b"),))
_RESIZE = (OptionField("align_corners", 2, "b"), OptionField("half_pixel_centers", 3, "b"))

OPTIONS: dict[str, OptionTable] = {
    "CONV_2D": OptionTable(
        1,
        (
            OptionField("padding", 0, "b"),
            OptionField("stride_w", 1, "i"),
            OptionField("stride_h", 2, "i"),
            OptionField("fused_activation", 3, "b"),
            OptionField("dilation_w", 4, "i", 1),
            OptionField("dilation_h", 5, "i", 1),
        ),
    ),
    "DEPTHWISE_CONV_2D": OptionTable(
        2,
        (
            OptionField("padding", 0, "b"),
            OptionField("stride_w", 1, "i"),
            OptionField("stride_h", 2, "i"),
            OptionField("fused_activation", 4, "b"),
            OptionField("dilation_w", 5, "i", 1),
            OptionField("dilation_h", 6, "i", 1),
        ),
    ),
    "TRANSPOSE_CONV": OptionTable(
        49,
        (
            OptionField("padding", 0, "b"),
            OptionField("stride_w", 1, "i"),
            OptionField("stride_h", 2, "i"),
            OptionField("fused_activation", 3, "b"),
        ),
    ),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "FULLY_CONNECTED": OptionTable(
        8,
        (
            OptionField("fused_activation", 0, "b"),
            OptionField("weights_format", 1, "b"),
            OptionField("keep_dims", 2, "b"),
        ),
    ),
    "CONCATENATION": OptionTable(10, (OptionField("axis", 0, "i"), OptionField("fused_activation", 1, "b"))),
    "ADD": OptionTable(11, (OptionField("fused_activation", 0, "b"),)),
    "MUL": OptionTable(21, (OptionField("fused_activation", 0, "b"),)),
    "SUB": OptionTable(28, (OptionField("fused_activation", 0, "b"),)),
    "MEAN": _REDUCER,
    "SUM": _REDUCER,
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "STRIDED_SLICE": OptionTable(
        32,
        (
            OptionField("ellipsis_mask", 2, "i"),
            OptionField("new_axis_mask", 3, "i"),
            OptionField("offset", 5, "b"),
        ),
    ),
    "PACK": OptionTable(59, (OptionField("axis", 1, "i"),)),
    "RESIZE_BILINEAR": OptionTable(15, _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": OptionTable(
        74, (OptionField("align_corners", 0, "b"), OptionField("half_pixel_centers", 1, "b"))
    ),
}
"""The options that rules read, by operator."""
