"""From trained nets to int8 files: calibration, conversion in a child process, per-layer error."""

import edge_ser.networks  # noqa: F401  # starts TensorFlow quietly, before a module here imports Keras
