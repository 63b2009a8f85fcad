import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizure_pipeline.scoring import ScoredRecording, ScoringError, score
from seizure_pipeline.scoring.events import joined
from seizure_pipeline.scoring.ovlp import OverlapCounts, count_overlaps, count_overlaps_reference

VECTORS = Path(__file__).parents[3] / "shared" / "scoring" / "vectors.json"
quarter_seconds = st.integers(0, 60).map(lambda quarters: quarters / 4)
intervals = st.lists(st.tuples(quarter_seconds, quarter_seconds).map(lambda pair: (min(pair), max(pair))), max_size=8)


def recording(reference=(), detections=(), name="r1", duration_s=100.0):
    return ScoredRecording(name, "p1", duration_s, reference, detections)


def vectors():
    return json.loads(VECTORS.read_text()) if VECTORS.exists() else []


@pytest.mark.skipif(not VECTORS.exists(), reason="../shared is missing")
@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["id"])
def test_any_overlap_gives_the_figures_of_the_public_nedc_tool(vector):
    recordings = [
        ScoredRecording(f"file-{i}", file["subject"], file["duration"], file["ref"], file["hyp"])
        for i, file in enumerate(vector["files"])
    ]
    ours, theirs = score(recordings, "ovlp"), vector["expected"]["nedc_v6.0.0"]["OVLP"]
    assert (ours.tp, ours.fn, ours.fp) == (theirs["tp"], theirs["fn"], theirs["fp"])
    assert ours.reference_count == theirs["targets"]
    assert ours.sensitivity == pytest.approx(theirs["sensitivity"], abs=1e-9)
    assert ours.precision == pytest.approx(theirs["precision"], abs=1e-9)
    assert ours.f1 == pytest.approx(theirs["f1"], abs=1e-9)
    assert ours.false_alarms_per_24h == pytest.approx(theirs["fa_per_24h"], rel=1e-12, abs=1e-9)


@given(reference=intervals, detections=intervals)
def test_sorted_search_counts_as_every_event_against_every_other_does(reference, detections):
    assert count_overlaps(reference, detections) == count_overlaps_reference(reference, detections)


@given(reference=intervals, detections=intervals)
def test_order_in_which_events_are_listed_does_not_matter(reference, detections):
    assert count_overlaps(reference[::-1], detections[::-1]) == count_overlaps(reference, detections)


def test_two_detections_in_one_seizure_are_one_hit_and_no_false_alarm():
    assert count_overlaps([(10, 50)], [(12, 15), (20, 25)]) == OverlapCounts(tp=1, fn=0, fp=0)


def test_a_detection_that_only_touches_a_seizure_is_a_miss_and_a_false_alarm():
    assert count_overlaps([(10, 20)], [(20, 30)]) == OverlapCounts(tp=0, fn=1, fp=1)


@pytest.mark.parametrize(
    ("events", "prepared"),
    [
        ([(10, 20), (20, 30)], [(10, 30)]),
        ([(20, 30), (10, 20.00004)], [(10, 30)]),
        ([(10, 20), (20.0002, 30)], [(10, 20), (20.0002, 30)]),
        ([(10, 20), (15, 30)], [(10, 20), (15, 30)]),
        ([(10, 20), (10, 20)], [(10, 20), (10, 20)]),
        ([(0, 100), (10, 20), (20, 30)], [(0, 100), (10, 30)]),
    ],
    ids=["touching", "touching within rounding", "apart", "overlapping", "duplicate", "nested"],
)
def test_only_touching_events_of_a_side_become_one(events, prepared):
    assert joined(events) == prepared


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        ((-1.0, 5.0), "negative"),
        ((9.0, 5.0), "before it starts"),
        ((math.nan, 5.0), "finite"),
        ((5.0, math.inf), "finite"),
        ((90.0, 100.01), "within the recording"),
    ],
)
@pytest.mark.parametrize("side", ["reference", "detections"])
def test_an_impossible_event_is_refused_naming_recording_value_and_rule(event, rule, side):
    with pytest.raises(ScoringError, match=rule) as refusal:
        score([recording(**{side: [event]})], "ovlp")
    assert f"r1, {side}" in str(refusal.value)
    assert str(event[0]) in str(refusal.value)


def test_an_event_may_end_a_rounding_step_after_the_recording():
    assert score([recording([(90.0, 100.0005)], [(99.0, 100.0)])], "ovlp").tp == 1


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan])
def test_a_duration_that_is_not_positive_is_refused(duration_s):
    with pytest.raises(ScoringError, match=r"r1.*duration"):
        score([recording(duration_s=duration_s)], "ovlp")


def test_a_recording_given_twice_is_refused_by_name():
    with pytest.raises(ScoringError, match="r1: given twice"):
        score([recording(), recording()], "ovlp")


def test_an_unknown_rule_is_refused_naming_the_known_ones():
    with pytest.raises(ValueError, match=r"'taes'.*ovlp"):
        score([recording()], "taes")


def test_seizure_free_recordings_count_into_the_hours():
    figures = score([recording(name="a", duration_s=3600), recording([], [(1, 2)], name="b", duration_s=7200)], "ovlp")
    assert figures.hours == 3.0
    assert figures.false_alarms_per_24h == pytest.approx(8.0)


def test_no_recording_has_no_false_alarm_rate():
    assert score([], "ovlp").false_alarms_per_24h is None
