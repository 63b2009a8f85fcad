"""Copies of recordings with annotations added: byte by byte, and read by other readers."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from edf_files import annotations, discontinuous, edf, ramp, signal
from test_annotations import SHARED, needs_shared

from seizure_pipeline.recordings import Note, RecordingError, open_recording, write_annotated_copy

CASES = SHARED / "edf_cases"
NOTES = [Note(0.5, 1.25, "seizure"), Note(2.0, 0.5, "seizure, detected with confidence 0.9000")]
HEADER = slice(0, 256)
NO_COPY = {
    "MIT-LCP+wfdb-python__test_edfann.edf": "all annotations",
    "the-siesta-group+edfio__bc38a9_SC4001EC-Hypnogram.bdf": "all annotations",
    "the-siesta-group+edfio__e095b0_SC4001EC-Hypnogram.edf": "all annotations",
    "preraulab+EDF_deidentify_toolbox__cdac8c_test.edf": "nothing follows the last record",
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


LONG = "Doe Jane, MRN 4711, ward 12 of the general hospital at the river, second floor right"[:80]


@pytest.mark.parametrize("length", [73, 74, 75, 80])
def test_of_an_identification_as_much_is_kept_as_there_is_room_for_and_the_rest_is_said(tmp_path: Path, length: int) -> None:
    patient, recording = LONG[:length].rstrip().ljust(length, "x"), "y" * (length - 22)
    source, target = tmp_path / "source.edf", tmp_path / "copy.edf"
    source.write_bytes(edf([signal()], ramp(4), patient=patient, recording=recording))
    said = write_annotated_copy(source, target, NOTES)
    after = edfio.read_edf(target)
    assert after.local_patient_identification == f"X X X {patient.replace(' ', '_')[:74]}"
    assert after.local_recording_identification == f"Startdate 02-MAR-2004 X X X {recording[:52]}"
    assert (after.patient.code, after.patient.sex, after.patient.name) == ("X", "X", patient.replace(" ", "_")[:74])
    assert found_by_edfio(target) == plain(NOTES)
    assert [re.findall(r"\d+", each)[:2] for each in said] == ([[str(length), "74"], [str(length - 22), "52"]] * (length > 74))
    assert not any("Jane" in each for each in said)
    with pyedflib.EdfReader(str(target)) as strict:
        assert strict.getPatientName() == patient.replace(" ", "_")[:74].replace("_", " ")


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
    "name",
    [
        "the-siesta-group+edfio__de0ef2_short_psg.edf",
        "the-siesta-group+edfio__d2bc05_short_psg.bdf",
        "beacon-biosignals+EDF.jl__b0261c_test_uneven_samp.edf",
    ],
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
