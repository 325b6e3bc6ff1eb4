"""edge-ser: speech emotion recognition from a training corpus to a Coral Dev Board Micro, and to any CPU.

What a person needs from Python, each name the function behind the command of the same name:

    >>> import edge_ser
    >>> edge_ser.classify("speech.wav").recording.emotion in edge_ser.load().spec.acoustic.classes
    True

:func:`classify` and :func:`features` take recordings, :func:`load` makes a bundle ready for many of them,
:func:`check` and :func:`estimate` take a model or a bundle, :func:`inspect` takes compiled files, :class:`Bundle` is
what a system ships as and :func:`shipped_bundle` is where the one is that came with this package. Errors are those of
:mod:`edge_ser.errors`.

Nothing is imported before it is asked for: ``import edge_ser`` costs nothing.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "__version__",
    "check",
    "classify",
    "estimate",
    "features",
    "inspect",
    "load",
    "shipped_bundle",
]

if TYPE_CHECKING:
    from edge_ser.bundle import Bundle
    from edge_ser.bundle_shipped import shipped_bundle
    from edge_ser.edgetpu.checking import check
    from edge_ser.edgetpu.estimating import estimate
    from edge_ser.edgetpu.inspecting import inspect
    from edge_ser.frontend.recordings import features
    from edge_ser.runtime.recordings import classify, load
else:
    # Behind TYPE_CHECKING: with a __getattr__ in sight, a type checker would believe in any name.
    _HOMES = {
        "Bundle": "bundle",
        "check": "edgetpu.checking",
        "classify": "runtime.recordings",
        "estimate": "edgetpu.estimating",
        "features": "frontend.recordings",
        "inspect": "edgetpu.inspecting",
        "load": "runtime.recordings",
        "shipped_bundle": "bundle_shipped",
    }

    def __getattr__(name):
        if name not in _HOMES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

    def __dir__():
        return sorted({*globals(), *__all__})
