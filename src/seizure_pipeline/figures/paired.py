"""Two runs beside each other: by how much their figures differ, and what each found in every patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from seizure_pipeline.evaluation.paired import FROZEN_RATE, ComparedFigure, PatientPair, SplitComparison
from seizure_pipeline.figures.appearance import CHANCE, DETECTION, FAINT, INK, MODEL, OTHERS, blank_figure, tidy

ROW_IN, HEAD_IN = 0.42, 1.5
LEAST_SPAN = 0.05  # differences of nothing still get an axis
FIRST, SECOND = 0.0, 1.0


@dataclass(frozen=True, slots=True)
class Slope:
    """How patients of one kind are drawn: also in grey they differ, by their dashes and their markers."""

    words: str
    style: dict[str, Any]


BETTER = Slope("more found by B", {"color": DETECTION, "ls": "-", "marker": "o"})
WORSE = Slope("fewer found by B", {"color": OTHERS[0], "ls": "--", "marker": "s"})
SAME = Slope("as many found by both", {"color": CHANCE, "ls": "-", "marker": "D"})


def paired_figure(splits: Sequence[SplitComparison], title: str) -> Figure:
    """For each split the differences B - A with their intervals, and each patient's sensitivity by A and by B."""
    heights = [HEAD_IN + ROW_IN * (len(split.figures) + 1.5 * _has_rate(split)) for split in splits]
    figure = blank_figure(11.6, 0.5 + sum(heights))
    parts = figure.subfigures(len(splits), 1, squeeze=False, height_ratios=heights)
    for part, split in zip(parts[:, 0], splits, strict=True):
        _draw_split(part, split)
    figure.suptitle(title, fontsize=10, color=INK, x=0.01, ha="left")
    return figure


def _has_rate(split: SplitComparison) -> bool:
    return any(each.name == FROZEN_RATE for each in split.figures)


def _draw_split(part: SubFigure, split: SplitComparison) -> None:
    shares = [each for each in split.figures if each.name != FROZEN_RATE]
    rates = [each for each in split.figures if each.name == FROZEN_RATE]
    left, right = part.subfigures(1, 2, squeeze=False, width_ratios=[1.75, 1])[0]
    panels = left.subplots(2 if rates else 1, 1, squeeze=False, height_ratios=[len(shares), 1.6] if rates else [1])[:, 0]
    _draw_differences(panels[0], shares)
    panels[0].set_xlabel("difference B - A of shares and of areas")
    if rates:
        _draw_differences(panels[1], rates)
        panels[1].set_xlabel("difference B - A of false alarms per 24 h")
    size = f"{split.seizures} seizures in {split.hours:.2f} h of {len(split.patients)} patients"
    panels[0].set_title(f"Split {split.split}: {size}", fontsize=10, color=INK, loc="left")
    _draw_patients(right.subplots(), split)


def _draw_differences(axes: Axes, figures: Sequence[ComparedFigure]) -> None:
    tidy(axes)
    axes.axvline(0, color=INK, lw=1.2, zorder=1)
    axes.grid(axis="x", color=FAINT, lw=0.5, alpha=0.6)
    span = LEAST_SPAN
    for place, each in enumerate(figures):
        known = each.difference.difference
        axes.text(1.02, place, _words(each), va="center", fontsize=8.5, color=INK, transform=axes.get_yaxis_transform())
        if known.figure is None:
            continue
        span = max(span, abs(known.figure))
        if known.low is not None and known.high is not None:
            span = max(span, abs(known.low), abs(known.high))
            axes.plot([known.low, known.high], [place, place], color=MODEL, lw=2, marker="|", ms=9, zorder=2)
        filled = MODEL if known.low is not None else "white"  # open: nobody knows how sure it is
        axes.plot(known.figure, place, "o", ms=7.5, mfc=filled, mec=MODEL, mew=1.4, zorder=3)
    axes.set_yticks(range(len(figures)), [each.name for each in figures], fontsize=9)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.set_xlim(-1.12 * span, 1.12 * span)


def _words(each: ComparedFigure) -> str:
    known = each.difference.difference
    if known.figure is None:
        return "undefined"
    if known.low is None or known.high is None:
        return f"{known.figure:+.3f}  (no interval)"
    return f"{known.figure:+.3f}  ({known.low:+.3f} to {known.high:+.3f})"


def _draw_patients(axes: Axes, split: SplitComparison) -> None:
    tidy(axes)
    axes.set_title(f"sensitivity of each patient\n{split.patients_at}", fontsize=9, color=INK, loc="left")
    axes.set_xticks([FIRST, SECOND], ["A", "B"])
    axes.set_xlim(-0.3, 1.3)
    axes.set_ylim(-0.06, 1.06)
    axes.yaxis.set_major_formatter("{x:.0%}")
    patients = [patient for patient in split.patients if patient.seizures]
    if not patients:
        axes.text(0.5, 0.5, "no seizure", ha="center", color=INK, fontsize=9)
        return
    slopes = Counter(_ends(patient) for patient in patients)
    for ends, count in slopes.items():
        axes.plot([FIRST, SECOND], ends, lw=1 + 0.7 * min(count, 8), ms=6, zorder=2, **_slope(ends).style)
    for place, side, align in ((FIRST, 0, "right"), (SECOND, 1, "left")):
        _tell_numbers(axes, place, Counter(_ends(patient)[side] for patient in patients), align)
    for kind in (BETTER, WORSE, SAME):
        count = sum(number for ends, number in slopes.items() if _slope(ends) is kind)
        axes.plot([], [], lw=1.7, ms=6, label=f"{kind.words} ({count})", **kind.style)
    seizures = sum(patient.seizures for patient in patients)
    together = [sum(found) / seizures for found in zip(*((each.found_a, each.found_b) for each in patients), strict=True)]
    axes.plot([FIRST, SECOND], together, color=INK, lw=1.6, ls=":", zorder=4, label="all seizures together")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=8.5, frameon=False, handlelength=3.5)


def _ends(patient: PatientPair) -> tuple[float, float]:
    return patient.found_a / patient.seizures, patient.found_b / patient.seizures


def _slope(ends: tuple[float, float]) -> Slope:
    return SAME if ends[0] == ends[1] else BETTER if ends[1] > ends[0] else WORSE


def _tell_numbers(axes: Axes, place: float, patients_at: Counter[float], align: str) -> None:
    """How many patients lie at one place, where they are several."""
    shift = -9 if align == "right" else 9
    for share, count in patients_at.items():
        if count > 1:
            axes.annotate(
                f"{count}×", (place, share), xytext=(shift, 0), textcoords="offset points", ha=align, va="center", fontsize=8.5,
                color=INK,
            )  # fmt: skip
