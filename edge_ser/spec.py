"""The system spec: what one deployable system is made of. Frozen dataclasses, one per table of ``models/*.toml``.

:mod:`edge_ser.spec_training` has those of ``[training]``; :mod:`edge_ser.spec_file` reads and validates them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_ser.spec_strict import Strict
from edge_ser.spec_training import TrainingSpec

EMOTIONS = (
    "anger",
    "boredom",
    "calm",
    "contempt",
    "disgust",
    "excitement",
    "fear",
    "frustration",
    "happiness",
    "neutral",
    "other",
    "sadness",
    "surprise",
)
"""The emotion names that clips and specs use; every corpus layout maps its own labels to these."""

UNKNOWN_WORD = "_unknown_"
SILENCE = "_silence_"
"""The two keyword classes that every keyword net has besides its words."""


Gates = Literal["logistic", "fused"]
"""How a gate is made: ``logistic`` takes a LOGISTIC, ``fused`` a ReLU6 that is part of its convolution."""

Mixing = Literal["gated", "none", "external", "fixed", "temporal", "attention"]
"""How a transformer block mixes its tokens, see :mod:`edge_ser.networks.mixing`."""

Normalisation = Literal["none", "channels"]
"""What is done to a segment's features before the acoustic net, see :mod:`edge_ser.frontend.net_input`."""

FUNCTIONALS = 88
"""How many hand-crafted functionals a clip has, as many as eGeMAPS; :mod:`edge_ser.handcrafted.functionals`."""

Averaging = Literal["mean", "entropy"]
"""How the windows of a recording become one decision, see :mod:`edge_ser.averaging`."""

FLOAT_ONLY_MIXING = "attention"
"""The mixing that no Edge TPU compiler maps: an evaluation compares it with the others, no bundle is made of it."""


@dataclass(frozen=True)
class NoiseReductionSpec(Strict):
    """MicroFrontend noise reduction (tensorflow/lite/experimental/microfrontend/lib/noise_reduction_util.c).

    Attributes:
        enabled: whether it is done at all.
        smoothing_bits: extra bits of the noise estimate, 0 to 12.
        even_smoothing: share of the newest frame in the noise estimate of even channels.
        odd_smoothing: share of the newest frame in that of odd channels.
        min_signal_remaining: share of a channel that is never taken away.
    """

    enabled: bool = False
    smoothing_bits: int = 10
    even_smoothing: float = 0.025
    odd_smoothing: float = 0.06
    min_signal_remaining: float = 0.05


@dataclass(frozen=True)
class PcanSpec(Strict):
    """MicroFrontend per-channel amplitude normalisation (microfrontend/lib/pcan_gain_control_util.c).

    Attributes:
        enabled: whether it is done at all.
        strength: exponent of the noise estimate that a channel is divided by.
        offset: added to the noise estimate before, in the same unit.
        gain_bits: bits behind the point of the gain.
    """

    enabled: bool = False
    strength: float = 0.95
    offset: float = 80.0
    gain_bits: int = 21


@dataclass(frozen=True)
class LogSpec(Strict):
    """MicroFrontend log scale (microfrontend/lib/log_scale.c): about ``2**scale_shift * ln(x)``.

    Attributes:
        enabled: whether it is done at all.
        scale_shift: bits behind the point of the logarithm.
    """

    enabled: bool = True
    scale_shift: int = 6


