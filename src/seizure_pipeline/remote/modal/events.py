"""A call's events as they come home: live from a queue that may lose some, and late but complete from a file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from seizure_pipeline.remote.records import Event

LOOK_S = 5.0  # between two looks at whether the file holds what the queue left out
QUIET_S = 30.0  # without live events, after which the line may be broken or heard by somebody else, and the file tells


@dataclass
class Heard:
    """Events of one call that were heard and not yet handed out.

    What the file holds is settled: a number below its last one that nobody has is lost for good, with the machine that died
    before it wrote it. Beyond the file's last number a gap is waited for."""

    _events: dict[int, Event] = field(default_factory=dict)
    _settled: int = 0
    _looked_s: float = float("-inf")
    _live_s: float = float("-inf")

    def add(self, events: Iterable[Event]) -> None:
        """Keep live events."""
        live = {event.number: event for event in events}
        if live:
            self._live_s = time.monotonic()
        self._events |= live

    def read(self, events: Iterable[Event]) -> None:
        """Keep what the file holds."""
        self._looked_s = time.monotonic()
        kept = {event.number: event for event in events}
        self._events |= kept
        self._settled = max(kept, default=0)

    def ready(self, after: int) -> list[Event]:
        """Events beyond `after` in their order, up to the first gap that the file has not settled."""
        found, last = [], after
        for event in self.everything(after):
            if event.number > max(last + 1, self._settled):
                break
            found.append(event)
            last = event.number
        return found

    def everything(self, after: int) -> list[Event]:
        """All events beyond `after` in their order; those before are forgotten."""
        self._events = {number: event for number, event in self._events.items() if number > after}
        return [self._events[number] for number in sorted(self._events)]

    def is_due(self) -> bool:
        """Whether the file may be looked at again."""
        return time.monotonic() - self._looked_s > LOOK_S

    def is_quiet(self) -> bool:
        """Whether nothing was heard live for so long, or ever, that the file is to be looked at."""
        return time.monotonic() - max(self._looked_s, self._live_s) > QUIET_S


def lines_of(text: str) -> list[Event]:
    """The events of a file; the last line may be cut, where a machine died while it wrote."""
    events = []
    for line in text.splitlines():
        try:
            events.append(Event.from_json(line))
        except ValueError:
            continue
    return events
