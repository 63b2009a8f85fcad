"""A seizure's type goes from its annotation to the report, and changes nothing that a detector is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SHARED
from made_evaluation import cached, page, source, traces_of
from noise_corpus import ONE_PROCESS, build, contents, identities, write_corpus

from seizure_pipeline.annotations import parse_events_tsv, parse_tusz_csv
from seizure_pipeline.cache import IndexRow, build_cache, rows_from_table, table_from_rows
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.report.split import report_of

CSV = "# version = csv_v1.0.0\n# duration = 20.0000 secs\nchannel,start_time,stop_time,label,confidence\n"
FOCAL = "FP1-F7,14.0000,17.0000,fnsz,1.0000\nF7-T3,15.0000,18.0000,fnsz,1.0000\nF7-T3,18.0000,20.0000,bckg,1.0000\n"
"""The seizure of the corpus's csv_bi, from 14 to 18 s, channel by channel."""


def typed(corpus: Path, cache: Path) -> list[IndexRow]:
    """The index of the corpus by its annotations of all classes."""
    folder = Folder(str(corpus))
    rows = examine_entries(folder, find_entries(folder, CorpusSettings(annotations="csv")), MontageSettings())
    return build_cache(folder, rows, ONE_PROCESS, MontageSettings(), cache)


def test_types_of_an_events_tsv_stand_in_the_order_of_its_seizures() -> None:
    rows = ["onset\tduration\teventType", "50\t5\tsz_gen_m_tonicClonic", "10\t5\tsz_foc_ia", "20\t2\tbckg", "30\t5\tsz"]
    found = parse_events_tsv("\n".join(rows).encode(), "here")
    assert [(seizure.onset_s, kind) for seizure, kind in zip(found.seizures, found.types, strict=True)] == [
        (10.0, "foc_ia"),
        (30.0, ""),
        (50.0, "gen_m_tonicClonic"),
    ]


def test_a_seizure_of_a_tusz_csv_has_every_class_that_its_channels_have_and_seiz_is_none() -> None:
    rows = ["A,1,3,gnsz,1", "B,2,4,fnsz,1", "C,4,5,fnsz,1", "A,8,9,seiz,1", "A,9,12,bckg,1", "B,11,12,absz,1", "A,12,13,seiz,1"]
    found = parse_tusz_csv((CSV + "\n".join(rows) + "\n").encode(), "here")
    assert [(seizure.onset_s, seizure.offset_s) for seizure in found.seizures] == [(1.0, 5.0), (8.0, 9.0), (11.0, 13.0)]
    assert found.types == ("fnsz+gnsz", "", "absz")


@pytest.mark.skipif(not (SHARED / "annotations/seizeit2").is_dir(), reason="../shared/annotations/seizeit2 is missing")
def test_seizeit2_files_give_the_types_that_their_lines_say() -> None:
    told = set()
    for path in sorted((SHARED / "annotations/seizeit2").glob("*_events.tsv")):
        header, *lines = (line.split("\t") for line in path.read_text().splitlines())
        onset, kind = header.index("onset"), header.index("eventType")
        seizures = sorted((float(fields[onset]), fields[kind]) for fields in lines if fields[kind].startswith("sz"))
        found = parse_events_tsv(path.read_bytes(), str(path))
        assert [f"sz_{name}" if name else "sz" for name in found.types] == [name for _, name in seizures]
        told |= set(found.types)
    assert any(name.startswith("foc_") for name in told)


def test_types_reach_the_index_and_no_cached_file_or_fingerprint_knows_them(tmp_path: Path) -> None:
    for recording in write_corpus(tmp_path / "corpus"):
        recording.with_suffix(".csv").write_text(CSV + FOCAL)
    index, plain = typed(tmp_path / "corpus", tmp_path / "typed"), build(tmp_path / "corpus", tmp_path / "plain")
    assert [row.seizure_types for row in index] == [("fnsz",)] * 3
    assert [row.seizure_types for row in plain] == [()] * 3
    assert [row.fingerprint for row in index] == [row.fingerprint for row in plain]
    assert contents(tmp_path / "typed") == contents(tmp_path / "plain")
    assert rows_from_table(table_from_rows(index)) == index


def test_a_corrected_type_changes_the_index_alone(tmp_path: Path) -> None:
    recordings = write_corpus(tmp_path / "corpus")
    for recording in recordings:
        recording.with_suffix(".csv").write_text(CSV + FOCAL)
    first = typed(tmp_path / "corpus", tmp_path / "cache")
    before = identities(tmp_path / "cache")
    recordings[0].with_suffix(".csv").write_text(CSV + FOCAL.replace("fnsz", "cpsz"))
    second = typed(tmp_path / "corpus", tmp_path / "cache")
    assert sorted(row.seizure_types for row in second) == [("cpsz",), ("fnsz",), ("fnsz",)]
    assert [replace(row, seizure_types=("fnsz",)) for row in second] == first
    assert identities(tmp_path / "cache") == before


def test_the_report_gives_latency_by_type_where_types_are_told(tmp_path: Path) -> None:
    rows = cached(tmp_path)
    kinds = ["fnsz"] * 4 + ["gnsz"] * 2
    some = [replace(row, seizure_types=(kind,)) for row, kind in zip(rows, kinds, strict=False)] + rows[6:]
    split = source(tmp_path, some, traces_of(some))
    by_type = {
        row["class"]: (row["seizures"], row["found_seizures"]) for row in report_of(split).latency if row["by"] == "type"
    }
    assert by_type == {"fnsz": (4, 4), "gnsz": (2, 1), "not given": (1, 0)}
    assert "type fnsz" in page(split)
    assert {row["by"] for row in report_of(source(tmp_path, rows, traces_of(rows))).latency} == {"all", "length"}


def test_a_table_of_another_version_is_refused_with_the_column_that_it_lacks() -> None:
    table = table_from_rows([]).drop(columns="seizure_types")
    with pytest.raises(ValueError, match="a table of IndexRow has no column seizure_types: another version wrote it"):
        rows_from_table(table)
