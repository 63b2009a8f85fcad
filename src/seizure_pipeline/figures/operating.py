"""Sensitivity against false alarms per 24 h, as a picture and as a page to hover over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import CHANCE, DASHES, FAINT, INK, MODEL, OTHERS, blank_figure, tidy
from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    OperatingCurve,
    sensitivity_at,
    sensitivity_at_optimistic,
)
from seizure_pipeline.scoring.published import PublishedPoint

Chance = Callable[[float], float]
PUBLISHED_MARKERS = ("*", "P", "X")
TICKS_PER_24H = (0.01, 0.1, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Limits of the first-crossing sensitivity at (P,) ascending budgets of false alarms per 24 h, and their level."""

    false_alarms_per_24h: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What a curve may have marked: its interval, the rate and sensitivity at the threshold in use, and published results.

    Published ones are for the caller to choose: same recordings, same rule."""

    band: Band | None = None
    in_use: tuple[float, float] | None = None
    published: Sequence[PublishedPoint] = ()


def operating_curve_figure(
    curve: OperatingCurve,
    baselines: Mapping[str, OperatingCurve],
    budgets_per_24h: Sequence[float] = FALSE_ALARM_BUDGETS_PER_24H,
    chance: Chance | None = None,
    name: str = "model",
    marks: Marks | None = None,
) -> Figure:
    """Picture of `curve` over `baselines` with the budgets marked.

    Thick lines are first-crossing sensitivities, the thin one runs through every threshold of the model, triangles are
    the optimistic sensitivities. `chance` gives the sensitivity of random alarms at a rate per 24 h.
    """
    figure = blank_figure(8.4, 5.4)
    axes = figure.subplots()
    lowest, highest = _rate_limits([curve, *baselines.values()], budgets_per_24h)
    for i, (label, other) in enumerate(baselines.items()):
        _draw_first_crossing(axes, other, lowest, highest, OTHERS[i % len(OTHERS)], DASHES[i % len(DASHES)], 1.4, label)
    if chance is not None:
        rates = np.geomspace(lowest, highest, 200)
        axes.plot(rates, [chance(rate) for rate in rates], color=CHANCE, lw=1.2, label="random alarms (chance)")
    every: dict[str, Any] = {"color": MODEL, "lw": 0.7, "alpha": 0.6, "label": "every threshold"}
    axes.plot(np.maximum(curve.false_alarms_per_24h, lowest), curve.sensitivity, **every)
    _draw_first_crossing(axes, curve, lowest, highest, MODEL, "-", 2.6, name)
    _draw_budgets(axes, curve, budgets_per_24h)
    _draw_marks(axes, marks or Marks(), lowest)
    _label_axes(axes, lowest, highest)
    axes.set_title(_counts(curve), fontsize=10, color=INK, loc="left")
    _draw_legend(figure, axes, name)
    return figure


def _draw_legend(figure: Figure, axes: Axes, name: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    first = [labels.index(name), *(i for i, label in enumerate(labels) if label != name)]
    order = {"handles": [handles[i] for i in first], "labels": [labels[i] for i in first]}
    figure.legend(**order, loc="outside lower center", ncols=3, fontsize=8.5, frameon=False)


def _draw_marks(axes: Axes, marks: Marks, lowest: float) -> None:
    if (band := marks.band) is not None:
        x = np.maximum(band.false_alarms_per_24h, lowest)
        look: dict[str, Any] = {"fc": MODEL, "alpha": 0.13, "ec": MODEL, "lw": 0.6, "zorder": 1}
        axes.fill_between(x, band.low, band.high, step="post", label=f"{band.level:.0%} interval", **look)
    if marks.in_use is not None:
        rate, sensitivity = marks.in_use
        look = {"mfc": OTHERS[0], "mec": INK, "mew": 1.2, "ms": 9, "ls": "", "zorder": 9}
        axes.plot(max(rate, lowest), sensitivity, "D", label="threshold in use", **look)
    for marker, name in zip(PUBLISHED_MARKERS, dict.fromkeys(point.name for point in marks.published), strict=False):
        points = [(point.false_alarms_per_24h, point.sensitivity) for point in marks.published if point.name == name]
        look = {"mfc": "white", "mec": INK, "mew": 1.6, "ms": 11, "ls": "", "zorder": 8}
        axes.plot(*zip(*points, strict=True), marker, label=f"{name} (published)", **look)


def operating_curve_plotly(
    curve: OperatingCurve, baselines: Mapping[str, OperatingCurve], chance: Chance | None = None, name: str = "model"
) -> go.Figure:
    """The same to hover over: each threshold with its counts."""
    lowest, highest = _rate_limits([curve, *baselines.values()], FALSE_ALARM_BUDGETS_PER_24H)
    figure = go.Figure()
    for i, (label, each) in enumerate({name: curve, **baselines}.items()):
        colour = MODEL if i == 0 else OTHERS[(i - 1) % len(OTHERS)]
        figure.add_trace(_hover_line(each, lowest, label, colour, width=3 if i == 0 else 1.5))
    if chance is not None:
        rates = np.geomspace(lowest, highest, 200)
        found = [chance(rate) for rate in rates]
        figure.add_trace(go.Scatter(x=rates, y=found, name="random alarms (chance)", line={"color": CHANCE}))
    for budget in FALSE_ALARM_BUDGETS_PER_24H:
        figure.add_vline(x=budget, line={"color": FAINT, "dash": "dot"})
        # on a logarithmic axis an annotation is placed by the exponent, unlike a line
        figure.add_annotation(x=np.log10(budget), y=1, yref="paper", yanchor="bottom", text=f"{budget:g}", showarrow=False)
    ticks = [lowest, *(tick for tick in TICKS_PER_24H if lowest * 1.5 < tick <= highest)]
    axis = {"type": "log", "tickvals": ticks, "ticktext": ["0", *(f"{tick:g}" for tick in ticks[1:])]}
    figure.update_xaxes(title="false alarms per 24 h", range=[np.log10(lowest), np.log10(highest)], **axis)
    figure.update_yaxes(title="sensitivity (share of seizures found)", range=[-0.02, 1.04])
    figure.update_layout(title=_counts(curve), template="plotly_white", hovermode="closest")
    return figure


def _hover_line(curve: OperatingCurve, lowest: float, label: str, colour: str, width: float) -> go.Scatter:
    facts_K3 = np.stack([curve.thresholds, curve.tp, curve.fp], axis=1)
    hover = (
        "threshold %{customdata[0]:.4f}<br>%{customdata[1]:.0f} seizures found, %{customdata[2]:.0f} false alarms"
        f"<br>%{{y:.1%}} at %{{text}} per 24 h<extra>{label}</extra>"
    )
    return go.Scatter(
        x=np.maximum(curve.false_alarms_per_24h, lowest), y=curve.sensitivity, customdata=facts_K3, name=label,
        text=[f"{rate:.3g}" for rate in curve.false_alarms_per_24h], hovertemplate=hover,
        mode="lines+markers", marker={"size": 4}, line={"color": colour, "width": width},
    )  # fmt: skip


def _draw_first_crossing(
    axes: Axes,
    curve: OperatingCurve,
    lowest: float,
    highest: float,
    colour: str,
    dash: Any,
    width: float,
    label: str,
) -> None:
    rate_K, sensitivity_K = _first_crossing(curve)
    x = np.concatenate([[lowest], np.maximum(rate_K, lowest), [highest]])
    y = np.concatenate([[0.0], sensitivity_K, sensitivity_K[-1:]])
    axes.plot(x, y, drawstyle="steps-post", color=colour, lw=width, ls=dash, label=label)


def _first_crossing(curve: OperatingCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # A threshold is reached within a budget if no rate down to it exceeds the budget: the running maximum of the rate.
    return np.maximum.accumulate(curve.false_alarms_per_24h), np.maximum.accumulate(curve.sensitivity)


def _draw_budgets(axes: Axes, curve: OperatingCurve, budgets_per_24h: Sequence[float]) -> None:
    for budget in budgets_per_24h:
        axes.axvline(budget, color=FAINT, lw=0.8, ls=":", zorder=0)
    reached = [sensitivity_at(curve, budget) for budget in budgets_per_24h]
    optimistic = [sensitivity_at_optimistic(curve, budget) for budget in budgets_per_24h]
    axes.plot(budgets_per_24h, optimistic, "^", mfc="white", mec=MODEL, ms=12, zorder=5, label="optimistic rule")
    axes.plot(budgets_per_24h, reached, "o", color=MODEL, ms=7, zorder=6, label="first crossing at the budgets")
    for budget, share in zip(budgets_per_24h, reached, strict=True):
        below = share > 0.12
        axes.annotate(
            f"{share:.0%}", (budget, share), xytext=(6, -6 if below else 6), textcoords="offset points",
            va="top" if below else "bottom", fontsize=9, color=INK,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8}, zorder=7,
        )  # fmt: skip


def _label_axes(axes: Axes, lowest: float, highest: float) -> None:
    tidy(axes)
    axes.set_xscale("log")
    ticks = [lowest, *(tick for tick in TICKS_PER_24H if lowest * 1.5 < tick <= highest)]
    axes.set_xticks(ticks, ["0", *(f"{tick:g}" for tick in ticks[1:])])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(lowest * 0.93, highest)
    axes.set_ylim(-0.02, 1.04)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
    axes.set_xlabel("false alarms per 24 h (no false alarm at the left edge)")
    axes.set_ylabel("sensitivity (share of seizures found)")


def _rate_limits(curves: Sequence[OperatingCurve], budgets_per_24h: Sequence[float]) -> tuple[float, float]:
    # A rate of zero has no place on a logarithmic axis: it is drawn at the left edge, below the smallest that can be.
    smallest = min(24.0 / curve.hours for curve in curves)
    largest = max(float(curve.false_alarms_per_24h.max()) for curve in curves)
    return min(smallest, *budgets_per_24h) / 2, max(largest, *budgets_per_24h) * 1.3


def _counts(curve: OperatingCurve) -> str:
    one, decimals = 24.0 / curve.hours, 2 if curve.hours < 10 else 1
    return (
        f"{curve.seizures} seizures in {curve.hours:.{decimals}f} h; one false alarm is {one:.1f} per 24 h\n"
        "any overlap (NEDC OVLP), every distinct score a threshold"
    )
