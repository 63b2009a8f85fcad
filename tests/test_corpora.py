"""Corpora: entries, splits and refusals, each named with its file, value and rule."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edf_files import edf, signal

from seizure_pipeline.corpora import CorpusError, CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.corpora.table import RecordingRow, rows_from_table, table_from_rows
from seizure_pipeline.montage import ELECTRODES, MontageSettings

HEADER = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
SEIZURE = HEADER + "2.00\t3.00\tsz\tn/a\tn/a\tn/a\t10.00\n"
BIDS = CorpusSettings(layout="bids", splits={"train": ("sub-01", "sub-02"), "dev": ("sub-03",)})


def recording(folder: Path, name: str, events: str | None = SEIZURE, labels: tuple[str, ...] = ELECTRODES) -> Path:
    path = folder / f"{name}_eeg.edf"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(7).integers(-1000, 1000, (10, len(labels) * 256), dtype="<i2")
    path.write_bytes(edf([signal(label, 256) for label in labels], [record.tobytes() for record in noise]))
    if events is not None:
        (folder / f"{name}_events.tsv").write_text(events)
    return path


def rows_of(folder: Path, settings: CorpusSettings = BIDS) -> list[RecordingRow]:
    root = Folder(str(folder))
    return examine_entries(root, find_entries(root, settings), MontageSettings())


def refusal(folder: Path) -> str:
    """The reason of the one refused recording beside an accepted one."""
    recording(folder, "sub-02_run-1")
    (refused,) = [row for row in rows_of(folder) if not row.accepted]
    return refused.reason


def test_a_tusz_tree_gives_patients_and_splits_from_its_folders(small_corpus: Path) -> None:
    entries = find_entries(Folder(str(small_corpus)), CorpusSettings())
    assert {entry.split for entry in entries} == {"train", "dev"}
    assert all(entry.recording_id.startswith(f"{entry.patient_id}_s") for entry in entries)
    assert all(entry.annotation is not None for entry in entries)


def test_a_patient_in_two_splits_stops(small_corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(small_corpus, root)
    patient = sorted((root / "edf/train").iterdir())[0]
    shutil.copytree(patient, root / "edf/dev" / patient.name)
    with pytest.raises(CorpusError, match=f"patient {patient.name} is in splits .*one split"):
        find_entries(Folder(str(root)), CorpusSettings())


def test_an_empty_corpus_stops(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no EDF file in layout 'tusz'"):
        find_entries(Folder(str(tmp_path)), CorpusSettings())


def test_a_corpus_without_seizures_stops(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1", HEADER + "0.00\t10.00\tbckg\tn/a\tn/a\tn/a\t10.00\n")
    with pytest.raises(CorpusError, match="no seizure in 1 recordings"):
        rows_of(tmp_path)


def test_a_patient_in_no_list_stops(tmp_path: Path) -> None:
    recording(tmp_path, "sub-09_run-1")
    with pytest.raises(CorpusError, match=r"sub-09_run-1_eeg.edf: patient sub-09 is listed in splits \[\]"):
        rows_of(tmp_path)


def test_two_files_of_one_id_stop(tmp_path: Path) -> None:
    recording(tmp_path / "a", "sub-01_run-1")
    recording(tmp_path / "b", "sub-01_run-1")
    with pytest.raises(CorpusError, match="ids must be unique"):
        rows_of(tmp_path)


def test_a_missing_annotation_is_refused_not_taken_as_seizure_free(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1", None)
    assert "sub-01_run-1_eeg.edf: no annotation file" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ("2.00\t30.00\tsz\tn/a\tn/a\tn/a\t10.00\n", "inside the recording"),
        ("-2.00\t3.00\tsz\tn/a\tn/a\tn/a\t10.00\n", "-2.0"),
        ("2.00\t3.00\tsz\tn/a\tn/a\tn/a\t10.00\n4.00\t3.00\tsz\tn/a\tn/a\tn/a\t10.00\n", "do not overlap"),
        ("2.00\t3.00\tsz\tn/a\tn/a\tn/a\t90.00\n", "they must agree to 1 s"),
    ],
    ids=["outside", "negative", "overlapping", "other length"],
)
def test_an_impossible_annotation_is_refused_by_file_value_and_rule(tmp_path: Path, events: str, rule: str) -> None:
    recording(tmp_path, "sub-01_run-1", HEADER + events)
    reason = refusal(tmp_path)
    assert "sub-01_run-1_events.tsv" in reason
    assert rule in reason


def test_too_few_electrodes_are_refused_by_name(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1", labels=ELECTRODES[:12])
    reason = refusal(tmp_path)
    assert "sub-01_run-1_eeg.edf" in reason
    assert "O2" in reason


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, "sub-01_run-1")
    path.write_bytes(path.read_bytes()[:-100])
    assert "sub-01_run-1_eeg.edf" in refusal(tmp_path)


def test_an_unknown_electrode_is_named(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1", labels=(*ELECTRODES[:18], "EEG XX9-REF"))
    (row,) = rows_of(tmp_path)
    assert row.interpolated == ("O2",)
    assert row.unused == ("EEG XX9-REF",)


def test_an_edf_outside_the_split_folders_stops(small_corpus: Path, tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    shutil.copytree(small_corpus, root)
    (root / "edf/dev").rename(root / "edf/val")
    with pytest.raises(CorpusError, match="below none of the folders"):
        find_entries(Folder(str(root)), CorpusSettings())


def test_a_corpus_that_is_not_there_stops(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        find_entries(Folder(str(tmp_path / "missing")), CorpusSettings())


def test_a_broken_link_is_refused_by_name(tmp_path: Path) -> None:
    path = recording(tmp_path, "sub-01_run-1")
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert "sub-01_run-1_eeg.edf" in refusal(tmp_path)


def test_excluded_files_are_left_out(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1")
    recording(tmp_path / "other", "sub-99_run-1")
    settings = BIDS.model_copy(update={"exclude": ("other/*",)})
    assert [row.recording_id for row in rows_of(tmp_path, settings)] == ["sub-01_run-1"]


def test_the_table_of_recordings_survives_its_file(tmp_path: Path) -> None:
    recording(tmp_path, "sub-01_run-1")
    rows = rows_of(tmp_path)
    table = table_from_rows(rows)
    table.to_parquet(tmp_path / "rows.parquet")
    assert rows_from_table(pd.read_parquet(tmp_path / "rows.parquet")) == rows


def test_real_clips_are_accepted_with_their_gaps(real_recordings: Path) -> None:
    settings = CorpusSettings(
        layout="bids",
        patient_pattern=r"(chb\d+|Subject\d+|demo)",
        splits={
            "train": ("chb01", *(f"Subject0{n}" for n in range(6))),
            "dev": ("chb02",),
            "eval": ("demo",),
        },
    )
    rows = rows_of(real_recordings, settings)
    refused = [row.path for row in rows if not row.accepted]
    assert refused == ["neonatal/demo.edf"]
    gaps = [row for row in rows if row.path.endswith("_gap.edf")]
    assert len(gaps) == 5
    assert all((row.duration_s, row.span_s, row.seizures) == (20.0, 30.0, ((10.0, 30.0),)) for row in gaps)
