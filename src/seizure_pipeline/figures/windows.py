"""Where the windows of a recording lie, and of what kind each is."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seizure_pipeline.figures.appearance import CHANCE, DETECTION, INK, OTHERS, SEIZURE, blank_figure, show_clock, tidy
from seizure_pipeline.scoring.events import Interval
from seizure_pipeline.windows import TOKEN_RATE_HZ, Kind, Layout, WindowSettings, kind_of, lay_windows, token_labels

COLOURS = {Kind.BACKGROUND: CHANCE, Kind.PARTIAL: OTHERS[0], Kind.FULL: DETECTION}


def windows_figure(layout: Layout, seizures: Sequence[Interval], settings: WindowSettings, title: str = "") -> Figure:
    """A bar for each window without its padding, one below the other; `seizures` and the axis in recorded time (s)."""
    ictal_L = token_labels(layout, tuple(seizures))
    laid = lay_windows(layout, settings)
    figure = blank_figure(11.5, min(1.6 + 0.16 * len(laid), 9.0))
    axes = figure.subplots()
    tidy(axes)
    bars: dict[Kind, list[tuple[int, Interval]]] = {kind: [] for kind in Kind}
    for place, window in enumerate(laid):
        first = layout.token_starts[window.stretch] + window.first_token
        kind = kind_of(ictal_L[first : first + window.valid_tokens], settings)
        bars[kind].append((place, (first / TOKEN_RATE_HZ, window.valid_tokens / TOKEN_RATE_HZ)))
    for kind, found in bars.items():
        for place, span in found:
            axes.broken_barh([span], (place - 0.37, 0.74), color=COLOURS[kind])
    for onset_s, offset_s in seizures:
        axes.axvspan(onset_s, offset_s, fc=SEIZURE, alpha=0.35, zorder=0)
    axes.set_xlim(0, layout.duration_s)
    axes.set_ylim(len(laid) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_ylabel(f"{len(laid)} windows")
    show_clock(axes, layout.duration_s)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    legend = [Patch(color=COLOURS[kind], label=f"{kind.name.lower()} ({len(found)})") for kind, found in bars.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(Kind), fontsize=9, frameon=False)
    return figure
