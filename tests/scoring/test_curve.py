from bisect import bisect_right

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
    partial_area,
    score_at,
    sensitivity_at,
    sensitivity_at_optimistic,
)
from seizure_pipeline.scoring.counts import count_in_groups
from seizure_pipeline.scoring.places import place

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


@settings(deadline=None)
@given(
    probability=tokens,
    quarters=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 8)), min_size=1, max_size=4),
    rate_hz=st.sampled_from([1.0, 3.0, 16.0, 160.0]),
    cuts=st.lists(st.integers(1, 11), max_size=3, unique=True),
    lost_tokens=st.floats(0, 0.99),
    ratio=st.sampled_from([0.3, 0.6, 1.0]),
    thresholds=st.lists(st.sampled_from([0.05, 0.2, 0.3, 0.4, 0.7, 0.95]), min_size=1, unique=True),
)
def test_counts_hold_at_any_rate_with_seizures_without_length_and_lost_tokens(
    probability, quarters, rate_hz, cuts, lost_tokens, ratio, thresholds
):
    starts = (0, *sorted(cuts))
    duration_s = (len(probability) - lost_tokens * len(starts)) / rate_hz
    events = [(min(a / rate_hz, duration_s), min((a + b / 4) / rate_hz, duration_s)) for a, b in quarters]
    traces = [trace(probability, events, starts, rate_hz, duration_s=duration_s)]
    post = PostProcessingSettings(off_ratio=ratio, merge_gap_s=1.5 / rate_hz, min_duration_s=2 / rate_hz)
    descending = np.sort(np.asarray(thresholds))[::-1]
    counts = count_in_groups(place(traces), descending, post, [0])
    for k, threshold in enumerate(descending):
        at = score_at(traces, threshold, post)
        assert (counts.tp[0, k], counts.fp[0, k], counts.seizures[0]) == (at.tp, at.fp, at.reference_count)


def test_an_event_that_begins_where_a_seizure_without_length_lies_only_touches_it():
    traces = [trace([0.1, 0.4, 0.8, 0.8, 0.1], [(2.0, 2.0)])]
    whole = operating_curve(traces, BARE)
    assert [score_at(traces, threshold, BARE).fp for threshold in whole.thresholds] == [1, 0, 0]
    assert (whole.tp.tolist(), whole.fp.tolist()) == ([0, 1, 1], [1, 0, 0])


def test_alarms_after_the_end_of_the_recording_join_the_one_that_lasts_to_the_end():
    traces = [trace([0.1] * 9 + [0.9, 0.1, 0.9], [(4.0, 5.0)], starts=(0, 2, 4), duration_s=9.1)]
    assert operating_curve(traces, BARE).fp[0] == score_at(traces, 0.9 - 1e-6, BARE).fp == 1


def test_counts_of_recordings_add_up_to_the_curve():
    rng = np.random.default_rng(4)
    traces = [trace(rng.choice([0.1, 0.4, 0.8], 40), [(5.0, 9.0)], name=f"r{i}") for i in range(4)]
    whole, placed = operating_curve(traces, BARE), place(traces)
    apart = count_in_groups(placed, whole.thresholds, BARE, range(4))
    assert apart.tp.sum(axis=0).tolist() == whole.tp.tolist()
    assert apart.fp.sum(axis=0).tolist() == whole.fp.tolist()
    alone = operating_curve(traces[2:3], BARE)
    assert alone.fp.tolist() == apart.fp[2].tolist()


def test_where_the_rate_is_not_monotone_bisection_and_the_optimistic_rule_go_wrong():
    # One false alarm is 10 per 24 h. At 0.9 a seizure is found. At 0.7 three false alarms come with none; at 0.5 they
    # are one and the second seizure is found, at 0.3 the third. At 0.1 one alarm over all finds the fourth.
    p_L = np.full(8640, 0.1)
    p_L[100:160], p_L[2000:2060], p_L[3000:3060] = 0.9, 0.5, 0.3
    p_L[5000:5100] = 0.5
    p_L[5010:5020] = p_L[5040:5050] = p_L[5070:5080] = 0.7
    events = [(100.0, 160.0), (2000.0, 2060.0), (3000.0, 3060.0), (8000.0, 8060.0)]
    whole = operating_curve([trace(p_L, events)], BARE)
    assert whole.tp.tolist() == [1, 1, 2, 3, 4]
    assert whole.false_alarms_per_24h.tolist() == pytest.approx([0, 30, 10, 10, 0])
    assert sensitivity_at(whole, 10.0) == 0.25
    assert sensitivity_at_optimistic(whole, 10.0) == 1.0
    assert whole.sensitivity[bisect_right(whole.fp, 1) - 1] == 1.0


def test_partial_area_is_the_mean_sensitivity_over_budgets():
    # Rates 0, 2, 6, 4, 12: 0.1 up to a budget of 2, 0.3 up to 6, then 0.6 up to 10 (the branch falls back to 4).
    area = partial_area(curve(tp=[1, 3, 5, 6, 9], fp=[0, 2, 6, 4, 12]), 10.0)
    assert area == pytest.approx(0.1 * 0.2 + 0.3 * 0.4 + 0.6 * 0.4)


def test_partial_area_is_what_sensitivities_at_many_budgets_average_to():
    rng = np.random.default_rng(0)
    ragged = curve(tp=np.sort(rng.integers(0, 11, 40)), fp=rng.integers(0, 14, 40))
    budgets = (np.arange(5000) + 0.5) / 500
    assert partial_area(ragged, 10.0) == pytest.approx(np.mean([sensitivity_at(ragged, b) for b in budgets]), abs=1e-9)


def test_operating_point_has_the_precision_and_f1_of_its_counts():
    point = operating_point(curve(tp=[4], fp=[1]), 2.0)
    assert (point.precision, point.f1) == (pytest.approx(4 / 5), pytest.approx(8 / 15))


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
