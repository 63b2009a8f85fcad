"""Rules ovlp, taes, epoch and dpalign: fast forms against slow ones, and the definitions by examples."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import recording, recordings

from seizure_pipeline.scoring import ScoringError, score
from seizure_pipeline.scoring.dpalign import count_aligned, count_aligned_reference
from seizure_pipeline.scoring.epoch import count_samples, count_samples_reference
from seizure_pipeline.scoring.events import joined
from seizure_pipeline.scoring.nedc import segments
from seizure_pipeline.scoring.ovlp import count_overlaps, count_overlaps_reference
from seizure_pipeline.scoring.taes import count_time_aligned, count_time_aligned_reference


def counts(of):
    return of.tp, of.fn, of.fp


def outcome(count, of):
    try:
        return count(of)
    except ScoringError as refusal:
        return str(refusal)


@given(recordings())
def test_sorted_search_counts_overlaps_as_every_event_against_every_other_does(made):
    assert count_overlaps(made) == count_overlaps_reference(made)


@given(recordings(120.0))
def test_looking_only_at_near_events_aligns_times_as_looking_at_all_does(made):
    assert outcome(count_time_aligned, made) == outcome(count_time_aligned_reference, made)


@given(recordings(40.0))
def test_counting_between_ends_of_events_is_counting_sample_by_sample(made):
    assert count_samples(made) == count_samples_reference(made)


@given(recordings())
def test_the_closed_form_aligns_labels_as_the_table_of_all_alignments_does(made):
    assert count_aligned(made) == count_aligned_reference(made)


@pytest.mark.parametrize("ends", range(16))
@pytest.mark.parametrize("seizures", range(4))
@pytest.mark.parametrize("alarms", range(4))
def test_the_closed_form_holds_for_events_at_either_end_of_the_recording(seizures, alarms, ends):
    made = recording(_spread(seizures, ends & 1, ends & 2), _spread(alarms, ends & 4, ends & 8), duration_s=100.0)
    assert count_aligned(made) == count_aligned_reference(made)


def _spread(events, at_start, at_end):
    middle = [(10.0 * i + 5, 10.0 * i + 10) for i in range(events)]
    return ([(0.0, 1.0)] if at_start else []) + middle + ([(90.0, 100.0)] if at_end else [])


@given(recordings())
def test_events_joined_quickly_are_the_seizures_of_the_filled_recording(made):
    filled = segments(made.reference, made.duration_s)
    assert joined(made.reference) == [(segment.start_s, segment.stop_s) for segment in filled if segment.seizure]


@given(recordings())
def test_a_filled_recording_alternates_without_a_gap_from_start_to_end(made):
    filled = segments(made.reference, made.duration_s)
    assert filled[0].start_s == 0.0
    assert filled[-1].stop_s == round(made.duration_s, 4)
    for before, after in pairwise(filled):
        assert before.stop_s == after.start_s
        assert before.seizure != after.seizure


def test_background_between_overlapping_events_has_a_negative_length():
    filled = [(segment.start_s, segment.stop_s, segment.seizure) for segment in segments([(0, 100), (10, 20)], 200)]
    assert filled == [(0, 100, True), (100, 10, False), (10, 20, True), (20, 200, False)]


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


def test_two_detections_in_one_seizure_are_one_hit_and_no_false_alarm():
    assert counts(score([recording([(10, 50)], [(12, 15), (20, 25)])], "ovlp")) == (1, 0, 0)


def test_a_detection_that_only_touches_a_seizure_is_a_miss_and_a_false_alarm():
    assert counts(score([recording([(10, 20)], [(20, 30)])], "ovlp")) == (0, 1, 1)


def test_times_are_scored_at_the_4_decimals_of_a_csv_bi_file():
    assert counts(score([recording([(10, 20.00004)], [(20.00001, 30)])], "ovlp")) == (0, 1, 1)


@pytest.mark.parametrize(
    ("alarm", "hit", "false_alarm"),
    [
        ((5, 12), 0.2, 0.5),
        ((18, 24), 0.2, 0.4),
        ((8, 21), 1.0, 0.3),
        ((11, 14), 0.3, 0.0),
        ((10, 20), 1.0, 0.0),
        ((0, 11), 0.1, 1.0),
        ((19, 31), 0.1, 1.0),
        ((4, 26), 1.0, 1.0),
    ],
    ids=["early", "late", "cover", "inside", "the same", "very early", "very late", "cover far"],
)
def test_taes_gives_shares_of_the_seizure_and_caps_false_alarms_at_its_length(alarm, hit, false_alarm):
    assert counts(score([recording([(10, 20)], [alarm])], "taes")) == pytest.approx((hit, 1 - hit, false_alarm))


def test_taes_lets_one_detection_find_only_the_first_of_two_seizures():
    assert counts(score([recording([(10, 20), (30, 40)], [(10, 40)])], "taes")) == pytest.approx((1, 1, 1))


def test_taes_adds_up_the_detections_in_one_seizure():
    assert counts(score([recording([(10, 20)], [(11, 12), (14, 17), (19, 22)])], "taes")) == pytest.approx((0.5, 0.5, 0.2))


def test_taes_takes_a_detection_of_the_same_second_as_near_and_its_hit_is_then_negative():
    near = score([recording([(10.2, 20.2)], [(5.2, 10.1), (12.2, 15.2)])], "taes")
    assert counts(near) == pytest.approx((0.29, 0.71, 0.5))
    a_second_away = score([recording([(10.2, 20.2)], [(5.2, 9.9), (12.2, 15.2)])], "taes")
    assert counts(a_second_away) == pytest.approx((0.3, 0.7, 1))


def test_taes_counts_a_seizure_again_for_each_of_two_detections_that_cover_it():
    figures = score([recording([(10, 20)], [(10, 20), (10, 20)])], "taes")
    assert counts(figures) == (2, 0, 0)
    assert figures.reference_count == 1


def test_taes_refuses_a_detected_seizure_of_no_length_and_counts_an_undetected_one():
    with pytest.raises(ScoringError, match=r"r1, reference: event 10\.0 to 10\.0 s; taes"):
        score([recording([(10, 10)], [(5, 15)])], "taes")
    assert counts(score([recording([(10, 10)], [(15, 25)])], "taes")) == (0, 1, 1)


def test_a_sample_at_an_onset_is_background_and_one_at_an_offset_is_seizure():
    figures = score([recording([(10.125, 20.375)], [(10.375, 20.125)], duration_s=60)], "epoch")
    assert counts(figures) == (39, 2, 0)


def test_epoch_takes_its_rate_from_seconds_and_counts_no_sample_after_the_end():
    figures = score([recording([], [(3590, 3600.0005)])], "epoch")
    assert figures.fp == 40
    assert figures.false_alarms_per_24h == pytest.approx(240)
    assert score([recording([], [(9.0, 10.1252)], duration_s=10.1248)], "epoch").fp == 4


def test_overlapping_events_count_a_sample_once():
    assert counts(score([recording([(10, 20), (10, 20), (12, 14)], [(5, 30), (7, 8)])], "epoch")) == (40, 0, 60)


def test_dpalign_ignores_times():
    assert counts(score([recording([(10, 20), (50, 60)], [(3000, 3300)])], "dpalign")) == (1, 1, 0)


def test_dpalign_takes_a_substituted_seizure_as_a_miss_and_a_substituted_background_as_nothing():
    assert counts(score([recording([(50, 100)], [(0, 50)], duration_s=100)], "dpalign")) == (0, 1, 0)
    assert counts(score([recording([], [(0, 100)], duration_s=100)], "dpalign")) == (0, 0, 0)


@given(made=recordings(120.0), data=st.data(), rule=st.sampled_from(["ovlp", "epoch", "dpalign"]))
def test_order_in_which_events_are_listed_does_not_matter(made, data, rule):
    shuffled = recording(
        data.draw(st.permutations(made.reference)), data.draw(st.permutations(made.detections)), made.duration_s
    )
    assert score([shuffled], rule) == score([made], rule)


@given(made=recordings(120.0), data=st.data())
def test_order_in_which_events_are_listed_does_not_matter_to_taes(made, data):
    shuffled = recording(
        data.draw(st.permutations(made.reference)), data.draw(st.permutations(made.detections)), made.duration_s
    )
    assert outcome(count_time_aligned, shuffled) == outcome(count_time_aligned, made)
