import math

import numpy as np
import pytest
from made_traces import trace
from scipy.special import expit

from seizure_pipeline.scoring import ScoringError, Trace, resolve
from seizure_pipeline.scoring.traces import LARGEST_LOG_ODDS, STEPS_PER_LOG_ODD


def test_resolved_scores_are_few_and_in_the_order_of_the_original():
    fine = expit(np.linspace(-14, 14, 200_001))
    resolved = resolve(fine)
    assert len(np.unique(resolved)) == 2 * LARGEST_LOG_ODDS * STEPS_PER_LOG_ODD + 1
    assert np.all(np.diff(resolved) >= 0)


def test_resolving_moves_a_probability_by_less_than_one_percentage_point():
    fine = np.linspace(0, 1, 10_001)
    assert np.abs(resolve(fine) - fine).max() < 0.01


def test_resolving_twice_changes_nothing():
    once = resolve(np.random.default_rng(0).uniform(size=100_000))
    extreme = resolve(expit(np.linspace(-14, 14, 10_001)))
    assert np.array_equal(resolve(once), once)
    assert np.array_equal(resolve(extreme), extreme)


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(ScoringError, match="outside 0 and 1"):
        resolve(np.asarray([0.5, value]))
    with pytest.raises(ScoringError, match=r"r1: .* at token 1"):
        trace([0.5, value])


@pytest.mark.parametrize("starts", [(), (1,), (0, 0), (0, 3), (0, 2, 1)])
def test_stretches_that_do_not_divide_the_trace_are_refused(starts):
    with pytest.raises(ScoringError, match="r1: stretches"):
        trace([0.5, 0.5, 0.5], starts=starts)


def test_a_trace_of_another_length_than_its_recording_is_refused():
    with pytest.raises(ScoringError, match=r"r1: 3 tokens at 1.0 Hz for 9.0 s"):
        trace([0.5, 0.5, 0.5], duration_s=9.0)


def test_a_seizure_outside_the_recording_is_refused():
    with pytest.raises(ScoringError, match="r1, reference: event"):
        trace([0.5, 0.5], reference=[(1.0, 5.0)])


def test_a_trace_in_double_precision_is_refused():
    with pytest.raises(ScoringError, match="float64"):
        Trace("r1", "p1", 1.0, np.asarray([0.5]), 1.0)
