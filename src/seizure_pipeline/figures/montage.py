"""A check of the montage: what was recorded, and the electrodes that it was mapped to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import CHANCE, DETECTION, FAINT, INK, blank_figure, tidy
from seizure_pipeline.figures.traces import nice, row_spacing
from seizure_pipeline.montage import ELECTRODES, POSITIONS, ElectrodeMap, parse_label

EXCERPT_S = 10.0
RIM = 1.0  # radius at which an electrode of the outer ring of the 10-20 system is drawn


def montage_figure(
    labels: Sequence[str],
    electrode_map: ElectrodeMap,
    derivations_uv: NDArray[np.floating],
    electrodes_uv: NDArray[np.floating],
    rate_hz: float,
    title: str = "",
) -> Figure:
    """Head with recorded derivations as lines, and 10 s of them beside 10 s of the 19 electrodes.

    `labels` are all of the recording's; `derivations_uv` is (C, T) in the order of `electrode_map.channels`,
    `electrodes_uv` (19, T), both in microvolts. Interpolated electrodes are open circles and dashed rows.
    """
    figure = blank_figure(13.5, 6.8)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    head, raw, mapped = figure.subplots(1, 3, width_ratios=[1.1, 1, 1])
    used = [labels[channel] for channel in electrode_map.channels]
    _draw_head(head, used, electrode_map)
    n = int(EXCERPT_S * rate_hz)
    spacing = max(row_spacing(derivations_uv[:, :n]), row_spacing(electrodes_uv[:, :n]))
    _draw_rows(raw, derivations_uv[:, :n], used, rate_hz, spacing, dashed=())
    raw.set_title(f"recorded: {len(used)} derivations", fontsize=10, loc="left")
    _draw_rows(mapped, electrodes_uv[:, :n], ELECTRODES, rate_hz, spacing, dashed=electrode_map.interpolated)
    mapped.set_title("mapped: 19 electrodes, average reference", fontsize=10, loc="left")
    return figure


def flat_positions() -> NDArray[np.float64]:
    """(19, 2) positions seen from above: distance from the vertex in proportion to the angle, the outer ring at 1."""
    angle = np.arccos(np.clip(POSITIONS[:, 2], -1, 1))  # rounding can carry a unit vector past 1
    across = np.hypot(POSITIONS[:, 0], POSITIONS[:, 1])
    scale = RIM * angle / angle.max() / np.where(across > 0, across, 1)
    flat: NDArray[np.float64] = POSITIONS[:, :2] * scale[:, None]
    return flat


def _draw_head(axes: Axes, used: Sequence[str], electrode_map: ElectrodeMap) -> None:
    place = dict(zip(ELECTRODES, flat_positions(), strict=True))
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(1.18 * np.sin(turn), 1.18 * np.cos(turn), color=FAINT, lw=1.5)
    axes.plot([-0.12, 0, 0.12], [1.17, 1.31, 1.17], color=FAINT, lw=1.5)
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
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title("lines: recorded derivations", fontsize=10, loc="left")
    axes.text(0, -1.3, _head_note(electrode_map, outside), ha="center", va="top", fontsize=9, color=INK)


def _head_note(electrode_map: ElectrodeMap, outside: int) -> str:
    missing = ", ".join(electrode_map.interpolated) or "none"
    note = f"interpolated (open): {missing}"
    return note + (f"\n{outside} derivations reach beyond the 19 (not drawn)" if outside else "")


def _draw_rows(
    axes: Axes, x_CT: NDArray[np.floating], names: Sequence[str], rate_hz: float, spacing: float, dashed: Sequence[str]
) -> None:
    tidy(axes)
    times_s = np.arange(x_CT.shape[1]) / rate_hz
    rows = -spacing * np.arange(len(x_CT))
    for row, name, x_T in zip(rows, names, x_CT, strict=True):
        style = {"color": CHANCE, "ls": (0, (4, 1))} if name in dashed else {"color": INK, "ls": "-"}
        axes.plot(times_s, x_T - np.median(x_T) + row, lw=0.6, **style)
    axes.set_yticks(rows, names, fontsize=8.5)
    axes.tick_params(left=False)
    axes.set_ylim(rows[-1] - 1.5 * spacing, 1.2 * spacing)
    axes.set_xlim(0, times_s[-1])
    axes.set_xlabel("time (s)")
    height = nice(spacing)
    x = 1.02 * times_s[-1]
    axes.plot([x, x], rows[-1] + np.asarray([-0.5, 0.5]) * height, color=INK, lw=2, clip_on=False)
    axes.text(x, rows[-1] - 0.6 * height, f"{height:g} µV", ha="center", va="top", fontsize=8.5)
