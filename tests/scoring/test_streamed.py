"""Streamed figures are those of arrays: the curve exactly, AUROC, average precision and calibration to 1e-4."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from made_traces import trace
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from seizure_pipeline.scoring import PostProcessingSettings, ScoringError, operating_curve, resolve
from seizure_pipeline.scoring.calibration import brier_score, expected_calibration_error
from seizure_pipeline.scoring.samples import auroc, average_precision
from seizure_pipeline.scoring.streamed import StreamedCurve, StreamedScores

TOKENS = 200_000
MOST = 1 << 15  # a quarter of what validation keeps, so that bins are made anew
Scores = tuple[NDArray[np.float32], NDArray[np.bool_]]


def made(spread: Callable[[np.random.Generator, int], NDArray[np.floating]], share: float = 0.08, shift: float = 1.0) -> Scores:
    """Log odds whose spread is given, moved up by `shift` in seizures."""
    rng = np.random.default_rng(5)
    seizure = rng.random(TOKENS) < share
    return (spread(rng, TOKENS) + shift * seizure).astype(np.float32), seizure


DISTRIBUTIONS: dict[str, Scores] = {
    "trained": made(lambda rng, n: rng.normal(-3, 2, n), shift=4.0),
    "hardly trained": made(lambda rng, n: rng.normal(-2.5, 3e-3, n), shift=1e-3),
    "sure of everything": made(lambda rng, n: rng.choice([-28.0, 20.0], n, p=[0.9, 0.1]) + rng.normal(0, 1, n), shift=3.0),
    "heavy tails": made(lambda rng, n: rng.standard_cauchy(n) - 3),
    "one token in 2000 is seizure": made(lambda rng, n: rng.normal(-6, 1, n), share=5e-4, shift=3.0),
    "most are seizure": made(lambda rng, n: rng.normal(2, 1, n), share=0.97),
    "a few values": made(lambda rng, n: rng.choice([-3.1, -3.1001, -2.2, 0.0, 1.7], n), shift=0.0),
    "one value": made(lambda rng, n: np.full(n, -2.4423), shift=0.0),
    "a step between two values": made(lambda rng, n: np.full(n, -2.4423), shift=1e-3),
    "worse than chance": made(lambda rng, n: rng.gamma(1.0, 2.0, n) - 6, shift=-2.0),
    "rounded to bfloat16": made(lambda rng, n: np.rint(rng.normal(-3, 1, n) * 64) / 64),
}


ORDERS: dict[str, Callable[[Scores], NDArray[np.int64]]] = {
    "as they come": lambda scores: np.arange(TOKENS),
    "ascending": lambda scores: np.argsort(scores[0]),
    "background first": lambda scores: np.argsort(scores[1], kind="stable"),
    "from the outside in": lambda scores: np.argsort(-np.abs(scores[0] - np.median(scores[0]))),
    "in the middle first": lambda scores: np.argsort(np.abs(scores[0] - np.median(scores[0]))),
}


def streamed(scores: Scores, most: int = MOST, pieces: int = 70) -> StreamedScores:
    counted = StreamedScores(most)
    for log_odds, seizure in zip(*(np.array_split(values, pieces) for values in scores), strict=True):
        counted.add(log_odds, seizure)
    return counted


def calibration_error(probability: NDArray[np.float64], seizure: NDArray[np.bool_]) -> float:
    """Over ten equal bins, token by token."""
    bin_N = np.minimum((probability * 10).astype(int), 9)
    distances = [abs(float((probability - seizure)[bin_N == number].sum())) for number in range(10)]
    return sum(distances) / seizure.size


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_figures_of_bins_are_within_1e_4_of_those_of_all_scores(name: str, order: str) -> None:
    scores = DISTRIBUTIONS[name]
    log_odds, seizure = (values[ORDERS[order](scores)] for values in scores)
    probability = expit(log_odds.astype(np.float64))
    histogram = streamed((log_odds, seizure)).histogram()
    assert len(histogram.scores) <= MOST
    assert auroc(histogram) == pytest.approx(roc_auc_score(seizure, log_odds), abs=1e-4)
    assert average_precision(histogram) == pytest.approx(average_precision_score(seizure, log_odds), abs=1e-4)
    assert brier_score(histogram) == pytest.approx(brier_score_loss(seizure, probability), abs=1e-4)
    assert expected_calibration_error(histogram) == pytest.approx(calibration_error(probability, seizure), abs=1e-4)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_few_values_are_counted_one_by_one(name: str) -> None:
    log_odds, seizure = DISTRIBUTIONS[name]
    histogram = streamed((log_odds, seizure), most=TOKENS).histogram()
    assert len(histogram.scores) == len(np.unique(log_odds))
    assert auroc(histogram) == pytest.approx(roc_auc_score(seizure, log_odds), abs=1e-12)
    assert average_precision(histogram) == pytest.approx(average_precision_score(seizure, log_odds), abs=1e-12)


def test_every_token_is_counted_once_however_often_bins_are_made_anew() -> None:
    log_odds, seizure = DISTRIBUTIONS["trained"]
    histogram = streamed((log_odds, seizure), most=64, pieces=500).histogram()
    assert (histogram.seizure.sum(), histogram.background.sum()) == (seizure.sum(), (~seizure).sum())
    stated = (histogram.scores * (histogram.seizure + histogram.background)).sum()
    assert stated == pytest.approx(expit(log_odds.astype(np.float64)).sum(), rel=1e-9)


def test_log_odds_that_are_no_number_are_refused() -> None:
    with pytest.raises(ScoringError, match="log odds of 1 of 3 tokens are NaN"):
        StreamedScores().add(np.array([0.0, np.nan, 1.0], dtype=np.float32), np.zeros(3, dtype=np.bool_))


@pytest.mark.parametrize(
    "settings", [PostProcessingSettings(), PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=1.0)]
)
@pytest.mark.parametrize("seed", range(4))
def test_the_streamed_curve_is_the_curve_of_all_traces(settings: PostProcessingSettings, seed: int) -> None:
    rng = np.random.default_rng(seed)
    traces = []
    for number in range(6):
        smooth = np.convolve(rng.normal(size=2000 + 40), np.ones(41) / 6, "valid") - 1.5
        onset_s = float(rng.uniform(5, 80))
        smooth[int(16 * onset_s) : int(16 * onset_s) + 300] += rng.uniform(0, 3)
        reference = [(onset_s, onset_s + 18.0)] if number % 2 == 0 else []
        traces.append(trace(resolve(expit(smooth)), reference, starts=(0, 700), rate_hz=16.0, name=f"r{number}"))
    counted = StreamedCurve(settings)
    for each in traces:
        counted.add(each)
    ours, whole = counted.curve(), operating_curve(traces, settings)
    for name in ("thresholds", "tp", "fp"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(whole, name))
    assert ours.seizures == whole.seizures
    assert ours.hours == pytest.approx(whole.hours, rel=1e-12)  # from Python 3.12 on sum() rounds less than adding does


def test_a_probability_off_the_grid_is_refused() -> None:
    with pytest.raises(ScoringError, match=r"^r1: .* some are not on it"):
        StreamedCurve(PostProcessingSettings()).add(trace([0.5, 0.3], rate_hz=16.0))


def test_a_curve_without_seizures_is_refused() -> None:
    counted = StreamedCurve(PostProcessingSettings())
    counted.add(trace([0.5] * 16, rate_hz=16.0))
    with pytest.raises(ScoringError, match=r"no seizure in 0\.0 h"):
        counted.curve()
