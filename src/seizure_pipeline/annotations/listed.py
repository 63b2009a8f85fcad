"""The seizure rows of a file as they stand, for whoever scores them: order, overlaps and touching are the scorer's business."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seizure_pipeline.annotations.seizures import BEYOND_END_S, AnnotationError, Seizure

ListedEvent = tuple[int, Seizure]
"""Number of the line in its file, from 1, and the event there."""


@dataclass(frozen=True, slots=True)
class ListedEvents:
    """Events of one file in the file's order, and the recording's length where the file says it.

    They may come in any order, touch, overlap, lie in one another, occur twice or last no time at all. None of them is
    infinite or not a number, begins before 0 or ends before it begins."""

    events: tuple[ListedEvent, ...]
    duration_s: float | None

    @classmethod
    def of(cls, events: Iterable[ListedEvent], duration_s: float | None, where: str) -> ListedEvents:
        """The events of the file `where`, checked; AnnotationError, naming file and line, for one that cannot be."""
        listed = tuple(events)
        for line, event in listed:
            event.in_order(f"{where}, line {line}")
        if duration_s is not None and not 0 < duration_s < math.inf:
            raise AnnotationError.of(where, f"recording of {duration_s} s", "its length is finite and above 0 s")
        return cls(listed, duration_s)

    def within(self, duration_s: float, where: str) -> list[tuple[float, float]]:
        """(onset, offset) in s of every event in a recording of `duration_s`, in the file's order.

        An offset up to 1 s past the end is cut to it, since tools round lengths; timescoring's masks end there too.
        AnnotationError, naming file and line, for a later one (for which NEDC's scorers die) and for an event that lies
        past the end altogether."""
        for line, event in self.events:
            if event.onset_s >= duration_s < event.offset_s or event.offset_s > duration_s + BEYOND_END_S:
                rule = f"it lies inside the recording of {duration_s:g} s, or ends up to {BEYOND_END_S:g} s later"
                raise AnnotationError.of(f"{where}, line {line}", str(event), rule)
        return [(event.onset_s, min(event.offset_s, duration_s)) for _, event in self.events]