@dataclass(frozen=True)
class FrontendSpec(Strict):
    """The MicroFrontend and the fixed affine rule from its uint16 features to the nets' uint8 input.

    Attributes:
        sample_rate_hz: 8000 or 16000.
        window_ms: window length, whole milliseconds.
        step_ms: hop, whole milliseconds.
        channels: filter-bank channels.
        lower_hz: lower edge of the filter bank.
        upper_hz: upper edge of the filter bank, below half the sample rate.
        feature_low: uint16 feature value that becomes uint8 0.
        feature_high: uint16 feature value that becomes uint8 255. The defaults make one uint8 step three log units
            (0.4 dB) and hold what speech at any usual level gives: on CREMA-D the features run from 328 (0.1 %) to
            867 (99.9 %), a full-scale tone gives 978.
    """

    sample_rate_hz: int = 16_000
    window_ms: int = 30
    step_ms: int = 20
    channels: int = 40
    lower_hz: float = 80.0
    upper_hz: float = 7500.0
    feature_low: int = 180
    feature_high: int = 945
    noise_reduction: NoiseReductionSpec = field(default_factory=NoiseReductionSpec)
    pcan: PcanSpec = field(default_factory=PcanSpec)
    log: LogSpec = field(default_factory=LogSpec)

    @property
    def window_samples(self) -> int:
        """Samples in a window, as the C library computes them (integer division)."""
        return self.window_ms * self.sample_rate_hz // 1000

    @property
    def step_samples(self) -> int:
        """Samples from one window to the next."""
        return self.step_ms * self.sample_rate_hz // 1000

    def frames_in(self, samples: int) -> int:
        """How many whole frames ``samples`` samples give."""
        if samples < self.window_samples:
            return 0
        return (samples - self.window_samples) // self.step_samples + 1

    def samples_for(self, seconds: float) -> int:
        """Samples in ``seconds`` seconds."""
        return round(seconds * self.sample_rate_hz)


