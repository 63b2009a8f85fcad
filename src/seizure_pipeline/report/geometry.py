"""Places on a page: seconds to pixels, ticks of a clock, and a trace thinned to the width it is drawn at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import S_PER_HOUR, clock

STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
MOST_TICKS = 13
LEAST_WIDTH = 1.5  # pixels: an event of seconds in a recording of hours stays visible


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """What is seen of an event on a time axis."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Seconds of a file's clock from `start_s` to `end_s` over `width` pixels from `left` on."""

    start_s: float
    end_s: float
    left: float
    width: float

    def x(self, second: float) -> float:
        """Pixel of a time, to a tenth."""
        return round(self.left + (second - self.start_s) / (self.end_s - self.start_s) * self.width, 1)

    def holds(self, onset_s: float, offset_s: float) -> bool:
        """Whether any of an event is seen."""
        return onset_s < self.end_s and offset_s > self.start_s

    def box(self, kind: str, onset_s: float, offset_s: float) -> Box:
        """What is seen of an event."""
        begin, end = self.x(max(onset_s, self.start_s)), self.x(min(offset_s, self.end_s))
        return Box(kind, begin, round(max(end - begin, LEAST_WIDTH), 1))

    def ticks(self) -> list[Tick]:
        """Round times as h:mm:ss or m:ss."""
        step = tick_step_s(self.end_s - self.start_s)
        first = int(np.ceil(self.start_s / step))
        times = [i * step for i in range(first, int(self.end_s // step) + 1)]
        return [Tick(self.x(time), clock(time, self.end_s >= S_PER_HOUR)) for time in times]


def tick_step_s(span_s: float) -> int:
    """Smallest round step that gives few enough ticks."""
    return next((step for step in STEPS_S if span_s / step <= MOST_TICKS), STEPS_S[-1])


def thinned(times_s: NDArray[np.float64], values: NDArray[np.float32], axis: TimeAxis, top: float, height: float) -> list[str]:
    """Polylines of values from 0 (below) to 1 (above) over `axis`: the highest value of each pixel, broken where none is."""
    column = np.floor((times_s - axis.start_s) / (axis.end_s - axis.start_s) * axis.width).astype(np.int64)
    inside = (column >= 0) & (column < axis.width)
    highest = np.full(round(axis.width), np.nan)
    np.fmax.at(highest, column[inside], values[inside])
    filled = np.flatnonzero(~np.isnan(highest))
    # tokens may lie further apart than pixels: only a hole wider than that is a gap
    widest = max(np.median(np.diff(filled)) * 3, 2) if len(filled) > 1 else 2
    pieces = np.split(filled, np.flatnonzero(np.diff(filled) > widest) + 1)
    return [_polyline((axis.left + x, top + height * (1 - highest[x])) for x in piece) for piece in pieces if len(piece)]


def _polyline(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:.1f}" for x, y in points)
