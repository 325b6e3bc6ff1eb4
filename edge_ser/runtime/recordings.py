"""`classify` as a function: the emotion of recordings, with the bundle that ships or with another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.bundle_shipped import shipped_bundle
from edge_ser.runtime.golden import check_golden
from edge_ser.runtime.pipeline import Decision, Pipeline, Recording, load_pipeline


@dataclass(frozen=True)
class Classified:
    """What a bundle says of one recording.

    Attributes:
        file: the recording.
        labels: the emotions told apart, in the order of the scores.
        segments: a decision for each segment, in order of time, one at least.
        recording: the emotion of the whole, from the segments by the rule of the bundle's spec.
    """

    file: Path
    labels: tuple[str, ...]
    segments: tuple[Decision, ...]
    recording: Recording


def load(bundle: Bundle | str | os.PathLike[str] | None = None) -> Pipeline:
    """Make a bundle ready to run on this CPU, and make sure that it computes here what it computed where it was made.

    Args:
        bundle: a path (``.edgeser``), a :class:`~edge_ser.bundle.Bundle` that was read, or ``None`` for the one that
            ships.

    Raises:
        InputError: it cannot be read, or something in it is damaged or does not fit.
        MissingError: none is named and none came with this copy, or there is no TFLite runtime.
        CheckError: its golden vectors come out differently on this machine.

    Example:
        >>> import edge_ser
        >>> pipeline = edge_ser.load()
        >>> pipeline.spec.acoustic.classes == edge_ser.Bundle.read(edge_ser.shipped_bundle()).labels
        True
    """
    if not isinstance(bundle, Bundle):
        bundle = read_bundle(shipped_bundle() if bundle is None else Path(bundle))
    pipeline = load_pipeline(bundle)
    check_golden(bundle, pipeline)
    return pipeline


def classify(
    file: str | os.PathLike[str], bundle: Pipeline | Bundle | str | os.PathLike[str] | None = None
) -> Classified:
    """The emotion of a recording, segment by segment and as a whole, as ``edge-ser classify`` has it.

    It names how a voice sounds by the labels of its corpora, not what a person feels; what must not be done with the
    answers stands in the model card (``edge-ser show --card``).

    Args:
        file: wav, flac, ogg; any rate and channel count.
        bundle: as for :func:`load`, or what :func:`load` gave: that is quicker for many recordings.

    Returns:
        The decisions; scores are probabilities, float (classes,) in the order of ``labels``.

    Raises:
        InputError: the recording or the bundle cannot be read; the message names the file.
        MissingError: as for :func:`load`.
        CheckError: as for :func:`load`.

    Example:
        >>> import edge_ser
        >>> answer = edge_ser.classify("speech.wav")
        >>> [(part.start_s, part.end_s) for part in answer.segments]
        [(0.0, 2.0)]
        >>> answer.recording.emotion in answer.labels
        True
        >>> round(sum(answer.recording.scores), 6)
        1.0

        Many recordings, the bundle loaded once:

        >>> pipeline = edge_ser.load()
        >>> [edge_ser.classify(name, pipeline).file.name for name in ("speech.wav", "speech.wav")]
        ['speech.wav', 'speech.wav']
    """
    pipeline = bundle if isinstance(bundle, Pipeline) else load(bundle)
    path = Path(file)
    segments = tuple(pipeline.classify(path))
    return Classified(path, pipeline.spec.acoustic.classes, segments, pipeline.recording(segments))
