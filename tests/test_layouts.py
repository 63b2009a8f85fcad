"""Layouts of corpora: which recordings, patients and annotations a tree holds, and what refuses a recording by name."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import SHARED
from edf_files import edf, signal

from seizure_pipeline.annotations.chb_mit import blocks_of
from seizure_pipeline.corpora import (
    CorpusError,
    CorpusSettings,
    Folder,
    RecordingRow,
    assign_splits,
    examine_entries,
    find_entries,
)
from seizure_pipeline.montage import ELECTRODES, MontageSettings

DRAWN = {"split_fractions": {"dev": 0.3, "eval": 0.3}}
CHB_MIT = CorpusSettings(layout="chb_mit", **DRAWN)
SIENA = CorpusSettings(layout="siena", **DRAWN)
BANANA = "FP1-F7 F7-T7 T7-P7 P7-O1 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2 FP2-F8 F8-T8 T8-P8 P8-O2 FZ-CZ CZ-PZ"
SECONDS, RATE_HZ = 100, 256
CSV = f"# version = csv_v1.0.0\n# duration = {SECONDS}.00 secs\n#\nchannel,start_time,stop_time,label,confidence\n"


def silence(path: Path, seconds: int = SECONDS, labels: tuple[str, ...] = ELECTRODES, **start: str) -> Path:
    """An EDF of `seconds` whose samples, all zero, take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = edf([signal(label, RATE_HZ) for label in labels], [], n_records=seconds, **start)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + seconds * 2 * RATE_HZ * len(labels))
    return path


def rows_of(root: Path, settings: CorpusSettings) -> dict[str, RecordingRow]:
    corpus = Folder(str(root))
    rows = examine_entries(corpus, find_entries(corpus, settings), MontageSettings())
    return {row.recording_id: row for row in assign_splits(rows, settings)}


def chb_mit(root: Path, case: str, files: dict[str, tuple[tuple[int, int], ...]]) -> None:
    lines = []
    for name, seizures in files.items():
        silence(root / case / name, labels=tuple(BANANA.split()))
        lines += [f"File Name: {name}", f"Number of Seizures in File: {len(seizures)}"]
        for onset_s, offset_s in seizures:
            lines += [f"Seizure Start Time: {onset_s} seconds", f"Seizure End Time: {offset_s} seconds"]
    (root / case / f"{case}-summary.txt").write_text("\n".join(lines) + "\n")


def siena(root: Path, patient: str, listed: str, *files: str, **edf_fields: str) -> None:
    for name in files:
        silence(root / patient / name, **edf_fields)
    block = (
        f"Seizure n 1\nFile name: {listed}\nRegistration start time: 05.06.07\nRegistration end time: 05.07.47\n"
        "Seizure start time: 05.06.17\nSeizure end time: 05.06.37\n"
    )
    (root / patient / f"Seizures-list-{patient}.txt").write_text(block)


def tusz(root: Path, split: str, patient: str, montage: str, csv_bi: str = "", csv: str = "") -> Path:
    path = silence(root / f"edf/{split}/{patient}/s001_2015/{montage}/{patient}_s001_t000.edf")
    for suffix, channel, rows in ((".csv_bi", "TERM", csv_bi), (".csv", "FP1-F7", csv)):
        path.with_suffix(suffix).write_text(f"{CSV}{rows}{channel},90.0,100.0,bckg,1.0\n")
    return path


def test_a_chb_mit_tree_gives_each_recording_its_seizures_and_keeps_chb21_with_chb01(tmp_path: Path) -> None:
    chb_mit(tmp_path, "chb01", {"chb01_01.edf": ()})
    chb_mit(tmp_path, "chb02", {"chb02_16.edf": ((10, 20), (30, 41)), "chb02_16+.edf": ((5, 6),)})
    chb_mit(tmp_path, "chb21", {"chb21_01.edf": ((50, 60),)})
    rows = rows_of(tmp_path, CHB_MIT)
    assert {name: row.seizures for name, row in rows.items()} == {
        "chb01_01": (),
        "chb02_16": ((10.0, 20.0), (30.0, 41.0)),
        "chb02_16+": ((5.0, 6.0),),
        "chb21_01": ((50.0, 60.0),),
    }
    assert (rows["chb21_01"].patient_id, rows["chb21_01"].split) == ("chb01", rows["chb01_01"].split)
    assert rows["chb02_16"].split == rows["chb02_16+"].split != rows["chb01_01"].split


