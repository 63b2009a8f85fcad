"""Figures as text: shares in per cent, counts whole where they are whole, a dash where there is no figure."""

from __future__ import annotations

UNDEFINED = "–"
Ends = tuple[float | None, float | None]


def share(value: float | None) -> str:
    """0.8636 as `86.4 %`."""
    return UNDEFINED if value is None else f"{100 * value:.1f} %"


def share_interval(ends: Ends | None) -> str:
    """The ends of an interval of a share, or nothing."""
    known = _known(ends)
    return "" if known is None else f"{100 * known[0]:.1f} to {100 * known[1]:.1f} %"


def number(value: float | None) -> str:
    """A rate, a score, a threshold to three digits that tell."""
    return UNDEFINED if value is None else f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def number_interval(ends: Ends | None) -> str:
    """The ends of an interval of a number, or nothing."""
    known = _known(ends)
    return "" if known is None else f"{number(known[0])} to {number(known[1])}"


def count(value: float) -> str:
    """A count; of shares of events (TAES) and of means two decimals, of small ones two digits."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"


def number_of(value: int, what: str) -> str:
    """`1 seizure`, `2 seizures`."""
    return f"{value:,} {what}" if value == 1 else f"{value:,} {what}s"


def seconds(value: float | None) -> str:
    """Seconds to a tenth."""
    return UNDEFINED if value is None else f"{round(value, 1) + 0.0:.1f} s"  # no -0.0


def _known(ends: Ends | None) -> tuple[float, float] | None:
    if ends is None or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]
