"""What all figures share: colours that the colour-blind and grey printers tell apart, sizes and clock ticks."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

# Okabe & Ito's palette; seizures and detections also differ in place and hatching.
SEIZURE = "#E69F00"
DETECTION = "#0072B2"
MODEL = "#0072B2"
CHANCE = "#7F7F7F"
INK = "#262626"
FAINT = "#BFBFBF"
OTHERS = ("#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#E69F00", "#882255", "#44AA99")
DASHES = ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
S_PER_MINUTE = 60
S_PER_HOUR = 3600


def blank_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that lays itself out."""
    return Figure(figsize=(width_in, height_in), dpi=110, layout="constrained", facecolor="white")


def tidy(axes: Axes) -> None:
    """Leave the left and lower frame only."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)


def show_clock(axes: Axes, span_s: float) -> None:
    """Label a time axis in seconds as h:mm:ss (or m:ss for less than an hour) from the start of the recording."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second, span_s >= S_PER_HOUR)))
    step_s = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800) if span_s / step <= 12), 3600)
    while span_s / step_s > 14:
        step_s *= 2
    axes.xaxis.set_major_locator(MultipleLocator(step_s))
    axes.set_xlabel("time from start (h:mm:ss)" if span_s >= S_PER_HOUR else "time from start (m:ss)")


def clock(second: float, with_hours: bool) -> str:
    """`second` as h:mm:ss or m:ss."""
    whole = round(second)
    sign, whole = ("-", -whole) if whole < 0 else ("", whole)
    minutes, rest = divmod(whole, S_PER_MINUTE)
    if not with_hours:
        return f"{sign}{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, S_PER_MINUTE)
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}"
