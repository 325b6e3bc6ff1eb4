"""`edge-ser listen --record`: what was heard, in a WAV file that grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_ser.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_ser.runtime.session import Recorder


@contextmanager
def recorder(path: Path | None, sample_rate_hz: int) -> Iterator[Recorder | None]:
    """Keep what is heard at ``path``, 16-bit mono; nothing where that is ``None``.

    The file takes its place when the block ends, whatever ended it: half an hour that was heard is not thrown away
    because a microphone was unplugged.

    Raises:
        InputError: the place cannot be written.
    """
    if path is None:
        yield None
        return
    import soundfile

    from edge_ser.files import replacing

    with replacing(path) as beside:
        try:
            file = soundfile.SoundFile(str(beside), "w", sample_rate_hz, 1, format="WAV", subtype="PCM_16")
        except (soundfile.SoundFileError, OSError) as error:
            message = f"--record {path}: cannot be written ({error})"
            raise InputError(message) from None
        problem: BaseException | None = None
        with file:
            try:
                yield _WavRecorder(path, file)
            except BaseException as error:
                problem = error
    if problem is not None:
        raise problem


class _WavRecorder:
    """Takes samples as they are heard."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file

    def write(self, samples: NDArray[np.int16]) -> None:
        """Add int16 (n,).

        Raises:
            InputError: there is no room, or the place is gone.
        """
        import soundfile

        try:
            self._file.write(samples)
        # libsndfile does not always say why it wrote less than it was given; soundfile then asserts.
        except (soundfile.SoundFileError, OSError, AssertionError) as error:
            message = (
                f"--record {self._path}: cannot be written ({error or 'no room'}); what came before is kept"
            )
            raise InputError(message) from None
