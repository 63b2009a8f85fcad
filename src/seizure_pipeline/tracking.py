"""Where a node's live metrics go: nodes report, the process they run in decides who listens.

Also which record of the run (MLflow's, by its id) is open, and which earlier one is to be gone on with.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)
PAUSE_S, AGAIN_S = 1.0, 30.0


class NotRecorded(RuntimeError):
    """Whoever keeps the record of the run does not take numbers now; told again later, none counts twice."""


Point = tuple[Mapping[str, float], int]
Sink = Callable[[Mapping[str, float], int], None]
StepSink = Callable[[Sequence[Point]], None]
_sinks: list[Sink] = []
_step_sinks: list[StepSink] = []
_measure_sinks: list[Sink] = []
_kept_elsewhere: list[bool] = []
_open: list[str] = []
_continued: list[str] = []


def keep_elsewhere() -> None:
    """Say that this process keeps no record of its run and prints no results: another one does, or nothing is run."""
    _kept_elsewhere.append(True)


def kept_elsewhere() -> bool:
    """Whether another process keeps the record of the run, or nobody."""
    return bool(_kept_elsewhere)


def go_on_with(run_id: str) -> None:
    """Ask for the record `run_id` of an earlier process to be reopened, instead of a new one."""
    _continued.append(run_id)


def continued() -> str | None:
    """The record that is to be reopened; None for a new one."""
    return _continued[-1] if _continued else None


def opened(run_id: str) -> None:
    """Say which record was opened."""
    _open.append(run_id)


def open_run() -> str | None:
    """The record that is open; None where none is kept."""
    return _open[-1] if _open else None


def listen(sink: Sink, measures: Sink | None = None, steps: StepSink | None = None) -> None:
    """Send every later report to `sink` as well, every measure to `measures`, and the numbers of steps to `steps`."""
    _sinks.append(sink)
    if steps is not None:
        _step_sinks.append(steps)
    if measures is not None:
        _measure_sinks.append(measures)


def forget() -> None:
    """Send reports to nobody; no record is open."""
    _sinks.clear()
    _step_sinks.clear()
    _measure_sinks.clear()
    _open.clear()


def report(metrics: Mapping[str, float | None], step: int) -> None:
    """Report numbers that belong to `step` (an epoch); undefined ones are left out."""
    defined = {name: float(value) for name, value in metrics.items() if value is not None}
    for sink in _sinks:
        sink(defined, step)


def report_steps(points: Sequence[Point]) -> None:
    """Report the numbers of some steps of a training, together: (numbers by name, steps so far) of each."""
    for sink in _step_sinks:
        sink(points)


class StepReports:
    """Reports steps from a thread of its own, so that no step waits for the record; a context manager.

    What the record does not take is told again with what follows. Leaving tells the rest, and raises NotRecorded where the
    record does not take that either; where an error leaves it, that is a warning."""

    def __init__(self) -> None:
        self._waiting: deque[Point] = deque()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._tell_until_left, name="steps", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()
        try:
            self._tell()
        except NotRecorded as untold:
            if kind is None:
                raise
            log.warning("%s", untold)

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        """Report the numbers of a step soon."""
        self._waiting.append((metrics, step))

    def _tell_until_left(self) -> None:
        pause_s = PAUSE_S
        while not self._left.wait(pause_s):
            try:
                self._tell()
                pause_s = PAUSE_S
            except NotRecorded as error:
                pause_s = AGAIN_S
                log.warning("the numbers of %d steps wait, and are told again: %s", len(self._waiting), error)

    def _tell(self) -> None:
        points = [self._waiting[place] for place in range(len(self._waiting))]
        if points:
            report_steps(points)
        for _ in points:
            self._waiting.popleft()


def measure(metrics: Mapping[str, float | None], number: int) -> None:
    """Report what a machine or its bill shows at a moment (`system/...`, `cost/...`); `number` grows, but is no epoch."""
    defined = {name: float(value) for name, value in metrics.items() if value is not None}
    for sink in _measure_sinks:
        sink(defined, number)
