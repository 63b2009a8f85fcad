"""Figures over tokens, pooled over all recordings at the traces' own rate: AUROC and average precision.

All of them follow exactly from how many seizure and background tokens hold each distinct score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.places import PlacedTraces, place
from seizure_pipeline.scoring.traces import Trace


@dataclass(frozen=True, slots=True, eq=False)
class ScoreHistogram:
    """Tokens by distinct score, ascending: (S,) scores with (S,) counts of seizure and of background tokens."""

    scores: NDArray[np.float64]
    seizure: NDArray[np.int64]
    background: NDArray[np.int64]


def score_histogram(traces: Sequence[Trace]) -> ScoreHistogram:
    """Counts over all tokens of `traces`; a token is seizure if its middle lies within a reference event."""
    return pooled_histogram(place(traces))


def pooled_histogram(placed: PlacedTraces) -> ScoreHistogram:
    """As `score_histogram`, for traces whose scores are placed already."""
    seizure_S, background_S = np.zeros((2, len(placed.scores)), np.int64)
    for histogram in recording_histograms(placed):
        seizure_S += histogram.seizure
        background_S += histogram.background
    return ScoreHistogram(placed.scores, seizure_S, background_S)


def recording_histograms(placed: PlacedTraces) -> Iterator[ScoreHistogram]:
    """The histogram of each recording, all over the scores of all of them."""
    n_scores = len(placed.scores)
    for trace, place_L in placed:
        seizure_S = np.bincount(place_L[token_labels(trace)], minlength=n_scores)
        yield ScoreHistogram(placed.scores, seizure_S, np.bincount(place_L, minlength=n_scores) - seizure_S)


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
    below_S = np.cumsum(histogram.background) - histogram.background
    wins = np.sum(histogram.seizure * (below_S + histogram.background / 2.0))
    return float(wins / n_seizure / n_background)


def average_precision(histogram: ScoreHistogram) -> float | None:
    """Precision averaged over recall steps, without interpolation; None if there is no seizure token."""
    n_seizure = int(histogram.seizure.sum())
    if n_seizure == 0:
        return None
    seizure_S, all_S = histogram.seizure[::-1], (histogram.seizure + histogram.background)[::-1]
    tokens_S = np.maximum(np.cumsum(all_S), 1)  # no token at the highest scores: no step there either
    return float(np.sum(np.cumsum(seizure_S) / tokens_S * seizure_S) / n_seizure)
