"""Annotation files that are about many recordings or many channels: CHB-MIT's summaries, Siena's lists, TUSZ's csv."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import SHARED

from seizure_pipeline.annotations import (
    AnnotationError,
    Seizure,
    Seizures,
    parse_chb_mit_summary,
    parse_siena_list,
    parse_tusz_csv,
)
from seizure_pipeline.annotations.chb_mit import blocks_of

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is missing")
CHB_MIT = SHARED / "annotations" / "chb_mit"
SIENA = SHARED / "annotations" / "siena"
PUBLISHED_SEIZURES = {  # Shoeb 2009 and PhysioNet, CHB-MIT 1.0.0: 198, of which 182 in the first 23 cases
    **{"chb01": 7, "chb02": 3, "chb03": 7, "chb04": 4, "chb05": 5, "chb06": 10, "chb07": 3, "chb08": 5},
    **{"chb09": 4, "chb10": 7, "chb11": 3, "chb12": 40, "chb13": 12, "chb14": 8, "chb15": 20, "chb16": 10},
    **{"chb17": 3, "chb18": 6, "chb19": 3, "chb20": 8, "chb21": 4, "chb22": 3, "chb23": 7, "chb24": 16},
}
SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7
Channel 2: -

File Name: chb02_16.edf
File Start Time: 23:51:01
File End Time: 24:51:01
Number of Seizures in File: 2
Seizure 1 Start Time: 130 seconds
Seizure 1 End Time:  212 seconds
Seizure 2 Start Time:   300
Seizure 1 End Time: 310 seconds

Channels changed:
Channel 1: F7

File Name: chb02_16+.edf
Number of Seizures in File: 1
Seizure Start Time: 2972 seconds
Seizure End Time: 3053 seconds

File Name: chb02_17.edf
Number of Seizures in File: 0
"""
LIST = """ PN16

Data Sampling Rate: 512 Hz
Channel 5: 1

Seizure n 1 (in sleep):
File name: PN16-1.edf
Registration start time: 23.45.21
Registration end time: 02.03.11
Seizure start time: 23.59.50
Seizure end time:00.01.00

Seizure n 2
File name: PN16-2.edf
Registration start time: 00.53.55
Registration end time: 03.28.52
Seizure start time: 03.16.49
Seizure end time: 03.18.36
"""
SEIZURE_LABELS = ("seiz", "gnsz", "fnsz", "cpsz", "absz", "spsz", "tcsz", "tnsz", "mysz")
OTHER_LABELS = ("bckg", "eyem", "chew", "shiv", "musc", "elpp", "elec", "slow", "nesz", "shiv_elec")
CSV = "# version = csv_v1.0.0\n# duration = 100.00 secs\n#\nchannel,start_time,stop_time,label,confidence\n"


def of(text: str, name: str) -> list[Seizure]:
    return list(parse_chb_mit_summary(text.encode(), "chb02-summary.txt", name).seizures)


def in_summary(path: Path, name: str) -> Seizures:
    return parse_chb_mit_summary(path.read_bytes(), path.name, name).seizures


def siena(text: str, *names: str) -> list[Seizure]:
    return list(parse_siena_list(text.encode(), "Seizures-list-PN16.txt", *names).seizures)


def in_list(path: Path, name: str) -> list[Seizure]:
    return list(parse_siena_list(path.read_bytes(), str(path), name).seizures)


@needs_shared
@pytest.mark.parametrize(("case", "seizures"), PUBLISHED_SEIZURES.items())
def test_each_chb_mit_summary_holds_the_published_number_of_seizures(case: str, seizures: int) -> None:
    path = CHB_MIT / f"{case}-summary.txt"
    names = [block.name for block in blocks_of(path.read_text(), str(path))]
    assert len(set(names)) == len(names)
    assert sum(len(in_summary(path, name)) for name in names) == seizures


@needs_shared
def test_all_summaries_hold_198_seizures_and_182_without_chb24() -> None:
    found = {
        path.name: sum(len(in_summary(path, block.name)) for block in blocks_of(path.read_text(), path.name))
        for path in CHB_MIT.glob("*-summary.txt")
    }
    assert sum(found.values()) == 198
    assert sum(found.values()) - found["chb24-summary.txt"] == 182


@needs_shared
def test_the_files_with_seizures_are_the_published_ones_but_for_chb07() -> None:
    summaries = sorted(CHB_MIT.glob("*-summary.txt"))
    found = {b.name for p in summaries for b in blocks_of(p.read_text(), p.name) if in_summary(p, b.name)}
    published = {line.rpartition("/")[2].strip() for line in (CHB_MIT / "RECORDS-WITH-SEIZURES").read_text().split() if line}
    assert len(found) == len(published) == 141
    assert (found - published, published - found) == ({"chb07_19.edf"}, {"chb07_18.edf"})


