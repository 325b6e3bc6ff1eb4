"""The system spec: what one deployable system is made of. Frozen dataclasses, one per table of ``models/*.toml``.

:mod:`edge_ser.spec_file` reads and validates them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

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
"""The mixing that no Edge TPU compiler maps; it is there to be compared with."""

TeacherKind = Literal["training", "bundle", "keras", "tflite", "huggingface", "vectors"]
"""What kind of file or folder a teacher is, see :class:`TeacherSpec`."""

TeacherOutput = Literal["logits", "probabilities", "vector", "probe"]
"""What is taken from a teacher, see :class:`TeacherSpec`."""


class _Strict:
    """Makes pydantic refuse unknown keys and wrong types in the dataclasses below."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class NoiseReductionSpec(_Strict):
    """MicroFrontend noise reduction (tensorflow/lite/experimental/microfrontend/lib/noise_reduction_util.c)."""

    enabled: bool = False
    smoothing_bits: int = 10
    even_smoothing: float = 0.025
    odd_smoothing: float = 0.06
    min_signal_remaining: float = 0.05


@dataclass(frozen=True)
class PcanSpec(_Strict):
    """MicroFrontend per-channel amplitude normalisation (microfrontend/lib/pcan_gain_control_util.c)."""

    enabled: bool = False
    strength: float = 0.95
    offset: float = 80.0
    gain_bits: int = 21


@dataclass(frozen=True)
class LogSpec(_Strict):
    """MicroFrontend log scale (microfrontend/lib/log_scale.c): about ``2**scale_shift * ln(x)``."""

    enabled: bool = True
    scale_shift: int = 6


@dataclass(frozen=True)
class FrontendSpec(_Strict):
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
class KeywordSpec(_Strict):
    """The DSResNet-SE keyword net (Xu & Zhang, arXiv 2004.12200).

    Attributes:
        words: the keywords; classes are these, then :data:`UNKNOWN_WORD` and :data:`SILENCE`.
        width: channels of the stem; later blocks widen from it. A multiple of 4.
        blocks: residual depthwise-separable blocks.
        embedding: size of the embedding that fusion reads. A multiple of 4.
        window_s: audio that one decision sees.
        hop_s: distance of the windows inside a segment.
        gates: how squeeze-and-excite makes its gates; ``fused`` saves two operations a block.
    """

    words: tuple[str, ...]
    width: int = 32
    blocks: int = 4
    embedding: int = 32
    gates: Gates = "logistic"
    window_s: float = 1.0
    hop_s: float = 0.5

    @property
    def classes(self) -> tuple[str, ...]:
        """The words, then unknown and silence."""
        return (*self.words, UNKNOWN_WORD, SILENCE)


@dataclass(frozen=True)
class AcousticSpec(_Strict):
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
        pooling: how the tokens become one: their ``mean``, or their mean weighted by a gate (``attention``).
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
    pooling: Literal["mean", "attention"] = "mean"
    embedding: int = 64
    segment_s: float = 3.0
    hop_s: float = 3.0
    dropout: float = 0.3


@dataclass(frozen=True)
class FusionSpec(_Strict):
    """The late-fusion head: one integer dense layer on both embeddings.

    Attributes:
        penalties: L2 penalties tried on the keyword weights; leaving out one validation speaker at a time chooses.
        alignment: components of a partial least squares between the acoustic embedding and hand-crafted functionals
            that the acoustic classifier is fitted again on (after EDRL + MEA, arXiv 2510.09072; see
            :mod:`edge_ser.training.alignment`); 0 keeps the classifier as it was trained.
        cross_fit: acoustic nets that are trained besides, each on all but one fold of the training and validation
            speakers, so that the head is fitted on what everyone sounds like to a net that never heard them
            (stacking, Wolpert 1992; see :mod:`edge_ser.training.crossfit`); 0 fits on validation speakers alone.
    """

    penalties: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    alignment: int = 0
    cross_fit: int = 0


@dataclass(frozen=True)
class DecisionSpec(_Strict):
    """How the windows of a recording become one decision (after MATER, arXiv 2506.19887; see ``averaging.py``).

    Attributes:
        averaging: ``mean`` of the windows' scores, or of their probabilities over their ``entropy``.
        abstain: probability that the best class must have, or nothing is said of the window or the recording; 0
            always says something. ``edge-ser evaluate`` prints thresholds that validation speakers chose.
    """

    averaging: Averaging = "mean"
    abstain: float = 0.0


