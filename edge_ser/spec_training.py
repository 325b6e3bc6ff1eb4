"""The ``[training]`` tables of a system spec: how its nets are taught. Part of :mod:`edge_ser.spec`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_ser.spec_strict import Strict

TeacherKind = Literal["training", "bundle", "keras", "tflite", "huggingface", "vectors"]
"""What kind of file or folder a teacher is, see :class:`TeacherSpec`."""

TeacherOutput = Literal["logits", "probabilities", "vector", "probe"]
"""What is taken from a teacher, see :class:`TeacherSpec`."""


Precision = Literal["float32", "bfloat16"]
"""In what a training computes, see :class:`RecipeSpec`."""


@dataclass(frozen=True)
class AugmentSpec(Strict):
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
        mixup: parameter of the Beta distribution that the shares of two clips are drawn from (arXiv 1710.09412).
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
class LossSpec(Strict):
    """What training minimises: a weighted sum, the terms of multi-loss learning (arXiv 2512.04551).

    The paper's own weights are not known to us; the default is cross-entropy alone.

    Attributes:
        divergence: weight of the Kullback-Leibler divergence from the target; its gradient is that of cross-entropy.
        focal: weight of the focal loss (arXiv 1708.02002).
        focal_gamma: its exponent; 2 in that paper.
        centre: weight of the centre loss (Wen et al., ECCV 2016).
        contrastive: weight of the supervised contrastive loss on the embedding (arXiv 2004.11362).
        temperature: divisor of the similarities in the contrastive loss.
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
class TeacherSpec(Strict):
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
        weight: share of the teacher's term in the loss; the labels' loss has the rest.
        temperature: divisor of the logits that softens teacher and student alike; 2 in the two-stage recipe below.
        head_epochs: with ``vector``, epochs of a second stage. The first then learns the vector alone, without
            labels; in the second that net stays as it is, and its classifier learns from labels and the probe. The
            recipe is that of a student repository (TonyXsx/multimodal-distillation-for-extreme-edge: 2.4 points of
            UAR on IEMOCAP, joint training next to nothing). 0: one stage.
        vector_weight: with ``probe``, weight of the vector's own squared error, added to the loss: the net guesses the
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
class RebalanceSpec(Strict):
    """Re-augmentation against bias, guided by generalised cross-entropy (after CO-VADA, arXiv 2506.06071).

    What is known of the paper and what is ours: :mod:`edge_ser.training.rebalance`.

    Attributes:
        epochs: of the first pass, which finds out who is learned first and who is not; 0 switches all of it off.
        exponent: exponent of the generalised cross-entropy (arXiv 1805.07836; 0.7 there).
        group: whose clips are compared with one another.
        strength: how much oftener a badly learned group is drawn in the second pass: its loss over its class' to this
            power, an exponent; 0 draws every clip once.
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
class RecipeSpec(Strict):
    """How one net is trained: AdamW with a cosine schedule, the last epoch kept.

    Attributes:
        epochs: passes over the training clips. 0 leaves the net as it starts, and is for the acoustic net alone, whose
            classifier ``fusion.probe`` or ``fusion.alignment`` then fits.
        batch_size: clips a step.
        learning_rate: the highest learning rate, after one epoch of warming up.
        weight_decay: of AdamW: this share of every weight, times the learning rate, is taken off in a step.
        label_smoothing: share of the target spread over all classes.
        soft_labels: share of the target that raters' votes make up where the corpus has them, the label the rest
            (soft labels of emotion, e.g. arXiv 2511.20106).
        loss: what is minimised.
        augment: how clips are varied.
        teacher: other nets that teach this one.
        rebalance: who is drawn oftener and heard in other voices, so that groups of people are treated more alike.
        precision: in what the maps between layers are computed: ``bfloat16`` is mixed precision (Kalamkar et al.,
            arXiv 1905.12322); weights, running statistics, the classifier and the loss stay float32. Faster by a half
            on processors that multiply it (AMX, recent GPUs), slower on others. What ships is int8 either way.
            The first pass of ``rebalance`` and quantisation-aware epochs stay float32.
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
    precision: Precision = "float32"


@dataclass(frozen=True)
class TrainingSpec(Strict):
    """The recipes of both nets and the seed of everything random.

    Attributes:
        seed: of weights, order of the clips and augmentation; several give mean and spread.
        keyword: the keyword net's recipe.
        acoustic: the acoustic net's recipe.
    """

    seed: int = 1
    keyword: RecipeSpec = field(default_factory=RecipeSpec)
    acoustic: RecipeSpec = field(default_factory=RecipeSpec)
