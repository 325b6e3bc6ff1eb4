"""TensorFlow's own MicroFrontend op, ``audio_microfrontend``: an independent judge of ours.

Run as ``python -m edge_ser.training.tensorflow_frontend JOB.npz ANSWERS.npz``; the files are those of
:mod:`edge_ser.frontend.job_file`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.lite.experimental.microfrontend.python.ops import audio_microfrontend_op

from edge_ser.frontend.job_file import Answer, Features, Refused, Samples, read_job, write_answers
from edge_ser.spec import FrontendSpec


def op_features(spec: FrontendSpec, samples: Samples) -> Features:
    """What the op makes of one recording, from its reset state.

    Args:
        spec: the front end.
        samples: int16 (n,).

    Returns:
        uint16 (frames, channels).

    Raises:
        tensorflow.errors.OpError: the op refuses the spec; it does so where the band takes in the last bin of
            the spectrum.
    """
    noise, pcan = spec.noise_reduction, spec.pcan
    features = audio_microfrontend_op.audio_microfrontend(
        tf.constant(samples),
        sample_rate=spec.sample_rate_hz,
        window_size=spec.window_ms,
        window_step=spec.step_ms,
        num_channels=spec.channels,
        upper_band_limit=spec.upper_hz,
        lower_band_limit=spec.lower_hz,
        smoothing_bits=noise.smoothing_bits,
        even_smoothing=noise.even_smoothing,
        odd_smoothing=noise.odd_smoothing,
        # The op has no switch for noise reduction; it subtracts nothing where all of the signal remains.
        min_signal_remaining=noise.min_signal_remaining if noise.enabled else 1.0,
        enable_pcan=pcan.enabled,
        pcan_strength=pcan.strength,
        pcan_offset=pcan.offset,
        gain_bits=pcan.gain_bits,
        enable_log=spec.log.enabled,
        scale_shift=spec.log.scale_shift,
    )
    # Without a frame the op's second dimension is missing or wrong, depending on the version.
    return np.asarray(features.numpy(), np.uint16).reshape(-1, spec.channels)


def _answer(spec: FrontendSpec, recordings: Sequence[Samples]) -> Answer:
    try:
        return tuple(op_features(spec, samples) for samples in recordings)
    except tf.errors.OpError as error:
        # "{{function_node …}} the op's words [Op:AudioMicrofrontend] name:"
        return Refused(error.message.split("}} ")[-1].split(" [Op:")[0])


if __name__ == "__main__":
    write_answers(Path(sys.argv[2]), [_answer(*job) for job in read_job(Path(sys.argv[1]))])
