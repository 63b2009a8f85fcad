from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizure_pipeline.annotations import (
    AnnotationError,
    Seizure,
    Seizures,
    parse_csv_bi,
    read_csv_bi,
    read_events_tsv,
    write_csv_bi,
    write_events_tsv,
)

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is missing")
TSV_HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
CSV_HEAD = "# version = csv_v1.0.0\n# duration = 100.0000 secs\n#\nchannel,start_time,stop_time,label,confidence\n"


@st.composite
def possible_seizures(draw: st.DrawFn) -> tuple[Seizures, float]:
    """Events whose times are multiples of 0.1 ms, some of them touching, and a length that holds them."""
    steps = draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), max_size=8))
    at, intervals = 0, []
    for pause, length in steps:
        intervals.append(((at + pause) / 1e4, (at + pause + length) / 1e4))
        at += pause + length
    return Seizures.from_intervals(intervals), (at + draw(st.integers(1, 10**6))) / 1e4


def close(found: Seizures, expected: Seizures) -> bool:
    pairs = zip(found, expected, strict=True)
    return all(math.dist((a.onset_s, a.offset_s), (b.onset_s, b.offset_s)) < 1e-4 for a, b in pairs)


@given(st.lists(st.booleans(), max_size=200), st.sampled_from([1, 16, 250.5, 256, 500]))
def test_a_mask_survives_the_way_through_intervals(bits: list[bool], rate_hz: float) -> None:
    mask = np.array(bits, np.bool_)
    assert np.array_equal(Seizures.from_mask(mask, rate_hz).to_mask(len(mask), rate_hz), mask)


@given(st.sets(st.integers(0, 10**7), max_size=20), st.sampled_from([16, 256, 1000]))
def test_intervals_on_sample_edges_survive_the_way_through_a_mask(edges: set[int], rate_hz: float) -> None:
    ordered = sorted(edges)[: len(edges) // 2 * 2]
    intervals = [(a / rate_hz, b / rate_hz) for a, b in zip(ordered[::2], ordered[1::2], strict=True)]
    seizures = Seizures.from_intervals(intervals)
    assert Seizures.from_mask(seizures.to_mask(10**7, rate_hz), rate_hz) == seizures


def test_sample_k_covers_the_time_from_k_to_k_plus_one() -> None:
    seizures = Seizures.from_mask(np.array([False, True, True, False, True]), 2.0)
    assert list(seizures) == [Seizure(0.5, 1.5), Seizure(2.0, 2.5)]
    assert seizures.to_mask(10, 4.0).tolist() == [False, False, True, True, True, True, False, False, True, True]


def test_a_mask_never_loses_part_of_an_event_silently() -> None:
    with pytest.raises(AnnotationError, match="inside the mask of 10 s"):
        Seizures.from_intervals([(5, 10.2)]).to_mask(160, 16)
    with pytest.raises(AnnotationError, match="one row of booleans"):
        Seizures.from_mask(np.zeros((2, 3), np.bool_), 16)


def test_seizures_are_a_sorted_sequence() -> None:
    seizures = Seizures.from_intervals([(30, 40), (1, 2), (10, 20)])
    assert [seizure.onset_s for seizure in seizures] == [1, 10, 30]
    assert seizures[0] == Seizure(1, 2)
    assert seizures[1:] == Seizures.from_intervals([(10, 20), (30, 40)])
    assert len(seizures) == 3
    assert not Seizures()


def test_touching_events_stay_two() -> None:
    seizures = Seizures.from_intervals([(1, 2), (2, 3)])
    assert seizures.checked(10, "here") == seizures


def test_an_offset_up_to_one_second_beyond_the_end_is_cut_to_it() -> None:
    assert Seizures.from_intervals([(1, 11)]).checked(10, "here") == Seizures.from_intervals([(1, 10)])


@pytest.mark.parametrize(
    ("intervals", "rule"),
    [
        ([(-0.1, 2)], "at or after the recording's start"),
        ([(5, 4)], "ends after it begins"),
        ([(5, 5)], "ends after it begins"),
        ([(1, 4), (3, 6)], "do not overlap"),
        ([(1, 9), (2, 3)], "do not overlap"),
        ([(5, 11.01)], "inside the recording of 10 s"),
        ([(10, 10.5)], "inside the recording of 10 s"),
        ([(math.nan, 2)], "finite"),
        ([(1, math.inf)], "finite"),
    ],
)
def test_an_impossible_event_is_refused_with_place_and_rule(intervals: list[tuple[float, float]], rule: str) -> None:
    with pytest.raises(AnnotationError, match=f"^a.tsv: event from .*{rule}"):
        Seizures.from_intervals(intervals).checked(10, "a.tsv")


@pytest.mark.parametrize("duration_s", [0, -1, math.nan, math.inf])
def test_a_recording_has_a_length(duration_s: float) -> None:
    with pytest.raises(AnnotationError, match="length is finite and above 0"):
        Seizures().checked(duration_s, "here")


@given(possible_seizures())
def test_csv_bi_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, case: tuple[Seizures, float]) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.csv_bi"
    write_csv_bi(path, "p1_s1_t0", case[0], case[1], [0.5] * len(case[0]))
    seizures, duration_s = read_csv_bi(path)
    assert close(seizures, case[0])
    assert duration_s == pytest.approx(case[1], abs=1e-4)


