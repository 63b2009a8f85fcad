"""Where a node's live metrics go: nodes report, the process they run in decides who listens.

Also which record of the run (MLflow's, by its id) is open, and which earlier one is to be gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


class NotRecorded(RuntimeError):
    """Whoever keeps the record of the run does not take numbers now; told again later, none counts twice."""


Sink = Callable[[Mapping[str, float], int], None]
_sinks: list[Sink] = []
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


def listen(sink: Sink, measures: Sink | None = None) -> None:
    """Send every later report to `sink` as well, and every measure to `measures`."""
    _sinks.append(sink)
    if measures is not None:
        _measure_sinks.append(measures)


def forget() -> None:
    """Send reports to nobody; no record is open."""
    _sinks.clear()
    _measure_sinks.clear()
    _open.clear()


def report(metrics: Mapping[str, float | None], step: int) -> None:
    """Report numbers that belong to `step` (an epoch); undefined ones are left out."""
    defined = {name: float(value) for name, value in metrics.items() if value is not None}
    for sink in _sinks:
        sink(defined, step)


def measure(metrics: Mapping[str, float | None], number: int) -> None:
    """Report what a machine or its bill shows at a moment (`system/...`, `cost/...`); `number` grows, but is no epoch."""
    defined = {name: float(value) for name, value in metrics.items() if value is not None}
    for sink in _measure_sinks:
        sink(defined, number)
