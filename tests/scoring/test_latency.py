import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizure_pipeline.scoring import ScoredRecording, ScoringError, latency_summary, latency_table, score, seizure_outcomes

quarter_seconds = st.integers(0, 60).map(lambda quarters: quarters / 4)
intervals = st.lists(st.tuples(quarter_seconds, quarter_seconds).map(lambda pair: (min(pair), max(pair))), max_size=8)


def recording(reference, detections, name="r1"):
    return ScoredRecording(name, "p1", 1000.0, reference, detections)


def outcome(reference, detections):
    (only,) = seizure_outcomes([recording(reference, detections)])
    return only


def test_latency_is_from_the_seizures_onset_to_that_of_the_first_detection():
    found = outcome([(100, 160)], [(130, 150), (110, 120)])
    assert (found.latency_s, found.duration_error_s) == (10.0, 30.0 - 60.0)


def test_an_alarm_that_begins_before_the_seizure_has_negative_latency():
    found = outcome([(100, 160)], [(90, 170)])
    assert (found.latency_s, found.duration_error_s) == (-10.0, 20.0)


def test_a_missed_seizure_has_neither():
    assert outcome([(100, 160)], [(160, 170), (50, 100)]).latency_s is None
    assert outcome([(100, 160)], []).duration_error_s is None


def test_one_alarm_over_two_seizures_is_the_detection_of_both():
    first, second = seizure_outcomes([recording([(100, 160), (300, 320)], [(90, 400)])])
    assert (first.latency_s, second.latency_s) == (-10.0, -210.0)


@given(reference=intervals, detections=intervals)
def test_as_many_seizures_have_a_latency_as_any_overlap_finds(reference, detections):
    made = recording(reference, detections)
    figures = latency_summary(seizure_outcomes([made]))
    counted = score([made], "ovlp")
    assert (figures["found_seizures"], figures["seizures"]) == (counted.tp, counted.reference_count)


@pytest.mark.parametrize(
    ("length_s", "name"),
    [(9.99, "<10 s"), (10, "10-30 s"), (30, "30-60 s"), (59.9, "30-60 s"), (60, ">=60 s"), (500, ">=60 s")],
)
def test_a_class_of_length_holds_its_lower_end(length_s, name):
    assert outcome([(100, 100 + length_s)], []).length_class == name


def test_the_table_has_medians_and_quartiles_over_found_seizures_by_length_and_type():
    reference = [(100, 105), (200, 220), (300, 320), (400, 420), (500, 600)]
    detections = [(201, 220), (303, 320), (407, 420), (495, 590)]
    types = {"r1": ["tonic", "focal", "focal", "tonic", "focal"]}
    found = seizure_outcomes([recording(reference, detections)], types)
    rows = {(row["by"], row["class"]): row for row in latency_table(found)}
    assert (rows["length", "<10 s"]["seizures"], rows["length", "<10 s"]["latency_median_s"]) == (1, None)
    middle = rows["length", "10-30 s"]
    assert (middle["latency_lower_quartile_s"], middle["latency_median_s"], middle["latency_upper_quartile_s"]) == (2, 3, 5)
    assert (rows["type", "tonic"]["found_seizures"], rows["type", "tonic"]["latency_median_s"]) == (1, 7)
    assert (rows["type", "focal"]["seizures"], rows["type", "focal"]["latency_median_s"]) == (3, 1)
    assert rows["all", "all"]["duration_error_median_s"] == pytest.approx((-3 - 5) / 2)
    assert sum(row["seizures"] for key, row in rows.items() if key[0] == "length") == 5


def test_types_follow_their_seizures_through_sorting_and_joining():
    reference = [(300, 320), (100, 110), (110, 130)]
    found = seizure_outcomes([recording(reference, []), recording([(5, 6)], [], "r2")], {"r1": ["last", "first", "second"]})
    assert [each.seizure_type for each in found] == ["first", "last", None]
    types = [row["class"] for row in latency_table(found) if row["by"] == "type"]
    assert types == ["first", "last", "not given"]


def test_without_types_no_row_is_of_a_type():
    assert {row["by"] for row in latency_table(seizure_outcomes([recording([(5, 6)], [])]))} == {"all", "length"}


def test_another_number_of_types_than_seizures_is_refused():
    with pytest.raises(ScoringError, match="r1: 1 types for 2 seizures"):
        seizure_outcomes([recording([(1, 2), (3, 4)], [])], {"r1": ["tonic"]})
