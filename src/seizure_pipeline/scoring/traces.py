"""Probability over time for one recording, with the truth beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from seizure_pipeline.scoring.events import Interval, ScoringError, check_events

STEPS_PER_LOG_ODD = 32
LARGEST_LOG_ODDS = 12.0  # beyond it float32 cannot tell neighbours on the grid apart near probability 1


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Probability of seizure for each token of one recording, in recorded time (gaps cut out).

    `probability` is (L,) float32 in [0, 1]; token i covers [i, i + 1) / rate_hz seconds and the last may be cut short
    by `duration_s`. `stretch_starts` are the tokens at which a contiguous stretch begins, the first being 0.
    `reference` holds the true seizures as (onset, offset) in seconds. Raises ScoringError for anything else.
    """

    recording_id: str
    patient_id: str
    rate_hz: float
    probability: NDArray[np.float32]
    duration_s: float
    stretch_starts: tuple[int, ...] = (0,)
    reference: tuple[Interval, ...] = ()

    def __post_init__(self) -> None:
        check_events(self.reference, self.duration_s, f"{self.recording_id}, reference")
        self._check_probability()
        self._check_stretches()

    def _check_probability(self) -> None:
        p_L = self.probability
        if p_L.ndim != 1 or p_L.dtype != np.float32 or len(p_L) == 0:
            raise ScoringError(f"{self.recording_id}: trace of {p_L.dtype} {p_L.shape}; a trace is float32 (L,), L > 0")
        outside_L = ~((p_L >= 0) & (p_L <= 1))
        if outside_L.any():
            first = int(np.argmax(outside_L))
            raise ScoringError(f"{self.recording_id}: {p_L[first]} at token {first}; a probability is within 0 and 1")

    def _check_stretches(self) -> None:
        starts, n_tokens = self.stretch_starts, len(self.probability)
        ascending = all(before < after for before, after in pairwise((*starts, n_tokens)))
        if not starts or starts[0] != 0 or not ascending:
            raise ScoringError(f"{self.recording_id}: stretches start at {starts}; they ascend from 0 below {n_tokens}")
        if abs(n_tokens / self.rate_hz - self.duration_s) > len(starts) / self.rate_hz:
            rule = "they differ by at most one token a stretch"
            raise ScoringError(f"{self.recording_id}: {n_tokens} tokens at {self.rate_hz} Hz for {self.duration_s} s; {rule}")

    def stretches(self) -> list[tuple[int, int]]:
        """First token and end (exclusive) of each contiguous stretch."""
        return list(pairwise((*self.stretch_starts, len(self.probability))))


def resolve(probability: NDArray[np.floating]) -> NDArray[np.float32]:
    """`probability` moved to the nearest point of the grid on which thresholds lie: 1/32 in log odds, from -12 to 12.

    Traces so resolved hold at most 769 distinct scores, so that each of them can be tried as a threshold.
    Raises ScoringError for a value outside [0, 1] or NaN.
    """
    if not bool(np.all((probability >= 0) & (probability <= 1))):
        raise ScoringError("a probability lies outside 0 and 1 or is NaN; the model's output is at fault")
    log_odds = logit(probability.astype(np.float64))
    steps = np.rint(np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS) * STEPS_PER_LOG_ODD)
    resolved: NDArray[np.float32] = expit(steps / STEPS_PER_LOG_ODD).astype(np.float32)
    return resolved
