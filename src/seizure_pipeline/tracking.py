"""Where a node's live metrics go: nodes report, the process they run in decides who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Sink = Callable[[Mapping[str, float], int], None]
_sinks: list[Sink] = []
_kept_elsewhere: list[bool] = []


def keep_elsewhere() -> None:
    """Say that this process runs a node for another one, which keeps the record of the run and prints its results."""
    _kept_elsewhere.append(True)


def kept_elsewhere() -> bool:
    """Whether another process keeps the record of the run."""
    return bool(_kept_elsewhere)


def listen(sink: Sink) -> None:
    """Send every later report to `sink` as well."""
    _sinks.append(sink)


def forget() -> None:
    """Send reports to nobody."""
    _sinks.clear()


def report(metrics: Mapping[str, float | None], step: int) -> None:
    """Report numbers that belong to `step` (an epoch); undefined ones are left out."""
    defined = {name: float(value) for name, value in metrics.items() if value is not None}
    for sink in _sinks:
        sink(defined, step)
