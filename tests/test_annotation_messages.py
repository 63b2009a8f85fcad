"""What messages about annotations show of a file: fields cut short, and no line that is not understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_annotation_lists import LIST, SUMMARY, of, siena
from test_annotations import CSV_HEAD

from seizure_pipeline.annotations import AnnotationError, parse_csv_bi, read_csv_bi, read_events_tsv


@pytest.mark.parametrize("raw", [CSV_HEAD, CSV_HEAD + "TERM,1.0,2.0,seiz,1.0,Rossi\n", "Rossi\n" + CSV_HEAD, "Rossi\tx\n"])
def test_a_line_that_is_not_understood_is_not_repeated(tmp_path: Path, raw: str) -> None:
    path = tmp_path / "a"
    path.write_text(raw)
    for read in (read_csv_bi, read_events_tsv):
        with pytest.raises(AnnotationError) as error:
            read(path)
        assert "Rossi" not in str(error.value)


def test_a_field_that_should_be_a_number_or_a_label_is_shown_up_to_40_characters() -> None:
    for row in (f"TERM,{'9x' * 50},2.0,seiz,1.0", f"TERM,1.0,2.0,{'9x' * 50},1.0", f"{'9x' * 50},1.0,2.0,seiz,1.0"):
        with pytest.raises(AnnotationError, match=f"'{'9x' * 20}…'"):
            parse_csv_bi(f"{CSV_HEAD}{row}\n".encode(), "here")


@pytest.mark.parametrize(
    ("old", "new"),
    [("Seizure end time: 03", "Rossi, 03"), ("03.18.36", f"03.18.36 {'x' * 40} Rossi"), ("PN16-2", f"{'x' * 40} Rossi")],
)
def test_no_line_of_a_list_that_is_not_understood_is_repeated(old: str, new: str) -> None:
    with pytest.raises(AnnotationError) as error:
        siena(LIST.replace(old, new), "PN16-2.edf")
    assert "Rossi" not in str(error.value)


@pytest.mark.parametrize(("old", "new"), [("Data Sampling Rate: 256 Hz", "Rossi"), ("File Start Time: 23:51:01", "Rossi")])
def test_no_line_of_a_summary_that_is_not_understood_is_repeated(old: str, new: str) -> None:
    with pytest.raises(AnnotationError, match=r"line \d+: .*the line is not understood") as error:
        of(SUMMARY.replace(old, new), "chb02_16.edf")
    assert "Rossi" not in str(error.value)