@needs_shared
def test_the_summaries_list_all_published_files_but_ten_of_chb24() -> None:
    listed = {b.name for p in CHB_MIT.glob("*-summary.txt") for b in blocks_of(p.read_text(), p.name)}
    published = {line.rpartition("/")[2] for line in (CHB_MIT / "RECORDS").read_text().split()}
    assert (len(published), len(listed)) == (686, 676)
    assert sorted(published - listed) == [f"chb24_{k:02d}.edf" for k in (2, 5, 8, 10, 12, 16, 18, 19, 20, 22)]
    assert listed <= published


def test_a_summary_gives_each_file_its_seizures() -> None:
    assert of(SUMMARY, "chb02_16.edf") == [Seizure(130, 212), Seizure(300, 310)]
    assert of(SUMMARY, "chb02_16+.edf") == [Seizure(2972, 3053)]
    assert of(SUMMARY, "chb02_17.edf") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chb02_16.edf", "chb02_15.edf", "chb02_16.edf is not listed; a recording that is not listed is not seizure-free"),
        ("chb02_16+.edf", "chb02_16.edf", "chb02_16.edf is listed 2 times"),
        ("File: 2", "File: 3", "chb02_16.edf announces 3 seizures and lists"),
        ("130 seconds", "13O seconds", "line 13: chb02_16.edf: the line is not understood; a line gives"),
        ("Number of Seizures in File: 2\n", "", "chb02_16.edf has 0 numbers of seizures"),
        ("212 seconds", "112 seconds", "event from 130.0 to 112.0 s; an event ends after it begins"),
        ("Seizure 1 Start Time: 130 seconds\n", "", "announces 2 seizures and lists ['end', 'start', 'end']"),
    ],
)
def test_a_summary_refuses_by_file_value_and_rule_and_only_what_it_concerns(old: str, new: str, message: str) -> None:
    text = SUMMARY.replace(old, new)
    with pytest.raises(AnnotationError, match=rf"^chb02-summary.txt.*{re.escape(message)}"):
        of(text, "chb02_16.edf")
    assert of(text, "chb02_17.edf") == []


@needs_shared
def test_the_sienese_lists_hold_what_they_say_and_refuse_the_impossible_seizure_by_name() -> None:
    first = SIENA / "Seizures-list-PN00.txt"
    assert [in_list(first, f"PN00-{k}.edf") for k in (1, 2, 4, 5)] == [
        [Seizure(1143, 1213)],
        [Seizure(1220, 1274)],
        [Seizure(1006, 1080)],
        [Seizure(904, 971)],
    ]
    with pytest.raises(AnnotationError, match=r"PN00.txt: seizure n 3 of PN00-3.edf: from 18.28.29 to 19.29.29; .*to 18.57.13"):
        in_list(first, "PN00-3.edf")
    sixteenth = SIENA / "Seizures-list-PN16.txt"
    assert in_list(sixteenth, "PN16-1.edf") == [Seizure(7184, 7307)]
    assert in_list(sixteenth, "PN16-2.edf") == [Seizure(8574, 8681)]


def test_times_go_on_past_midnight() -> None:
    said = parse_siena_list(LIST.encode(), "here", "PN16-1.edf")
    assert list(said.seizures) == [Seizure(869, 939)]
    assert said.start_s == 23 * 3600 + 45 * 60 + 21


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Seizure start time: 03.16.49", "Start time: 03.16.49"),
        ("03.16.49", "03:16.49"),
        ("03.16.49", " 03 . 16 . 49 "),
        ("03.16.49", "0 3.16.49"),
        ("03.16.49", "3.16.49"),
        ("PN16-2.edf", "PN16-2.EDF"),
        ("Seizure n 2\n", "Seizure n2:\n"),
        ("Seizure n 2\n", "Channel 7: Fz\nSeizure n 2\n"),
    ],
)
def test_a_list_written_otherwise_means_the_same(old: str, new: str) -> None:
    assert old in LIST
    assert siena(LIST.replace(old, new), "PN16-2.edf") == siena(LIST, "PN16-2.edf") == [Seizure(8574, 8681)]


def test_a_letter_for_a_zero_in_a_name_is_read() -> None:
    assert siena(LIST.replace("PN16-2", "PNO6-2"), "PN06-2.edf") == [Seizure(8574, 8681)]


def test_a_recording_is_found_by_any_of_its_names() -> None:
    assert siena(LIST.replace("PN16-2.edf", "PN16-.edf"), "PN16-2.edf", "PN16-.edf") == [Seizure(8574, 8681)]
    with pytest.raises(AnnotationError, match=r"PN16-2\.edf is not listed"):
        siena(LIST.replace("PN16-2.edf", "PN16-.edf"), "PN16-2.edf")


