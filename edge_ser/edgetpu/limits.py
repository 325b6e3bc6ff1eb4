"""What Edge TPU compiler 16.0 takes: its list of operations and the newest version of each, as data.

Sources: coral.ai/docs/edgetpu/models-intro (the list); the registry of TensorFlow 2.8 as an upper bound for
the versions, lowered where an issue of github.com/google-coral/edgetpu shows a rejection (631, 845, 879) or
github.com/ankandrew/fast-plate-ocr/issues/38 and github.com/google-coral/libedgetpu/issues/71 do.
"""

from __future__ import annotations

SUPPORTED = frozenset(
    (
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "EXPAND_DIMS",
        "FULLY_CONNECTED",
        "L2_NORMALIZATION",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PACK",
        "PAD",
        "PRELU",
        "QUANTIZE",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    )
)
"""Operations of the compiler's list."""

NEWEST_VERSION = {
    "ADD": 4,
    "AVERAGE_POOL_2D": 3,
    "CONCATENATION": 3,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "EXP": 1,
    "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 9,
    "L2_NORMALIZATION": 2,
    "LOGISTIC": 3,
    "MAXIMUM": 4,
    "MAX_POOL_2D": 3,
    "MEAN": 3,
    "MINIMUM": 4,
    "MUL": 5,
    "PACK": 3,
    "PAD": 4,
    "PRELU": 1,
    "QUANTIZE": 2,
    "REDUCE_MAX": 3,
    "REDUCE_MIN": 3,
    "RESHAPE": 1,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "RSQRT": 2,
    "SOFTMAX": 3,
    "SPLIT": 4,
    "SQUARED_DIFFERENCE": 2,
    "SQUEEZE": 2,
    "STRIDED_SLICE": 6,
    "SUB": 5,
    "SUM": 2,
    "TANH": 3,
    "TRANSPOSE": 5,
    "TRANSPOSE_CONV": 3,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 1,
}
"""Newest version of an operation that the compiler's parser takes."""

SEEN_VERSION = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RESIZE_BILINEAR": 3}
"""Newest version seen in a file that compiler 16 compiled; the rest are seen at version 2 (int8) at most."""

FIRST_UNKNOWN_CODE = 142
"""First builtin code that the compiler's TensorFlow, of mid 2021, does not know (seen: 150, GELU)."""

LARGEST_SOFTMAX = 16_000
LARGEST_KERNEL = 64 * 64
"""Weights per filter and channel from which convolutions fail (LibrEdgeTPU)."""

MAPPED_MEAN_AREA = 64 * 128
"""Largest height x width that a MEAN is seen mapped with; 256 x 128 is refused (edgetpu issue 461)."""

LARGEST_ENLARGEMENT = 4
"""Factor up to which a resize is taken for granted; 33 from one pixel is refused (DeepLab, compiled)."""

SRAM_BYTES = 8 * 1024 * 1024
TILES = 16
TILE_LANES = 64
"""The chip: memory for parameters and activations, tiles, lanes per tile (measured slopes, libedgetpu)."""

REWRITES = {
    "GELU": "write it as x * sigmoid(1.702 x): MUL and LOGISTIC map",
    "LEAKY_RELU": "use RELU or RELU6, or PRELU with a 1-D alpha (Keras: shared_axes=[1, 2])",
    "ELU": "use RELU or RELU6",
    "HARD_SWISH": "use RELU6, or write it as x * relu6(x + 3) * (1/6)",
    "BATCH_MATMUL": "make one factor a constant and use a 1x1 CONV_2D, or mix tokens by gates, means and MUL",
    "DIV": "multiply by a constant reciprocal",
    "SQRT": "use RSQRT, or feed the variance on",
    "EXP": "use LOGISTIC or SOFTMAX",
    "GATHER": "do the lookup before the model",
    "EMBEDDING_LOOKUP": "do the lookup before the model",
    "ARG_MAX": "return the scores and take the largest one on the host",
    "CAST": "keep one integer type through the whole model",
    "UNPACK": "use SPLIT or STRIDED_SLICE",
    "SPLIT_V": "use SPLIT (equal parts) or SLICE",
    "MIRROR_PAD": "pad with a constant (PAD)",
    "ADD_N": "chain ADD operations",
    "DEPTH_TO_SPACE": "use RESIZE_NEAREST_NEIGHBOR or TRANSPOSE_CONV",
    "DEQUANTIZE": "convert with inference_output_type = uint8 (or int8) and scale the result on the host",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use dilated convolutions over time",
    "SHAPE": "fix the batch at export (batch_size=1); SHAPE then vanishes",
}
"""What to do about an operation outside the list."""