@given(possible_seizures())
def test_events_tsv_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, case: tuple[Seizures, float]) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.tsv"
    write_events_tsv(path, case[0], case[1])
    seizures, duration_s = read_events_tsv(path)
    assert close(seizures, case[0])
    assert duration_s == pytest.approx(case[1], abs=1e-4)


def test_csv_bi_is_written_as_nedc_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv_bi"
    write_csv_bi(path, "aaaaaajy_s001_t000", Seizures.from_intervals([(42.2786, 81.776)]), 1289, [0.75])
    assert path.read_text() == (
        "# version = csv_v1.0.0\n# bname = aaaaaajy_s001_t000\n# duration = 1289.0000 secs\n# montage_file = n/a\n#\n"
        "channel,start_time,stop_time,label,confidence\nTERM,0.0000,42.2786,bckg,1.0000\n"
        "TERM,42.2786,81.7760,seiz,0.7500\nTERM,81.7760,1289.0000,bckg,1.0000\n"
    )
    write_csv_bi(path, "a", Seizures(), 10)
    assert path.read_text().endswith("confidence\nTERM,0.0000,10.0000,bckg,1.0000\n")


def test_events_tsv_is_written_as_szcore_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    write_events_tsv(path, Seizures.from_intervals([(10, 30)]), 60, [0.9], datetime(2076, 1, 1, 5, 13, 36))
    assert path.read_text() == TSV_HEAD + "10.0000\t20.0000\tsz\t0.9000\tn/a\t2076-01-01 05:13:36\t60.0000\n"
    write_events_tsv(path, Seizures(), 60)
    assert path.read_text() == TSV_HEAD + "0.0000\t60.0000\tbckg\tn/a\tn/a\tn/a\t60.0000\n"


@pytest.mark.parametrize("write", [write_events_tsv, lambda path, *rest: write_csv_bi(path, "a", *rest)])
@pytest.mark.parametrize(
    ("intervals", "confidences", "rule"),
    [
        ([(1, 2)], [0.5, 0.5], "each event has one confidence"),
        ([(1, 2)], [math.nan], "between 0 and 1"),
        ([(1, 2)], [1.5], "between 0 and 1"),
        ([(1, 3), (2, 4)], None, "do not overlap"),
        ([(1, 1.00001)], None, "ends after it begins"),
    ],
)
def test_a_refused_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path,
    write: Callable[..., None],
    intervals: list[tuple[float, float]],
    confidences: list[float] | None,
    rule: str,
) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    seizures = Seizures.from_intervals(intervals)
    with pytest.raises(AnnotationError, match=rule):
        write(path, seizures, 10, confidences)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_rename_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(OSError, match=r"a\.tsv"):
        write_events_tsv(tmp_path / "a.tsv", Seizures(), 10)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


def test_csv_bi_rows_are_sorted_and_background_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv_bi"
    path.write_text(CSV_HEAD + "TERM,60.0,70.0,seiz,1.0\nTERM,0.0,5.5,bckg,1.0\nTERM,5.5,7.25,seiz,1.0\n")
    assert read_csv_bi(path) == (Seizures.from_intervals([(5.5, 7.25), (60, 70)]), 100.0)
    path.write_bytes((CSV_HEAD + "TERM,0.0,100.0,bckg,1.0\n").replace("\n", "\r\n").encode())
    assert read_csv_bi(path) == (Seizures(), 100.0)


