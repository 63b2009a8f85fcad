"""Compiled loops over tokens: detections at one threshold, and ranks and counts at all thresholds at once."""

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
    probability_L: NDArray[np.float32], bounds_C1: NDArray[np.int64], on: float, off: float, gap_tokens: int, least: int
) -> list[tuple[int, int]]:
    """Every event as (start, stop) in tokens, stretch by stretch; `bounds_C1` are the stretches' starts and the end."""
    events = []
    for stretch in range(len(bounds_C1) - 1):
        end = bounds_C1[stretch + 1]
        start, stop = next_event(probability_L, bounds_C1[stretch], end, on, off, gap_tokens, least)
        while start < end:
            events.append((start, stop))
            start, stop = next_event(probability_L, stop, end, on, off, gap_tokens, least)
    return events


@compiled
def lasting_ranks(
    place_L: NDArray[np.int32], on_S: NDArray[np.int32], off_S: NDArray[np.int32], never: int
) -> NDArray[np.int32]:
    """(L,) ranks after hysteresis: rank_i = min(on_i, max(rank_{i-1}, off_i)), `never` before the first token."""
    rank_L = np.empty(len(place_L), dtype=np.int32)
    rank = never
    for i in range(len(place_L)):
        rank = min(on_S[place_L[i]], max(rank, off_S[place_L[i]]))
        rank_L[i] = rank
    return rank_L


@compiled
def add_alarm_counts(
    rank_L: NDArray[np.int32],
    first_last_R2: NDArray[np.int64],
    tp_step_K1: NDArray[np.int32],
    fp_step_K1: NDArray[np.int32],
) -> None:
    """Add one recording's steps from threshold to threshold: seizures that become found, false alarms come and gone.

    Events at threshold k are the runs of tokens with rank <= k. Every run counts once where it begins, and those that
    overlap a seizure are taken off once: at the first place of a seizure within the run. A place is a token, or for a
    seizure without length two tokens together.
    """
    token_L = np.zeros(len(rank_L), dtype=np.bool_)
    pair_L = np.zeros(len(rank_L), dtype=np.bool_)
    for seizure in range(len(first_last_R2)):
        first, last = first_last_R2[seizure]
        if first <= last:
            token_L[first : last + 1] = True
            tp_step_K1[rank_L[first : last + 1].min()] += 1
        else:
            pair_L[first] = True
            tp_step_K1[rank_L[last : first + 1].max()] += 1
    before = never = len(tp_step_K1) - 1
    since_place = never
    for i in range(len(rank_L)):
        rank = rank_L[i]
        if rank < before:
            fp_step_K1[rank] += 1
            fp_step_K1[before] -= 1
        since_place = max(since_place, rank)
        if pair_L[i]:
            fp_step_K1[max(before, rank)] -= 1
            fp_step_K1[since_place] += 1
            since_place = max(before, rank)
        if token_L[i] and rank < since_place:
            fp_step_K1[rank] -= 1
            fp_step_K1[since_place] += 1
            since_place = rank
        before = rank