def test_a_recording_that_no_summary_lists_is_refused_by_name(tmp_path: Path) -> None:
    chb_mit(tmp_path, "chb24", {"chb24_01.edf": ((10, 20),)})
    silence(tmp_path / "chb24/chb24_02.edf")
    assert rows_of(tmp_path, CHB_MIT)["chb24_02"].reason == (
        "chb24/chb24-summary.txt: chb24_02.edf is not listed; a recording that is not listed is not seizure-free"
    )


def test_a_seizure_beyond_the_end_is_refused_by_place_in_the_corpus(tmp_path: Path) -> None:
    chb_mit(tmp_path, "chb02", {"chb02_01.edf": ((10, 20),), "chb02_02.edf": ((10, 102),)})
    reason = rows_of(tmp_path, CHB_MIT)["chb02_02"].reason
    assert reason.startswith("chb02/chb02_02.edf: chb02/chb02-summary.txt: event from 10.0 to 102.0 s")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is missing")
def test_the_whole_of_chb_mit_as_published(tmp_path: Path) -> None:
    published = SHARED / "annotations" / "chb_mit"
    lengths = {}
    for path in published.glob("*-summary.txt"):
        (tmp_path / path.name[:5]).mkdir()
        (tmp_path / path.name[:5] / path.name).write_bytes(path.read_bytes())
        lengths |= {block.name: length_s(block.lines) for block in blocks_of(path.read_text(), path.name)}
    for line in (published / "RECORDS").read_text().split():
        silence(tmp_path / line, lengths.get(Path(line).name, 3600), tuple(BANANA.split()))
    rows = rows_of(tmp_path, CHB_MIT).values()
    assert len(rows) == 686
    assert sorted(row.recording_id for row in rows if not row.accepted) == [
        f"chb24_{k:02d}" for k in (2, 5, 8, 10, 12, 16, 18, 19, 20, 22)
    ]
    assert sum(len(row.seizures) for row in rows) == 198
    assert len({row.patient_id for row in rows}) == 23
    for split in ("train", "dev", "eval"):
        assert sum(len(row.seizures) for row in rows if row.split == split) > 0


def length_s(lines: tuple[tuple[int, str], ...]) -> int:
    """Length of a file by its start and end, which chb24's summary does not give."""
    clocks = [line.split(": ")[1] for _, line in lines if line.startswith("File ")]
    if not clocks:
        return 3600
    start, end = (timedelta(**dict(zip(("hours", "minutes", "seconds"), map(int, c.split(":")), strict=True))) for c in clocks)
    return int((end - start).total_seconds()) % 86400


@pytest.mark.parametrize(
    ("listed", "files"),
    [
        ("PN06-1.edf", ("PN06-1.edf", "PN06-2.edf")),
        ("PNO6-1.edf", ("PN06-1.edf", "PN06-2.edf")),
        ("PN06-.edf", ("PN06-1.edf",)),
        ("PN06.edf", ("PN06-1.edf",)),
    ],
)
def test_a_siena_tree_gives_each_recording_its_seizures(tmp_path: Path, listed: str, files: tuple[str, ...]) -> None:
    siena(tmp_path, "PN06", listed, *files)
    rows = rows_of(tmp_path, SIENA)
    assert rows["PN06-1"].seizures == ((10.0, 30.0),)
    assert [row.reason for row in rows.values() if not row.accepted] == [
        f"PN06/Seizures-list-PN06.txt: {name} is not listed (listed are '{listed}'); "
        "a recording that is not listed is not seizure-free"
        for name in files[1:]
    ]


def test_a_registration_that_starts_elsewhere_than_its_edf_is_refused(tmp_path: Path) -> None:
    siena(tmp_path, "PN00", "PN00-1.edf", "PN00-1.edf", time="05.06.08")
    siena(tmp_path, "PN14", "PN14-3.edf", "PN14-3.edf", time="08.06.07")
    rows = rows_of(tmp_path, SIENA)
    assert rows["PN00-1"].accepted
    assert rows["PN14-3"].reason == (
        "PN14/PN14-3.edf: PN14/Seizures-list-PN14.txt: says the recording starts at 05.06.07, the EDF at 08.06.07; "
        "they must agree to 1 s"
    )