@given(possible_seizures())
def test_the_rows_of_a_written_csv_bi_follow_each_other_from_0_to_the_end(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Seizures, float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "filled.csv_bi"
    write_csv_bi(path, "p1_s1_t0", case[0], case[1])
    rows = [line.split(",") for line in path.read_text().splitlines() if line.startswith("TERM")]
    assert [row[1] for row in rows] == ["0.0000", *(row[2] for row in rows[:-1])]
    assert rows[-1][2] == f"{case[1]:.4f}"
    assert all(float(row[1]) < float(row[2]) for row in rows)
    assert parse_csv_bi(path.read_bytes(), "here").reach_s == pytest.approx(case[1], abs=1e-4)


def test_detections_without_background_are_read_and_say_how_far_their_rows_reach() -> None:
    found = parse_csv_bi(f"{CSV_HEAD}TERM,60.0,70.0,seiz,1.0\n".encode(), "here")
    assert (list(found.seizures), found.duration_s, found.reach_s) == ([Seizure(60, 70)], 100, 70)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: another line; the first line is '# version = csv_v1.0.0'"),
        ("# version = csv_v2.0.0\n", "line 1: another line; the first line is"),
        (CSV_HEAD, "no rows; a seizure-free recording has a row of background"),
        (CSV_HEAD.replace("100.0000", "long"), "line 2: duration is 'long'; it is a finite decimal"),
        (CSV_HEAD.replace("100.0000", "0") + "TERM,1.0,2.0,seiz,1.0\n", "length is finite and above 0 s"),
        (CSV_HEAD.replace("# duration = 100.0000 secs\n", ""), "no duration; a line such as"),
        (CSV_HEAD.replace("channel,", ""), "no line of column names"),
        (CSV_HEAD + "TERM,1.0,2.0,seiz\n", "line 5: 4 fields; a row is"),
        (CSV_HEAD + "FP1-F7,1.0,2.0,seiz,1.0\n", "line 5: channel 'FP1-F7'; rows of a csv_bi file are about all"),
        (CSV_HEAD + "\nTERM,1.0,2.0,fnsz,1.0\n", "line 6: label 'fnsz'; labels of a csv_bi file are seiz and bckg"),
        (CSV_HEAD + "TERM,1.0,2.0,SEIZ,1.0\n", "line 5: label 'SEIZ'"),
        (CSV_HEAD + "TERM,nan,2.0,seiz,1.0\n", "line 5: start_time is 'nan'; it is a finite decimal"),
        (CSV_HEAD + "TERM,1.0,1e400,seiz,1.0\n", "line 5: stop_time is '1e400'; it is a finite decimal"),
        (CSV_HEAD + "TERM,-1.0,2.0,seiz,1.0\n", "line 5: event from -1.0 to 2.0 s; an event begins at or after"),
        (CSV_HEAD + "TERM,2.0,2.0,bckg,1.0\n", "line 5: event from 2.0 to 2.0 s; an event ends after it begins"),
        (CSV_HEAD + "TERM,1.0,5.0,seiz,1.0\nTERM,4.0,6.0,seiz,1.0\n", "do not overlap"),
        (CSV_HEAD + "TERM,1.0,101.5,seiz,1.0\n", "inside the recording of 100 s"),
    ],
)
def test_csv_bi_refuses_by_file_line_value_and_rule(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv_bi"
    path.write_text(text)
    with pytest.raises(AnnotationError) as error:
        read_csv_bi(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: 1 columns; columns onset, duration, eventType are needed"),
        ("onset\tduration\n1\t2\n", "columns eventType are needed"),
        (TSV_HEAD, "no rows; a seizure-free recording has one bckg row"),
        (TSV_HEAD + "1.0\t2.0\tsz\n", "line 2: 3 fields; a row has the 7 columns of line 1"),
        (TSV_HEAD + "1.0\t2.0\tseizure\tn/a\tn/a\tn/a\t60\n", "line 2: eventType 'seizure'; an eventType is sz"),
        (TSV_HEAD + "1.0\tn/a\tsz\tn/a\tn/a\tn/a\t60\n", "line 2: duration is 'n/a'; it is a finite decimal"),
        (TSV_HEAD + "1.0\t0.0\tsz\tn/a\tn/a\tn/a\t60\n", "line 2: event from 1.0 to 1.0 s; an event ends after"),
        (TSV_HEAD + "-1.0\t3.0\tsz\tn/a\tn/a\tn/a\t60\n", "line 2: event from -1.0 to 2.0 s; an event begins at"),
        (TSV_HEAD + "1.0\t2.0\tsz\tn/a\tn/a\tn/a\tlong\n", "line 2: recordingDuration is 'long'"),
        (TSV_HEAD + "50\t20\tsz\tn/a\tn/a\tn/a\t60\n", "inside the recording of 60 s"),
        (TSV_HEAD + "1\t5\tsz\tn/a\tn/a\tn/a\t60\n3\t5\tsz\tn/a\tn/a\tn/a\t60\n", "do not overlap"),
    ],
)
def test_events_tsv_refuses_by_file_line_value_and_rule(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(AnnotationError) as error:
        read_events_tsv(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_annotations_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"onset\xff")
    with pytest.raises(AnnotationError, match=r"byte 5 is no UTF-8"):
        read_events_tsv(path)


def test_events_tsv_finds_columns_by_name_and_seizures_by_type(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rows = ["eventType\tduration\tonset", "sz_foc_ia_nm\t0.2\t10.1", "impd\tn/a\t1", "bckg\t3\t4", "sz\t1\t10.3"]
    path.write_text("\n".join(rows) + "\n")
    assert read_events_tsv(path) == (Seizures.from_intervals([(10.1, 10.3), (10.3, 11.3)]), None)


@needs_shared
def test_seizeit2_files_hold_the_seizures_that_their_lines_say() -> None:
    paths = sorted((SHARED / "annotations" / "seizeit2").glob("*_events.tsv"))
    assert paths
    for path in paths:
        seizures, duration_s = read_events_tsv(path)
        lines = path.read_text().splitlines()[1:]
        assert len(seizures) == sum("\tsz" in line for line in lines)
        assert duration_s == float(lines[0].split("\t")[-1])


@needs_shared
def test_real_clips_hold_the_seizures_of_their_list() -> None:
    seizures, duration_s = read_events_tsv(SHARED / "real" / "chb01" / "chb01_03_t2986-3036_events.tsv")
    assert (list(seizures), duration_s) == ([Seizure(10, 50)], 50)
