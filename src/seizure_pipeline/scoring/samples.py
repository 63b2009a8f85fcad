"""Figures over tokens, pooled over all recordings at the traces' own rate: AUROC, average precision, calibration.

All of them follow exactly from how many seizure and background tokens hold each distinct score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.curve import distinct_scores
from seizure_pipeline.scoring.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Tokens by distinct score, ascending: (K,) scores with (K,) counts of seizure and of background tokens."""

    scores: NDArray[np.float64]
    seizure: NDArray[np.int64]
    background: NDArray[np.int64]


def score_histogram(traces: Sequence[Trace]) -> ScoreHistogram:
    """Counts over all tokens of `traces`; a token is seizure if its middle lies within a reference event."""
    scores_K = distinct_scores(traces)
    seizure_K, all_K = np.zeros(len(scores_K), np.int64), np.zeros(len(scores_K), np.int64)
    for trace in traces:
        place_L = np.searchsorted(scores_K, trace.probability)
        all_K += np.bincount(place_L, minlength=len(scores_K))
        seizure_K += np.bincount(place_L[token_labels(trace)], minlength=len(scores_K))
    return ScoreHistogram(scores_K.astype(np.float64), seizure_K, all_K - seizure_K)


def token_labels(trace: Trace) -> NDArray[np.bool_]:
    """(L,) whether the middle of each token lies within a reference event."""
    labels_L = np.zeros(len(trace.probability), dtype=np.bool_)
    middle_s_L = (np.arange(len(labels_L)) + 0.5) / trace.rate_hz
    for onset_s, offset_s in trace.reference:
        first, end = np.searchsorted(middle_s_L, (onset_s, offset_s))
        labels_L[first:end] = True
    return labels_L


def auroc(histogram: ScoreHistogram) -> float | None:
    """Chance that a seizure token scores above a background token, ties counted half; None if one kind is absent."""
    n_seizure, n_background = int(histogram.seizure.sum()), int(histogram.background.sum())
    if n_seizure == 0 or n_background == 0:
        return None
    below_K = np.cumsum(histogram.background) - histogram.background
    wins = np.sum(histogram.seizure * (below_K + histogram.background / 2.0))
    return float(wins / n_seizure / n_background)


def average_precision(histogram: ScoreHistogram) -> float | None:
    """Precision averaged over recall steps, without interpolation; None if there is no seizure token."""
    n_seizure = int(histogram.seizure.sum())
    if n_seizure == 0:
        return None
    seizure_K, all_K = histogram.seizure[::-1], (histogram.seizure + histogram.background)[::-1]
    return float(np.sum(np.cumsum(seizure_K) / np.cumsum(all_K) * seizure_K) / n_seizure)


def expected_calibration_error(histogram: ScoreHistogram, n_bins: int = 10) -> float:
    """Mean distance between stated probability and share of seizure tokens, over `n_bins` equal bins by tokens held."""
    bin_K = np.minimum((histogram.scores * n_bins).astype(np.int64), n_bins - 1)
    all_K = histogram.seizure + histogram.background
    stated = np.bincount(bin_K, weights=histogram.scores * all_K, minlength=n_bins)
    true = np.bincount(bin_K, weights=histogram.seizure, minlength=n_bins)
    return float(np.abs(stated - true).sum() / all_K.sum())
