"""Where a node's live metrics go: nodes report, the process they run in decides who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Sink = Callable[[Mapping[str, float], int], None]
_sinks: list[Sink] = []


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
