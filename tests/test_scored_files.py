"""Two folders become recordings to score: which files belong together, what odd files mean, and errors that name them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from test_annotations import CSV_HEAD, TSV_HEAD, needs_shared, possible_seizures

from seizure_pipeline.annotations import Seizures, list_csv_bi, list_events_tsv, read_csv_bi, read_events_tsv
from seizure_pipeline.annotations import write_csv_bi as to_csv_bi
from seizure_pipeline.annotations import write_events_tsv as to_tsv
from seizure_pipeline.scored_files import ScoredFilesError, pair_files, read_pairs
from seizure_pipeline.scoring import RULES, ScoredRecording, score

VECTORS = Path(__file__).parents[2] / "shared" / "scoring" / "vectors.json"
BIDS = "sub-01/ses-01/eeg/sub-01_ses-01_task-szMonitoring_run-00_events.tsv"
TOOLS = {
    **{rule: ("nedc_v6.0.0", rule.upper()) for rule in ("ovlp", "taes", "epoch", "dpalign")},
    **{f"szcore_{kind}": ("timescoring_0.0.7", kind) for kind in ("event", "sample")},
}
NEDC = "aaaaaajy/s001_2010/01_tcp_ar/aaaaaajy_s001_t000.csv_bi"


def put(root: Path, name: str, intervals: list[tuple[float, float]] | str = "", duration_s: float = 100.0) -> None:
    """A file called `name` below `root`: rows that are given as text, or events as its extension writes them."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(intervals, str):
        path.write_text((TSV_HEAD if name.endswith(".tsv") else CSV_HEAD) + intervals)
    elif name.endswith(".tsv"):
        to_tsv(path, Seizures.from_intervals(intervals), duration_s)
    else:
        to_csv_bi(path, path.stem, Seizures.from_intervals(intervals), duration_s)


def recordings(root: Path, missing_as_empty: bool = False) -> list[ScoredRecording]:
    return read_pairs(pair_files(root / "ref", root / "hyp", missing_as_empty))


def refusal(root: Path) -> str:
    with pytest.raises(ScoredFilesError) as error:
        recordings(root)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "recording_id", "patient_id"),
    [
        (BIDS, BIDS, "sub-01_ses-01_task-szMonitoring_run-00", "sub-01"),
        (BIDS, BIDS.rpartition("/")[2], "sub-01_ses-01_task-szMonitoring_run-00", "sub-01"),
        ("flat/" + BIDS.rpartition("/")[2].replace("_events.tsv", ".csv_bi"), BIDS, BIDS[18:-11], "sub-01"),
        (NEDC, NEDC, "aaaaaajy_s001_t000", "aaaaaajy"),
        (NEDC, "aaaaaajy_s001_t000.csv_bi", "aaaaaajy_s001_t000", "aaaaaajy"),
        (NEDC, "aaaaaajy_s001_t000_events.tsv", "aaaaaajy_s001_t000", "aaaaaajy"),
        ("chb01/chb01_03.csv_bi", "chb01/chb01_03_events.tsv", "chb01/chb01_03", "chb01"),
        ("chb01/chb01_03.csv_bi", "chb01_03.csv", "chb01/chb01_03", "chb01"),
        ("train/chb01/chb01_03.tsv", "chb01/chb01_03.tsv", "train/chb01/chb01_03", "train/chb01"),
        ("sub-07/eeg/night.tsv", "night.tsv", "sub-07/eeg/night", "sub-07"),
        ("chb01/chb01_03.csv_bi", "chb01_chb01_03.csv_bi", "chb01/chb01_03", "chb01"),
        ("dev/chb01/chb01_03.tsv", "chb01_chb01_03_events.tsv", "dev/chb01/chb01_03", "dev/chb01"),
        (NEDC, NEDC.replace("/", "_"), "aaaaaajy_s001_t000", "aaaaaajy"),
        (BIDS, BIDS.replace("/", "_").replace("_events.tsv", "_eeg.csv_bi"), BIDS[18:-11], "sub-01"),
        ("night one.tsv", "mine/night one.csv_bi", "night one", "night one"),
    ],
)
def test_a_recording_is_found_by_its_name_or_by_its_path(
    tmp_path: Path, reference: str, hypothesis: str, recording_id: str, patient_id: str
) -> None:
    put(tmp_path / "ref", reference, [(10, 20), (30, 40)])
    put(tmp_path / "hyp", hypothesis, [(12, 18)])
    expected = ScoredRecording(recording_id, patient_id, 100.0, [(10, 20), (30, 40)], [(12, 18)])
    assert recordings(tmp_path) == [expected]


