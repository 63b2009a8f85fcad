"""One recording as a neurologist reads it: EEG page, probability beside it, and the whole recording below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import DETECTION, FAINT, INK, SEIZURE, blank_figure, show_clock, tidy
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.scoring.events import Interval

MOST_POINTS = 4000  # more than a page has dots across
STRIP = (-0.15, -0.06)  # where detections are drawn, below probability 0


@dataclass(frozen=True, slots=True, eq=False)
class EegPage:
    """A piece of EEG to show: `signal` (C, T) in `unit`, starting `start_s` from the start of the recording.

    Time is the recording's clock: a page over a gap holds NaN where nothing was recorded.
    """

    start_s: float
    rate_hz: float
    signal: NDArray[np.floating]
    unit: str = "µV"
    electrodes: Sequence[str] = ELECTRODES

    @property
    def end_s(self) -> float:
        """End of the page in seconds from the start of the recording."""
        return self.start_s + float(self.signal.shape[1]) / self.rate_hz


def trace_figure(
    times_s: NDArray[np.floating],
    probability: NDArray[np.floating],
    threshold: float | None,
    reference: Sequence[Interval],
    detections: Sequence[Interval],
    page: EegPage | None = None,
    title: str = "",
) -> Figure:
    """Probability over the whole recording, with an EEG page and the probability under it if `page` is given.

    `times_s` are the (L,) starts of the tokens in the recording's clock; where they jump, a gap is left blank.
    `reference` and `detections` are (onset, offset) in the same clock.
    """
    figure = blank_figure(11.5, 3.4 if page is None else 10.5)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left")
    if page is None:
        whole = figure.subplots()
    else:
        eeg, near, whole = figure.subplots(3, 1, height_ratios=[6.2, 1.3, 1.6])
        _draw_page(eeg, page, reference, detections)
        near.sharex(eeg)
        _draw_probability(near, times_s, probability, threshold, reference, detections, (page.start_s, page.end_s))
        show_clock(near, page.end_s - page.start_s)
        whole.axvspan(page.start_s, page.end_s, fc="none", ec=INK, lw=1.2, zorder=6, label="page above")
    _draw_probability(whole, times_s, probability, threshold, reference, detections, None)
    span_s = float(times_s[-1] - times_s[0])
    whole.set_xlim(times_s[0] - 0.005 * span_s, times_s[-1] + 0.005 * span_s)
    show_clock(whole, span_s)
    figure.legend(*whole.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    return figure


def eeg_figure(page: EegPage, reference: Sequence[Interval], title: str = "") -> Figure:
    """A page of EEG with the seizures (onset, offset) of the recording's clock that lie in it."""
    figure = blank_figure(11.5, 6.8)
    axes = figure.subplots()
    _draw_page(axes, page, reference, ())
    axes.tick_params(labelbottom=True)
    show_clock(axes, page.end_s - page.start_s)
    axes.set_title(title, fontsize=11, color=INK, loc="left")
    return figure


def _draw_probability(
    axes: Axes,
    times_s: NDArray[np.floating],
    probability: NDArray[np.floating],
    threshold: float | None,
    reference: Sequence[Interval],
    detections: Sequence[Interval],
    limits_s: Interval | None,
) -> None:
    tidy(axes)
    shown = np.ones(len(times_s), bool) if limits_s is None else (times_s >= limits_s[0]) & (times_s < limits_s[1])
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    _shade(axes, reference, limits_s, label="seizure (annotated)")
    axes.plot(*with_gaps(times_s[shown], probability[shown], step_s), color=INK, lw=0.9, label="probability")
    if threshold is not None:
        axes.axhline(threshold, color=DETECTION, lw=1, ls="--", label=f"threshold {threshold:.3g}")
    for i, (onset_s, offset_s) in enumerate(_inside(detections, limits_s)):
        box = {"fc": DETECTION, "ec": DETECTION, "lw": 1.2, "label": None if i else "detection"}
        axes.fill_between([onset_s, offset_s], *STRIP, **box)  # type: ignore[arg-type]
    axes.axhline(0, color=FAINT, lw=0.6)
    axes.set_ylim(STRIP[0] - 0.03, 1.03)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability")


