"""How numbers and names are written on the page, in HTML and in Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping

from edge_ser.bundle_card import PREDICTORS
from edge_ser.report.scores import CONSTANT, SHIPPED, Row, Scored, Spread

NONE = "–"

_SHORT: Mapping[str, str] = {SHIPPED: "int8 (LiteRT)", "tflm": "int8 (TFLM)"}

_ITEMS: Mapping[str, tuple[str, str]] = {
    "compiled_bytes": ("compiled for the Edge TPU", "bytes"),
    "int8_bytes": ("int8 files", "bytes"),
    "table_bytes": ("tables and fusion head", "bytes"),
    "latency_ms": ("one decision on the Micro", "ms"),
    "int8_drop_points": ("lost to int8", "points"),
    "arena_bytes": ("tensor arena", "bytes"),
}

_STAGES: Mapping[str, str] = {
    "features": "features of the front end",
    "acoustic_embedding": "embedding of the acoustic net",
    "keyword_windows": "embeddings of the keyword net",
    "scores": "integer scores of the fusion head",
}


def amount(value: float | None, digits: int = 2) -> str:
    """An amount in whatever unit, with thousands apart; a whole number without decimals.

    >>> amount(1800000), amount(9.1345), amount(None)
    ('1,800,000', '9.13', '–')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """A share in per cent, one decimal, without the sign.

    >>> percent(0.4335), percent(None)
    ('43.4', '–')
    """
    return NONE if share is None else f"{100 * share:.1f}"


def ms(value: float | None) -> str:
    """Milliseconds, two decimals: they stand below each other.

    >>> ms(6.1), ms(None)
    ('6.10', '–')
    """
    return NONE if value is None else f"{value:,.2f}"


def kilobytes(size: float) -> str:
    """Bytes in thousands, for a glance.

    >>> kilobytes(702016)
    '702 kB'
    """
    return f"{size / 1000:,.0f} kB"


def signed(points: float, digits: int = 1) -> str:
    """A difference in points with its sign; a true minus, and none before zero.

    >>> signed(1.26), signed(-0.5), signed(-0.01)
    ('+1.3', '−0.5', '0.0')
    """
    text = f"{abs(points):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if points > 0 else '−'}{text}"


def rough(value: float | None) -> str:
    """An amount in whatever unit, with three digits that count; a true minus.

    >>> rough(-13.7664), rough(0.00486), rough(None)
    ('−13.8', '0.00486', '–')
    """
    return NONE if value is None else f"{value:.3g}".replace("-", "−")


def interval(bounds: tuple[float, float]) -> str:
    """The bounds of an interval of shares, in per cent.

    >>> interval((0.371, 0.496))
    '37.1–49.6'
    """
    return f"{percent(bounds[0])}–{percent(bounds[1])}"


def spread(told: Spread | None, factor: float = 100.0) -> str:
    """A mean and its deviation, in per cent unless another factor is given.

    >>> spread(Spread(0.544, 0.044)), spread(Spread(0.5)), spread(None)
    ('54.4 ± 4.4', '50.0', '–')
    """
    if told is None:
        return NONE
    tail = "" if told.sd is None else f" ± {factor * told.sd:.1f}"
    return f"{factor * told.mean:.1f}{tail}"


def measure(scored: Scored, predictor: str, key: str) -> str:
    """A measure of one predictor: mean ± sd over seeds where there are several, else the number."""
    told = scored.spread.get(predictor, {}).get(key)
    return spread(told) if told is not None else percent(getattr(scored.rows[predictor], key))


def predictor(name: str, row: Row) -> str:
    """What a row of a table of scores is called."""
    if name == CONSTANT:
        return "constant predictor" if row.label is None else f"constant predictor: always {row.label}"
    return PREDICTORS.get(name, name)


def pair(names: str) -> str:
    """Two predictors that were compared, of a report's ``"a, b"``.

    >>> pair("float, litert")
    'float and int8 (LiteRT)'
    """
    return " and ".join(_SHORT.get(name, name) for name in names.split(", "))


def item(name: str) -> str:
    """What an item of the budget is called."""
    return _ITEMS.get(name, (name.replace("_", " "), ""))[0]


def unit(name: str) -> str:
    """The unit of an item of the budget; ``""`` where it has none."""
    return _ITEMS.get(name, ("", ""))[1]


def stage(name: str) -> str:
    """What a stage of the golden vectors is called."""
    return _STAGES.get(name, name.replace("_", " "))


def short(label: str) -> str:
    """A class as the head of a narrow column.

    >>> short("happiness"), short("_unknown_")
    ('happ', 'unkn')
    """
    return label.strip("_")[:4]


def seconds(value: float) -> str:
    """Seconds, one decimal.

    >>> seconds(2.6026)
    '2.6 s'
    """
    return f"{value:,.1f} s"


def digest(text: str) -> str:
    """The first twelve digits of a digest or commit: enough to tell two apart."""
    return text[:12]
