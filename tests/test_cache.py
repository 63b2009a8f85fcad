"""The cache: mappable NPZ files that numpy reads, an index that knows what each was made from, and nothing kept stale."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edf_files import edf, signal

from seizure_pipeline.cache import CacheError, PreparationSettings, build_cache, open_signal, rows_from_table, table_from_rows
from seizure_pipeline.cache.npz import ALIGNMENT_BYTES, map_member, write_npz
from seizure_pipeline.corpora import CorpusSettings, Folder, RecordingRow, examine_entries, find_entries
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.windows import lay_windows

SETTINGS = PreparationSettings(workers=1)
ANNOTATION = """# version = csv_v1.0.0
# bname = aa_s001_t000
# duration = 20.0000 secs
# montage_file = n/a
#
channel,start_time,stop_time,label,confidence
TERM,14.0000,18.0000,seiz,1.0000
"""


def rows_of(root: Path) -> list[RecordingRow]:
    return examine_entries(Folder(str(root)), find_entries(Folder(str(root)), CorpusSettings()), MontageSettings())


def test_an_npz_is_mapped_where_numpy_reads_the_same(tmp_path: Path) -> None:
    arrays = {"signal": np.arange(6000, dtype=np.int16).reshape(2, 3000), "scale": np.array([0.5, 2.0])}
    path = tmp_path / "one.npz"
    write_npz(path, arrays)
    with np.load(path, allow_pickle=False) as loaded:
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)
            mapped = map_member(path, name)
            np.testing.assert_array_equal(mapped, array)
            assert mapped.offset % ALIGNMENT_BYTES == 0
    assert subprocess.run(["python3", "-m", "zipfile", "-t", path], check=False).returncode == 0


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_npz(path, {"a": np.ones(3)})
    with pytest.raises(TypeError, match="references"):
        write_npz(path, {"a": np.array([object()])})
    assert map_member(path, "a").tolist() == [1, 1, 1]
    assert os.listdir(tmp_path) == ["one.npz"]


def test_the_cache_holds_every_recording_at_256_hz_in_19_electrodes(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)
    index = build_cache(Folder(str(small_corpus)), rows, SETTINGS, MontageSettings(), tmp_path)
    assert [entry.recording_id for entry in index] == [row.recording_id for row in rows]
    for entry, row in zip(index, rows, strict=True):
        cached = open_signal(tmp_path / entry.file)
        assert cached.signal.shape == (19, round(row.duration_s * 256))
        spread = np.median(np.abs(cached.signal.astype(np.float64)), axis=1) * cached.step_sd * 1.4826
        np.testing.assert_allclose(spread, 1.0, atol=0.02)
        windows = entry.background_windows + entry.partial_windows + entry.full_windows
        assert windows == len(lay_windows(entry.layout, SETTINGS.windows))
        assert (entry.partial_windows > 0) == bool(row.seizures)


def test_unchanged_recordings_are_kept_and_a_changed_one_is_made_again(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)
    corpus = Folder(str(small_corpus))
    before = build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    written = {entry.file: (tmp_path / entry.file).stat().st_mtime_ns for entry in before}
    changed = [replace(rows[0], token="another"), *rows[1:]]
    build_cache(corpus, changed, SETTINGS, MontageSettings(), tmp_path)
    renewed = {file for file, moment in written.items() if (tmp_path / file).stat().st_mtime_ns != moment}
    assert renewed == {before[0].file}


def test_a_corrected_annotation_reaches_the_index_without_filtering_again(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)
    corpus = Folder(str(small_corpus))
    before = build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    moment = (tmp_path / before[0].file).stat().st_mtime_ns
    corrected = [replace(rows[0], seizures=((1.0, 2.0),)), *rows[1:]]
    after = build_cache(corpus, corrected, SETTINGS, MontageSettings(), tmp_path)
    assert after[0].seizures == ((1.0, 2.0),)
    assert after[0].fingerprint != before[0].fingerprint
    assert (tmp_path / before[0].file).stat().st_mtime_ns == moment


def test_other_filter_settings_make_another_cache(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)[:1]
    corpus = Folder(str(small_corpus))
    other = SETTINGS.model_copy(update={"signals": SETTINGS.signals.model_copy(update={"notch_hz": 50.0})})
    first = build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    second = build_cache(corpus, rows, other, MontageSettings(), tmp_path)
    assert first[0].fingerprint != second[0].fingerprint
    assert first[0].chain != second[0].chain


def test_a_flipped_byte_in_the_cache_is_noticed(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)[:1]
    corpus = Folder(str(small_corpus))
    (entry,) = build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    whole = (tmp_path / entry.file).read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    (tmp_path / entry.file).write_bytes(bytes(broken))
    build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    assert (tmp_path / entry.file).read_bytes() == whole


def test_a_copied_corpus_gives_the_same_fingerprints(small_corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(small_corpus, tmp_path / "copy")
    for root, cache in ((small_corpus, "first"), (tmp_path / "copy", "second")):
        build_cache(Folder(str(root)), rows_of(root)[:1], SETTINGS, MontageSettings(), tmp_path / cache)
    first, second = (
        build_cache(Folder(str(root)), rows_of(root)[:1], SETTINGS, MontageSettings(), tmp_path / cache)[0]
        for root, cache in ((small_corpus, "first"), (tmp_path / "copy", "second"))
    )
    assert first.fingerprint == second.fingerprint


def test_a_recording_that_is_flat_for_most_of_its_length_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(-1000, 1000, (8, 19 * 256), dtype="<i2")
    records = [bytes(19 * 256 * 2)] * 12 + [record.tobytes() for record in noise]
    folder = tmp_path / "edf/train/aa/s001_2020/01_tcp_ar"
    folder.mkdir(parents=True)
    (folder / "aa_s001_t000.edf").write_bytes(edf([signal(label, 256) for label in ELECTRODES], records))
    (folder / "aa_s001_t000.csv_bi").write_text(ANNOTATION)
    (entry,) = build_cache(Folder(str(tmp_path)), rows_of(tmp_path), SETTINGS, MontageSettings(), tmp_path / "cache")
    assert entry.status == "refused"
    assert "aa_s001_t000.edf" in entry.reason
    assert "at most 2 % may" in entry.reason


def test_a_flat_channel_is_refused_by_its_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(-1000, 1000, (20, 19, 256), dtype="<i2")
    noise[:, 4] = 7
    folder = tmp_path / "edf/train/aa/s001_2020/01_tcp_ar"
    folder.mkdir(parents=True)
    records = [record.tobytes() for record in noise]
    (folder / "aa_s001_t000.edf").write_bytes(edf([signal(label, 256) for label in ELECTRODES], records))
    (folder / "aa_s001_t000.csv_bi").write_text(ANNOTATION)
    (entry,) = build_cache(Folder(str(tmp_path)), rows_of(tmp_path), SETTINGS, MontageSettings(), tmp_path / "cache")
    assert entry.reason == (
        "edf/train/aa/s001_2020/01_tcp_ar/aa_s001_t000.edf: channels ['F7'] are flat throughout; an EEG channel must vary"
    )


def test_a_torn_cache_file_is_made_again(small_corpus: Path, tmp_path: Path) -> None:
    rows = rows_of(small_corpus)[:1]
    corpus = Folder(str(small_corpus))
    (entry,) = build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    whole = (tmp_path / entry.file).read_bytes()
    (tmp_path / entry.file).write_bytes(whole[: len(whole) // 2])
    build_cache(corpus, rows, SETTINGS, MontageSettings(), tmp_path)
    assert (tmp_path / entry.file).read_bytes() == whole


def test_the_index_survives_its_table(small_corpus: Path, tmp_path: Path) -> None:
    index = build_cache(Folder(str(small_corpus)), rows_of(small_corpus)[:2], SETTINGS, MontageSettings(), tmp_path)
    assert rows_from_table(table_from_rows(index)) == index


def test_an_unwritable_cache_is_named(small_corpus: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(CacheError, match="cannot be written"):
        build_cache(Folder(str(small_corpus)), rows_of(small_corpus)[:1], SETTINGS, MontageSettings(), blocked / "cache")