def _draw_page(axes: Axes, page: EegPage, reference: Sequence[Interval], detections: Sequence[Interval]) -> None:
    tidy(axes)
    limits_s = (page.start_s, page.end_s)
    times_s = page.start_s + np.arange(page.signal.shape[1]) / page.rate_hz
    spacing = row_spacing(page.signal)
    rows = -spacing * np.arange(len(page.signal))
    _shade(axes, reference, limits_s, label=None)
    for onset_s, offset_s in _inside(detections, limits_s):
        axes.fill_between([onset_s, offset_s], spacing * 0.95, spacing * 1.25, color=DETECTION)
    for row, signal_T in zip(rows, page.signal, strict=True):
        axes.plot(times_s, signal_T - np.nanmedian(signal_T) + row, color=INK, lw=0.55)
    axes.set_yticks(rows, page.electrodes, fontsize=9)
    axes.set_ylim(rows[-1] - 1.4 * spacing, 1.35 * spacing)
    axes.set_xlim(*limits_s)
    axes.tick_params(labelbottom=False, left=False)
    _draw_scale_bar(axes, spacing, page)


def _draw_scale_bar(axes: Axes, spacing: float, page: EegPage) -> None:
    height = nice(spacing)
    x = page.end_s + 0.012 * (page.end_s - page.start_s)
    top = -spacing * (len(page.signal) - 1)
    axes.plot([x, x], [top - height / 2, top + height / 2], color=INK, lw=2, clip_on=False)
    axes.text(
        x, top + 0.7 * height, f"{height:g} {page.unit}", fontsize=9, ha="center", va="bottom",
        bbox={"fc": "white", "ec": "none", "pad": 1.0},
    )  # fmt: skip


def row_spacing(signal_CT: NDArray[np.floating]) -> float:
    """Distance between rows of EEG: six times the typical electrode's spread, so that most of a seizure stays apart."""
    deviation_CT = np.abs(signal_CT - np.nanmedian(signal_CT, axis=1, keepdims=True))
    spread = float(np.median(np.nanmedian(deviation_CT, axis=1)))
    return 6.0 * 1.4826 * spread if spread > 0 else 1.0


def nice(value: float) -> float:
    """Largest of 1, 2, 5 times a power of ten that is at most `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))


def with_gaps(
    times_s: NDArray[np.floating], values: NDArray[np.floating], step_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points to draw: thinned to the highest of each run where there are too many, and broken where time jumps."""
    pieces_t: list[NDArray[np.float64]] = []
    pieces_v: list[NDArray[np.float64]] = []
    run = -(-len(times_s) // MOST_POINTS) or 1
    cuts = np.flatnonzero(np.diff(times_s) > 1.5 * step_s) + 1
    for t, v in zip(np.split(times_s, cuts), np.split(values, cuts), strict=True):
        starts = np.arange(0, len(t), run)
        if len(starts):
            pieces_t += [t[starts].astype(np.float64), np.asarray([t[-1] + step_s])]
            pieces_v += [np.maximum.reduceat(v, starts).astype(np.float64), np.asarray([np.nan])]
    return np.concatenate([np.empty(0), *pieces_t]), np.concatenate([np.empty(0), *pieces_v])


def _shade(axes: Axes, events: Sequence[Interval], limits_s: Interval | None, label: str | None) -> None:
    for i, (onset_s, offset_s) in enumerate(_inside(events, limits_s)):
        axes.axvspan(onset_s, offset_s, fc=SEIZURE, ec=SEIZURE, lw=1.0, alpha=0.35, zorder=0, label=None if i else label)


def _inside(events: Sequence[Interval], limits_s: Interval | None) -> list[Interval]:
    if limits_s is None:
        return list(events)
    begin_s, end_s = limits_s
    clipped = ((max(onset_s, begin_s), min(offset_s, end_s)) for onset_s, offset_s in events)
    return [(onset_s, offset_s) for onset_s, offset_s in clipped if onset_s < offset_s]
