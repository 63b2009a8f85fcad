"""Seizures as intervals and as masks, and the error of annotations that break a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

BEYOND_END_S = 1.0  # annotation tools round a recording's length: up to here an offset is cut to the end

LONGEST_VALUE = 500  # a message shows no more of a damaged file


class AnnotationError(ValueError):
    """Annotations that are not read or written; the message names the file, the line, the value and the rule."""

    @classmethod
    def of(cls, where: str, value: str, rule: str) -> AnnotationError:
        """Error about `value` found at `where`, against `rule`."""
        shown = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
        return cls(f"{where}: {shown}; {rule}")


@dataclass(frozen=True, slots=True, order=True)
class Seizure:
    """One event, in seconds from the recording's start."""

    onset_s: float
    offset_s: float

    def __str__(self) -> str:
        return f"event from {self.onset_s} to {self.offset_s} s"

    def checked(self, where: str) -> Seizure:
        """The same event if it is possible in some recording; AnnotationError, naming `where`, if not."""
        self._check_place(where)
        if self.offset_s <= self.onset_s:
            raise AnnotationError.of(where, str(self), "an event ends after it begins")
        return self

    def in_order(self, where: str) -> Seizure:
        """As `checked`, but an event may end where it begins: scoring rules say what such an event counts."""
        self._check_place(where)
        if self.offset_s < self.onset_s:
            raise AnnotationError.of(where, str(self), "an event does not end before it begins")
        return self

    def _check_place(self, where: str) -> None:
        if not (math.isfinite(self.onset_s) and math.isfinite(self.offset_s)):
            raise AnnotationError.of(where, str(self), "times are finite numbers")
        if self.onset_s < 0:
            raise AnnotationError.of(where, str(self), "an event begins at or after the recording's start, 0 s")


@dataclass(frozen=True)
class Seizures(Sequence[Seizure]):
    """Events of one recording, sorted by onset; annotated seizures and detections alike. Touching events stay two."""

    events: tuple[Seizure, ...] = ()

    @classmethod
    def from_intervals(cls, intervals: Iterable[tuple[float, float]]) -> Seizures:
        """Events from (onset_s, offset_s) in any order; `checked` says whether they are possible."""
        return cls(tuple(sorted(Seizure(float(onset_s), float(offset_s)) for onset_s, offset_s in intervals)))

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_], rate_hz: float) -> Seizures:
        """Events from a mask (n_samples,): sample k covers [k, k + 1) / rate_hz. Undone by `to_mask`."""
        if mask.ndim != 1 or mask.dtype != np.bool_:
            raise AnnotationError.of("mask", f"{mask.dtype} {mask.shape}", "a mask is one row of booleans")
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)) / rate_hz
        return cls(tuple(Seizure(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)))

    @classmethod
    def union(cls, events: Iterable[Seizure]) -> Seizures:
        """The time that any of `events` covers; events that overlap or touch become one."""
        joined: list[Seizure] = []
        for event in sorted(events):
            if joined and event.onset_s <= joined[-1].offset_s:
                joined[-1] = Seizure(joined[-1].onset_s, max(joined[-1].offset_s, event.offset_s))
            else:
                joined.append(event)
        return cls(tuple(joined))

    def to_mask(self, n_samples: int, rate_hz: float) -> NDArray[np.bool_]:
        """Mask (n_samples,), True inside events; onsets and offsets go to the nearest sample edge.

        AnnotationError for an event more than one sample outside: the mask would lose part of it.
        """
        mask = np.zeros(n_samples, np.bool_)
        for event in self.events:
            first, stop = (math.floor(time_s * rate_hz + 0.5) for time_s in (event.onset_s, event.offset_s))
            if first < 0 or stop > n_samples + 1:
                rule = f"events lie inside the mask of {n_samples / rate_hz:g} s"
                raise AnnotationError.of("mask", str(event), rule)
            mask[first:stop] = True
        return mask

    def checked(self, duration_s: float, where: str) -> Seizures:
        """The same events if they are possible in a recording of `duration_s`, cut to its end by at most one second.

        AnnotationError, naming `where`, for an event that is not finite, begins before 0, ends before it begins,
        overlaps the next one (touching is none), or lies beyond the end by more than that second or altogether.
        """
        if not 0 < duration_s < math.inf:
            raise AnnotationError.of(where, f"recording of {duration_s} s", "its length is finite and above 0 s")
        for event in self.events:
            event.checked(where)
            if event.offset_s > duration_s + BEYOND_END_S or event.onset_s >= duration_s:
                rule = f"it lies inside the recording of {duration_s:g} s, or ends up to {BEYOND_END_S:g} s later"
                raise AnnotationError.of(where, str(event), rule)
        for event, following in pairwise(self.events):
            if following.onset_s < event.offset_s:
                raise AnnotationError.of(where, f"{event} and {following}", "events of one recording do not overlap")
        return Seizures(tuple(Seizure(event.onset_s, min(event.offset_s, duration_s)) for event in self.events))

    @overload
    def __getitem__(self, index: int) -> Seizure: ...
    @overload
    def __getitem__(self, index: slice) -> Seizures: ...
    def __getitem__(self, index: int | slice) -> Seizure | Seizures:
        return Seizures(self.events[index]) if isinstance(index, slice) else self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Seizure]:
        return iter(self.events)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotation file says about one recording.

    `types` are the file's own words for each seizure's type, in order, '' where it tells none; empty where it never does.
    `duration_s` is the recording's length, `start_s` the clock time of its first sample in seconds since midnight,
    `reach_s` the end of the last row where rows of seizure and background fill the recording; each is None where the
    file does not say."""

    seizures: Seizures
    duration_s: float | None = None
    start_s: int | None = None
    reach_s: float | None = None
    types: tuple[str, ...] = ()
