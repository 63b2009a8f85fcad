"""How the network responds along an excerpt: what each electrode weighs in its answer, and how its graph moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import FAINT, INK, SEIZURE, blank_figure, show_clock, tidy
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.scoring.events import Interval
from seizure_pipeline.windows import TOKEN_RATE_HZ

SIGNED, UNSIGNED = "RdBu_r", "Blues"


def response_figure(
    times_s: NDArray[np.floating],
    probability_L: NDArray[np.floating],
    influence_CL: NDArray[np.floating],
    connected_CL: NDArray[np.floating],
    seizures: Sequence[Interval],
    title: str = "",
) -> Figure:
    """Probability, each electrode's influence on it and its share of edges in the graph, over the starts `times_s` of tokens.

    `influence_CL` is in log odds and drawn as means over a second, `connected_CL` within [0, 1]; `seizures` and times
    are in the recording's clock (s).
    """
    figure = blank_figure(11.5, 9.4)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    answer, influence, graph, mean = figure.subplots(4, 1, sharex=True, height_ratios=[1.1, 3, 3, 1.1])
    answer.plot(times_s, probability_L, color=INK, lw=0.9)
    answer.set_ylim(-0.03, 1.03)
    answer.set_ylabel("probability")
    steady_CL = _means_over_seconds(influence_CL)
    largest = max(float(np.abs(steady_CL).max()), np.finfo(float).tiny)
    _draw_rows(influence, times_s, steady_CL, SIGNED, Normalize(-largest, largest), "influence (log odds)")
    between = Normalize(float(connected_CL.min()), float(connected_CL.max()))
    _draw_rows(graph, times_s, connected_CL, UNSIGNED, between, "share of degree in edges")
    mean.plot(times_s, connected_CL.mean(axis=0), color=INK, lw=0.9)
    mean.set_ylabel("mean share")
    for axes in (answer, mean):
        tidy(axes)
        axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
        for onset_s, offset_s in seizures:
            axes.axvspan(onset_s, offset_s, fc=SEIZURE, ec=SEIZURE, lw=1.0, alpha=0.35, zorder=0)
    for axes in (influence, graph):
        for border_s in (second for seizure in seizures for second in seizure):
            axes.axvline(border_s, color=SEIZURE, lw=2)
    step_s = float(times_s[1] - times_s[0])
    mean.set_xlim(times_s[0], times_s[-1] + step_s)
    show_clock(mean, float(times_s[-1] - times_s[0]))
    return figure


def _means_over_seconds(values_CL: NDArray[np.floating]) -> NDArray[np.floating]:
    """Every token by the mean of its second: single tokens flicker."""
    starts = np.arange(0, values_CL.shape[1], round(TOKEN_RATE_HZ))
    tokens = np.diff(np.append(starts, values_CL.shape[1]))
    return np.repeat(np.add.reduceat(values_CL, starts, axis=1) / tokens, tokens, axis=1)


def _draw_rows(
    axes: Axes, times_s: NDArray[np.floating], values_CL: NDArray[np.floating], colours: str, scale: Normalize, words: str
) -> None:
    step_s = float(times_s[1] - times_s[0])
    extent = (float(times_s[0]), float(times_s[-1]) + step_s, len(values_CL) - 0.5, -0.5)
    image = axes.imshow(values_CL, cmap=colours, norm=scale, aspect="auto", interpolation="nearest", extent=extent)
    axes.set_yticks(range(len(ELECTRODES)), ELECTRODES, fontsize=8)
    axes.tick_params(colors=INK)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.03)
    bar.set_label(words, fontsize=9, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
