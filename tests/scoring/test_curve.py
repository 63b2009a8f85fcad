import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_traces import trace

from seizure_pipeline.scoring import (
    OperatingCurve,
    PostProcessingSettings,
    ScoringError,
    operating_curve,
    operating_point,
    score_at,
    sensitivity_at,
    sensitivity_at_optimistic,
)

BARE = PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=0.0)
tokens = st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), min_size=12, max_size=50)
seizures = st.lists(st.tuples(st.integers(0, 10), st.integers(1, 12)), min_size=1, max_size=3)


def curve(tp, fp, hours=24.0):
    thresholds = np.linspace(0.9, 0.1, len(tp))
    return OperatingCurve(thresholds, np.asarray(tp), np.asarray(fp), seizures=10, hours=hours)


@settings(deadline=None)
@given(
    probability=tokens,
    other=tokens,
    events=seizures,
    cut=st.integers(1, 11),
    gap_s=st.integers(0, 2),
    least_s=st.integers(0, 3),
)
def test_curve_holds_the_score_of_the_detections_at_every_distinct_score(probability, other, events, cut, gap_s, least_s):
    reference = [(float(a), float(min(a + length, 12))) for a, length in events]
    traces = [
        trace(probability, reference, starts=(0, cut)),
        trace(other, name="seizure-free", duration_s=len(other) - 0.5),
    ]
    post = PostProcessingSettings(off_ratio=0.6, merge_gap_s=gap_s, min_duration_s=least_s)
    whole = operating_curve(traces, post)
    assert list(whole.thresholds) == sorted({float(np.float32(p)) for p in probability + other}, reverse=True)
    for k, threshold in enumerate(whole.thresholds):
        at = score_at(traces, threshold, post)
        assert (whole.tp[k], whole.fp[k]) == (at.tp, at.fp)
        assert whole.sensitivity[k] == at.sensitivity
        assert whole.precision[k] == at.precision
        assert whole.false_alarms_per_24h[k] == pytest.approx(at.false_alarms_per_24h)


def test_first_crossing_stops_before_the_first_threshold_over_the_budget():
    assert sensitivity_at(curve(tp=[1, 3, 5, 9], fp=[0, 2, 3, 0]), 2.0) == pytest.approx(0.3)


def test_optimistic_rule_credits_detections_that_fuse_below_the_crossing():
    assert sensitivity_at_optimistic(curve(tp=[1, 3, 5, 9], fp=[0, 2, 3, 0]), 2.0) == pytest.approx(0.9)


def test_operating_point_is_the_highest_threshold_that_reaches_the_sensitivity():
    point = operating_point(curve(tp=[1, 3, 3, 2], fp=[0, 1, 2, 2]), 2.0)
    assert (point.threshold, point.found_seizures, point.false_alarms) == (pytest.approx(0.9 - 0.8 / 3), 3, 1)


def test_no_threshold_within_the_budget_means_no_sensitivity():
    nothing = curve(tp=[5, 6], fp=[3, 4])
    assert operating_point(nothing, 2.0) is None
    assert sensitivity_at(nothing, 2.0) == sensitivity_at_optimistic(nothing, 2.0) == 0.0


def test_a_budget_that_is_never_exceeded_allows_every_threshold():
    assert sensitivity_at(curve(tp=[1, 7], fp=[0, 1]), 1.0) == pytest.approx(0.7)


def test_always_alarming_is_perfect_by_the_optimistic_rule_only():
    noisy = np.tile([0.2, 0.9], 50)
    noisy[40:50] = 0.5
    whole = operating_curve([trace(noisy, [(40.0, 50.0)])], BARE)
    assert sensitivity_at_optimistic(whole, 1.0) == 1.0
    assert sensitivity_at(whole, 1.0) == 0.0


def test_one_false_alarm_of_30_s_is_counted_once():
    p_L = np.zeros(16 * 120)
    p_L[160:640] = 0.9
    whole = operating_curve([trace(p_L, [(100.0, 110.0)], rate_hz=16.0)], PostProcessingSettings())
    assert whole.fp[0] == 1


def test_detections_on_both_sides_of_a_cut_out_gap_are_one_event():
    traces = [trace([0, 1, 1, 0, 0, 0], [(4.0, 5.0)], starts=(0, 2))]
    assert operating_curve(traces, BARE).fp[0] == score_at(traces, 1.0, BARE).fp == 1


def test_traces_without_a_seizure_are_refused():
    with pytest.raises(ScoringError, match="no seizure in the scored split"):
        operating_curve([trace([0.1, 0.2])], BARE)


def test_a_recording_given_twice_is_refused_by_name():
    with pytest.raises(ScoringError, match="r1: given twice"):
        operating_curve([trace([0.1, 0.2], [(0.0, 1.0)])] * 2, BARE)
