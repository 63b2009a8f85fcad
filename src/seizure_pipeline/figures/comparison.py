"""The model beside the simplest detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seizure_pipeline.figures.appearance import CHANCE, FAINT, INK, MODEL, blank_figure, tidy


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """One detector's figures; None where undefined. `is_model` marks the one that is judged."""

    name: str
    auroc: float | None
    sensitivity_at_10fa: float | None
    is_model: bool = False


def baseline_figure(rows: Sequence[DetectorRow], counts: str = "") -> Figure:
    """Bars of AUROC and sensitivity at 10 false alarms per 24 h, in the order given; `counts` goes above."""
    figure = blank_figure(9.6, 1.5 + 0.36 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    _draw_bars(left, rows, [row.auroc for row in rows], "{:.3f}")
    _draw_bars(right, rows, [row.sensitivity_at_10fa for row in rows], "{:.0%}")
    left.axvline(0.5, color=CHANCE, lw=1.2, ls="--")
    left.text(0.5, 1.0, "chance", color=INK, fontsize=8.5, ha="center", va="bottom", transform=left.get_xaxis_transform())
    left.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=9.5)
    left.invert_yaxis()
    left.set_xlabel("AUROC (tokens, pooled)")
    right.set_xlabel("sensitivity at 10 false alarms per 24 h")
    right.xaxis.set_major_formatter("{x:.0%}")
    figure.suptitle(counts, fontsize=10, color=INK, x=0.01, ha="left")
    return figure


def _draw_bars(axes: Axes, rows: Sequence[DetectorRow], values: Sequence[float | None], form: str) -> None:
    tidy(axes)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(axis="x", color=FAINT, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        axes.barh(place, value or 0.0, height=0.66, color=MODEL if row.is_model else FAINT)
        text = "undefined" if value is None else form.format(value)
        axes.text((value or 0.0) + 0.012, place, text, va="center", fontsize=9, color=INK)
