"""The head from above: where the 19 electrodes lie, and the learned graph between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import FAINT, INK, blank_figure
from seizure_pipeline.montage import ELECTRODES, PAIRS, POSITIONS
from seizure_pipeline.scoring.events import Interval

RIM = 1.0  # radius at which an electrode of the outer ring of the 10-20 system is drawn
EDGES, NODES = "Blues", "Oranges"
WIDEST_PT = 6.0
DARK = 0.6  # share of a colour scale from which white letters read better


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A graph to draw: `words` above it, and its normalised adjacency (C, C), of which the diagonal is not drawn."""

    words: str
    adjacency: NDArray[np.floating]


def around(times_s: NDArray[np.floating], graph_LCC: NDArray[np.floating], seizure: Interval) -> list[Moment]:
    """The mean graph before, during and after a seizure, from one graph per start in `times_s` (L,); all in the same clock (s).

    A part of which there is no token, as after a seizure that ends with the recording, is left out."""
    onset_s, offset_s = seizure
    parts = (
        ("before the seizure", times_s < onset_s),
        ("during the seizure", (times_s >= onset_s) & (times_s < offset_s)),
        ("after the seizure", times_s >= offset_s),
    )
    return [Moment(words, graph_LCC[chosen].mean(axis=0)) for words, chosen in parts if chosen.any()]


def flat_positions() -> NDArray[np.float64]:
    """(19, 2) positions seen from above: distance from the vertex in proportion to the angle, the outer ring at 1."""
    angle = np.arccos(np.clip(POSITIONS[:, 2], -1, 1))  # rounding can carry a unit vector past 1
    across = np.hypot(POSITIONS[:, 0], POSITIONS[:, 1])
    scale = RIM * angle / angle.max() / np.where(across > 0, across, 1)
    flat: NDArray[np.float64] = POSITIONS[:, :2] * scale[:, None]
    return flat


def draw_outline(axes: Axes) -> None:
    """A head seen from above, nose up, on axes of its own without a frame."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(1.18 * np.sin(turn), 1.18 * np.cos(turn), color=FAINT, lw=1.5)
    axes.plot([-0.12, 0, 0.12], [1.17, 1.31, 1.17], color=FAINT, lw=1.5)
    axes.set_aspect("equal")
    axes.set_axis_off()


def graph_figure(moments: Sequence[Moment], title: str = "") -> Figure:
    """A head for each moment, all by the same scales: edges by their weight, electrodes by the sum of their edges."""
    edges = [np.asarray([moment.adjacency[pair] for pair in PAIRS]) for moment in moments]
    sums = [moment.adjacency.sum(axis=1) - np.diagonal(moment.adjacency) for moment in moments]
    by_edge = Normalize(0, max(float(np.max(edges)), np.finfo(float).tiny))
    by_sum = Normalize(float(np.min(sums)), max(float(np.max(sums)), np.finfo(float).tiny))
    figure = blank_figure(4.0 * len(moments) + 0.4, 5.2)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    panels = figure.subplots(1, len(moments), squeeze=False)[0]
    for axes, moment, weights, strengths in zip(panels, moments, edges, sums, strict=True):
        _draw_graph(axes, weights, strengths, by_edge, by_sum)
        axes.set_title(moment.words, fontsize=10, color=INK)
    for scale, colours, words in ((by_edge, EDGES, "weight of an edge"), (by_sum, NODES, "sum of an electrode's edges")):
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=list(panels), location="bottom", fraction=0.03, aspect=60)
        bar.set_label(words, fontsize=9, color=INK)
        bar.ax.tick_params(labelsize=8, colors=INK)
    return figure


def _draw_graph(
    axes: Axes, weights: NDArray[np.floating], strengths: NDArray[np.floating], by_edge: Normalize, by_sum: Normalize
) -> None:
    draw_outline(axes)
    place = flat_positions()
    order = np.argsort(weights)  # the strongest lie on top
    drawn = order[weights[order] > 0]
    lines = LineCollection([place[list(PAIRS[pair])] for pair in drawn], cmap=EDGES, norm=by_edge, zorder=2)
    lines.set_array(weights[drawn])
    lines.set_linewidth((WIDEST_PT * np.asarray(by_edge(weights[drawn]))).tolist())
    axes.add_collection(lines)
    axes.scatter(
        place[:, 0], place[:, 1], s=430, c=strengths, cmap=NODES, norm=by_sum, edgecolors=INK, linewidths=0.8, zorder=3
    )
    for name, (x, y), share in zip(ELECTRODES, place, np.asarray(by_sum(strengths)), strict=True):
        colour = "white" if share > DARK else INK
        axes.text(x, y, name, ha="center", va="center", fontsize=8, color=colour, zorder=4)
