"""A training run over its epochs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seizure_pipeline.figures.appearance import FAINT, INK, MODEL, OTHERS, blank_figure, tidy
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, sensitivity_name
from seizure_pipeline.scoring.names import AUROC

MARKERS = ("o", "s", "^", "D")


def history_figure(history: pd.DataFrame) -> Figure:
    """Loss, quality on `dev` and learning rate by epoch.

    `history` has a row per epoch with columns epoch, train_loss, auroc, learning_rate and sensitivities by their
    names (see `scoring.names`); sensitivities that are not there are left out, and so are
    undefined values (None).
    """
    figure = blank_figure(8.4, 7.2)
    loss, quality, rate = figure.subplots(3, 1, sharex=True, height_ratios=[2, 3, 1.2])
    epoch = history["epoch"]
    loss.plot(epoch, history["train_loss"], color=INK, marker=".", label="train loss")
    loss.set_ylabel("loss")
    _draw_quality(quality, history)
    rate.plot(epoch, history["learning_rate"], color=INK, marker=".")
    rate.set_ylabel("learning rate")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    rate.set_ylim(bottom=0)
    rate.set_xlabel("epoch")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    loss.set_title(_best(history), fontsize=10, loc="left", color=INK)
    for axes in (loss, quality, rate):
        tidy(axes)
        axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
    return figure


def _draw_quality(axes: Axes, history: pd.DataFrame) -> None:
    axes.plot(history["epoch"], history[AUROC].astype(float), color=INK, ls="--", label="AUROC")
    axes.axhline(0.5, color=FAINT, lw=1, ls=":")
    for colour, marker, budget in zip((MODEL, *OTHERS), MARKERS, FALSE_ALARM_BUDGETS_PER_24H, strict=False):
        if (name := sensitivity_name(budget)) in history:
            width = 2.2 if budget == FALSE_ALARM_BUDGETS_PER_24H[0] else 1.0
            axes.plot(
                history["epoch"], history[name].astype(float), color=colour, lw=width, marker=marker, ms=4,
                label=f"sensitivity at {budget:g} false alarms per 24 h",
            )  # fmt: skip
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("on dev")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=2, fontsize=8.5, frameon=False)


def _best(history: pd.DataFrame) -> str:
    name = sensitivity_name(FALSE_ALARM_BUDGETS_PER_24H[0])
    if name not in history or history[name].isna().all():
        return f"{len(history)} epochs"
    row = int(np.nanargmax(history[name].to_numpy(dtype=float)))
    best, epoch = float(history[name].iloc[row]), int(history["epoch"].iloc[row])
    return f"{len(history)} epochs; best {name} {best:.3f} in epoch {epoch}"
