"""AUROC, average precision and calibration of 435 h of log odds, streamed by recording, beside scikit-learn on all of them.

usage: python benchmarks/streamed_metrics.py

25 million tokens at 16 Hz in 1832 recordings, made one by one from a seed, so that neither side is handed them in memory:
scikit-learn's side gathers them first, as it must. Each side runs in a process of its own, whose peak memory is its own;
the time is of adding and computing, without making the log odds. Errors are those against scikit-learn.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from seizure_pipeline.scoring.calibration import brier_score, expected_calibration_error
from seizure_pipeline.scoring.samples import auroc, average_precision
from seizure_pipeline.scoring.streamed import StreamedScores

HOURS, RECORDINGS, RATE_HZ = 435.5, 1832, 16
TOKENS = round(HOURS * 3600 * RATE_HZ / RECORDINGS)
NAMES = ("AUROC", "average precision", "Brier score", "calibration error")
SPREADS = {"trained": (2.0, 4.0), "hardly trained": (3e-3, 1e-3), "sure of everything": (12.0, 20.0)}
"""Standard deviation of log odds, and how far they lie higher in seizures."""
Figures = tuple[float, ...]


def recordings(spread: float, lift: float) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """A level of its own for each recording; a seizure of a minute in every third."""
    for number in range(RECORDINGS):
        rng = np.random.default_rng([7, number])
        seizure_L = np.zeros(TOKENS, dtype=np.bool_)
        if number % 3 == 0:
            first = int(rng.integers(TOKENS - 960))
            seizure_L[first : first + 960] = True
        level = -2.5 + spread * rng.normal()
        yield (level + spread * rng.normal(size=TOKENS) + lift * seizure_L).astype(np.float32), seizure_L


def streamed(spread: float, lift: float) -> tuple[Figures, float, float]:
    scores, spent_s = StreamedScores(), 0.0
    for log_odds_L, seizure_L in recordings(spread, lift):
        began = time.perf_counter()
        scores.add(log_odds_L, seizure_L)
        spent_s += time.perf_counter() - began
    began = time.perf_counter()
    histogram = scores.histogram()
    measures = (auroc, average_precision, brier_score, expected_calibration_error)
    figures = tuple(float(measure(histogram) or 0.0) for measure in measures)
    return figures, spent_s + time.perf_counter() - began, _peak_mb()


def gathered(spread: float, lift: float) -> tuple[Figures, float, float]:
    log_odds, seizure = (np.concatenate(each) for each in zip(*recordings(spread, lift), strict=True))
    began = time.perf_counter()
    probability = expit(log_odds.astype(np.float64))
    figures = (
        float(roc_auc_score(seizure, log_odds)),
        float(average_precision_score(seizure, log_odds)),
        float(brier_score_loss(seizure, probability)),
        _calibration_error(probability, seizure),
    )
    return figures, time.perf_counter() - began, _peak_mb()


def _calibration_error(probability: NDArray[np.float64], seizure: NDArray[np.bool_]) -> float:
    bins = np.minimum((probability * 10).astype(int), 9)
    return float(np.abs(np.bincount(bins, weights=probability - seizure, minlength=10)).sum() / seizure.size)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    print(f"{RECORDINGS} recordings, {RECORDINGS * TOKENS / 1e6:.1f} million tokens")
    for name, (spread, lift) in SPREADS.items():
        sides = []
        for side in (streamed, gathered):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                bare_mb = pool.submit(_peak_mb).result()
                figures, spent_s, peak_mb = pool.submit(side, spread, lift).result()
            sides.append((figures, spent_s, peak_mb - bare_mb))
        (ours, ours_s, ours_mb), (theirs, theirs_s, theirs_mb) = sides
        print(f"{name}: {ours_s:.1f} s, {ours_mb:.0f} MB; scikit-learn {theirs_s:.1f} s, {theirs_mb:.0f} MB;", end=" ")
        print(f"{theirs_s / ours_s:.1f}x the time, {theirs_mb / ours_mb:.1f}x the memory", end="; ")
        print("errors", ", ".join(f"{of} {abs(a - b):.0e}" for of, a, b in zip(NAMES, ours, theirs, strict=True)), flush=True)


if __name__ == "__main__":
    main()