@dataclass(frozen=True)
class StreamSpec(_Strict):
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
class AugmentSpec(_Strict):
    """Augmentation of training clips; each entry is a range or a share, 0 switches it off.

    Speed, noise and rooms are made once per copy, on waveforms; everything else is drawn anew every epoch, on features.

    Attributes:
        copies: augmented waveform copies of each clip beside the clip itself.
        speed: largest relative change of speed (tempo and pitch together).
        gain_db: largest change of level either way, per epoch.
        noise_snr_db: lowest and highest signal-to-noise ratio of added noise.
        noise_share: share of the copies that get noise.
        room_share: share of the copies that get a room response.
        time_shift_s: largest shift of the clip inside its segment.
        vtlp: largest relative warp of the frequency axis (vocal tract length perturbation, Jaitly & Hinton, ICML 2013
            workshop; 0.1 there).
        time_warp_frames: furthest that a frame moves by time warping (SpecAugment, arXiv 1904.08779).
        time_mask_frames: widest time mask (SpecAugment).
        time_masks: how many time masks a clip gets.
        channel_mask: widest channel mask (SpecAugment).
        channel_masks: how many channel masks a clip gets.
        mixup: Beta parameter of mixup (arXiv 1710.09412).
        energy_mixup: share of the clips that another clip is laid under (energy-adaptive mixup, arXiv 2512.04551).
        energy_mixup_snr_db: lowest and highest level of the clip over the other one.
    """

    copies: int = 2
    speed: float = 0.1
    gain_db: float = 6.0
    noise_snr_db: tuple[float, float] = (5.0, 25.0)
    noise_share: float = 0.5
    room_share: float = 0.3
    time_shift_s: float = 0.5
    vtlp: float = 0.0
    time_warp_frames: int = 0
    time_mask_frames: int = 20
    time_masks: int = 1
    channel_mask: int = 6
    channel_masks: int = 1
    mixup: float = 0.2
    energy_mixup: float = 0.0
    energy_mixup_snr_db: tuple[float, float] = (0.0, 20.0)

    @property
    def on_waveforms(self) -> dict[str, Any]:
        """What decides how the copies sound; the rest is drawn anew every epoch."""
        names = ("copies", "speed", "noise_snr_db", "noise_share", "room_share")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class LossSpec(_Strict):
    """What training minimises: a weighted sum, the terms of multi-loss learning (arXiv 2512.04551).

    The paper's own weights are not known to us; the default is cross-entropy alone.

    Attributes:
        divergence: weight of the Kullback-Leibler divergence from the target; its gradient is that of cross-entropy.
        focal: weight of the focal loss (arXiv 1708.02002).
        focal_gamma: its exponent; 2 in that paper.
        centre: weight of the centre loss (Wen et al., ECCV 2016).
        contrastive: weight of the supervised contrastive loss on the embedding (arXiv 2004.11362).
        temperature: of the contrastive loss.
        ccc: weight of the regression of valence, arousal, dominance from the acoustic embedding, 1 - CCC summed over
            the three (EmoSphere-SER, arXiv 2505.19693; 1 there). Needs a corpus with such ratings.
        octant: weight of the classification of the octant of that space, which decays and is gone after the first
            quarter of the epochs (EmoSphere-SER; 1 there); clips without ratings lie where their emotion's name does.
    """

    divergence: float = 1.0
    focal: float = 0.0
    focal_gamma: float = 2.0
    centre: float = 0.0
    contrastive: float = 0.0
    temperature: float = 0.1
    ccc: float = 0.0
    octant: float = 0.0


@dataclass(frozen=True)
class TeacherSpec(_Strict):
    """Other nets that the acoustic net learns from, beside its labels (distillation, Hinton et al., arXiv 1503.02531).

    Every teacher hears each training clip once, as recorded; see :mod:`edge_ser.training.teachers`. A teacher that
    has heard the test speakers makes every score worthless. Of a training and of a bundle that is checked; of a file
    from elsewhere nobody can, so that what it learned from has to be written down and goes into every result.

    Attributes:
        paths: one file or folder per teacher; several are an ensemble. Relative to the working directory. ``{fold}``
            stands for the name of the fold in `edge-ser evaluate`. Empty: no teacher.
        kind: ``training`` (a folder of `edge-ser train`, or of one fold of `edge-ser evaluate --keep`) or ``bundle``,
            the float acoustic net of either; ``keras`` (a .keras file); ``tflite``; ``huggingface`` (a folder with
            config.json and model.safetensors, the mean of whose last hidden states is the vector); or ``vectors`` (an
            .npz file with what any encoder said of the recordings, see :mod:`edge_ser.teacher_vectors`).
        output: what is taken from it: ``logits``; ``probabilities`` (their logarithm is taken for logits); its
            ``vector``; or ``probe``, the logits of a linear classifier fitted to its vectors on training speakers.
        classes: the emotions that the outputs of a ``keras`` or ``tflite`` teacher stand for, in order.
        learned_from: in words, what a teacher from elsewhere has heard.
        weight: of the teacher in the loss; the labels have the rest.
        temperature: that softens teacher and student alike; 2 in the two-stage recipe below.
        head_epochs: with ``vector``, epochs of a second stage. The first then learns the vector alone, without
            labels; in the second that net stays as it is, and its classifier learns from labels and the probe. The
            recipe is that of a student repository (TonyXsx/multimodal-distillation-for-extreme-edge: 2.4 points of
            UAR on IEMOCAP, joint training next to nothing). 0: one stage.
        vector_weight: with ``probe``, of the vector's own squared error, added to the loss: the net guesses the
            vector and learns the classes from the same tokens (hints, Romero et al., arXiv 1412.6550). 0: the probe
            alone.
    """

    paths: tuple[str, ...] = ()
    kind: TeacherKind = "training"
    output: TeacherOutput = "logits"
    classes: tuple[str, ...] = ()
    learned_from: str = ""
    weight: float = 0.5
    temperature: float = 2.0
    head_epochs: int = 0
    vector_weight: float = 0.0

    @property
    def names_classes(self) -> bool:
        """Whether the teacher's own outputs are one value per emotion."""
        return self.output in ("logits", "probabilities")

    def in_fold(self, fold: str) -> TeacherSpec:
        """The same with ``{fold}`` in the paths replaced."""
        return dataclasses.replace(self, paths=tuple(path.replace("{fold}", fold) for path in self.paths))


