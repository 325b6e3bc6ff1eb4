"""`estimate` as a function: the latency of a model file or of a bundle's decision without a board."""

from __future__ import annotations

import os
from pathlib import Path

from edge_ser.bundle import Bundle, read_bundle
from edge_ser.edgetpu.budget import decision
from edge_ser.edgetpu.latency import Estimate, together
from edge_ser.edgetpu.payload import load_payload
from edge_ser.edgetpu.targets import Target, target_named
from edge_ser.errors import InputError


def estimate(
    model: Bundle | str | os.PathLike[str],
    target: Target | str = "coral-micro",
    *,
    clock_mhz: float | None = None,
    source: str | os.PathLike[str] | None = None,
) -> Estimate:
    """Estimate the latency of a model, as ``edge-ser estimate`` does: an interval, predicted, not measured.

    Args:
        model: a ``.tflite`` file, compiled or not, a bundle (``.edgeser``), or a :class:`Bundle` that was read. Of a
            bundle it is one decision: one inference of each net, one after the other, then the fusion.
        target: ``"coral-micro"``, ``"usb2"``, ``"usb3"``, a hardware description file (``.toml``), or a
            :class:`~edge_ser.edgetpu.targets.Target` that was read.
        clock_mhz: clock of the Edge TPU; the target's own if not given.
        source: what a compiled file was compiled from; by default the model beside it without ``_edgetpu``.

    Returns:
        ``ms`` in the steady state and ``first_ms``, each with ``low``, ``mid`` and ``high``, and the terms they
        consist of.

    Raises:
        InputError: a file cannot be read or is damaged, there is no such target or clock, or ``source`` is given
            with a bundle.

    Example:
        >>> import edge_ser
        >>> found = edge_ser.estimate(edge_ser.shipped_bundle(), "coral-micro")
        >>> 0 < found.ms.low < found.ms.mid < found.ms.high < found.first_ms.high
        True
        >>> [name for name, _ms in found.terms][:3]
        ['fixed', 'instructions', 'inputs']
    """
    chosen = target if isinstance(target, Target) else target_named(target)
    if not isinstance(model, Bundle) and Path(model).suffix != ".edgeser":
        payload = load_payload(Path(model), None if source is None else Path(source))
        return together([payload], chosen, clock_mhz)
    if source is not None:
        message = f"--source {source}: a bundle holds its own sources; leave it out"
        raise InputError(message)
    bundle = model if isinstance(model, Bundle) else read_bundle(Path(model))
    return decision(bundle, chosen, clock_mhz)