@dataclass(frozen=True)
class KeywordSpec(Strict):
    """The DSResNet-SE keyword net (Xu & Zhang, arXiv 2004.12200).

    Attributes:
        words: the keywords; classes are these, then :data:`UNKNOWN_WORD` and :data:`SILENCE`.
        width: channels of the stem; later blocks widen from it. A multiple of 4.
        blocks: residual depthwise-separable blocks.
        embedding: size of the embedding that fusion reads. A multiple of 4.
        window_s: audio that one decision sees.
        hop_s: distance of the windows inside a segment.
        gates: how squeeze-and-excite makes its gates; ``fused`` saves two operations a block.
        probe: whether the classifier of the trained net is fitted again, as a logistic regression on the embeddings
            of the training clips and their copies, see :mod:`edge_ser.training.probing`.
    """

    words: tuple[str, ...]
    width: int = 32
    blocks: int = 4
    embedding: int = 32
    gates: Gates = "logistic"
    window_s: float = 1.0
    hop_s: float = 0.5
    probe: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The words, then unknown and silence."""
        return (*self.words, UNKNOWN_WORD, SILENCE)


@dataclass(frozen=True)
class AcousticSpec(Strict):
    """The redesigned acoustic transformer.

    Attributes:
        classes: emotions told apart, names of :data:`EMOTIONS`.
        stem: channels of the convolutional front half, one entry per stage; multiples of 4.
        dim: channels of the transformer blocks. A multiple of 4.
        blocks: transformer blocks.
        mixing: how a block mixes tokens: ``gated`` (gated global attention), ``external`` (external attention with
            constant memories), ``fixed`` (constant weights over all time steps), ``temporal`` (depthwise
            convolution over time with squeeze-and-excite), ``none``, or ``attention`` (standard multi-head
            attention, in float only: it cannot be compiled).
        gates: how squeeze-and-excite and gated attention make their gates; ``fused`` saves operations.
        normalisation: ``channels`` takes every channel's mean over the segment off (cepstral mean normalisation):
            level and microphone count no more, and a net that learned on one corpus understands others better. It is
            done in integers before the net (:func:`edge_ser.frontend.quantize.centre_channels`).
        pooling: how the tokens become one: their ``mean``; their mean weighted by a gate (``attention``); or how far
            they lie above their mean, on average (``deviation``), which silence around a word changes less.
        embedding: size of the embedding that fusion reads. A multiple of 4.
        segment_s: audio that one decision sees.
        hop_s: distance of the segments in a longer recording.
        dropout: share dropped before the classifier in training.
    """

    classes: tuple[str, ...]
    stem: tuple[int, ...] = (48, 64, 96)
    dim: int = 128
    blocks: int = 1
    mixing: Mixing = "gated"
    gates: Gates = "logistic"
    normalisation: Normalisation = "none"
    pooling: Literal["mean", "attention", "deviation"] = "mean"
    embedding: int = 64
    segment_s: float = 3.0
    hop_s: float = 3.0
    dropout: float = 0.3


@dataclass(frozen=True)
class FusionSpec(Strict):
    """The late-fusion head: one integer dense layer on both embeddings.

    Attributes:
        penalties: L2 penalties tried on the keyword weights; leaving out one validation speaker at a time chooses.
        alignment: components of a partial least squares between the acoustic embedding and hand-crafted functionals
            that the acoustic classifier is fitted again on (after EDRL + MEA, arXiv 2510.09072; see
            :mod:`edge_ser.training.alignment`); 0 keeps the classifier as it was trained.
        probe: whether the acoustic classifier is fitted again as a logistic regression on the embedding, its penalty
            chosen by leaving out training speakers (linear probe; see :mod:`edge_ser.training.probing`). With
            ``training.acoustic.epochs = 0`` the net stays as it starts.
        cross_fit: acoustic nets that are trained besides, each on all but one fold of the training and validation
            speakers, so that the head is fitted on what everyone sounds like to a net that never heard them
            (stacking, Wolpert 1992; see :mod:`edge_ser.training.crossfit`); 0 fits on validation speakers alone.
    """

    penalties: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    alignment: int = 0
    probe: bool = False
    cross_fit: int = 0


@dataclass(frozen=True)
class DecisionSpec(Strict):
    """How the windows of a recording become one decision (after MATER, arXiv 2506.19887; see ``averaging.py``).

    Attributes:
        windows: which stretches of a recording decide: ``all``, ``acoustic.hop_s`` apart, or the one around its
            ``loudest`` 0.3 s, for single words between long silences. What listens all the time hears all.
        averaging: ``mean`` of the windows' scores, or of their probabilities over their ``entropy``.
        abstain: probability that the best class must have, or nothing is said of the window or the recording; 0
            always says something. ``edge-ser evaluate`` prints thresholds that validation speakers chose.
    """

    windows: Literal["all", "loudest"] = "all"
    averaging: Averaging = "mean"
    abstain: float = 0.0


@dataclass(frozen=True)
class StreamSpec(Strict):
    """What a system that listens all the time adds: on a board, in a virtual one, at a microphone.

    Recordings (`edge-ser classify`, `edge-ser evaluate`) are judged as they were without it.

    Attributes:
        gate_dbfs: level below which a step of the front end counts as silence: its mean square without the constant
            part, 0 dB being that of full scale. A segment that is silent throughout runs no net. 0 switches the gate
            off.
        hangover_s: for so long after the last step above that level the gate stays open.
        smoothing: decisions whose probabilities are averaged before an emotion is shown; silence begins anew. 1 shows
            each as it is.
        hysteresis: probability by which another emotion must lie above the shown one to take its place.
    """

    gate_dbfs: float = 0.0
    hangover_s: float = 0.0
    smoothing: int = 1
    hysteresis: float = 0.0


@dataclass(frozen=True)
class QuantizationSpec(Strict):
    """Quantisation to int8, after training or within it.

    Attributes:
        calibration_segments: training segments that the ranges of the activations are taken from.
        aware: train on with quantisation in the net before it is converted (arXiv 1712.05877).
        aware_epochs: epochs of that, on top of the recipe's.
        aware_learning_rate: the highest learning rate of those epochs; it falls to zero.
    """

    calibration_segments: int = 200
    aware: bool = False
    aware_epochs: int = 3
    aware_learning_rate: float = 1e-4


@dataclass(frozen=True)
class BudgetSpec(Strict):
    """What the system may cost; `edge-ser budget` fails on the first item that is over.

    Attributes:
        compiled_bytes: sum of both compiled models.
        arena_bytes: tensor arena of the larger net on the CPU.
        latency_ms: one whole decision on the Coral Dev Board Micro.
        int8_drop: points of macro-F1 that int8 may lose against float.
    """

    compiled_bytes: int = 1_800_000
    arena_bytes: int = 1_000_000
    latency_ms: float = 21.0
    int8_drop: float = 2.0


@dataclass(frozen=True)
class FirmwareSpec(Strict):
    """What only the firmware of a board reads.

    Attributes:
        clock: of the Edge TPU at the start: 63, 125, 250 or 500 MHz, coralmicro's PerformanceMode
            (libs/tpu/edgetpu_driver.h), whose own default is ``high``; at ``max`` the module gets hot.
    """

    clock: Literal["low", "medium", "high", "max"] = "high"


@dataclass(frozen=True)
class SyntheticSpec(Strict):
    """The synthetic corpus (espeak-ng voices x prosody x wording x noise).

    Attributes:
        voices: speakers.
        minutes: of emotional speech; the keyword clips come besides.
        seed: of what is said, how, and of the noise.
    """

    voices: int = 48
    minutes: float = 30.0
    seed: int = 1


@dataclass(frozen=True)
class CorporaSpec(Strict):
    """How speakers are split, and the synthetic corpus that stands in where none is configured.

    Attributes:
        folds: speakers sorted by name, fold = index mod ``folds``.
        test_fold: the fold kept for the test.
        validation_share: share of the remaining speakers kept for validation.
        validation_teaches: whether these teach the acoustic net all the same, for a corpus of so few speakers that each
            one is felt. Nobody is left then to weigh the words by: unless ``fusion.cross_fit`` finds somebody, the head
            is the acoustic classifier as it was trained, and nobody chooses thresholds of abstaining.
    """

    folds: int = 4
    test_fold: int = 0
    validation_share: float = 0.15
    validation_teaches: bool = False
    synthetic: SyntheticSpec = field(default_factory=SyntheticSpec)


@dataclass(frozen=True)
class SystemSpec(Strict):
    """One deployable system: the whole of a file in ``models/``."""

    name: str
    keyword: KeywordSpec
    acoustic: AcousticSpec
    frontend: FrontendSpec = field(default_factory=FrontendSpec)
    fusion: FusionSpec = field(default_factory=FusionSpec)
    decision: DecisionSpec = field(default_factory=DecisionSpec)
    stream: StreamSpec = field(default_factory=StreamSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    quantization: QuantizationSpec = field(default_factory=QuantizationSpec)
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    firmware: FirmwareSpec = field(default_factory=FirmwareSpec)
    corpora: CorporaSpec = field(default_factory=CorporaSpec)

    @property
    def segment_samples(self) -> int:
        """Samples of one acoustic segment."""
        return self.frontend.samples_for(self.acoustic.segment_s)

    @property
    def segment_frames(self) -> int:
        """Frames of one acoustic segment."""
        return self.frontend.frames_in(self.segment_samples)

    @property
    def keyword_samples(self) -> int:
        """Samples of one keyword window."""
        return self.frontend.samples_for(self.keyword.window_s)

    @property
    def keyword_frames(self) -> int:
        """Frames of one keyword window."""
        return self.frontend.frames_in(self.keyword_samples)

    @property
    def keyword_starts(self) -> tuple[int, ...]:
        """First frame of every keyword window inside a segment."""
        hop = round(self.keyword.hop_s * 1000) // self.frontend.step_ms
        return tuple(range(0, self.segment_frames - self.keyword_frames + 1, hop))

    def to_dict(self) -> dict[str, Any]:
        """The spec as nested dicts and lists, ready for JSON."""
        plain: dict[str, Any] = _jsonable(dataclasses.asdict(self))
        return plain


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_jsonable(item) for item in value]
    return value