def test_an_impossible_seizure_refuses_its_recording_by_file_number_value_and_rule(tmp_path: Path) -> None:
    siena(tmp_path, "PN00", "PN00-1.edf", "PN00-1.edf")
    siena(tmp_path, "PN01", "PN01-1.edf", "PN01-1.edf")
    path = tmp_path / "PN01/Seizures-list-PN01.txt"
    path.write_text(path.read_text().replace("05.06.37", "06.06.37"))
    assert rows_of(tmp_path, SIENA)["PN01-1"].reason == (
        "PN01/Seizures-list-PN01.txt: seizure n 1 of PN01-1.edf: from 05.06.17 to 06.06.37; "
        "a seizure ends after it begins and lies within its registration, 05.06.07 to 05.07.47"
    )


@pytest.mark.parametrize("montage", ["01_tcp_ar", "02_tcp_le", "03_tcp_ar_a", "04_tcp_le_a"])
def test_each_montage_folder_of_tusz_is_known(tmp_path: Path, montage: str) -> None:
    tusz(tmp_path, "train", "aaaaaaaa", montage, "TERM,1.0,2.0,seiz,1.0\n")
    (row,) = rows_of(tmp_path, CorpusSettings()).values()
    assert (row.patient_id, row.split, row.seizures) == ("aaaaaaaa", "train", ((1.0, 2.0),))


def test_a_tusz_recording_in_an_unknown_place_is_refused_by_name(tmp_path: Path) -> None:
    tusz(tmp_path, "train", "aaaaaaaa", "01_tcp_ar", "TERM,1.0,2.0,seiz,1.0\n")
    tusz(tmp_path, "dev", "aaaaaaab", "05_tcp_xx", "TERM,1.0,2.0,seiz,1.0\n")
    moved = tusz(tmp_path, "eval", "aaaaaaac", "01_tcp_ar", "TERM,1.0,2.0,seiz,1.0\n")
    moved.rename(moved.with_name("aaaaaaad_s001_t000.edf"))
    rows = rows_of(tmp_path, CorpusSettings())
    assert "lies in folder '05_tcp_xx'; a recording lies in its montage's, 01_tcp_ar" in rows["aaaaaaab_s001_t000"].reason
    assert "folder of patient 'aaaaaaac'; its name says 'aaaaaaad'" in rows["aaaaaaad_s001_t000"].reason
    assert rows["aaaaaaaa_s001_t000"].accepted


def test_a_setting_chooses_which_of_tusz_s_annotations_are_read(tmp_path: Path) -> None:
    channels = "FP1-F7,1.0,2.0,fnsz,1.0\nF7-T3,1.5,3.0,fnsz,1.0\nF7-T3,3.0,9.0,bckg,1.0\n"
    tusz(tmp_path, "train", "aaaaaaaa", "01_tcp_ar", "TERM,4.0,5.0,seiz,1.0\n", channels)
    (term,) = rows_of(tmp_path, CorpusSettings()).values()
    (united,) = rows_of(tmp_path, CorpusSettings(annotations="csv")).values()
    assert (term.seizures, united.seizures) == (((4.0, 5.0),), ((1.0, 3.0),))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("", "no rows; a seizure-free recording has a row of background"),
        ("TERM,0.0,50.0,bckg,1.0\n", "the rows end at 50.0 s of 100.0 s; rows of seizure or background go on to the end"),
        ("TERM,0.0,98.9,bckg,1.0\n", "the rows end at 98.9 s of 100.0 s"),
        ("TERM,0.0,99.0,bckg,1.0\n", ""),
    ],
)
@pytest.mark.parametrize("form", ["csv_bi", "csv"])
def test_an_annotation_file_that_ends_before_its_recording_is_not_taken_as_seizure_free(
    tmp_path: Path, form: str, rows: str, reason: str
) -> None:
    tusz(tmp_path, "train", "aaaaaaaa", "01_tcp_ar", "TERM,1.0,2.0,seiz,1.0\n", "FP1-F7,1.0,2.0,fnsz,1.0\n")
    cut = tusz(tmp_path, "train", "aaaaaaab", "01_tcp_ar").with_suffix(f".{form}")
    cut.write_text(CSV + rows)
    row = rows_of(tmp_path, CorpusSettings.model_validate({"annotations": form}))["aaaaaaab_s001_t000"]
    assert row.accepted is not bool(reason)
    assert reason in row.reason


