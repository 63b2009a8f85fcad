"""Experiments beside each other: what each detects, and whether it tells the classes apart at all."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import TextWrapper
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seizure_pipeline.experiments.comparison import BACKGROUND, BASELINE, ICTAL
from seizure_pipeline.figures.appearance import CHANCE, DETECTION, FAINT, INK, MODEL, OTHERS, SEIZURE, blank_figure, tidy
from seizure_pipeline.scoring import sensitivity_name
from seizure_pipeline.scoring.names import AUROC, AVERAGE_PRECISION

PANELS = (
    (sensitivity_name(10.0), "sensitivity at 10\nfalse alarms per 24 h"),
    (AUROC, "AUROC\n(tokens, pooled)"),
    (AVERAGE_PRECISION, "average precision\n(tokens, pooled)"),
)
RECALLS = ((ICTAL, "ictal", SEIZURE, -0.19), (BACKGROUND, "background", DETECTION, 0.19))
WARNING = OTHERS[0]
REASON = TextWrapper(width=150, max_lines=2, placeholder=" …")


def experiments_figure(table: pd.DataFrame) -> Figure:
    """Bars of each row of `experiments.compare`, in its order; ones no better than the majority and failed ones are marked."""
    rows: list[dict[str, Any]] = [
        {str(name): None if pd.isna(value) else value for name, value in row.items()} for row in table.to_dict(orient="records")
    ]
    figure = blank_figure(13.0, 1.9 + 0.62 * len(rows))
    panels = figure.subplots(1, len(PANELS) + 1, sharey=True, width_ratios=[1, 1, 1, 1.25])
    for axes, (name, title) in zip(panels, PANELS, strict=False):
        _prepare(axes, title)
        for place, row in enumerate(rows):
            if row[name] is not None:
                _bar(axes, place, row[name], _colour(row), 0.6, bool(row["mark"]))
    _draw_recalls(panels[-1], rows)
    panels[1].axvline(0.5, color=CHANCE, lw=1.2, ls="--")
    _name_rows(panels[0], rows)
    for place, row in enumerate(rows):
        if row["status"] is not None and row[AUROC] is None:
            _tell(panels[0], place, str(row["error"] or row["status"]))
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    title = "Experiments on split dev, beside the majority baseline (hatched: no better than it at the operating threshold)"
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    return figure


def _prepare(axes: Axes, title: str) -> None:
    tidy(axes)
    axes.set_xlim(0, 1.2)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.grid(axis="x", color=FAINT, lw=0.5, alpha=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(title, fontsize=9.5)


def _draw_recalls(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    _prepare(axes, "recall at the operating threshold\n(tokens)")
    for name, label, colour, offset in RECALLS:
        for place, row in enumerate(rows):
            if row[name] is not None:
                _bar(axes, place + offset, row[name], colour, 0.34, bool(row["mark"]))
        axes.barh(0, 0, color=colour, label=f"recall of {label} tokens")


def _bar(axes: Axes, place: float, value: float, colour: str, height: float, is_marked: bool) -> None:
    hatch = "////" if is_marked else None
    axes.barh(place, value, height=height, color=colour, hatch=hatch, edgecolor="white", lw=0)
    axes.text(value + 0.015, place, f"{value:.3f}", va="center", fontsize=8.5, color=INK)


def _name_rows(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    names = [_name(row) for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9.5)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        is_well = row["status"] in (None, "finished") and not row["mark"]
        label.set_color(INK if is_well else WARNING)


def _name(row: dict[str, Any]) -> str:
    if row["status"] is None:
        return BASELINE
    seizures = "" if row["seizures"] is None else f", {row['seizures']:.0f} seizures"
    return f"{row['experiment']}\n{row['mark'] or row['status']}{seizures}"


def _colour(row: dict[str, Any]) -> str:
    return FAINT if row["status"] is None else MODEL


def _tell(axes: Axes, place: float, why: str) -> None:
    """Write why there are no bars, over all panels."""
    box = {"fc": "white", "ec": "none", "pad": 2.0}
    told = axes.text(0.03, place, REASON.fill(why), va="center", fontsize=9, color=WARNING, bbox=box)
    told.set_in_layout(False)  # it would push the panels apart
    axes.set_zorder(2)
    axes.patch.set_visible(False)
