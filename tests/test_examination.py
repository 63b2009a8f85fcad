"""Examination again: only what changed is looked at, and the rows are those of a first examination."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from pathlib import Path

import fsspec
import pytest
from test_layouts import CHB_MIT, chb_mit, tusz

from seizure_pipeline.corpora import CorpusSettings, Folder, RecordingRow, examine_entries, examined, find_entries, table
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.examined import FILE
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.recordings import Recording, open_recording

Opened = list[str]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Names of the EDF files that were opened since the list was last cleared, sorted on reading by `names`."""
    names: Opened = []

    def note(path: Path) -> Recording:
        names.append(path.name)
        return open_recording(path)

    monkeypatch.setattr(table, "open_recording", note)
    return names


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    chb_mit(root, "chb01", {"chb01_01.edf": ((10, 20),), "chb01_02.edf": ()})
    chb_mit(root, "chb02", {"chb02_01.edf": ((30, 50),), "chb02_02.edf": ((90, 120),)})
    return root


def examine(
    root: Path, settings: CorpusSettings = CHB_MIT, montage: MontageSettings | None = None, kept: Path | None = None
) -> list[RecordingRow]:
    folder = Folder(str(root))
    return examine_entries(folder, find_entries(folder, settings), montage or MontageSettings(), kept or root.parent / "kept")


def later(path: Path) -> None:
    """Give a file another time of change."""
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def test_nothing_is_opened_again_where_nothing_changed(corpus: Path, opened: Opened) -> None:
    first = examine(corpus)
    assert [row.accepted for row in first] == [True, True, True, False]
    assert len(opened) == 4
    opened.clear()
    assert examine(corpus) == first
    assert opened == []


def test_a_changed_recording_alone_is_examined_again(corpus: Path, opened: Opened) -> None:
    examine(corpus)
    opened.clear()
    later(corpus / "chb01/chb01_02.edf")
    rows = examine(corpus)
    assert opened == ["chb01_02.edf"]
    assert rows == examine(corpus, kept=corpus.parent / "others")


def test_a_changed_annotation_file_examines_the_recordings_it_is_about(corpus: Path, opened: Opened) -> None:
    examine(corpus)
    opened.clear()
    summary = corpus / "chb02/chb02-summary.txt"
    summary.write_text(summary.read_text().replace("120", "95"))
    assert examine(corpus)[3].seizures == ((90.0, 95.0),)
    assert sorted(opened) == ["chb02_01.edf", "chb02_02.edf"]


def test_a_changed_montage_setting_examines_all(corpus: Path, opened: Opened) -> None:
    examine(corpus)
    opened.clear()
    examine(corpus, montage=MontageSettings(max_interpolated=3))
    assert len(opened) == 4


def test_other_splits_examine_nothing(corpus: Path, opened: Opened) -> None:
    examine(corpus)
    opened.clear()
    listed = CorpusSettings(layout="chb_mit", splits={"train": ("chb02",), "dev": ("chb01",)})
    assert [(row.patient_id, row.split) for row in examine(corpus, listed)] == [("chb02", "train")] * 2 + [("chb01", "dev")] * 2
    assert opened == []


def test_the_other_of_tusz_s_annotations_examines_all(tmp_path: Path, opened: Opened) -> None:
    tusz(tmp_path / "corpus", "train", "aaaaaaaa", "01_tcp_ar", "TERM,4.0,5.0,seiz,1.0\n", "FP1-F7,1.0,2.0,fnsz,1.0\n")
    assert examine(tmp_path / "corpus", CorpusSettings())[0].seizures == ((4.0, 5.0),)
    assert examine(tmp_path / "corpus", CorpusSettings(annotations="csv"))[0].seizures == ((1.0, 2.0),)
    assert len(opened) == 2


def test_a_recording_that_goes_is_forgotten_and_one_that_comes_is_examined(corpus: Path, opened: Opened) -> None:
    examine(corpus)
    shutil.rmtree(corpus / "chb02")
    chb_mit(corpus, "chb03", {"chb03_01.edf": ()})
    opened.clear()
    assert [row.recording_id for row in examine(corpus)] == ["chb01_01", "chb01_02", "chb03_01"]
    assert opened == ["chb03_01.edf"]


