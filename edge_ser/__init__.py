"""edge-ser: speech emotion recognition from a training corpus to a Coral Dev Board Micro, and to any CPU."""

__version__ = "0.1.0"