def test_files_of_one_name_in_several_folders_belong_by_their_folders(tmp_path: Path) -> None:
    for patient, onset_s in (("p1", 10), ("p2", 50)):
        put(tmp_path / "ref", f"{patient}/night.tsv", [(onset_s, onset_s + 5)])
        put(tmp_path / "hyp", f"{patient}/night.csv_bi", [(onset_s + 1, onset_s + 2)])
    assert [(r.patient_id, r.reference[0][0], r.detections[0][0]) for r in recordings(tmp_path)] == [
        ("p1", 10, 11),
        ("p2", 50, 51),
    ]


def test_a_flat_hypothesis_that_could_belong_to_two_recordings_belongs_to_none(tmp_path: Path) -> None:
    put(tmp_path / "ref", "p1/night.tsv", [])
    put(tmp_path / "ref", "p2/night.tsv", [])
    put(tmp_path / "hyp", "night.tsv", [])
    message = refusal(tmp_path)
    assert "for 2 recordings of" in message
    assert "p1/night.tsv, p2/night.tsv" in message
    assert "1 file of" in message
    assert "these may belong together, and others as well: night.tsv of p1/night.tsv, night.tsv of p2/night.tsv" in message


def test_a_name_that_two_paths_would_give_belongs_to_neither(tmp_path: Path) -> None:
    put(tmp_path / "ref", "a/b_c.tsv", [(1, 2)])
    put(tmp_path / "ref", "a_b/c.tsv", [(3, 4)])
    put(tmp_path / "hyp", "a_b_c.csv_bi", [(1, 2)])
    assert "belong together, and others as well: a_b_c.csv_bi of a/b_c.tsv, a_b_c.csv_bi of a_b/c.tsv" in refusal(tmp_path)


def test_what_lies_beside_annotations_is_no_annotation(tmp_path: Path) -> None:
    put(tmp_path / "ref", NEDC, [(1, 2)])
    put(tmp_path / "ref", NEDC.replace(".csv_bi", ".csv"), "FP1-F7,0.0,100.0,fnsz,1.0\n")
    put(tmp_path / "ref", "participants.tsv", "not events")
    put(tmp_path / "ref", "sub-01/sub-01_scans.tsv", "not events")
    put(tmp_path / "ref", "._aaaaaajy_s001_t000.csv_bi", "not events")
    (tmp_path / "ref" / "README").write_text("not events")
    put(tmp_path / "hyp", NEDC, [(1, 2)])
    assert [r.recording_id for r in recordings(tmp_path)] == ["aaaaaajy_s001_t000"]


def test_missing_and_extra_files_are_named_ten_at_most(tmp_path: Path) -> None:
    for number in range(13):
        put(tmp_path / "ref", f"aaaaaaaa_s001_t{number:03d}.csv_bi", [])
    put(tmp_path / "hyp", "aaaaaaaa_s001_t000.csv_bi", [])
    put(tmp_path / "hyp", "bbbbbbbb_s001_t000.csv_bi", [])
    message = refusal(tmp_path)
    assert "no file in " in message
    assert "for 12 recordings" in message
    assert all(f"aaaaaaaa_s001_t{number:03d}.csv_bi" in message for number in range(1, 11))
    assert "aaaaaaaa_s001_t011" not in message
    assert "and 2 more" in message
    assert "1 file of" in message
    assert "bbbbbbbb_s001_t000.csv_bi" in message


