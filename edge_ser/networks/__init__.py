"""The two nets as Keras models, made only of operations that the Edge TPU compiler maps."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_ser.errors import MissingError


@contextmanager
def _silent_stderr() -> Iterator[None]:
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# TensorFlow greets from C++ when it is imported and when its devices start, whatever its log level; on a person's
# terminal that buries our own words. Errors come as exceptions and are not lost.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
try:
    with _silent_stderr():
        import tensorflow as tf

        tf.config.list_logical_devices()
except ModuleNotFoundError:
    message = "training and quantising need TensorFlow, which is not installed; pip install 'edge-ser[train]'"
    raise MissingError(message) from None
tf.get_logger().setLevel("ERROR")
