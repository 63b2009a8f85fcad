"""How true the stated probabilities are: reliability, Brier score, and temperature scaling fitted on log loss.

All figures follow exactly from the histogram of scores. Temperature scaling (Guo et al. 2017, On Calibration of Modern
Neural Networks) divides the log odds by one T > 0. It keeps the order of scores, so AUROC, average precision and
curves without hysteresis stay as they are; off_ratio compares probabilities, so a detector with hysteresis keeps the
scores that it was tuned on, and scaled ones are for stating how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit

from seizure_pipeline.scoring.events import ScoringError
from seizure_pipeline.scoring.samples import ScoreHistogram
from seizure_pipeline.scoring.traces import LARGEST_LOG_ODDS

BINS = 10
LARGEST_TEMPERATURE = 20.0  # at it 12 log odds become 0.6: whatever wants more is not helped by scaling
Summary = dict[str, float | int | str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Equal bins of stated probability: (N + 1,) edges, (N,) tokens, (N,) mean stated and observed share of seizure.

    Both means are NaN in a bin without tokens. A bin holds its lower edge, the last one both.
    """

    edges: NDArray[np.float64]
    tokens: NDArray[np.int64]
    stated: NDArray[np.float64]
    observed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Temperature:
    """T with the mean log loss in nats before and after; `at_limit` if the best T lies beyond 1/20 to 20."""

    temperature: float
    log_loss_before: float
    log_loss_after: float
    at_limit: bool


def reliability(histogram: ScoreHistogram, bins: int = BINS) -> Reliability:
    """Stated against observed probability over `bins` equal bins."""
    bin_S = np.minimum((histogram.scores * bins).astype(np.int64), bins - 1)
    tokens_N, stated_N, seizure_N = (
        np.bincount(bin_S, weights=weights_S, minlength=bins)
        for weights_S in (_tokens(histogram), histogram.scores * _tokens(histogram), histogram.seizure)
    )
    held_N = tokens_N > 0
    stated_N, observed_N = (
        np.divide(sum_N, tokens_N, out=np.full(bins, np.nan), where=held_N) for sum_N in (stated_N, seizure_N)
    )
    return Reliability(np.linspace(0, 1, bins + 1), tokens_N.astype(np.int64), stated_N, observed_N)


def expected_calibration_error(histogram: ScoreHistogram, bins: int = BINS) -> float:
    """Mean distance between stated probability and share of seizure tokens, over `bins` equal bins by tokens held."""
    curve = reliability(histogram, bins)
    distance_N = np.abs(curve.stated - curve.observed)
    return float(np.sum(distance_N * curve.tokens, where=curve.tokens > 0) / curve.tokens.sum())


def brier_score(histogram: ScoreHistogram) -> float:
    """Mean squared distance between stated probability and truth (1 in a seizure, 0 else) over tokens."""
    squared_S = histogram.seizure * (1 - histogram.scores) ** 2 + histogram.background * histogram.scores**2
    return float(squared_S.sum() / _tokens(histogram).sum())


def log_loss(histogram: ScoreHistogram, temperature: float = 1.0) -> float:
    """Mean log loss in nats over tokens, log odds divided by `temperature`."""
    scaled_S = _log_odds(histogram) / temperature
    loss_S = -(histogram.seizure * log_expit(scaled_S) + histogram.background * log_expit(-scaled_S))
    return float(loss_S.sum() / _tokens(histogram).sum())


def fit_temperature(histogram: ScoreHistogram) -> Temperature:
    """The T that minimises log loss, for instance on dev; within 1/20 and 20.

    In 1/T the loss is convex, so its slope has one zero at most. Raises ScoringError if tokens are all of one kind: then
    no T is best.
    """
    if histogram.seizure.sum() == 0 or histogram.background.sum() == 0:
        raise ScoringError("temperature scaling takes tokens of seizures and of background; there is one kind only")
    from scipy.optimize import brentq  # slow to import, and needed by nothing else here

    lowest, highest = 1 / LARGEST_TEMPERATURE, LARGEST_TEMPERATURE
    if _slope(lowest, histogram) >= 0:
        inverse = lowest
    elif _slope(highest, histogram) <= 0:
        inverse = highest
    else:
        inverse = float(brentq(_slope, lowest, highest, args=(histogram,), xtol=1e-12))
    temperature = 1 / inverse
    at_limit = inverse in (lowest, highest)
    return Temperature(temperature, log_loss(histogram), log_loss(histogram, temperature), at_limit)


def scaled(probability: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """`probability` with its log odds, which are taken to lie within -12 and 12 as on `resolve`'s grid, divided by T."""
    result: NDArray[np.float64] = expit(_limited_log_odds(probability) / temperature)
    return result


def calibration_summary(histogram: ScoreHistogram, fitted: Temperature, bins: int = BINS) -> Summary:
    """Figures of `histogram` as it is and with its log odds divided by a temperature that was `fitted` on dev."""
    after = replace(histogram, scores=scaled(histogram.scores, fitted.temperature))
    return {
        "temperature": fitted.temperature,
        "temperature_at_limit": int(fitted.at_limit),
        "log_loss": log_loss(histogram),
        "scaled_log_loss": log_loss(histogram, fitted.temperature),
        "brier_score": brier_score(histogram),
        "scaled_brier_score": brier_score(after),
        "expected_calibration_error": expected_calibration_error(histogram, bins),
        "scaled_expected_calibration_error": expected_calibration_error(after, bins),
        "calibration_bins": bins,
    }


def _slope(inverse: float, histogram: ScoreHistogram) -> float:
    """Derivative of the log loss by 1/T, times tokens."""
    log_odds_S = _log_odds(histogram)
    stated_S = expit(inverse * log_odds_S)
    return float(np.sum(log_odds_S * (_tokens(histogram) * stated_S - histogram.seizure)))


def _log_odds(histogram: ScoreHistogram) -> NDArray[np.float64]:
    return _limited_log_odds(histogram.scores)


def _limited_log_odds(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    limited: NDArray[np.float64] = np.clip(logit(probability.astype(np.float64)), -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    return limited


def _tokens(histogram: ScoreHistogram) -> NDArray[np.int64]:
    return histogram.seizure + histogram.background
