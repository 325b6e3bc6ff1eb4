"""What the Edge TPU compilers map: the list of operations, sizes that are seen, rewrites, as data.

Sources: coral.ai/docs/edgetpu/models-intro (the list and its runtime versions); logs and compiled files where
a constant says so.
"""

from __future__ import annotations

FIRST_RUNTIME = {
    "ADD": 10,
    "AVERAGE_POOL_2D": 10,
    "CONCATENATION": 10,
    "CONV_2D": 10,
    "DEPTHWISE_CONV_2D": 10,
    "EXPAND_DIMS": 13,
    "FULLY_CONNECTED": 10,
    "L2_NORMALIZATION": 10,
    "LOGISTIC": 10,
    "MAXIMUM": 10,
    "MAX_POOL_2D": 10,
    "MEAN": 10,
    "MINIMUM": 10,
    "MUL": 10,
    "PACK": 13,
    "PAD": 10,
    "PRELU": 13,
    "QUANTIZE": 13,
    "REDUCE_MAX": 14,
    "REDUCE_MIN": 14,
    "RELU": 10,
    "RELU6": 10,
    "RELU_N1_TO_1": 10,
    "RESHAPE": 10,
    "RESIZE_BILINEAR": 10,
    "RESIZE_NEAREST_NEIGHBOR": 10,
    "RSQRT": 14,
    "SLICE": 10,
    "SOFTMAX": 10,
    "SPACE_TO_DEPTH": 10,
    "SPLIT": 10,
    "SQUARED_DIFFERENCE": 14,
    "SQUEEZE": 10,
    "STRIDED_SLICE": 10,
    "SUB": 10,
    "SUM": 13,
    "TANH": 10,
    "TRANSPOSE": 14,
    "TRANSPOSE_CONV": 13,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 14,
}
"""First runtime version that runs an operation of the vendor's list."""

SUPPORTED = frozenset(FIRST_RUNTIME)
"""Operations of the vendor's list."""

SEEN_VERSION = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RESIZE_BILINEAR": 3}
"""Newest version seen in a file that a compiler compiled; the rest are seen at version 2 (int8) at most."""

LARGEST_SOFTMAX = 16_384
"""Elements: the documentation says 16,000; 16,384 are compiled (LibrEdgeTPU, libredgetpu/tracker/templates)."""

LARGEST_KERNEL = 64 * 64
"""Weights per filter and channel from which convolutions fail (LibrEdgeTPU)."""

MAPPED_MEAN_AREA = 64 * 128
REFUSED_MEAN_AREA = 256 * 128
"""Height x width that a MEAN is seen mapped with, and refused with (edgetpu issue 461)."""

DOUBTFUL_RESHAPE = 28 * 28 * 255
REFUSED_RESHAPE = 48 * 48 * 255
"""Elements of a RESHAPE in YOLOv5s by compiler 16: one of two refused at 224 pixels, refused at 384 (edgetpu issue
512; export.md of jveitchmichaelis/edgetpu-yolo)."""

REFUSED_TRANSPOSE = 28 * 28 * 255
"""Elements of the TRANSPOSE that compiler 16 refuses in YOLOv5s at 224 pixels; a quarter of it is mapped (the same
document)."""

REFUSED_ROWS = 3087 * 85
"""Elements of the rows that compiler 16 refuses to join in YOLOv5s at 224 pixels (the same document); 1917 x 91 are
joined in SSD MobileNet v1, 1575 x 85 in YOLOv5n at 160 pixels."""

MAPPED_RESIZE_SIDE = 128
REFUSED_RESIZE_SIDE = 256
"""Pixels of the longer side of a resize's result: mapped up to 128; over 256 refused in three models (edgetpu
issues 31 and 597, the compiled DeepLab of google-coral/test_data)."""

LARGEST_ENLARGEMENT = 4
"""Factor up to which a resize is taken for granted; 15 and 33 are refused (the compiled DeepLab models)."""

SRAM_BYTES = 8 * 1024 * 1024
TILES = 16
TILE_LANES = 64
"""The chip: memory for parameters and activations, tiles, lanes per tile (measured slopes, libedgetpu)."""

REWRITES = {
    "GELU": "write it as x * sigmoid(1.702 x): MUL and LOGISTIC map",
    "LEAKY_RELU": "use RELU or RELU6, or PRELU with a 1-D alpha (Keras: shared_axes=[1, 2])",
    "ELU": "use RELU or RELU6",
    "HARD_SWISH": "use RELU6, or write it as x * relu6(x + 3) * (1/6)",
    "RELU_0_TO_1": "use RELU6, or MINIMUM and MAXIMUM with constants",
    "BATCH_MATMUL": "make one factor a constant and use a 1x1 CONV_2D, or mix tokens by gates, means and MUL",
    "DIV": "multiply by a constant reciprocal",
    "FLOOR_DIV": "do the integer arithmetic on the host",
    "SQRT": "use RSQRT, or feed the variance on",
    "POW": "use MUL(x, x)",
    "SQUARE": "use MUL(x, x)",
    "EXP": "use LOGISTIC or SOFTMAX",
    "LOG": "take the logarithm before the model",
    "LOG_SOFTMAX": "use SOFTMAX, or return the scores",
    "ABS": "use MAXIMUM(x, -x), the negative by MUL with a constant",
    "NEG": "use MUL with a constant",
    "CUMSUM": "use a convolution with a constant kernel over time",
    "GATHER": "do the lookup before the model",
    "GATHER_ND": "do the lookup behind the model, on the host",
    "EMBEDDING_LOOKUP": "do the lookup before the model",
    "ARG_MAX": "return the scores and take the largest one on the host",
    "ARG_MIN": "return the scores and take the smallest one on the host",
    "TOPK_V2": "return the scores and sort them on the host",
    "CAST": "keep one integer type through the whole model",
    "UNPACK": "use SPLIT or STRIDED_SLICE",
    "SPLIT_V": "use SPLIT (equal parts) or SLICE",
    "MIRROR_PAD": "pad with a constant (PAD)",
    "PADV2": "pad with the zero point (PAD)",
    "ADD_N": "chain ADD operations",
    "SELECT": "blend with MUL and ADD, or choose on the host",
    "SELECT_V2": "blend with MUL and ADD, or choose on the host",
    "DEPTH_TO_SPACE": "use RESIZE_NEAREST_NEIGHBOR or TRANSPOSE_CONV",
    "SPACE_TO_BATCH_ND": "export so that the dilation stays in the convolution (fixed sizes, a newer converter)",
    "BATCH_TO_SPACE_ND": "export so that the dilation stays in the convolution (fixed sizes, a newer converter)",
    "BROADCAST_TO": "let MUL or ADD broadcast [1, 1, 1, C]",
    "DEQUANTIZE": "convert with inference_output_type = uint8 (or int8) and scale the result on the host",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use dilated convolutions over time",
    "LSTM": "use dilated convolutions over time",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "use dilated convolutions over time",
    "SVDF": "write it as a DEPTHWISE_CONV_2D over time and a 1x1 CONV_2D",
    "WHILE": "unroll the recurrence, or use dilated convolutions over time",
    "SHAPE": "fix the batch at export (batch_size=1); SHAPE then vanishes",
}
"""What to do about an operation outside the list."""
