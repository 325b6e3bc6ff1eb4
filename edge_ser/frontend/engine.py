"""Which front end works: the one in C where it was built, else the NumPy reference. Both give the same integers."""

from __future__ import annotations

from edge_ser.frontend import native, quantize
from edge_ser.frontend.extension import BUILT
from edge_ser.frontend.native import NativeFrontend, NativeStream
from edge_ser.frontend.reference import Frontend
from edge_ser.frontend.stream import FrontendStream
from edge_ser.frontend.tables import FrontendTables

quantize_features = native.quantize_features if BUILT else quantize.quantize_features
"""From uint16 features to uint8; see :func:`edge_ser.frontend.quantize.quantize_features`."""


centre_channels = native.centre_channels if BUILT else quantize.centre_channels
"""Channel means taken off segments; see :func:`edge_ser.frontend.quantize.centre_channels`."""


def open_frontend(tables: FrontendTables) -> NativeFrontend | Frontend:
    """A front end over whole recordings: ``process`` one, or ``process_batch`` of one length."""
    return NativeFrontend(tables) if BUILT else Frontend(tables)


def open_stream(tables: FrontendTables) -> NativeStream | FrontendStream:
    """A front end over chunks of any size: ``feed`` them, ``reset`` between recordings."""
    return NativeStream(tables) if BUILT else FrontendStream(tables)
