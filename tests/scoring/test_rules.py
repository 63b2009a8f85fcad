"""What all rules share: pooling, patients, odd input and errors."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from made_recordings import collections, recording

from seizure_pipeline.scoring import RULES, ScoredRecording, ScoringError, score
from seizure_pipeline.scoring.dpalign import count_aligned_reference
from seizure_pipeline.scoring.epoch import count_samples_reference
from seizure_pipeline.scoring.ovlp import count_overlaps_reference
from seizure_pipeline.scoring.szcore import count_seconds_reference, count_tolerant_reference
from seizure_pipeline.scoring.taes import count_time_aligned_reference

SLOW = {
    "ovlp": count_overlaps_reference,
    "taes": count_time_aligned_reference,
    "epoch": count_samples_reference,
    "dpalign": count_aligned_reference,
    "szcore_event": count_tolerant_reference,
    "szcore_sample": count_seconds_reference,
}
rules = pytest.mark.parametrize("rule", RULES)


def scored(recordings, rule):
    try:
        return score(recordings, rule)
    except ScoringError:
        reject()  # a detected seizure of no length, for taes


@given(collections(), st.sampled_from(list(RULES)))
def test_counts_of_many_recordings_are_the_sums_of_the_slow_forms(made, rule):
    ours = scored(made, rule)
    slow = [SLOW[rule](each) for each in made]
    assert ours.tp == pytest.approx(sum(c.tp for c in slow), abs=1e-9)
    assert ours.fn == pytest.approx(sum(c.fn for c in slow), abs=1e-9)
    assert ours.fp == pytest.approx(sum(c.fp for c in slow), abs=1e-9)
    assert ours.reference_count == sum(c.reference_count for c in slow)


@given(collections(), st.sampled_from(list(RULES)))
def test_a_patients_score_is_that_of_the_patients_recordings_alone(made, rule):
    ours = scored(made, rule)
    by_patient = ours.by_patient()
    assert set(by_patient) == {each.patient_id for each in made}
    for patient, figures in by_patient.items():
        assert figures == score([each for each in made if each.patient_id == patient], rule)
    assert ours.tp == pytest.approx(sum(figures.tp for figures in by_patient.values()), abs=1e-9)


@given(collections(), st.sampled_from(list(RULES)))
def test_a_figure_over_patients_is_the_mean_of_theirs_that_divide_by_something(made, rule):
    ours = scored(made, rule)
    mean, patients = ours.mean_over_patients(), ours.by_patient().values()
    assert mean.patients == len(patients)
    assert_mean(mean.sensitivity, [p.sensitivity for p in patients if p.tp + p.fn > 0])
    assert_mean(mean.precision, [p.precision for p in patients if p.tp + p.fp > 0])
    assert_mean(mean.f1, [p.f1 for p in patients if 2 * p.tp + p.fp + p.fn > 0])
    assert_mean(mean.hours, [p.hours for p in patients])
    assert_mean(mean.tp, [p.tp for p in patients])


def assert_mean(figure, values):
    assert figure == (pytest.approx(np.mean(values), abs=1e-9) if values else None)


def test_a_patient_without_seizures_does_not_lower_the_mean_sensitivity():
    made = [recording([(10, 20)], [(10, 20)], name="a"), recording([], [], name="b", patient="p2")]
    assert score(made, "ovlp").by_patient()["p2"].sensitivity == 0.0  # as NEDC prints it
    assert score(made, "ovlp").mean_over_patients().sensitivity == 1.0


@rules
@pytest.mark.parametrize(
    ("event", "broken"),
    [
        ((-1.0, 5.0), "negative"),
        ((9.0, 5.0), "before it starts"),
        ((math.nan, 5.0), "finite"),
        ((5.0, math.nan), "finite"),
        ((5.0, math.inf), "finite"),
        ((3600.0, 3600.01), "within the recording"),
    ],
)
@pytest.mark.parametrize("side", ["reference", "detections"])
def test_an_impossible_event_is_refused_naming_recording_value_and_rule(event, broken, side, rule):
    with pytest.raises(ScoringError, match=broken) as refusal:
        score([recording(**{side: [(1.0, 2.0), event]})], rule)
    assert f"r1, {side}" in str(refusal.value)
    assert str(event[0]) in str(refusal.value)


@rules
def test_an_event_may_end_a_rounding_step_after_the_recording(rule):
    late, cut = ([recording([(3500.0, end_s)], [(3590.0, end_s)])] for end_s in (3600.0005, 3600.0))
    assert score(late, rule).tp == pytest.approx(score(cut, rule).tp, abs=1e-4)


@rules
@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf])
def test_a_duration_that_is_not_positive_is_refused(duration_s, rule):
    with pytest.raises(ScoringError, match=r"r1.*duration"):
        score([recording(duration_s=duration_s)], rule)


def test_a_recording_given_twice_is_refused_by_name():
    with pytest.raises(ScoringError, match="r1: given twice"):
        score([recording(), recording()], "ovlp")


def test_an_unknown_rule_is_refused_naming_the_known_ones():
    with pytest.raises(ValueError, match=r"'iou'.*ovlp, taes, epoch, dpalign, szcore_event, szcore_sample"):
        score([recording()], "iou")


@rules
def test_events_may_be_an_array(rule):
    reference, detections = [(10.0, 20.0), (300.0, 310.0)], [(12.0, 40.0)]
    arrays = ScoredRecording("r1", "p1", 3600.0, np.asarray(reference), np.asarray(detections).reshape(-1, 2))
    assert score([arrays], rule) == score([recording(reference, detections)], rule)


@rules
def test_seizure_free_recordings_count_into_the_hours(rule):
    without = recording([], [(100, 200)], 7200, name="b")
    alone, both = score([without], rule), score([recording(duration_s=3600, name="a"), without], rule)
    assert both.hours == 3.0
    assert both.false_alarms_per_24h == pytest.approx(alone.false_alarms_per_24h * 2 / 3)


@rules
def test_no_recording_has_no_false_alarm_rate(rule):
    nothing = score([], rule)
    assert nothing.false_alarms_per_24h is None
    assert nothing.by_patient() == {}
    assert nothing.mean_over_patients().sensitivity is None


def test_scoring_loads_neither_torch_nor_kedro():
    loaded = "import sys, seizure_pipeline.scoring; print({'torch', 'kedro', 'mlflow'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True).stdout == "set()\n"
