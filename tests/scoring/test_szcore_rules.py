"""Rules szcore_event and szcore_sample: fast forms against slow ones and against timescoring itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import recording, recordings
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring, SampleScoring

from seizure_pipeline.scoring import score
from seizure_pipeline.scoring.szcore import count_seconds, count_seconds_reference, count_tolerant, count_tolerant_reference

RANDOM_CASES = 10_000
GRIDS_S = (1.0, 0.25, 0.1, 0.05, 0.01, 1 / 256, 0.0001)
THEIRS = {"szcore_event": EventScoring, "szcore_sample": SampleScoring}
NAMES = {
    "tp": "tp",
    "fp": "fp",
    "reference_count": "refTrue",
    "sensitivity": "sensitivity",
    "precision": "precision",
    "f1": "f1",
    "false_alarms_per_24h": "fpRate",
}


def counts(of):
    return of.tp, of.fn, of.fp


def theirs(made, rule):
    samples = round(made.duration_s * 10)
    return THEIRS[rule](Annotation(made.reference, 10, samples), Annotation(made.detections, 10, samples))


def differing(ours, printed):
    """Names of the figures that differ; NaN there is None here."""
    pairs = {name: (getattr(ours, name), getattr(printed, key)) for name, key in NAMES.items()}
    return [name for name, (a, b) in pairs.items() if not (np.isnan(b) if a is None else abs(a - b) <= 1e-9 * max(1.0, abs(b)))]


def random_case(rng, name="r1", patient="p1"):
    step_s, duration_s = rng.choice(GRIDS_S), rng.choice([rng.uniform(1, 20), rng.uniform(20, 2000), 600.0])
    duration_s = max(round(duration_s / step_s), 1 + round(1 / step_s)) * step_s
    sides = []
    for most in (5, 8):
        onset_s = rng.uniform(0, duration_s, rng.integers(0, most + 1))
        lasting_s = rng.choice([rng.exponential(20), rng.uniform(0, 700), 300.0, 0.3, 0.0], len(onset_s))
        on_grid = np.round(np.stack([onset_s, onset_s + lasting_s], 1) / step_s) * step_s
        sides.append(sorted(tuple(map(float, event)) for event in np.minimum(on_grid, duration_s)))
    return recording(*sides, duration_s=float(duration_s), name=name, patient=patient)


@given(recordings())
def test_events_compared_by_their_ends_score_as_on_masks(made):
    assert count_tolerant(made) == count_tolerant_reference(made)


@given(recordings())
def test_seconds_compared_by_ends_of_events_score_as_on_masks(made):
    assert count_seconds(made) == count_seconds_reference(made)


@pytest.mark.parametrize("rule", THEIRS)
def test_random_recordings_score_as_timescoring_scores_them(rule):
    rng = np.random.default_rng(0)
    cases = [random_case(rng) for _ in range(RANDOM_CASES)]
    differences = [(made, wrong) for made in cases if (wrong := differing(score([made], rule), theirs(made, rule)))]
    assert differences == []


@given(st.lists(st.sampled_from([89.9, 90.0, 90.1, 299.9, 300.0, 300.1, 30.0, 60.0, 0.05, 0.15, 0.25]), max_size=9), st.data())
def test_distances_at_the_limits_score_as_timescoring_scores_them(distances_s, data):
    times_s = np.cumsum([data.draw(st.sampled_from([0.0, 10.05, 12.3])), *distances_s]).tolist()
    events = st.lists(st.tuples(st.sampled_from(times_s), st.sampled_from(times_s)).map(sorted), max_size=5).map(sorted)
    made = recording(
        data.draw(events), data.draw(events), duration_s=times_s[-1] + data.draw(st.sampled_from([1.0, 59.95, 100.0]))
    )
    for rule in THEIRS:
        assert differing(score([made], rule), theirs(made, rule)) == []


@pytest.mark.parametrize("rule", THEIRS)
def test_means_over_patients_leave_out_whoever_has_no_such_figure_as_szcore_evaluation_does(rule):
    rng = np.random.default_rng(1)
    made = [random_case(rng, f"r{i}", f"p{i % 30}") for i in range(50)]
    subjects = [subject_score([each for each in made if each.patient_id == f"p{i}"], rule) for i in range(30)]
    ours = score(made, rule).mean_over_patients()
    for name in ("sensitivity", "precision", "f1", "false_alarms_per_24h"):
        values = [getattr(subject, NAMES[name]) for subject in subjects]
        assert getattr(ours, name) == pytest.approx(np.nanmean(values))
        assert getattr(ours, f"{name}_std") == pytest.approx(np.nanstd(values))
    assert any(np.isnan(subject.sensitivity) for subject in subjects)


def subject_score(made, rule):
    """Counts of a subject's recordings added up before the ratios are taken."""
    subject, *others = [theirs(each, rule) for each in made]
    for other in others:
        for count in ("tp", "fp", "refTrue", "numSamples"):
            setattr(subject, count, getattr(subject, count) + getattr(other, count))
    subject.computeScores()
    return subject


def test_seizures_less_than_90_s_apart_count_as_one():
    assert score([recording([(100, 120), (209.9, 230)])], "szcore_event").reference_count == 1
    assert score([recording([(100, 120), (210, 230)])], "szcore_event").reference_count == 2


def test_a_seizure_of_over_300_s_counts_as_several():
    assert score([recording([(100, 400)])], "szcore_event").reference_count == 1
    assert score([recording([(100, 400.1)])], "szcore_event").reference_count == 2


def test_a_detection_within_a_minute_after_a_seizure_finds_it():
    assert counts(score([recording([(600, 660)], [(719.9, 740)])], "szcore_event")) == (1, 0, 0)
    assert counts(score([recording([(600, 660)], [(720, 740)])], "szcore_event")) == (0, 1, 1)


def test_a_nested_seizure_shortens_the_one_around_it():
    assert counts(score([recording([(600, 860), (610, 620)], [(700, 720)])], "szcore_event")) == (0, 1, 1)


def test_a_detection_shorter_than_a_sample_is_a_false_alarm_even_within_a_seizure():
    assert counts(score([recording([(600, 660)], [(630.01, 630.04)])], "szcore_event")) == (0, 1, 1)
    assert counts(score([recording([(600, 660)], [(610, 620), (750, 750)])], "szcore_event")) == (1, 0, 1)


def test_halves_of_a_second_round_to_even():
    assert score([recording([(0.5, 2.5)])], "szcore_sample").reference_count == 2
    assert score([recording([(1.5, 3.5)])], "szcore_sample").reference_count == 2


def test_the_length_of_a_recording_passes_through_the_grid_of_10_hz():
    assert score([recording(duration_s=3712.54)], "szcore_sample").hours * 3600 == pytest.approx(3712)


def test_figures_without_events_are_undefined_but_for_the_rate():
    figures = score([recording()], "szcore_event")
    assert (figures.sensitivity, figures.precision, figures.f1) == (None, None, None)
    assert figures.false_alarms_per_24h == 0.0


@given(made=recordings(), data=st.data(), rule=st.sampled_from(list(THEIRS)))
def test_order_in_which_events_are_listed_does_not_matter(made, data, rule):
    shuffled = recording(
        data.draw(st.permutations(made.reference)), data.draw(st.permutations(made.detections)), made.duration_s
    )
    assert score([shuffled], rule) == score([made], rule)
