"""Figures over recordings that come one by one and are forgotten: memory does not grow with their hours.

Scores are counted by value while there are few, and then everything is exact. When there are more than MOST_SCORES values,
neighbours are put into G = MOST_SCORES / 2 bins. No width is fixed, since none suits a network that is hardly trained and
one that is sure of everything: the place of a value is the mean of three shares, of the seizure tokens below it, of the
background tokens below it, and of the logarithm of the tokens above it (average precision weighs the first few), and a bin
takes 1/G of these places, or one value. It stands at its middle token and states the mean probability of its tokens. Later
values lie beside it; bins are made anew from all when values are too many again.

Ties within bins move AUROC by at most 3/(2 G) = 2.3e-5, since beside one value a bin holds at most 3/G of either class; a
bin across an edge of the reliability curve moves as little. A value that comes later may lie on the other side of a bin
than of some of its tokens, for which there is no such bound: all figures are held to 1e-4 of the exact ones by tests with
a quarter of the bins, for scores far apart and close together, in random order and in bad ones (measured on 25 million
tokens: benchmarks/streamed_metrics.py). With 600 seizure tokens in 1.2 million a quarter of the bins was off by 2e-4 in average
precision, all of them by 6e-6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seizure_pipeline.scoring.curve import OperatingCurve, recorded_hours
from seizure_pipeline.scoring.detections import PostProcessingSettings
from seizure_pipeline.scoring.events import ScoringError
from seizure_pipeline.scoring.ranks import Ladder, add_recording, alarm_ranks
from seizure_pipeline.scoring.samples import ScoreHistogram
from seizure_pipeline.scoring.traces import LARGEST_LOG_ODDS, STEPS_PER_LOG_ODD, Trace

MOST_SCORES = 1 << 17
WAITING_PER_SCORE = 4  # tokens that wait to be counted: sorting is the work, so the more of them the less of it


class StreamedScores:
    """Seizure and background tokens by their log odds; exact up to `most` distinct values, in bins beyond."""

    def __init__(self, most: int = MOST_SCORES) -> None:
        self._most = most
        self._value_S = np.zeros(0, np.float32)
        self._sums_3S = np.zeros((3, 0))  # of seizure tokens, background tokens, probability
        self._waiting: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        self._tokens_waiting = 0

    def add(self, log_odds_L: NDArray[np.float32], seizure_L: NDArray[np.bool_]) -> None:
        """Count the (L,) tokens of a recording; raises ScoringError for log odds that are NaN."""
        if unordered := int(np.isnan(log_odds_L).sum()):
            raise ScoringError(f"log odds of {unordered} of {log_odds_L.size} tokens are NaN; they have no order")
        self._waiting.append((log_odds_L, seizure_L))
        self._tokens_waiting += log_odds_L.size
        if self._tokens_waiting > WAITING_PER_SCORE * self._most:
            self._count()

    def histogram(self) -> ScoreHistogram:
        """Tokens by value or bin, ascending, each at the mean of its tokens' probabilities."""
        self._count()
        seizure_S, background_S, stated_S = self._sums_3S
        tokens_S = seizure_S + background_S
        return ScoreHistogram(stated_S / tokens_S, seizure_S.astype(np.int64), background_S.astype(np.int64))

    def _count(self) -> None:
        value_N = np.concatenate([self._value_S, *(log_odds_L for log_odds_L, _ in self._waiting)])
        seizure_L = np.concatenate([np.zeros(0, np.bool_), *(seizure_L for _, seizure_L in self._waiting)])
        stated_L = expit(value_N[self._value_S.size :].astype(np.float64))
        sums_3N = np.hstack([self._sums_3S, [seizure_L, ~seizure_L, stated_L]])
        self._value_S, place_N = np.unique(value_N, return_inverse=True)
        self._sums_3S = np.stack([np.bincount(place_N, weights=sums_N) for sums_N in sums_3N])
        self._waiting, self._tokens_waiting = [], 0
        if self._value_S.size > self._most:
            self._bin(self._most // 2)

    def _bin(self, bins: int) -> None:
        """Put neighbouring values into at most `bins` bins."""
        tokens_2S = self._sums_3S[:2]
        until_2S, n_2 = np.cumsum(tokens_2S, axis=1), tokens_2S.sum(axis=1)
        until_S, n = until_2S.sum(axis=0), n_2.sum()
        shares_2S = (until_2S - tokens_2S) / np.maximum(n_2, 1)[:, None]
        place_S = (shares_2S.sum(axis=0) + 1 - np.log1p(n - until_S) / np.log1p(n)) / 3
        first_G = np.flatnonzero(np.diff((place_S * bins).astype(np.int64), prepend=-1))
        before_G = (until_S - tokens_2S.sum(axis=0))[first_G]
        middle_G = np.searchsorted(until_S, (before_G + np.append(before_G[1:], n)) / 2)
        self._value_S = self._value_S[middle_G]
        self._sums_3S = np.add.reduceat(self._sums_3S, first_G, axis=1)


class StreamedCurve:
    """Counts at every point of `resolve`'s grid; `curve` keeps those that occurred: exactly `operating_curve`'s."""

    def __init__(self, settings: PostProcessingSettings) -> None:
        steps = round(LARGEST_LOG_ODDS * STEPS_PER_LOG_ODD)
        self._settings = settings
        self._scores_S = expit(np.arange(-steps, steps + 1) / STEPS_PER_LOG_ODD).astype(np.float32)
        self._thresholds_K = self._scores_S[::-1].astype(np.float64)
        self._ladder = Ladder.of(self._scores_S.astype(np.float64), self._thresholds_K, settings.off_ratio)
        self._occurs_S = np.zeros(len(self._scores_S), np.bool_)
        self._tp_step_K1, self._fp_step_K1 = np.zeros((2, len(self._scores_S) + 1), np.int32)
        self._seizures, self._hours = 0, 0.0

    def add(self, trace: Trace) -> None:
        """Count a recording; raises ScoringError for a probability that is not on the grid of `resolve`."""
        place_L = np.searchsorted(self._scores_S, trace.probability).astype(np.int32)
        if not np.array_equal(self._scores_S.take(place_L, mode="clip"), trace.probability):
            raise ScoringError(f"{trace.recording_id}: probabilities are streamed on the grid of `resolve`; some are not on it")
        self._occurs_S[place_L] = True
        rank_L = alarm_ranks(trace, place_L, self._ladder, self._settings)
        self._seizures += add_recording(trace, rank_L, self._tp_step_K1, self._fp_step_K1)
        self._hours += recorded_hours(trace)

    def curve(self) -> OperatingCurve:
        """The curve over the scores that occurred; raises ScoringError if there was no seizure to find."""
        if not self._seizures:
            raise ScoringError(f"no seizure in {self._hours:.1f} h of recordings; sensitivity is undefined")
        occurs_K = self._occurs_S[::-1]
        tp_K, fp_K = (np.cumsum(step_K1[:-1], dtype=np.int64)[occurs_K] for step_K1 in (self._tp_step_K1, self._fp_step_K1))
        return OperatingCurve(self._thresholds_K[occurs_K], tp_K, fp_K, self._seizures, self._hours)
