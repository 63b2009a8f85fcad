"""Patients beside each other: what was found in each, and how often each was disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from seizure_pipeline.figures.appearance import DETECTION, FAINT, INK, OTHERS, blank_figure, tidy

RATE_TICKS = (0, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
NEAR = 0.02  # of the axis: dots closer than that are put beside each other


@dataclass(frozen=True, slots=True)
class PatientRow:
    """One patient's counts by any overlap; sensitivity is None without a seizure."""

    patient_id: str
    recordings: int
    hours: float
    seizures: int
    found: int
    false_alarms: int

    @property
    def sensitivity(self) -> float | None:
        """Share of seizures found."""
        return self.found / self.seizures if self.seizures else None

    @property
    def false_alarms_per_24h(self) -> float:
        """False alarms per 24 recorded hours."""
        return 24 * self.false_alarms / self.hours


def patients_figure(rows: Sequence[PatientRow]) -> Figure:
    """A dot for each patient, as large as it has seizures or hours; a line where all together lie."""
    figure = blank_figure(8.4, 4.6)
    upper, lower = figure.subplots(2, 1)
    with_seizures = [row for row in rows if row.sensitivity is not None]
    _draw_sensitivities(upper, with_seizures)
    _draw_rates(lower, rows)
    patients = "patient" if len(with_seizures) == 1 else "patients"
    title = f"{len(with_seizures)} {patients} with seizures, a dot's area by their number"
    if without := len(rows) - len(with_seizures):
        title += f"; {without} without are below only"
    upper.set_title(title, fontsize=10, color=INK, loc="left")
    return figure


def _draw_sensitivities(axes: Axes, rows: Sequence[PatientRow]) -> None:
    _tidy_strip(axes)
    axes.set_xlim(-0.04, 1.04)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set_xlabel("sensitivity (share of a patient's seizures found)")
    if not rows:
        return
    found = np.asarray([row.found / row.seizures for row in rows])
    areas = [18 + 10 * row.seizures for row in rows]
    axes.scatter(found, beside(found, 1.08), s=areas, marker="o", fc=DETECTION, ec="white", alpha=0.75, zorder=3)
    pooled = sum(row.found for row in rows) / sum(row.seizures for row in rows)
    _draw_pooled(axes, pooled, f"all seizures together {pooled:.0%}")


def _draw_rates(axes: Axes, rows: Sequence[PatientRow]) -> None:
    _tidy_strip(axes)
    rates = np.asarray([row.false_alarms_per_24h for row in rows])
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    highest = max(float(rates.max()), 10) * 1.4
    ticks = [tick for tick in RATE_TICKS if tick <= highest]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.08, highest)
    axes.set_xlabel("false alarms per 24 h (the dot's area by hours)")
    longest = max(row.hours for row in rows)
    areas = [18 + 120 * row.hours / longest for row in rows]
    place = np.arcsinh(rates) / np.arcsinh(highest)
    axes.scatter(rates, beside(place, 1.0), s=areas, marker="D", fc=OTHERS[0], ec="white", alpha=0.75, zorder=3)
    pooled = 24 * sum(row.false_alarms for row in rows) / sum(row.hours for row in rows)
    _draw_pooled(axes, pooled, f"all hours together {pooled:.3g}")


def _tidy_strip(axes: Axes) -> None:
    tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.set_ylim(-1.1, 1.35)
    axes.grid(axis="x", color=FAINT, lw=0.5, alpha=0.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda *_: ""))


def _draw_pooled(axes: Axes, value: float, words: str) -> None:
    axes.axvline(value, color=INK, lw=1.4, ls="--", zorder=2)
    right = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0] > 0.6
    axes.annotate(
        words, (value, 1.3), xytext=(-5 if right else 5, 0), textcoords="offset points", fontsize=9, color=INK,
        ha="right" if right else "left", va="top", bbox={"fc": "white", "ec": "none", "pad": 1.0},
    )  # fmt: skip


def beside(places: Sequence[float] | np.ndarray, span: float) -> list[float]:
    """Heights for dots at `places` (share of the axis), so that dots nearly at one place stand apart, around 0."""
    heights = [0.0] * len(places)
    order = np.argsort(places, kind="stable")
    groups: list[list[int]] = []
    for i in order:
        if groups and places[i] - places[groups[-1][0]] <= NEAR * span:
            groups[-1].append(int(i))
        else:
            groups.append([int(i)])
    for group in groups:
        step = min(0.3, 1.8 / len(group))
        for k, i in enumerate(group):
            heights[i] = (k - (len(group) - 1) / 2) * step
    return heights