def test_a_missing_hypothesis_can_count_as_no_detection_but_an_extra_one_never(tmp_path: Path) -> None:
    put(tmp_path / "ref", "a_s1_t0.csv_bi", [(1, 2)])
    put(tmp_path / "ref", "b_s1_t0.csv_bi", [(1, 2)])
    put(tmp_path / "hyp", "a_s1_t0.csv_bi", [(1, 2)])
    assert [list(r.detections) for r in recordings(tmp_path, missing_as_empty=True)] == [[(1, 2)], []]
    put(tmp_path / "hyp", "c_s1_t0.csv_bi", [])
    with pytest.raises(ScoredFilesError, match=r"1 file of .* for no recording of .*: c_s1_t0\.csv_bi"):
        recordings(tmp_path, missing_as_empty=True)


def test_two_files_for_a_recording_are_named_unless_one_form_is_chosen(tmp_path: Path) -> None:
    for root in ("ref", "hyp"):
        put(tmp_path / root, "a_s1_t0.csv_bi", [(1, 2)])
    put(tmp_path / "hyp", "a_s1_t0_events.tsv", [(3, 4)])
    assert "more than one file for a recording: a_s1_t0.csv_bi, a_s1_t0_events.tsv;" in refusal(tmp_path)
    (chosen,) = read_pairs(pair_files(tmp_path / "ref", tmp_path / "hyp", only="csv_bi"))
    assert chosen.detections == [(1, 2)]


def test_a_folder_that_is_missing_or_holds_nothing_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path / 'ref'}: no such folder"
    (tmp_path / "ref").mkdir()
    assert refusal(tmp_path) == f"{tmp_path / 'ref'}: holds no file that ends in .csv_bi, .csv, .tsv"
    put(tmp_path / "ref", "a.tsv", [])
    put(tmp_path / "hyp", "a.csv_bi", [])
    with pytest.raises(ScoredFilesError, match=r"hyp: holds no file that ends in \.tsv$"):
        pair_files(tmp_path / "ref", tmp_path / "hyp", only="tsv")


@pytest.mark.parametrize(("difference_s", "refused"), [(0.0, False), (0.00004, False), (0.0001, True), (1.0, True)])
def test_lengths_agree_to_four_decimals(tmp_path: Path, difference_s: float, refused: bool) -> None:
    put(tmp_path / "ref", "a.tsv", f"0\t1\tsz\tn/a\tn/a\tn/a\t{100 + difference_s:.5f}\n")
    put(tmp_path / "hyp", "a.csv_bi", [])
    if refused:
        assert f"1 recording of two lengths: a ({100 + difference_s} s, hypothesis 100.0 s)" in refusal(tmp_path)
    else:
        assert len(recordings(tmp_path)) == 1


def test_a_hypothesis_may_leave_the_length_out_and_a_reference_may_not(tmp_path: Path) -> None:
    put(tmp_path / "ref", "a.tsv", [(1, 2)])
    put(tmp_path / "hyp", "a.tsv", "5\t95.5\tsz\tn/a\tn/a\tn/a\tn/a\n")
    assert recordings(tmp_path)[0].detections == [(5, 100)]
    put(tmp_path / "hyp", "a.tsv", "5\t96.5\tsz\tn/a\tn/a\tn/a\tn/a\n")
    assert "a.tsv, line 2: event from 5.0 to 101.5 s; it lies inside the recording of 100 s" in refusal(tmp_path)
    put(tmp_path / "hyp", "a.tsv", "")
    assert recordings(tmp_path)[0].detections == []
    put(tmp_path / "ref", "a.tsv", "")
    assert "ref/a.tsv: no recordingDuration" in refusal(tmp_path)


