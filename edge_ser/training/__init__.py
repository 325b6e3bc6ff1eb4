"""Training of the two nets and of the fusion head."""

import edge_ser.networks  # noqa: F401  # starts TensorFlow quietly, before a module here imports Keras
