"""Whether a stated probability is a true one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seizure_pipeline.figures.appearance import CHANCE, FAINT, INK, MODEL, blank_figure, tidy


def reliability_figure(
    stated: Sequence[float], true: Sequence[float], tokens: Sequence[int], edges: Sequence[float], title: str = ""
) -> Figure:
    """Share of seizure time against mean stated probability, a point for each of B bins that holds any of `tokens`.

    Below it the tokens of each bin between the B + 1 `edges`, on a logarithmic axis: most of a recording is background."""
    figure = blank_figure(7.2, 6.6)
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.3])
    held = [i for i, n in enumerate(tokens) if n]
    curve.plot([0, 1], [0, 1], color=CHANCE, lw=1.2, ls="--", label="stated is true")
    curve.plot([stated[i] for i in held], [true[i] for i in held], "o-", color=MODEL, lw=1.8, ms=7, label="model")
    curve.set_ylim(-0.03, 1.03)
    curve.set_ylabel("share of tokens within a seizure")
    curve.legend(loc="upper left", fontsize=9, frameon=False)
    curve.set_title(title, fontsize=10, color=INK, loc="left")
    _draw_counts(counts, tokens, edges)
    for axes in (curve, counts):
        tidy(axes)
        axes.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
        axes.set_axisbelow(True)
    return figure


def _draw_counts(axes: Axes, tokens: Sequence[int], edges: Sequence[float]) -> None:
    widths = [high - low for low, high in pairwise(edges)]
    axes.bar(edges[:-1], tokens, width=widths, align="edge", color="white", edgecolor=MODEL, hatch="///", lw=1)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, max(*tokens, 1) * 30)
    for low, width, n in zip(edges[:-1], widths, tokens, strict=True):
        axes.text(low + width / 2, n * 1.4 + 0.2, f"{n:,}", fontsize=7.5, color=INK, ha="center", va="bottom", rotation=30)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylabel("tokens")
    axes.set_xlabel("stated probability")