def test_a_file_that_is_named_once_holds_the_seizures_that_follow() -> None:
    again = "Seizure n 3\nSeizure start time: 01.00.00\nSeizure end time: 01.00.30\n"
    assert siena(LIST + again, "PN16-2.edf") == [Seizure(365, 395), Seizure(8574, 8681)]
    named_again = again.replace("n 3\n", "n 3\nFile name: PN16-2.edf\n")
    assert siena(LIST + named_again, "PN16-2.edf") == [Seizure(365, 395), Seizure(8574, 8681)]
    head = "File name: PN01.edf\nRegistration start time: 19.00.44\nRegistration end time: 07.53.17\n"
    first = "Seizure n 1\nStart time: 21:51:02\nEnd time: 21:51:56\n"
    second = "Seizure n 2\nStart time: 07:25:18\nEnd time: 07:26:32\n"
    assert siena(head + first + second, "PN01.edf") == [Seizure(10218, 10272), Seizure(44674, 44748)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("03.18.36", "03.18.36 opure 03.18.16", "seizure n 2 of PN16-2.edf: seizure end time is '03.18.36 opure 03.18.16'"),
        ("03.16.49", "03.16.49 (CLINICAL ONSET)", "seizure start time is '03.16.49 (CLINICAL ONSET)'; it is one clock"),
        ("03.16.49", "25.16.49", "seizure start time is '25.16.49'"),
        ("03.16.49", "00.53.54", "from 00.53.54 to 03.18.36; a seizure ends after it begins and lies within its"),
        ("03.18.36", "03.16.49", "from 03.16.49 to 03.16.49; a seizure ends after it begins"),
        ("03.18.36", "03.28.53", "lies within its registration, 00.53.55 to 03.28.52"),
        ("03.18.36", "04.18.36", "from 03.16.49 to 04.18.36"),
        ("Seizure end time: 03.18.36\n", "", "no seizure end time; a seizure has four times"),
        ("Registration end time: 03.28.52\n", "", "no registration end time"),
        ("Seizure end time: 03", "Seizure end: 03", "line 18 is not understood; a block holds one file's name"),
        ("Seizure end time: 03", "Seizure start time: 03", "two seizure start times, '03.16.49' and '03.18.36'"),
        ("Seizure n 2\n", "", "PN16-2.edf: times without a seizure's number"),
        ("PN16-2.edf", "PN16-3.edf", "PN16-2.edf is not listed (listed are 'PN16-1.edf', 'PN16-3.edf'); a recording"),
    ],
)
def test_a_sienese_list_refuses_by_seizure_value_and_rule_and_only_what_it_concerns(old: str, new: str, message: str) -> None:
    text = LIST.replace(old, new)
    assert text != LIST
    with pytest.raises(AnnotationError, match=rf"^Seizures-list-PN16.txt: .*{re.escape(message)}"):
        siena(text, "PN16-2.edf")
    assert siena(text, "PN16-1.edf") == [Seizure(869, 939)]


def test_a_seizure_that_names_no_file_refuses_the_whole_list() -> None:
    with pytest.raises(AnnotationError, match="seizure n 1 names no file"):
        siena(LIST.replace("File name: PN16-1.edf\n", ""), "PN16-2.edf")


def test_a_seizure_with_another_registration_than_its_file_refuses_it() -> None:
    text = LIST.replace("File name: PN16-2.edf\n", "")
    with pytest.raises(AnnotationError, match=r"PN16-1.edf has registration starts \['23.45.21', '00.53.55'\]"):
        siena(text, "PN16-1.edf")
    with pytest.raises(AnnotationError, match=r"PN16-2\.edf is not listed"):
        siena(text, "PN16-2.edf")


def test_seizures_of_all_channels_and_classes_are_united() -> None:
    rows = [
        "FP1-F7,0.0000,10.0000,bckg,1.0000",
        "FP1-F7,10.0000,20.0000,fnsz,1.0000",
        "F7-T3,15.0000,30.0000,gnsz,1.0000",
        "T3-T5,30.0000,31.5000,tcsz,1.0000",
        "T3-T5,40.0000,41.0000,mysz,1.0000",
        "FP2-F4,5.0000,60.0000,eyem_musc,1.0000",
    ]
    found = parse_tusz_csv((CSV + "\n".join(reversed(rows)) + "\n").encode(), "here")
    assert found.seizures == Seizures.from_intervals([(10, 31.5), (40, 41)])
    assert (found.duration_s, found.reach_s) == (100.0, 60.0)


@pytest.mark.parametrize("label", SEIZURE_LABELS)
def test_every_class_of_seizure_counts(label: str) -> None:
    assert len(parse_tusz_csv(f"{CSV}FP1-F7,1.0,2.0,{label},1.0\n".encode(), "here").seizures) == 1


@pytest.mark.parametrize("label", OTHER_LABELS)
def test_what_is_known_and_no_seizure_does_not_count(label: str) -> None:
    assert len(parse_tusz_csv(f"{CSV}FP1-F7,1.0,2.0,{label},1.0\n".encode(), "here").seizures) == 0


def test_an_unknown_label_is_refused_by_line_and_value() -> None:
    with pytest.raises(AnnotationError, match=r"^a\.csv, line 5: label 'szur'; a label is one of TUH EEG's: seizures seiz"):
        parse_tusz_csv(f"{CSV}FP1-F7,1.0,2.0,szur,1.0\n".encode(), "a.csv")
