import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_traces import trace

from seizure_pipeline.scoring import PostProcessingSettings, detect
from seizure_pipeline.scoring.detections import find_events_reference
from seizure_pipeline.scoring.kernels import find_events

levels = st.sampled_from([0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
probabilities = arrays(np.float32, st.integers(1, 60), elements=levels.map(lambda p: float(np.float32(p))))
BARE = PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=0.0)


def spans(found):
    return [(detection.onset_s, detection.offset_s) for detection in found]


@settings(deadline=None)
@given(
    probability=probabilities,
    cut=st.integers(0, 60),
    on=levels,
    ratio=st.sampled_from([0.3, 0.6, 1.0]),
    gap=st.integers(0, 4),
    least=st.integers(1, 6),
)
def test_compiled_loop_finds_the_events_of_the_three_steps_done_one_by_one(probability, cut, on, ratio, gap, least):
    bounds = sorted({0, min(cut, len(probability)), len(probability)})
    found = find_events(probability, np.asarray(bounds), on, ratio * on, gap, least)
    assert found == find_events_reference(probability, bounds, on, ratio * on, gap, least)


@settings(deadline=None)
@given(probability=probabilities, lower=levels, higher=levels, gap_s=st.integers(0, 3), least_s=st.integers(0, 4))
def test_a_higher_threshold_never_adds_alarmed_seconds(probability, lower, higher, gap_s, least_s):
    post = PostProcessingSettings(off_ratio=0.6, merge_gap_s=gap_s, min_duration_s=least_s)
    alarmed = [set() for _ in range(2)]
    for seconds, threshold in zip(alarmed, sorted((lower, higher)), strict=True):
        for onset_s, offset_s in spans(detect(trace(probability), threshold, post)):
            seconds.update(range(int(onset_s), int(offset_s)))
    assert alarmed[1] <= alarmed[0]


def test_an_event_starts_at_the_threshold_and_lasts_down_to_its_share_of_it():
    post = PostProcessingSettings(off_ratio=0.5, merge_gap_s=0, min_duration_s=0)
    probability = [0.5, 0.79, 0.8, 0.5, 0.4, 0.39, 0.7]
    assert spans(detect(trace(probability), float(np.float32(0.8)), post)) == [(2.0, 5.0)]


def test_events_are_merged_before_short_ones_are_dropped():
    post = PostProcessingSettings(off_ratio=1.0, merge_gap_s=1.0, min_duration_s=3.0)
    assert spans(detect(trace([0, 1, 0, 1, 0, 0, 1, 1]), 0.5, post)) == [(1.0, 4.0)]


def test_no_detection_lasts_across_a_gap():
    assert spans(detect(trace([0, 1, 1, 1], starts=(0, 2)), 0.5, BARE)) == [(1.0, 2.0), (2.0, 4.0)]


def test_a_detection_ends_with_the_recording_where_the_last_token_is_cut_short():
    assert spans(detect(trace([0, 1, 1], duration_s=2.5), 0.5, BARE)) == [(1.0, 2.5)]


def test_durations_hold_in_seconds_at_the_rate_of_the_trace():
    post = PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=3.0)
    p_L = np.zeros(480)
    p_L[16:64], p_L[160:207] = 1, 1
    assert spans(detect(trace(p_L, rate_hz=16.0), 0.5, post)) == [(1.0, 4.0)]


def test_confidence_is_the_mean_probability_of_the_detection():
    (found,) = detect(trace([0.0, 0.5, 1.0, 0.0]), 0.5, BARE)
    assert found.confidence == pytest.approx(0.75)
