"""Compiled loops over tokens: hysteresis, merging and minimum duration in one pass, and counting at a threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.compiled import compiled


@compiled
def next_event(
    probability_L: NDArray[np.float32], begin: int, end: int, on: float, off: float, gap_tokens: int, least_tokens: int
) -> tuple[int, int]:
    """First event within tokens [begin, end) as (start, stop), or (end, end) if there is none.

    An event starts at probability >= on and lasts while >= off; it takes in the next one if at most `gap_tokens` lie
    between; it counts if it then has `least_tokens`. Going on from `stop` gives the next.
    """
    i = begin
    while True:
        while i < end and probability_L[i] < on:
            i += 1
        if i == end:
            return end, end
        start = i
        while True:
            while i < end and probability_L[i] >= off:
                i += 1
            reach = min(end, i + gap_tokens + 1)
            j = i
            while j < reach and probability_L[j] < on:
                j += 1
            if j == reach:
                break
            i = j
        if i - start >= least_tokens:
            return start, i


@compiled
def find_events(
    probability_L: NDArray[np.float32], bounds_S1: NDArray[np.int64], on: float, off: float, gap_tokens: int, least: int
) -> list[tuple[int, int]]:
    """Every event as (start, stop) in tokens, stretch by stretch; `bounds_S1` are the stretches' starts and the end."""
    events = []
    for stretch in range(len(bounds_S1) - 1):
        end = bounds_S1[stretch + 1]
        start, stop = next_event(probability_L, bounds_S1[stretch], end, on, off, gap_tokens, least)
        while start < end:
            events.append((start, stop))
            start, stop = next_event(probability_L, stop, end, on, off, gap_tokens, least)
    return events


@compiled
def mark_found(
    start_s: float,
    stop_s: float,
    onset_s_R: NDArray[np.float64],
    offset_s_R: NDArray[np.float64],
    found_R: NDArray[np.bool_],
) -> bool:
    """Whether the event overlaps any seizure; those that it overlaps are marked in `found_R`. Onsets are sorted."""
    hit = False
    for seizure in range(len(onset_s_R)):
        if onset_s_R[seizure] >= stop_s:
            break
        if offset_s_R[seizure] > start_s:
            found_R[seizure] = hit = True
    return hit


@compiled
def count_events(
    probability_L: NDArray[np.float32],
    bounds_S1: NDArray[np.int64],
    rate_hz: float,
    duration_s: float,
    onset_s_R: NDArray[np.float64],
    offset_s_R: NDArray[np.float64],
    on: float,
    off: float,
    gap_tokens: int,
    least_tokens: int,
) -> tuple[int, int]:
    """(seizures found, false alarms) of one recording at one threshold by any overlap, without building lists.

    An event that begins where the one before it ends (across a gap that was cut out) is one with it, as in all scoring.
    """
    found_R = np.zeros(len(onset_s_R), dtype=np.bool_)
    false_alarms, pending_start, pending_stop = 0, 0, 0
    for stretch in range(len(bounds_S1) - 1):
        end = bounds_S1[stretch + 1]
        start, stop = next_event(probability_L, bounds_S1[stretch], end, on, off, gap_tokens, least_tokens)
        while start < end:
            if start != pending_stop and pending_stop > 0:
                start_s, stop_s = min(pending_start / rate_hz, duration_s), min(pending_stop / rate_hz, duration_s)
                false_alarms += not mark_found(start_s, stop_s, onset_s_R, offset_s_R, found_R)
            if start != pending_stop or pending_stop == 0:
                pending_start = start
            pending_stop = stop
            start, stop = next_event(probability_L, stop, end, on, off, gap_tokens, least_tokens)
    if pending_stop > 0:
        start_s, stop_s = min(pending_start / rate_hz, duration_s), min(pending_stop / rate_hz, duration_s)
        false_alarms += not mark_found(start_s, stop_s, onset_s_R, offset_s_R, found_R)
    return found_R.sum(), false_alarms


@compiled
def add_counts(
    probability_L: NDArray[np.float32],
    bounds_S1: NDArray[np.int64],
    rate_hz: float,
    duration_s: float,
    onset_s_R: NDArray[np.float64],
    offset_s_R: NDArray[np.float64],
    on_K: NDArray[np.float64],
    off_K: NDArray[np.float64],
    gap_tokens: int,
    least_tokens: int,
    tp_K: NDArray[np.int64],
    fp_K: NDArray[np.int64],
) -> None:
    """Add one recording's counts at every threshold to `tp_K` and `fp_K`."""
    highest = probability_L.max()
    for k in range(len(on_K)):
        if on_K[k] <= highest:
            found, false_alarms = count_events(
                probability_L, bounds_S1, rate_hz, duration_s, onset_s_R, offset_s_R,
                on_K[k], off_K[k], gap_tokens, least_tokens,
            )  # fmt: skip
            tp_K[k] += found
            fp_K[k] += false_alarms
