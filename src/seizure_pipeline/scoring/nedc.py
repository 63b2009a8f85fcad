"""What the slow forms of the NEDC rules start from: a recording's labels from its start to its end, without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seizure_pipeline.scoring.events import Interval, nedc_time_s, ordered


@dataclass(frozen=True, slots=True)
class Segment:
    """A labelled piece of a recording, in seconds; background between events that overlap has a negative length."""

    start_s: float
    stop_s: float
    seizure: bool


def segments(events: Sequence[Interval], duration_s: float) -> list[Segment]:
    """Events and the background between them in NEDC's order.

    1. Times are rounded to 4 decimals and events sorted.
    2. Where a start differs from the running stop, background is inserted, of negative length if events overlap; so too
       between the last stop and `duration_s`.
    3. Events without background between them are joined.
    """
    result: list[Segment] = []
    running_stop_s, end_s = 0.0, nedc_time_s(duration_s)
    for start_s, stop_s in ordered([(nedc_time_s(start_s), nedc_time_s(stop_s)) for start_s, stop_s in events]):
        if start_s != running_stop_s:
            result.append(Segment(running_stop_s, start_s, seizure=False))
        result.append(Segment(start_s, stop_s, seizure=True))
        running_stop_s = stop_s
    if running_stop_s != end_s:
        result.append(Segment(running_stop_s, end_s, seizure=False))
    return _without_seams(result)


def _without_seams(filled: list[Segment]) -> list[Segment]:
    result: list[Segment] = []
    for segment in filled:
        if result and result[-1].seizure and segment.seizure:
            result[-1] = Segment(result[-1].start_s, segment.stop_s, seizure=True)
        else:
            result.append(segment)
    return result
