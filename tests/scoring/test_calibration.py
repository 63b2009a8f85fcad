import numpy as np
import pytest
from made_traces import trace
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as other_log_loss

from seizure_pipeline.scoring import ScoringError, calibration_summary, fit_temperature, reliability, resolve
from seizure_pipeline.scoring.calibration import brier_score, expected_calibration_error, log_loss, scaled
from seizure_pipeline.scoring.samples import ScoreHistogram, auroc, score_histogram, token_labels


def noisy():
    rng = np.random.default_rng(2)
    p_L = resolve(rng.beta(0.6, 0.9, size=4000))
    p_L[p_L == 0.5] = 0.51  # on the edge of two bins, where conventions differ
    return trace(p_L, [(500.0, 1500.0), (2200.0, 3000.0)])


def labels_and_scores(made):
    return token_labels(made), made.probability.astype(np.float64)


def stretched(factor, tokens=400_000):
    """Truth drawn from probabilities that are then stated with their log odds times `factor`."""
    rng = np.random.default_rng(5)
    log_odds = np.rint(rng.normal(-1, 0.8, 300) * 32) / 32
    tokens_S = np.full(300, tokens)
    seizure_S = np.rint(tokens_S * expit(log_odds)).astype(np.int64)
    order = np.argsort(log_odds)
    return ScoreHistogram(expit(factor * log_odds)[order], seizure_S[order], (tokens_S - seizure_S)[order])


def test_reliability_is_that_of_scikit_learn():
    labels, scores = labels_and_scores(noisy())
    observed, stated = calibration_curve(labels, scores, n_bins=10)
    found = reliability(score_histogram([noisy()]))
    held = found.tokens > 0
    assert found.observed[held] == pytest.approx(observed, abs=1e-12)
    assert found.stated[held] == pytest.approx(stated, abs=1e-12)
    assert found.tokens.sum() == len(labels)


def test_a_bin_without_tokens_has_no_means():
    found = reliability(score_histogram([trace([0.25] * 8, [(0.0, 2.0)])]), bins=4)
    assert found.tokens.tolist() == [0, 8, 0, 0]
    assert np.isnan(found.stated).tolist() == np.isnan(found.observed).tolist() == [True, False, True, True]


def test_calibration_error_is_the_distance_from_the_true_share():
    calibrated = score_histogram([trace([0.25] * 8, [(0.0, 2.0)])])
    certain = score_histogram([trace([1.0] * 8, [(0.0, 2.0)])])
    assert expected_calibration_error(calibrated) == pytest.approx(0.0)
    assert expected_calibration_error(certain) == pytest.approx(0.75)


def test_brier_score_and_log_loss_are_those_of_scikit_learn():
    labels, scores = labels_and_scores(noisy())
    histogram = score_histogram([noisy()])
    assert brier_score(histogram) == pytest.approx(brier_score_loss(labels, scores), abs=1e-12)
    assert log_loss(histogram) == pytest.approx(other_log_loss(labels, scores), abs=1e-6)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_factor_by_which_log_odds_are_too_large_is_the_temperature(factor):
    fitted = fit_temperature(stretched(factor))
    assert fitted.temperature == pytest.approx(factor, rel=1e-3)
    assert not fitted.at_limit


def test_no_other_temperature_has_a_smaller_loss():
    histogram = score_histogram([noisy()])
    fitted = fit_temperature(histogram)
    assert fitted.log_loss_before == log_loss(histogram)
    around = [log_loss(histogram, temperature) for temperature in np.geomspace(1 / 20, 20, 401)]
    assert fitted.log_loss_after <= min(around)


def test_a_separable_split_and_a_misleading_one_end_at_the_limits():
    good = fit_temperature(score_histogram([trace([0.9, 0.9, 0.1, 0.1], [(0.0, 2.0)])]))
    bad = fit_temperature(score_histogram([trace([0.1, 0.1, 0.9, 0.9], [(0.0, 2.0)])]))
    assert (good.at_limit, good.temperature) == (True, pytest.approx(1 / 20))
    assert (bad.at_limit, bad.temperature) == (True, pytest.approx(20))


def test_tokens_of_one_kind_fit_no_temperature():
    with pytest.raises(ScoringError, match="one kind only"):
        fit_temperature(score_histogram([trace([0.1, 0.9])]))


def test_scaling_divides_log_odds_and_keeps_auroc():
    assert logit(scaled(np.asarray([0.2, 0.9]), 2.0)) == pytest.approx(logit([0.2, 0.9]) / 2)
    histogram = score_histogram([noisy()])
    softer = ScoreHistogram(scaled(histogram.scores, 1.7), histogram.seizure, histogram.background)
    assert auroc(softer) == auroc(histogram)


def test_scaling_what_is_overconfident_lowers_every_figure():
    histogram = stretched(3.0)
    found = calibration_summary(histogram, fit_temperature(histogram))
    for figure in ("log_loss", "brier_score", "expected_calibration_error"):
        assert found[f"scaled_{figure}"] < found[figure]
    assert found["scaled_expected_calibration_error"] == pytest.approx(0.0, abs=1e-3)