@pytest.mark.parametrize("damaged", [b"", b"PAR1", b"nothing that can be read"])
def test_kept_rows_that_cannot_be_understood_are_made_anew(
    corpus: Path, opened: Opened, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first = examine(corpus)
    kept = corpus.parent / "kept" / FILE
    whole = kept.read_bytes()
    kept.write_bytes(damaged or whole[: len(whole) // 2])
    opened.clear()
    with caplog.at_level(logging.WARNING):
        assert examine(corpus) == first
    assert len(opened) == 4
    assert "cannot be understood" in caplog.text
    opened.clear()
    assert examine(corpus) == first
    assert opened == []


def test_a_file_that_cannot_be_read_is_tried_again(corpus: Path, opened: Opened) -> None:
    path = corpus / "chb01/chb01_02.edf"
    away = path.rename(corpus.parent / "away.edf")
    path.symlink_to(away.with_name("nowhere"))
    assert "cannot be read" in examine(corpus)[1].reason
    opened.clear()
    assert "cannot be read" in examine(corpus)[1].reason
    assert opened == ["chb01_02.edf"]


def test_what_was_examined_before_the_network_failed_is_kept(
    corpus: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(path: Path) -> Recording:
        if path.name == "chb02_02.edf":
            raise TransferError("the line is cut")
        return open_recording(path)

    monkeypatch.setattr(table, "open_recording", cut)
    with pytest.raises(TransferError):
        examine(corpus)
    monkeypatch.setattr(table, "open_recording", lambda path: opened.append(path.name) or open_recording(path))
    examine(corpus)
    assert opened == ["chb02_02.edf"]


def test_a_corpus_in_a_bucket_is_examined_by_its_headers(corpus: Path, opened: Opened) -> None:
    fsspec.filesystem("memory").put(str(corpus), "/examination", recursive=True)
    bucket = Folder("memory://examination")
    rows = examine_entries(bucket, find_entries(bucket, CHB_MIT), MontageSettings())
    assert [(row.path, row.seizures, row.reason) for row in rows] == [
        (row.path, row.seizures, row.reason) for row in examine(corpus)
    ]
    assert len(opened) == 8


def test_other_code_examines_all(corpus: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    examine(corpus)
    opened.clear()
    monkeypatch.setattr(examined, "code_fingerprint", lambda *names: "other")
    examine(corpus)
    assert len(opened) == 4


def test_a_recording_or_an_annotation_file_that_cannot_be_opened_is_named(corpus: Path) -> None:
    for name, aim in (("chb01/chb01_01.edf", "chb01_01.edf"), ("chb01/chb01_02.edf", "a"), ("chb02/chb02-summary.txt", "a")):
        (corpus / name).unlink()
        (corpus / name).symlink_to(aim)
    chb_mit(corpus, "chb03", {"chb03_01.edf": ((10, 20),)})
    rows = {row.recording_id: row.reason for row in examine(corpus)}
    assert rows["chb01_01"].startswith("chb01/chb01_01.edf: cannot be read (Too many levels of symbolic links")
    assert rows["chb01_02"].startswith("chb01/chb01_02.edf: cannot be read (No such file")
    assert rows["chb02_01"].startswith("chb02/chb02_01.edf: chb02/chb02-summary.txt: cannot be read (No such file")


@pytest.mark.parametrize("fault", [errno.EMFILE, errno.EIO, errno.ENOMEM, errno.ESTALE])
@pytest.mark.parametrize("file", ["chb02_02.edf", "chb02-summary.txt"])
def test_a_fault_of_this_machine_stops_and_refuses_nothing(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, fault: int, file: str
) -> None:
    first = examine(corpus)
    whole_bytes = Folder.read_bytes

    def open_or_fail(path: Path) -> Recording:
        fail_on(path.name)
        return open_recording(path)

    def read_or_fail(folder: Folder, facts: FileFacts) -> bytes:
        fail_on(Path(facts.path).name)
        return whole_bytes(folder, facts)

    def fail_on(name: str) -> None:
        if name == file:
            raise OSError(fault, os.strerror(fault))

    kept = corpus.parent / "others"
    with monkeypatch.context() as patch:
        patch.setattr(table, "open_recording", open_or_fail)
        patch.setattr(Folder, "read_bytes", read_or_fail)
        with pytest.raises(TransferError, match=f"{file}: {os.strerror(fault)}; a fault of this machine refuses no recording"):
            examine(corpus, kept=kept)
    assert examine(corpus, kept=kept) == first
