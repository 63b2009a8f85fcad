"""At which threshold each token becomes alarmed: post-processing at all thresholds at once.

With thresholds t_0 > t_1 > ... a token's rank is the first k at which it is alarmed, or K if none. Each step of the
post-processing maps ranks to ranks, because a lower threshold never takes an alarmed token away:

1. Hysteresis: token i is alarmed at t if p_i >= t, or if p_i >= off_ratio t and i - 1 is alarmed. So
   rank_i = min(on_i, max(rank_{i-1}, off_i)), with on_i and off_i the first k with t_k <= p_i and off_ratio t_k <= p_i.
2. Merging fills gaps of at most g tokens: a grey-scale closing by g + 1 tokens.
3. Dropping events of fewer than m tokens: a grey-scale opening by m tokens.

Opening and closing: Serra (1982), Image Analysis and Mathematical Morphology, ch. 12.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.detections import PostProcessingSettings, stretch_bounds, token_limits
from seizure_pipeline.scoring.events import joined, nedc_time_s
from seizure_pipeline.scoring.kernels import add_alarm_counts, lasting_ranks
from seizure_pipeline.scoring.places import Places
from seizure_pipeline.scoring.traces import Trace

Ranks = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """For each of S scores the first of K descending thresholds that starts an event there, and that keeps one going."""

    never: int
    on: Ranks
    off: Ranks

    @classmethod
    def of(cls, scores_S: NDArray[np.float64], thresholds_K: NDArray[np.float64], off_ratio: float) -> Ladder:
        """The ladder of `scores_S`; a score that no threshold reaches has rank K."""
        return cls(
            len(thresholds_K), _first_at_most(thresholds_K, scores_S), _first_at_most(off_ratio * thresholds_K, scores_S)
        )


def alarm_ranks(trace: Trace, place_L: Places, ladder: Ladder, settings: PostProcessingSettings) -> Ranks:
    """(L,) rank of each token's alarm, each stretch on its own; `ladder.never` where no threshold alarms it.

    Of the tokens that take no time, because the recording ends before, only the one with the lowest rank is kept.
    """
    limits = token_limits(settings, trace.rate_hz)
    stretches = []
    for begin, end in pairwise(stretch_bounds(trace)):
        lasting_L = lasting_ranks(place_L[begin:end], ladder.on, ladder.off, ladder.never)
        stretches.append(_opened(_closed(lasting_L, limits.gap, ladder.never), limits.least, ladder.never))
    rank_L = np.concatenate(stretches)
    n_tokens, end_s = len(rank_L), nedc_time_s(trace.duration_s)
    inside = bisect_left(range(n_tokens), end_s, key=lambda token: _edge_s(trace, token))
    return rank_L if inside == n_tokens else np.append(rank_L[:inside], rank_L[inside:].min())


def add_recording(trace: Trace, rank_L: Ranks, tp_step_K1: NDArray[np.int32], fp_step_K1: NDArray[np.int32]) -> int:
    """Add what each threshold adds to found seizures and false alarms of one recording (any overlap); number of seizures.

    Cumulative sums over the steps are the counts; the last step belongs to no threshold. Times are NEDC's, to 4 decimals.
    """
    seizures = joined(trace.reference)
    places = [_place(trace, len(rank_L), *seizure) for seizure in seizures]
    first_last_R2 = np.asarray([place for place in places if place], dtype=np.int64).reshape(-1, 2)
    add_alarm_counts(rank_L, first_last_R2, tp_step_K1, fp_step_K1)
    return len(seizures)


def _place(trace: Trace, n_tokens: int, onset_s: float, offset_s: float) -> tuple[int, int] | None:
    """First token that ends after the onset, last that starts before the offset: an event [s, e) of tokens overlaps the
    seizure if s <= last and e > first. None if none can. The last is before the first for a seizure without length that
    lies between two tokens."""
    tokens = range(n_tokens)
    first = bisect_right(tokens, onset_s, key=lambda token: _edge_s(trace, token + 1))
    last = bisect_left(tokens, offset_s, key=lambda token: _edge_s(trace, token)) - 1
    return (first, last) if last >= 0 and first < n_tokens else None


def _edge_s(trace: Trace, token: int) -> float:
    return nedc_time_s(min(token / trace.rate_hz, trace.duration_s))


def _first_at_most(descending_K: NDArray[np.float64], values_S: NDArray[np.float64]) -> Ranks:
    n_at_most_S = np.searchsorted(descending_K[::-1], values_S, side="right")
    return (len(descending_K) - n_at_most_S).astype(np.int32)


def _closed(rank_L: Ranks, gap_tokens: int, never: int) -> Ranks:
    if gap_tokens == 0:
        return rank_L
    padded_L = np.pad(rank_L, gap_tokens, constant_values=never)
    return _sliding(np.maximum, _sliding(np.minimum, padded_L, gap_tokens + 1), gap_tokens + 1)


def _opened(rank_L: Ranks, least_tokens: int, never: int) -> Ranks:
    if len(rank_L) < least_tokens:
        return np.full_like(rank_L, never)
    shrunk_L = np.pad(_sliding(np.maximum, rank_L, least_tokens), least_tokens - 1, constant_values=never)
    return _sliding(np.minimum, shrunk_L, least_tokens)


def _sliding(extreme: np.ufunc, values_L: Ranks, width: int) -> Ranks:
    """(L - width + 1,) minimum or maximum over every window of `width` tokens, by doubling."""
    span = 1
    while 2 * span <= width:
        values_L = extreme(values_L[:-span], values_L[span:])
        span *= 2
    rest = width - span
    return values_L if rest == 0 else extreme(values_L[:-rest], values_L[rest:])
