"""Events in the forms that others read: line by line, byte by byte, and read back by other readers."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from edf_files import annotations, discontinuous, edf, ramp, signal
from hypothesis import given
from test_annotations import SHARED, TSV_HEAD, needs_shared, possible_seizures

from seizure_pipeline.annotations import Seizures
from seizure_pipeline.exports import (
    DetectionSettings,
    ExportedEvents,
    ExportError,
    ExportFiles,
    bids_events_paths,
    start_bids_tree,
    write_exports,
)
from seizure_pipeline.recordings import Note, RecordingError, open_recording, write_annotated_copy
from seizure_pipeline.scored_files import pair_files, read_pairs
from seizure_pipeline.scoring import RULES, score

ALL = ("csv_bi", "tsv", "bids", "edf")
CASES = SHARED / "edf_cases"
NOTES = [Note(0.5, 1.25, "seizure"), Note(2.0, 0.5, "seizure, detected with confidence 0.9000")]
HEADER = slice(0, 256)
NO_COPY = {
    "MIT-LCP+wfdb-python__test_edfann.edf": "all annotations",
    "the-siesta-group+edfio__bc38a9_SC4001EC-Hypnogram.bdf": "all annotations",
    "the-siesta-group+edfio__e095b0_SC4001EC-Hypnogram.edf": "all annotations",
    "preraulab+EDF_deidentify_toolbox__cdac8c_test.edf": "nothing follows the last record",
    "beacon-biosignals+EDF.jl__b0261c_test_uneven_samp.edf": "an identification of 78 characters",
}


def copied(tmp_path: Path, raw: bytes, notes: list[Note] = NOTES, suffix: str = ".edf") -> tuple[Path, Path]:
    source, target = tmp_path / f"source{suffix}", tmp_path / f"copy{suffix}"
    source.write_bytes(raw)
    write_annotated_copy(source, target, notes)
    return source, target


def found_by_edfio(path: Path) -> list[tuple[float, float | None, str]]:
    read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
    return [(note.onset, note.duration, note.text) for note in read(path, header_encoding="latin-1").annotations]


def plain(notes: list[Note], later_s: float = 0.0) -> list[tuple[float, float | None, str]]:
    return [(note.onset_s + later_s, note.duration_s, note.text) for note in notes]


def test_a_plain_file_becomes_edf_plus_with_every_sample_as_it_was(tmp_path: Path) -> None:
    raw = edf([signal(), signal("EEG FP2-REF", 2)], [d + b"\x01\x02\x03\x04" for d in ramp(4)], patient="A Name", recording="")
    source, target = copied(tmp_path, raw)
    before, after = edfio.read_edf(source), edfio.read_edf(target)
    assert after.reserved == "EDF+C"
    assert after.local_patient_identification == "X X X A_Name"
    assert after.local_recording_identification == "Startdate 02-MAR-2004 X X X X"
    assert [s.digital.tobytes() for s in after.signals] == [s.digital.tobytes() for s in before.signals]
    assert [repr(s) for s in after.signals] == [repr(s) for s in before.signals]
    assert after.startdatetime == before.startdatetime == datetime(2004, 3, 2, 5, 6, 7)
    assert found_by_edfio(target) == plain(NOTES)


@pytest.mark.parametrize("notes", [NOTES, []])
def test_an_edf_plus_keeps_its_annotations_its_header_and_its_onsets(tmp_path: Path, notes: list[Note]) -> None:
    lists = [f"+{k}.5\x14\x14\x00+{k}.7\x14own {k}\x14\x00".encode().ljust(40, b"\0") for k in range(4)]
    raw = edf([signal(), annotations(20)], [d + each for d, each in zip(ramp(4), lists, strict=True)], reserved="EDF+C")
    source, target = copied(tmp_path, raw, notes)
    own = [(round(note[0], 4), *note[1:]) for note in found_by_edfio(source)]
    assert [note[2] for note in own] == ["own 0", "own 1", "own 2", "own 3"]
    assert sorted((round(note[0], 4), *note[1:]) for note in found_by_edfio(target)) == sorted(own + plain(notes))
    kept = bytearray(source.read_bytes()[HEADER])
    kept[184:192], kept[252:256] = b"%-8d" % (256 * 4), b"%-4d" % 3
    assert target.read_bytes()[HEADER] == bytes(kept)


def test_a_file_with_gaps_gets_each_annotation_in_the_record_where_it_begins(tmp_path: Path) -> None:
    source, target = copied(tmp_path, discontinuous(["+10", "+11", "+20", "+21"]), [Note(11.5, 0.25, "x"), Note(5.0, 1.0, "y")])
    before, after = open_recording(source), open_recording(target)
    assert after.stretches == before.stretches
    assert np.array_equal(after.read_uv([0], 1), before.read_uv([0], 1))
    raw = target.read_bytes()
    record = (len(raw) - 256 * 4) // 4
    added = [raw[256 * 4 + k * record :][28:record].rstrip(b"\0") for k in range(4)]
    assert added == [b"", b"+15.0000\x151.0000\x14y\x14", b"", b"+21.5000\x150.2500\x14x\x14"]


@needs_shared
@pytest.mark.parametrize(
    "path", [path for path in sorted(CASES.glob("*.?df")) if path.name not in NO_COPY], ids=lambda p: p.name
)
def test_copies_of_files_of_many_programs_hold_the_same_bytes_of_every_signal(tmp_path: Path, path: Path) -> None:
    recording = open_recording(path)
    source, target = copied(tmp_path, path.read_bytes(), NOTES, path.suffix)
    after = open_recording(target)
    before_bytes, after_bytes = records(source, recording.n_records), records(target, recording.n_records)
    assert np.array_equal(after_bytes[:, : before_bytes.shape[1]], before_bytes)
    assert (after.labels, after.units, after.rates_hz) == (recording.labels, recording.units, recording.rates_hz)
    assert after.start == recording.start
    assert {note.text for note in NOTES} <= {note[2] for note in found_by_edfio(target)}


@needs_shared
@pytest.mark.parametrize(("name", "message"), NO_COPY.items())
def test_files_of_which_there_is_no_copy_say_why(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        copied(tmp_path, (CASES / name).read_bytes(), NOTES, name[-4:])


def records(path: Path, n_records: int) -> np.ndarray:
    raw = path.read_bytes()
    return np.frombuffer(raw[int(raw[184:192]) :], np.uint8).reshape(n_records, -1)


@pytest.mark.parametrize(
    "name", ["the-siesta-group+edfio__de0ef2_short_psg.edf", "the-siesta-group+edfio__d2bc05_short_psg.bdf"]
)
@needs_shared
def test_a_strict_reader_of_edf_plus_takes_the_copy_of_a_plain_file(tmp_path: Path, name: str) -> None:
    source, target = copied(tmp_path, (CASES / name).read_bytes(), NOTES, name[-4:])
    with pyedflib.EdfReader(str(target)) as after, pyedflib.EdfReader(str(source)) as before:
        onsets, durations, texts = after.readAnnotations()
        assert [tuple(row) for row in zip(onsets, durations, texts, strict=True)] == plain(NOTES)
        assert after.getSignalHeaders() == before.getSignalHeaders()
        assert all(
            np.array_equal(after.readSignal(k, digital=True), before.readSignal(k, digital=True))
            for k in range(before.signals_in_file)
        )


def test_an_open_number_of_records_is_filled_in(tmp_path: Path) -> None:
    _, target = copied(tmp_path, edf([signal()], ramp(3), n_records=-1))
    assert edfio.read_edf(target).num_data_records == 3


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (edf([signal()], ramp(3), patient="x" * 77), r"an identification of 77 characters; EDF\+ puts 6 before it"),
        (edf([signal(), annotations()], [d + bytes(20) for d in ramp(3)]), r"begins its annotations with something else"),
        (edf([signal()], ramp(3))[:-2], "truncated"),
    ],
)
def test_what_edf_plus_cannot_hold_is_refused_and_leaves_nothing(tmp_path: Path, raw: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        copied(tmp_path, raw)
    assert [path.name for path in tmp_path.iterdir()] == ["source.edf"]


def test_a_recording_is_never_its_own_copy(tmp_path: Path) -> None:
    source, _ = copied(tmp_path, edf([signal()], ramp(3)))
    content = source.read_bytes()
    with pytest.raises(RecordingError, match="a copy is another file"):
        write_annotated_copy(source, source, NOTES)
    assert source.read_bytes() == content


@given(possible_seizures())
def test_csv_bi_is_what_the_format_says_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Seizures, float]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    exported(folder, "aaaaaaaa_s001_t000", case[0], case[1], ("csv_bi",))
    lines = (folder / "aaaaaaaa_s001_t000.csv_bi").read_bytes().decode("ascii").split("\n")
    head = [
        "# version = csv_v1.0.0",
        "# bname = aaaaaaaa_s001_t000",
        f"# duration = {case[1]:.4f} secs",
        "# montage_file = n/a",
    ]
    assert lines[:6] == [*head, "#", "channel,start_time,stop_time,label,confidence"]
    assert lines[-1] == ""
    row = re.compile(r"TERM,(\d+\.\d{4}),(\d+\.\d{4}),(seiz|bckg),([01]\.\d{4})")
    rows = [row.fullmatch(line) for line in lines[6:-1]]
    assert all(rows), lines
    times = [(float(found[1]), float(found[2])) for found in rows if found]
    assert all(start < stop for start, stop in times)
    assert times == sorted(times)
    assert times[-1][1] == round(case[1], 4)


def exported(folder: Path, name: str, seizures: Seizures, span_s: float, exports: tuple[str, ...]) -> ExportFiles:
    settings = DetectionSettings.model_validate({"exports": exports})
    bids = bids_events_paths([f"{name}.edf"])[f"{name}.edf"]
    files = ExportFiles(folder, name, ".edf", bids, settings.exports)
    events = ExportedEvents(seizures, span_s, [0.5] * len(seizures), datetime(2020, 1, 2, 3, 4, 5))
    write_exports(events, folder.parent / "source.edf", files)
    return files


@given(possible_seizures(), possible_seizures())
def test_every_form_that_is_read_back_scores_the_same(
    tmp_path_factory: pytest.TempPathFactory, truth: tuple[Seizures, float], found: tuple[Seizures, float]
) -> None:
    root, span_s = tmp_path_factory.mktemp("forms"), max(truth[1], found[1])
    for side, seizures in (("ref", truth[0]), ("hyp", found[0])):
        for form in ("csv_bi", "tsv", "bids"):
            (root / side / form).mkdir(parents=True)
            exported(root / side / form, "aaaaaaaa_s001_t000", seizures, span_s, (form,))
    scores = {
        (one, other): [score(read_pairs(pair_files(root / "ref" / one, root / "hyp" / other)), rule) for rule in RULES]
        for one, other in (("csv_bi", "csv_bi"), ("tsv", "tsv"), ("csv_bi", "tsv"), ("tsv", "csv_bi"))
    }
    first = scores["csv_bi", "csv_bi"]
    assert all(each == first for each in scores.values())
    in_bids = read_pairs(pair_files(root / "ref" / "bids", root / "hyp" / "bids"))
    counts = ("tp", "fn", "fp", "hours")
    assert [[getattr(score(in_bids, rule), name) for name in counts] for rule in RULES] == [
        [getattr(each, name) for name in counts] for each in first
    ]


@pytest.mark.parametrize(
    ("recordings", "paths"),
    [
        (["sub-7_ses-2_task-rest_run-1_eeg.edf"], ["sub-7/ses-2/eeg/sub-7_ses-2_task-rest_run-1_events.tsv"]),
        (["x/sub-7_task-rest_eeg.bdf"], ["sub-7/eeg/sub-7_task-rest_events.tsv"]),
        (
            ["aaaaaajy_s001_t002.edf"],
            ["sub-aaaaaajy/ses-001/eeg/sub-aaaaaajy_ses-001_task-szMonitoring_run-002_events.tsv"],
        ),
        (
            ["chb01/chb01_03.edf", "chb01/chb01_02.edf", "night one.edf"],
            [
                "sub-chb01/ses-01/eeg/sub-chb01_ses-01_task-szMonitoring_run-01_events.tsv",
                "sub-chb01/ses-01/eeg/sub-chb01_ses-01_task-szMonitoring_run-00_events.tsv",
                "sub-nightone/ses-01/eeg/sub-nightone_ses-01_task-szMonitoring_run-00_events.tsv",
            ],
        ),
    ],
)
def test_a_recording_has_a_place_of_its_own_in_a_bids_tree(recordings: list[str], paths: list[str]) -> None:
    found = bids_events_paths(recordings)
    assert [found[recording] for recording in recordings] == paths


@pytest.mark.parametrize("recordings", [["a/aa_s1_t1.edf", "b/aa_s1_t1.edf"], ["§.edf"]])
def test_recordings_without_a_bids_name_of_their_own_are_named(recordings: list[str]) -> None:
    with pytest.raises(ExportError, match=f"^{', '.join(recordings)}: no BIDS name"):
        bids_events_paths(recordings)


def test_a_bids_tree_says_what_it_is_and_what_its_columns_mean(tmp_path: Path) -> None:
    start_bids_tree(tmp_path / "bids")
    about = json.loads((tmp_path / "bids" / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion", "DatasetType", "GeneratedBy"} == set(about)  # what BIDS asks of a derivative
    assert about["DatasetType"] == "derivative"
    assert "Name" in about["GeneratedBy"][0]
    columns = json.loads((tmp_path / "bids" / "events.json").read_text())
    assert list(columns) == TSV_HEAD.split()


def test_no_copy_is_an_error_of_its_own_after_the_other_forms_are_written(tmp_path: Path) -> None:
    (tmp_path / "source.edf").write_bytes(edf([signal()], ramp(100), patient="x" * 80))
    (tmp_path / "found").mkdir()
    with pytest.raises(ExportError, match=r"no annotated copy: .*source\.edf: an identification of 80 characters"):
        exported(tmp_path / "found", "a", Seizures.from_intervals([(1, 2)]), 100, ALL)
    assert (tmp_path / "found" / "a.csv_bi").is_file()
    assert (tmp_path / "found" / "a_events.tsv").is_file()
    assert not (tmp_path / "found" / "a_annotated.edf").exists()


def test_what_an_earlier_run_exported_is_removed(tmp_path: Path) -> None:
    (tmp_path / "source.edf").write_bytes(edf([signal()], ramp(100)))
    (tmp_path / "found").mkdir()
    files = exported(tmp_path / "found", "a", Seizures.from_intervals([(1, 2)]), 100, ALL)
    assert found_by_edfio(files.path("edf")) == [(1.0, 1.0, "seizure, detected with confidence 0.5000")]
    files.remove()
    assert not [path for path in (tmp_path / "found").rglob("*") if path.is_file()]
