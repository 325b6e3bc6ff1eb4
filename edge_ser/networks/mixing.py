"""How a block of the acoustic net mixes its tokens: five ways that the Edge TPU maps, and attention for comparison.

Tokens are (B, T, F, C): T steps in time, F in frequency. Every way returns what is added to them. No product of two
activations has more than a broadcast or an element-wise form, but for ``attention``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keras import layers

from edge_ser.networks.layers import BatchNorm, Tensor, conv, gate, relu, squeeze_excite
from edge_ser.spec import AcousticSpec, Gates

_SLOTS = 64
"""Slots of the external memories, as in the paper."""

_TEMPORAL_KERNEL = 7
"""Tokens that temporal mixing sees: about a second at 20 ms a frame and a map halved three times, two syllables either
way."""

_HEADS = 4


def mix(x: Tensor, acoustic: AcousticSpec, name: str) -> Tensor | None:
    """What mixing adds to the tokens; ``None`` where nothing is mixed.

    Args:
        x: tokens (B, T, F, C).
        acoustic: says which way (``mixing``) and how gates are made (``gates``).
        name: begins the names of the layers.

    Returns:
        (B, T, F, C), or ``None`` for ``mixing = "none"``.
    """
    if acoustic.mixing == "none":
        return None
    return _WAYS[acoustic.mixing](x, name, acoustic.gates)


def gated(x: Tensor, name: str, gates: Gates) -> Tensor:
    """Gated global attention: every token says how much of itself goes into one summary, and how much it takes back.

    keys = gate(Wk x), values = Wv x, summary = mean over tokens of keys * values, result = gate(Wq x) * summary.
    It is single-head attention with the softmax over keys replaced by a gate, so that both products have a
    broadcast or an element-wise form.
    """
    channels = int(x.shape[-1])
    keys = gate(x, channels, f"{name}_keys", gates)
    values = conv(x, channels, 1, f"{name}_values")
    summary = layers.Multiply(name=f"{name}_weighted")([keys, values])
    summary = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_summary")(summary)
    queries = gate(x, channels, f"{name}_queries", gates)
    return layers.Multiply(name=f"{name}_taken")([queries, summary])


def external(x: Tensor, name: str, _gates: Gates) -> Tensor:
    """External attention (Guo et al., arXiv 2105.02358): tokens attend to two memories that are constants.

    scores = Mk x per token, one per slot; normalised over tokens, then over slots; result = Mv of them. The paper
    normalises over tokens by a softmax and over slots by a division; here the mean over tokens is taken off (without
    that step no token would know of another) and the softmax runs over the slots, its last axis, as
    compiler 16 maps it.
    """
    scores = layers.Conv2D(_SLOTS, 1, name=f"{name}_slots")(x)
    centre = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_centre")(scores)
    scores = layers.Subtract(name=f"{name}_centred")([scores, centre])
    shares = layers.Softmax(name=f"{name}_shares")(scores)
    return conv(shares, int(x.shape[-1]), 1, f"{name}_read")


def fixed(x: Tensor, name: str, _gates: Gates) -> Tensor:
    """Fixed token mixing: learnt constant weights from every time step to every other, one set per channel.

    A depthwise convolution of 2 T - 1 steps, so that the mixing matrix over time is a full Toeplitz matrix; that is
    the form that the spatial weights of gMLP (arXiv 2105.08050, fixed mixing without attention) learn by
    themselves. A free T x T matrix would need a TRANSPOSE either side, which compiler 16 refuses for some orders.
    """
    steps = int(x.shape[1])
    x = layers.DepthwiseConv2D((2 * steps - 1, 1), padding="same", use_bias=False, name=f"{name}_steps")(x)
    return BatchNorm(name=f"{name}_bn")(x)


def temporal(x: Tensor, name: str, gates: Gates) -> Tensor:
    """Depthwise convolution over neighbouring time steps, then squeeze-and-excite for what is global."""
    x = layers.DepthwiseConv2D((_TEMPORAL_KERNEL, 1), padding="same", use_bias=False, name=f"{name}_steps")(x)
    x = relu(BatchNorm(name=f"{name}_bn")(x), name)
    return squeeze_excite(x, f"{name}_se", gates)


def attention(x: Tensor, name: str, _gates: Gates) -> Tensor:
    """Standard multi-head self-attention over all T x F tokens (arXiv 1706.03762), LayerNorm before (arXiv 2002.04745).

    The float reference: its products of two activations and its LayerNorm map on no compiler.
    """
    steps, bands, channels = (int(size) for size in x.shape[1:])
    tokens = layers.Reshape((steps * bands, channels), name=f"{name}_tokens")(x)
    tokens = layers.LayerNormalization(name=f"{name}_norm")(tokens)
    mixed = layers.MultiHeadAttention(_HEADS, channels // _HEADS, name=f"{name}_heads")(tokens, tokens)
    return layers.Reshape((steps, bands, channels), name=f"{name}_map")(mixed)


_WAYS: Mapping[str, Callable[[Tensor, str, Gates], Tensor]] = {
    "gated": gated,
    "external": external,
    "fixed": fixed,
    "temporal": temporal,
    "attention": attention,
}