def test_a_registration_is_held_against_the_clock_of_an_edf_without_a_date(tmp_path: Path) -> None:
    siena(tmp_path, "PN00", "PN00-1.edf", "PN00-1.edf", date="31.02.04")
    siena(tmp_path, "PN01", "PN01-1.edf", "PN01-1.edf", date="X", time="08.06.07")
    siena(tmp_path, "PN02", "PN02-1.edf", "PN02-1.edf", time="24.00.00")
    rows = rows_of(tmp_path, SIENA)
    assert rows["PN00-1"].accepted
    assert "starts at 05.06.07, the EDF at 08.06.07" in rows["PN01-1"].reason
    assert "starts at 05.06.07, the EDF's start is no clock time; seizures by the clock need one" in rows["PN02-1"].reason


def test_a_folder_that_is_linked_twice_is_listed_twice(tmp_path: Path) -> None:
    tusz(tmp_path / "elsewhere", "train", "aaaaaaaa", "01_tcp_ar")
    for split in ("train", "dev"):
        (tmp_path / "corpus/edf" / split).mkdir(parents=True)
        (tmp_path / "corpus/edf" / split / "aaaaaaaa").symlink_to(tmp_path / "elsewhere/edf/train/aaaaaaaa")
    assert len(Folder(str(tmp_path / "corpus")).files()) == 6
    with pytest.raises(CorpusError, match=re.escape("patient aaaaaaaa is in splits ['dev', 'train']")):
        find_entries(Folder(str(tmp_path / "corpus")), CorpusSettings())


def test_links_to_a_folder_in_which_they_lie_are_not_followed(tmp_path: Path) -> None:
    tusz(tmp_path / "corpus", "train", "aaaaaaaa", "01_tcp_ar")
    for target in (tmp_path, tmp_path / "corpus", tmp_path / "corpus/edf/train"):
        (tmp_path / "corpus/edf/train" / f"to_{target.name}").symlink_to(target)
    assert len(Folder(str(tmp_path / "corpus")).files()) == 3


@pytest.mark.parametrize(("settings", "folder"), [(CHB_MIT, "chbNN"), (SIENA, "PNxx")])
def test_an_edf_outside_the_patients_folders_stops(tmp_path: Path, settings: CorpusSettings, folder: str) -> None:
    silence(tmp_path / "other/a.edf")
    with pytest.raises(CorpusError, match=re.escape("other/a.edf: lies in folder 'other'") + f".*{folder}"):
        find_entries(Folder(str(tmp_path)), settings)


def test_bids_takes_bdf_and_leaves_other_modalities_out(tmp_path: Path) -> None:
    for name in ("sub-01_run-1_eeg.bdf", "sub-01_run-2_eeg.edf", "sub-01_run-2_emg.edf", "sub-01_run-2_mov.edf"):
        silence(tmp_path / "sub-01/eeg" / name)
    entries = find_entries(Folder(str(tmp_path)), CorpusSettings(layout="bids", splits={"train": ("sub-01",)}))
    assert [entry.recording_id for entry in entries] == ["sub-01_run-1", "sub-01_run-2"]


def test_no_reason_names_the_place_of_the_corpus(tmp_path: Path) -> None:
    chb_mit(tmp_path, "chb02", {"chb02_01.edf": ((10, 20),), "chb02_02.edf": (), "chb02_03.edf": (), "chb02_04.edf": ()})
    (tmp_path / "chb02/chb02_02.edf").write_bytes(b"0" * 300)
    (tmp_path / "chb02/chb02_03.edf").unlink()
    (tmp_path / "chb02/chb02_03.edf").symlink_to(tmp_path / "nowhere")
    silence(tmp_path / "chb02/chb02_04.edf", labels=ELECTRODES[:5])
    chb_mit(tmp_path, "chb03", {"chb03_01.edf": ((200, 300),)})
    reasons = [row.reason for row in rows_of(tmp_path, CHB_MIT).values() if not row.accepted]
    assert len(reasons) == 4
    for reason in reasons:
        assert str(tmp_path) not in reason
        assert reason.startswith("chb0")
