"""The bundle that comes with edge-ser: where it is, and what may be in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_ser.bundle import Bundle
from edge_ser.errors import InputError, MissingError

if TYPE_CHECKING:
    from edge_ser.corpora.layout import Layout

SHIPPED = Path(__file__).parent / "shipped" / "base.edgeser"
"""In the package, so that it is installed with it; ``models/base.edgeser`` of a checkout is a link to it."""


def shipped_bundle() -> Path:
    """The bundle that is taken where a person names none.

    Raises:
        MissingError: this copy of edge-ser came without it.

    Example:
        >>> import edge_ser
        >>> edge_ser.shipped_bundle().name
        'base.edgeser'
    """
    if not SHIPPED.is_file():
        message = (
            "no bundle was named and this copy of edge-ser came without one; name a bundle (.edgeser), or make one: "
            "make edgetpu"
        )
        raise MissingError(message)
    return SHIPPED


def corpora_of(bundle: Bundle) -> list[tuple[str, Mapping[str, Any]]]:
    """What a bundle's provenance says of its corpora: (role, entry) each, an entry being what quantize wrote.

    Raises:
        InputError: the provenance names no corpora in that way.
    """
    told = bundle.provenance.get("corpora")
    found = list(_entries(told)) if isinstance(told, dict) else []
    if not found or any(not isinstance(entry.get("name"), str) for _, entry in found):
        message = (
            f"bundle {bundle.spec.name}: does not say what it learned from; make it with: edge-ser quantize"
        )
        raise InputError(message)
    return found


def _entries(told: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for role, value in told.items():
        for entry in value if isinstance(value, list) else [value]:
            yield role, entry if isinstance(entry, dict) else {}


def check_shippable(names: list[str]) -> list[Layout]:
    """Refuse corpora whose licence does not allow weights trained on them to ship.

    Args:
        names: names of layouts.

    Returns:
        Their layouts.

    Raises:
        InputError: one of them may not ship, or is not known; it is named with its licence.
    """
    # Here, because the layouts import scipy.signal: a second that `edge-ser classify` would wait for.
    from edge_ser.corpora.registry import layout

    forms = [layout(name) for name in names]
    for form in forms:
        if not form.shippable:
            message = (
                f"{form.name}: its licence ({form.licence}) does not allow weights trained on it to ship; use it for "
                "evaluation and for your own training (edge-ser train), and take another corpus here"
            )
            raise InputError(message)
    return forms
