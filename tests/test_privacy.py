"""What an EDF header says of the patient: no refusal quotes it, a copy keeps it, and the search for it elsewhere finds it.

The whole way from corpus to report is searched in tests/slow/test_privacy_of_a_run.py."""

from __future__ import annotations

import base64
import dataclasses
import logging
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from edf_files import edf, ramp, signal
from mutations import FIELDS
from PIL import Image
from planted_identity import CODE, NAME, PATIENT, PLANTED, RECORDING, TECHNICIAN, finds, plant, telltales
from test_detection import chain

from seizure_pipeline.corpora import Folder
from seizure_pipeline.detection import find_in_folder
from seizure_pipeline.exports import DetectionSettings
from seizure_pipeline.recordings import Note, RecordingError, open_recording, write_annotated_copy


def test_the_search_finds_what_is_hidden_in_tables_archives_and_pages(tmp_path: Path) -> None:
    pd.DataFrame({"name": [NAME[0]] * 1000}).to_parquet(tmp_path / "table.parquet", compression="zstd")
    np.savez_compressed(tmp_path / "array.npz", name=np.frombuffer(NAME[0].encode() * 1000, np.uint8))
    picture = BytesIO()
    Image.new("1", (1, 1)).save(picture, "png")
    (tmp_path / "page.html").write_bytes(b"<img src='data:image/png;base64," + base64.b64encode(picture.getvalue()) + b"'>")
    (tmp_path / "upper.txt").write_text(NAME[0].upper(), encoding="utf-16-le")
    sought = telltales(edf([signal()], ramp(1))[:256])
    for name in ("table.parquet", "array.npz", "upper.txt"):
        assert finds(tmp_path / name, sought), name
    assert not finds(tmp_path / "page.html", sought)


def test_no_refusal_quotes_the_identification(tmp_path: Path) -> None:
    identified = edf([signal()], ramp(2), patient=f"{CODE} F 02-MAR-1951 {'_'.join(NAME)}", recording=TECHNICIAN)
    path, refusals = tmp_path / "one.edf", []
    for at in range(0, 512, 8):
        for wrong in FIELDS:
            path.write_bytes(identified[:at] + wrong + identified[at + len(wrong) :])
            try:
                open_recording(path)
            except RecordingError as refusal:
                refusals.append(str(refusal))
    assert len(refusals) > 250
    assert not [said for said in refusals if any(word in said for word in PLANTED)]


def test_of_all_exports_only_the_annotated_copy_says_who_was_recorded(
    small_corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own" / "one.edf"
    own.parent.mkdir()
    shutil.copy(sorted((small_corpus / "edf" / "dev").rglob("*.edf"))[0], own)
    plant(own)
    (own.parent / "two.edf").write_bytes(own.read_bytes()[:-1000])
    alarming = dataclasses.replace(chain(), threshold=1e-6)
    settings = DetectionSettings(exports=("csv_bi", "tsv", "picture", "bids", "edf"))
    with caplog.at_level(logging.DEBUG):
        lines = find_in_folder(alarming, Folder(str(own.parent)), tmp_path / "found", settings)
    assert [line["status"] for line in lines] == ["detected", "refused"]
    (tmp_path / "found" / "log.txt").write_text(f"{caplog.text} {lines}")
    sought = telltales(own.read_bytes()[:256])
    written = [path for path in (tmp_path / "found").rglob("*") if path.is_file()]
    assert [path.name for path in written if finds(path, sought)] == ["one_annotated.edf"]
    assert {path.suffix for path in written} >= {".csv_bi", ".tsv", ".png", ".edf", ".json", ".txt"}


def test_an_annotated_copy_of_a_plain_file_keeps_the_identification_and_adds_none(tmp_path: Path) -> None:
    source, copy = tmp_path / "one.edf", tmp_path / "copy.edf"
    source.write_bytes(edf([signal()], ramp(2), patient="_".join(NAME), recording=TECHNICIAN))
    write_annotated_copy(source, copy, [Note(0.0, 1.0, "seizure")])
    head = copy.read_bytes()[:256]
    assert head[PATIENT].rstrip() == b"X X X " + "_".join(NAME).encode()
    assert head[RECORDING].rstrip() == b"Startdate 02-MAR-2004 X X X " + TECHNICIAN.encode()
