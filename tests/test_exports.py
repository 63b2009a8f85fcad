"""Events in the forms that others read: line by line, and read back by other readers."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import edfio
import pytest
from edf_files import edf, ramp, signal
from hypothesis import given
from test_annotations import TSV_HEAD, possible_seizures

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
from seizure_pipeline.scored_files import pair_files, read_pairs
from seizure_pipeline.scoring import RULES, score

ALL = ("csv_bi", "tsv", "bids", "edf")


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


def test_what_a_copy_has_no_room_for_is_a_warning_that_names_the_copy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "source.edf").write_bytes(edf([signal()], ramp(100), patient="Doe Jane, MRN 4711, of ward 12".ljust(80, "x")))
    (tmp_path / "found").mkdir()
    files = exported(tmp_path / "found", "a", Seizures.from_intervals([(1, 2)]), 100, ("edf",))
    assert f"{files.path('edf')}: identification of the patient cut from 80 characters to 74" in caplog.text
    assert "Jane" not in caplog.text


def test_no_copy_is_an_error_of_its_own_after_the_other_forms_are_written(tmp_path: Path) -> None:
    (tmp_path / "source.edf").write_bytes(edf([signal()], ramp(100))[:-2])
    (tmp_path / "found").mkdir()
    with pytest.raises(ExportError, match=r"no annotated copy: .*source\.edf: .*truncated"):
        exported(tmp_path / "found", "a", Seizures.from_intervals([(1, 2)]), 100, ALL)
    assert (tmp_path / "found" / "a.csv_bi").is_file()
    assert (tmp_path / "found" / "a_events.tsv").is_file()
    assert not (tmp_path / "found" / "a_annotated.edf").exists()


def test_what_an_earlier_run_exported_is_removed(tmp_path: Path) -> None:
    (tmp_path / "source.edf").write_bytes(edf([signal()], ramp(100)))
    (tmp_path / "found").mkdir()
    files = exported(tmp_path / "found", "a", Seizures.from_intervals([(1, 2)]), 100, ALL)
    (note,) = edfio.read_edf(files.path("edf")).annotations
    assert (note.onset, note.duration, note.text) == (1.0, 1.0, "seizure, detected with confidence 0.5000")
    files.remove()
    assert not [path for path in (tmp_path / "found").rglob("*") if path.is_file()]