@pytest.mark.parametrize(
    "intervals",
    [
        [(10, 20), (20, 30)],
        [(10, 20), (15, 30)],
        [(10, 40), (20, 30)],
        [(10, 20), (10, 20)],
        [(50, 60), (10, 20)],
        [(10, 10)],
        [(10.1234, 10.1235)],
        [(100, 100)],
    ],
    ids=["touching", "overlapping", "nested", "duplicate", "unsorted", "no length", "0.1 ms", "no length, at the end"],
)
def test_events_that_rules_define_are_read_as_they_stand(intervals: list[tuple[float, float]]) -> None:
    rows = "".join(f"TERM,{a:.4f},{b:.4f},seiz,1.0\nTERM,0.0,1.0,bckg,1.0\n" for a, b in intervals)
    assert list_csv_bi((CSV_HEAD + rows).encode(), "here").within(100, "here") == intervals
    rows = "".join(f"{a}\t{Decimal(str(b)) - Decimal(str(a))}\tsz_foc\tn/a\tn/a\tn/a\t100.0\n" for a, b in intervals)
    assert list_events_tsv((TSV_HEAD + rows).encode(), "here").within(100, "here") == intervals


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        (
            "a.csv_bi",
            "TERM,1.0,2.0,seiz,1.0\nTERM,5.0,4.0,seiz,1.0\n",
            "line 6: event from 5.0 to 4.0 s; an event does not end",
        ),
        ("a.csv_bi", "TERM,-1.0,2.0,seiz,1.0\n", "line 5: event from -1.0 to 2.0 s; an event begins at or after"),
        ("a.csv_bi", "TERM,5.0,4.0,bckg,1.0\n", "line 5: event from 5.0 to 4.0 s; an event does not end"),
        ("a.csv_bi", "TERM,nan,2.0,seiz,1.0\n", "line 5: start_time is 'nan'; it is a finite decimal"),
        ("a.csv_bi", "TERM,99.0,101.1,seiz,1.0\n", "line 5: event from 99.0 to 101.1 s; it lies inside the recording of 100 s"),
        ("a.csv_bi", "TERM,100.0,100.5,seiz,1.0\n", "line 5: event from 100.0 to 100.5 s; it lies inside"),
        ("a.csv_bi", "TERM,1.0,2.0,fnsz,1.0\n", "line 5: label 'fnsz'; labels of a csv_bi file are seiz and bckg"),
        ("a.csv", "FP1-F7,1.0,2.0,seiz,1.0\n", "line 5: channel 'FP1-F7'; rows of a csv_bi file are about all channels"),
        ("a.tsv", "1.0\t-0.5\tsz\tn/a\tn/a\tn/a\t100\n", "line 2: event from 1.0 to 0.5 s; an event does not end"),
        ("a.tsv", "1.0\tnan\tsz\tn/a\tn/a\tn/a\t100\n", "line 2: duration is 'nan'; it is a finite decimal"),
        ("a.tsv", "1.0\t1.0\tseiz\tn/a\tn/a\tn/a\t100\n", "line 2: eventType 'seiz'; an eventType is sz"),
        (
            "a.tsv",
            "1\t2\tsz\tn/a\tn/a\tn/a\t100\n3\t4\tsz\tn/a\tn/a\tn/a\t99\n",
            "line 3: recordingDuration 99.0 s; it is",
        ),
        ("a.tsv", "1\t2\tsz\tn/a\tn/a\tn/a\t0\n", "recording of 0.0 s; its length is finite and above 0 s"),
    ],
)
def test_what_no_rule_defines_is_refused_by_file_and_line(tmp_path: Path, name: str, rows: str, message: str) -> None:
    put(tmp_path / "ref", "a.csv_bi", [(1, 2)])
    put(tmp_path / "hyp", name, rows)
    assert f"1 recording cannot be read: {tmp_path / 'hyp' / name}" in refusal(tmp_path)
    assert message in refusal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# version = csv_v1.0.0\n", "", "line 1: another line; the first line is '# version = csv_v1.0.0'"),
        ("# duration = 100.0000 secs\n", "", "no duration; a line such as"),
        ("#\n", "# duration = 99.0000 secs\n", "line 3: duration 99.0 s; it is said before: 100.0 s"),
        ("channel,start_time,stop_time,label,confidence\n", "", "no line of column names"),
    ],
)
def test_a_csv_bi_without_its_head_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    put(tmp_path / "ref", "a.csv_bi", [(1, 2)])
    put(tmp_path / "hyp", "a.csv_bi", "")
    (tmp_path / "hyp" / "a.csv_bi").write_text(CSV_HEAD.replace(old, new))
    assert message in refusal(tmp_path)


