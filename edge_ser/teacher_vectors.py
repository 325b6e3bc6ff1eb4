"""What an encoder from elsewhere said of recordings, in a file: a teacher that need not run where it teaches.

Whatever turns a recording into a vector can teach this way, in any framework: ``tools/speech_vectors.py`` does it with
published speech encoders. A recording is known by the SHA-256 of its file, so that nothing depends on where it lies
and no vector ever lands on another recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_ser.corpora.clip import Clip
from edge_ser.errors import InputError
from edge_ser.files import reason, sha256_hex, write_atomically
from edge_ser.npz import npz_arrays, npz_bytes

_LARGEST_BYTES = 4 << 30
_DIGEST_BYTES = 32


@dataclass(frozen=True, eq=False)
class RecordingVectors:
    """Vectors of recordings.

    Attributes:
        path: the file they come from, for messages.
        rows: float32 (recordings, K).
        at: row of a recording, by the SHA-256 of its file, hexadecimal.
    """

    path: Path
    rows: NDArray[np.float32]
    at: Mapping[str, int]

    def of(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """float32 (clips, K).

        Raises:
            InputError: a clip is a part of a file, or its file has no vector here.
        """
        chosen = []
        for clip in clips:
            if clip.start_s or clip.end_s is not None:
                message = (
                    f"{clip.path}: a clip is a part of this file; vectors are of whole files, cut it first"
                )
                raise InputError(message)
            digest = sha256_hex(clip.path.read_bytes())
            if digest not in self.at:
                message = (
                    f"{self.path}: has no vector of {clip.path} (SHA-256 {digest[:12]}…); "
                    f"make one: python tools/speech_vectors.py {clip.path.parent} …"
                )
                raise InputError(message)
            chosen.append(self.at[digest])
        return np.ascontiguousarray(self.rows[chosen])


def write_vectors(path: Path, vectors: Mapping[str, NDArray[np.float32]]) -> None:
    """Write vectors, each float32 (K,), by the SHA-256 of their recordings' files; all or nothing.

    Args:
        path: the .npz file.
        vectors: by hexadecimal SHA-256; the same give the same file.
    """
    names = sorted(vectors)
    digests = np.frombuffer(bytes.fromhex("".join(names)), np.uint8).reshape(-1, _DIGEST_BYTES)
    rows = np.stack([vectors[name] for name in names]).astype(np.float32)
    write_atomically(path, npz_bytes({"recordings": digests, "vectors": rows}))


def read_vectors(path: Path) -> RecordingVectors:
    """Read what :func:`write_vectors` wrote.

    Raises:
        InputError: the file is not such a file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read ({reason(error)}); expected a file of tools/speech_vectors.py"
        raise InputError(message) from None
    arrays = npz_arrays(data, str(path), _LARGEST_BYTES)
    digests, rows = arrays.get("recordings"), arrays.get("vectors")
    if (
        digests is None
        or rows is None
        or digests.dtype != np.uint8
        or rows.dtype != np.float32
        or digests.ndim != 2
        or rows.ndim != 2
        or digests.shape != (len(rows), _DIGEST_BYTES)
        or len(rows) == 0
    ):
        message = (
            f"{path}: not a file of vectors; expected uint8 recordings (n, 32) and float32 vectors (n, K)"
        )
        raise InputError(message)
    at = {bytes(digest).hex(): row for row, digest in enumerate(digests)}
    return RecordingVectors(path, rows, at)
