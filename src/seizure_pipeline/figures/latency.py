"""How long after its onset a seizure is detected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from seizure_pipeline.figures.appearance import DETECTION, FAINT, INK, blank_figure, tidy

LEAST_MARGIN_S, MARGIN_SHARE = 3, 0.1  # of the axis beyond the latencies
LENGTH_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)


def latency_figure(length_s: Sequence[float], latency_s: Sequence[float], title: str = "") -> Figure:
    """Latency of each detected seizure against its length (logarithmic), with the median and the quartiles of all.

    On the dotted line a seizure is found at its end; below zero the detection began before the annotation."""
    figure = blank_figure(8.4, 4.4)
    axes = figure.subplots()
    tidy(axes)
    axes.set_xscale("log")
    low, high = min(length_s) / 1.3, max(length_s) * 1.3
    lengths = np.geomspace(low, high, 100)
    axes.plot(lengths, lengths, color=INK, lw=1, ls=":", label="end of the seizure")
    quartiles = np.percentile(latency_s, [25, 50, 75])
    axes.axhspan(quartiles[0], quartiles[2], fc="none", ec=FAINT, hatch="////", lw=0, label="quartiles", zorder=0)
    axes.axhline(quartiles[1], color=INK, lw=1.4, ls="--", label=f"median {quartiles[1]:.1f} s")
    axes.axhline(0, color=FAINT, lw=1)
    axes.plot(length_s, latency_s, "o", mfc=DETECTION, mec="white", ms=7, alpha=0.8, label="detected seizure")
    for place, dots in Counter(zip(length_s, latency_s, strict=True)).items():
        if dots > 1:
            axes.annotate(f"{dots} seizures", place, xytext=(7, 6), textcoords="offset points", fontsize=9, color=INK)
    ticks = [tick for tick in LENGTH_TICKS_S if low <= tick <= high]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: f"{second:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low, high)
    earliest_s, latest_s = min(*latency_s, 0), max(*latency_s, 0)
    beyond_s = max(LEAST_MARGIN_S, MARGIN_SHARE * (latest_s - earliest_s))
    axes.set_ylim(earliest_s - beyond_s, latest_s + beyond_s)
    axes.set_xlabel("length of the seizure (s)")
    axes.set_ylabel("latency (s)")
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return figure
