"""A check of the preparation: what was recorded, the electrodes that it became, and the power of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import CHANCE, DETECTION, INK, blank_figure, tidy
from seizure_pipeline.figures.head import draw_outline, flat_positions
from seizure_pipeline.figures.traces import nice, row_spacing
from seizure_pipeline.montage import ELECTRODES, ElectrodeMap, parse_label

EXCERPT_S = 10.0
SEGMENT_S = 4.0
LOWEST_SHOWN_HZ, HIGHEST_SHOWN_HZ = 0.25, 250.0


@dataclass(frozen=True)
class Rows:
    """Rows of EEG in microvolts, each (T,) at its own rate."""

    samples_uv: Sequence[NDArray[np.floating]]
    rates_hz: Sequence[float]

    def excerpt(self) -> Rows:
        """The first 10 s."""
        rows = zip(self.samples_uv, self.rates_hz, strict=True)
        return Rows([row_T[: int(EXCERPT_S * rate_hz)] for row_T, rate_hz in rows], self.rates_hz)


def montage_figure(labels: Sequence[str], electrode_map: ElectrodeMap, recorded: Rows, cached: Rows, title: str = "") -> Figure:
    """Head with recorded derivations as lines, 10 s of them beside 10 s of the 19 electrodes, and the power of both.

    `labels` are all of the recording's; `recorded` goes by `electrode_map.channels`, `cached` by the 19 electrodes as the
    detector sees them. Interpolated electrodes are open circles and dashed rows.
    """
    figure = blank_figure(17.0, 6.8)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    head, raw, mapped, power = figure.subplots(1, 4, width_ratios=[1.1, 1, 1, 0.8])
    used = [labels[channel] for channel in electrode_map.channels]
    _draw_head(head, used, electrode_map)
    before, after = recorded.excerpt(), cached.excerpt()
    spacing = max(_spacing(before), _spacing(after))
    _draw_rows(raw, before, used, spacing, dashed=())
    raw.set_title(f"recorded: {len(used)} derivations", fontsize=10, loc="left")
    _draw_rows(mapped, after, ELECTRODES, spacing, dashed=electrode_map.interpolated)
    mapped.set_title("cached: 19 electrodes, average reference, filtered", fontsize=10, loc="left")
    _draw_power(power, recorded, cached)
    return figure


def _draw_head(axes: Axes, used: Sequence[str], electrode_map: ElectrodeMap) -> None:
    place = dict(zip(ELECTRODES, flat_positions(), strict=True))
    draw_outline(axes)
    outside = 0
    for label in used:
        derivation = parse_label(label)
        ends = [name for name in (derivation.anode, derivation.cathode) if name in place] if derivation else []
        if len(ends) == 2:
            axes.plot(*np.stack([place[end] for end in ends]).T, color=CHANCE, lw=2, zorder=1)
        outside += derivation is not None and derivation.cathode is not None and len(ends) < 2
    for name, (x, y) in place.items():
        is_open = name in electrode_map.interpolated
        axes.scatter(x, y, s=430, fc="white" if is_open else DETECTION, ec=DETECTION, lw=1.6, zorder=2)
        axes.text(x, y, name, ha="center", va="center", fontsize=8, color=INK if is_open else "white", zorder=3)
    axes.set_title("lines: recorded derivations", fontsize=10, loc="left")
    axes.text(0, -1.3, _head_note(electrode_map, outside), ha="center", va="top", fontsize=9, color=INK)


def _head_note(electrode_map: ElectrodeMap, outside: int) -> str:
    missing = ", ".join(electrode_map.interpolated) or "none"
    note = f"interpolated (open): {missing}"
    return note + (f"\n{outside} derivations reach beyond the 19 (not drawn)" if outside else "")


def _spacing(rows: Rows) -> float:
    return float(np.median([row_spacing(row_T[None]) for row_T in rows.samples_uv]))


def _draw_rows(axes: Axes, rows: Rows, names: Sequence[str], spacing: float, dashed: Sequence[str]) -> None:
    tidy(axes)
    places = -spacing * np.arange(len(names))
    length_s = max(len(row_T) / rate_hz for row_T, rate_hz in zip(rows.samples_uv, rows.rates_hz, strict=True))
    for place, name, row_T, rate_hz in zip(places, names, rows.samples_uv, rows.rates_hz, strict=True):
        style = {"color": CHANCE, "ls": (0, (4, 1))} if name in dashed else {"color": INK, "ls": "-"}
        axes.plot(np.arange(len(row_T)) / rate_hz, row_T - np.median(row_T) + place, lw=0.6, **style)
    axes.set_yticks(places, names, fontsize=8.5)
    axes.tick_params(left=False)
    axes.set_ylim(places[-1] - 1.5 * spacing, 1.2 * spacing)
    axes.set_xlim(0, length_s)
    axes.set_xlabel("time (s)")
    height = nice(spacing)
    x = 1.02 * length_s
    axes.plot([x, x], places[-1] + np.asarray([-0.5, 0.5]) * height, color=INK, lw=2, clip_on=False)
    axes.text(x, places[-1] - 0.6 * height, f"{height:g} µV", ha="center", va="top", fontsize=8.5)


def _draw_power(axes: Axes, recorded: Rows, cached: Rows) -> None:
    """Welch's power of every row over all that was given (4 s segments), the rows' median drawn bold."""
    from scipy.signal import welch  # a third of a second, which every command would pay

    tidy(axes)
    for rows, colour, name in ((recorded, CHANCE, "recorded"), (cached, DETECTION, "cached")):
        by_rate: dict[float, list[NDArray[np.floating]]] = {}
        axis_hz: dict[float, NDArray[np.floating]] = {}
        for row_T, rate_hz in zip(rows.samples_uv, rows.rates_hz, strict=True):
            frequency_hz, density = welch(row_T, rate_hz, nperseg=min(len(row_T), round(SEGMENT_S * rate_hz)))
            shown = (frequency_hz >= LOWEST_SHOWN_HZ) & (frequency_hz <= HIGHEST_SHOWN_HZ)
            axes.loglog(frequency_hz[shown], density[shown], color=colour, lw=0.4, alpha=0.35)
            by_rate.setdefault(rate_hz, []).append(density[shown])
            axis_hz[rate_hz] = frequency_hz[shown]
        for rate_hz, densities in by_rate.items():
            label = f"{name}, {rate_hz:g} Hz"
            axes.loglog(axis_hz[rate_hz], np.median(densities, axis=0), color=colour, lw=2, label=label)
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("power (µV²/Hz)")
    axes.set_title("power of every row, and the median", fontsize=10, loc="left")
    axes.legend(fontsize=8.5, frameon=False, loc="lower left")