def test_every_file_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(tmp_path / "ref", f"{name}.csv_bi", [])
        put(tmp_path / "hyp", f"{name}.csv_bi", "TERM,1.0,2.0,fnsz,1.0\n" if name != "b" else [])
    message = refusal(tmp_path)
    assert message.startswith("2 recordings cannot be read: ")
    assert all(f"{name}.csv_bi, line 5: label 'fnsz'" in message for name in ("a", "c"))


def test_a_csv_bi_without_rows_is_all_background() -> None:
    assert list_csv_bi(CSV_HEAD.encode(), "here").within(100, "here") == []


@given(possible_seizures())
def test_what_corpora_read_of_a_file_is_what_is_scored(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[Seizures, float]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    to_csv_bi(folder / "same.csv_bi", "same", *case)
    to_tsv(folder / "same.tsv", *case)
    for path, listing, reader in (
        (folder / "same.csv_bi", list_csv_bi, read_csv_bi),
        (folder / "same.tsv", list_events_tsv, read_events_tsv),
    ):
        listed, (seizures, duration_s) = listing(path.read_bytes(), "here"), reader(path)
        assert listed.duration_s == duration_s
        assert [event for _, event in listed.events] == list(seizures)


@needs_shared
@pytest.mark.parametrize("extension", ["csv_bi", "tsv"])
def test_files_of_every_known_case_score_as_the_public_tools_say(tmp_path: Path, extension: str) -> None:
    for case in json.loads(VECTORS.read_text()):
        read = recordings(write_case(tmp_path / case["id"], case["files"], extension))
        for rule, (tool, name) in TOOLS.items():
            found, expected = score(read, rule), case["expected"][tool][name]
            fn = expected["fn"] if "fn" in expected else expected["refTrue"] - expected["tp"]
            counts = [expected["tp"], fn, expected["fp"]]
            assert [found.tp, found.fn, found.fp] == pytest.approx(counts, abs=1e-4), (case["id"], rule)


def write_case(root: Path, files: list[dict[str, Any]], extension: str) -> Path:
    for number, file in enumerate(files):
        for side in ("ref", "hyp"):
            subject = file["subject"]
            name = f"{subject}/ses-01/eeg/{subject}_ses-01_task-szMonitoring_run-{number:02d}_events.{extension}"
            put(root / side, name, rows_of(file[side], file["duration"], extension))
            if extension == "csv_bi":
                path = root / side / name
                path.write_text(path.read_text().replace("100.0000 secs", f"{file['duration']:.4f} secs"))
    return root


def rows_of(intervals: list[tuple[float, float]], duration_s: float, extension: str) -> str:
    """Rows as they stand in the case, which need not be rows that our own writers accept."""
    if extension == "csv_bi":
        return "".join(f"TERM,{a},{b},seiz,1.0000\n" for a, b in intervals)
    rows = [(a, Decimal(str(b)) - Decimal(str(a)), "sz") for a, b in intervals] or [(0, duration_s, "bckg")]
    return "".join(f"{a}\t{b}\t{kind}\tn/a\tn/a\tn/a\t{duration_s}\n" for a, b, kind in rows)


def test_a_rule_that_is_listed_scores_what_is_read(tmp_path: Path) -> None:
    put(tmp_path / "ref", "a.tsv", [(10, 20)], 1000)
    put(tmp_path / "hyp", "a.tsv", [(10, 20)], 1000)
    assert all(score(recordings(tmp_path), rule).sensitivity == 1 for rule in RULES)