@dataclass(frozen=True)
class RebalanceSpec(_Strict):
    """Re-augmentation against bias, guided by generalised cross-entropy (after CO-VADA, arXiv 2506.06071).

    What is known of the paper and what is ours: :mod:`edge_ser.training.rebalance`.

    Attributes:
        epochs: of the first pass, which finds out who is learned first and who is not; 0 switches all of it off.
        exponent: exponent of the generalised cross-entropy (arXiv 1805.07836; 0.7 there).
        group: whose clips are compared with one another.
        strength: how much oftener a badly learned group is drawn in the second pass: its loss over its class' to this
            power; 0 draws every clip once.
        guiding: share of each class, of the clips learned best, that are heard in changed voices in the second pass.
        vtlp: largest relative warp of the frequency axis that makes those voices.
    """

    epochs: int = 0
    exponent: float = 0.7
    group: Literal["speaker", "sex"] = "speaker"
    strength: float = 1.0
    guiding: float = 0.3
    vtlp: float = 0.15


@dataclass(frozen=True)
class RecipeSpec(_Strict):
    """How one net is trained: AdamW with a cosine schedule, the last epoch kept.

    Attributes:
        epochs: passes over the training clips.
        batch_size: clips a step.
        learning_rate: the highest, after one epoch of warming up.
        weight_decay: of AdamW.
        label_smoothing: share of the target spread over all classes.
        soft_labels: share of the target that raters' votes make up where the corpus has them, the label the rest
            (soft labels of emotion, e.g. arXiv 2511.20106).
        loss: what is minimised.
        augment: how clips are varied.
        teacher: other nets that teach this one.
        rebalance: who is drawn oftener and heard in other voices, so that groups of people are treated more alike.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    label_smoothing: float = 0.05
    soft_labels: float = 0.0
    loss: LossSpec = field(default_factory=LossSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    teacher: TeacherSpec = field(default_factory=TeacherSpec)
    rebalance: RebalanceSpec = field(default_factory=RebalanceSpec)


@dataclass(frozen=True)
class TrainingSpec(_Strict):
    """The recipes of both nets and the seed of everything random."""

    seed: int = 1
    keyword: RecipeSpec = field(default_factory=RecipeSpec)
    acoustic: RecipeSpec = field(default_factory=RecipeSpec)


@dataclass(frozen=True)
class QuantizationSpec(_Strict):
    """Quantisation to int8, after training or within it.

    Attributes:
        calibration_segments: training segments that the ranges of the activations are taken from.
        aware: train on with quantisation in the net before it is converted (arXiv 1712.05877).
        aware_epochs: epochs of that, on top of the recipe's.
        aware_learning_rate: the highest of those epochs; it falls to zero.
    """

    calibration_segments: int = 200
    aware: bool = False
    aware_epochs: int = 3
    aware_learning_rate: float = 1e-4


@dataclass(frozen=True)
class BudgetSpec(_Strict):
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
class FirmwareSpec(_Strict):
    """What only the firmware of a board reads.

    Attributes:
        clock: of the Edge TPU at the start: 63, 125, 250 or 500 MHz, coralmicro's PerformanceMode
            (libs/tpu/edgetpu_driver.h), whose own default is ``high``; at ``max`` the module gets hot.
    """

    clock: Literal["low", "medium", "high", "max"] = "high"


@dataclass(frozen=True)
class SyntheticSpec(_Strict):
    """The synthetic corpus (espeak-ng voices x prosody x wording x noise)."""

    voices: int = 48
    minutes: float = 30.0
    seed: int = 1


@dataclass(frozen=True)
class CorporaSpec(_Strict):
    """How speakers are split, and the synthetic corpus that stands in where none is configured.

    Attributes:
        folds: speakers sorted by name, fold = index mod ``folds``.
        test_fold: the fold kept for the test.
        validation_share: share of the remaining speakers kept for validation.
    """

    folds: int = 4
    test_fold: int = 0
    validation_share: float = 0.15
    synthetic: SyntheticSpec = field(default_factory=SyntheticSpec)


@dataclass(frozen=True)
class SystemSpec(_Strict):
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
