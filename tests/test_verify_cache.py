"""Verifying the cache: every planted fault is told by its name, and a whole cache has none."""

from __future__ import annotations

import os
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from noise_corpus import ONE_PROCESS, build, listed, write_annotation, write_corpus, write_recording

from seizure_pipeline.cache import (
    IndexRow,
    PreparationSettings,
    Problem,
    VerifySettings,
    open_signal,
    verify_cache,
)
from seizure_pipeline.cache.npz import locate_member
from seizure_pipeline.cache.verify import LEFTOVER
from seizure_pipeline.corpora import Folder
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.windows import WindowSettings

Cached = tuple[Path, Path, list[IndexRow]]


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    """A corpus of three recordings, its cache and its index."""
    write_corpus(tmp_path / "corpus")
    return tmp_path / "corpus", tmp_path / "cache", build(tmp_path / "corpus", tmp_path / "cache")


def problems(
    cached: Cached, preparation: PreparationSettings = ONE_PROCESS, settings: VerifySettings | None = None
) -> list[Problem]:
    corpus, cache, index = cached
    settings = settings or VerifySettings()
    return verify_cache(Folder(str(corpus)), listed(corpus), index, preparation, MontageSettings(), cache, settings)


def kinds(cached: Cached, **options: object) -> set[tuple[str, str]]:
    return {(problem.recording, problem.problem) for problem in problems(cached, **options)}  # type: ignore[arg-type]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def test_a_whole_cache_has_no_problem(cached: Cached) -> None:
    assert problems(cached) == []
    assert problems(cached, settings=VerifySettings(sources=True)) == []


def test_a_flipped_byte_in_the_signal_is_found(cached: Cached) -> None:
    _, cache, index = cached
    path = cache / index[1].file
    flip(path, locate_member(path, "signal").offset + 1000)
    (problem,) = problems(cached)
    assert (problem.recording, problem.file) == (index[1].recording_id, index[1].file)
    assert problem.problem == "check sum of the signal"
    assert problem.found != problem.expected


@pytest.mark.parametrize("member", ["meta", "median_uv", "sd_uv"])
def test_a_flipped_byte_in_what_stands_beside_the_signal_is_found(cached: Cached, member: str) -> None:
    _, cache, index = cached
    path = cache / index[1].file
    flip(path, locate_member(path, member).offset + 5)
    (problem,) = problems(cached)
    assert problem.problem == "unreadable"
    assert member in problem.found


def test_no_flipped_byte_goes_unnoticed_that_changes_what_a_reader_gets(cached: Cached) -> None:
    _, cache, index = cached
    path = cache / index[0].file
    whole, signal = path.read_bytes(), open_signal(path).signal.copy()
    first = locate_member(path, "signal").offset
    data = range(first, first + signal.nbytes)
    outside = [at for at in range(len(whole)) if at not in data]
    names = [row.recording_id for row in index]
    choice = random.Random(0)
    in_use = [at for at in outside if whole[at] != 0 or choice.random() < 0.02]
    for at in [*choice.sample(in_use, 250), *choice.sample(data, 20)]:
        flip(path, at)
        if not any(problem.recording == names[0] for problem in problems((cached[0], cache, index[:1]))):
            with np.load(path, allow_pickle=False) as file:
                np.testing.assert_array_equal(file["signal"], signal)
                assert set(file.files) == {"signal", "median_uv", "sd_uv", "meta"}
            np.testing.assert_array_equal(open_signal(path).signal, signal)
        path.write_bytes(whole)


def test_a_truncated_a_missing_and_an_emptied_file_are_found(cached: Cached) -> None:
    _, cache, index = cached
    content = (cache / index[0].file).read_bytes()
    (cache / index[0].file).write_bytes(content[:-1000])
    (cache / index[1].file).unlink()
    (cache / index[2].file).write_bytes(b"")
    found = kinds(cached)
    assert {(index[0].recording_id, "size"), (index[0].recording_id, "unreadable")} <= found
    assert (index[1].recording_id, "missing file") in found
    assert {(index[2].recording_id, "size"), (index[2].recording_id, "unreadable")} <= found


def test_a_file_that_the_index_does_not_know_is_found(cached: Cached) -> None:
    _, cache, index = cached
    shutil.copy(cache / index[0].file, cache / index[0].chain / "stranger.npz")
    assert kinds(cached) == {("stranger", "extra file")}


def test_what_is_found_damaged_is_repaired_by_the_next_windowing(cached: Cached) -> None:
    corpus, cache, index = cached
    path = cache / index[1].file
    whole, before = path.read_bytes(), path.stat()
    flip(path, locate_member(path, "signal").offset + 1000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert build(corpus, cache) == index
    assert path.read_bytes() != whole  # bytes and date are as they were
    assert kinds(cached) == {(index[1].recording_id, "check sum of the signal")}
    assert build(corpus, cache) == index
    assert path.read_bytes() == whole
    assert problems(cached) == []


def test_a_recording_that_the_index_alone_refuses_is_found(cached: Cached) -> None:
    corpus, cache, index = cached
    row = listed(corpus)[0]
    stale = [IndexRow.refused(row, "its annotation was missing"), *index[1:]]
    assert (row.recording_id, "status in the index") in kinds((corpus, cache, stale))


def test_a_recording_that_the_chain_refused_is_no_problem_until_it_changes(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    write_recording(tmp_path / "corpus", "zz", flat_records=12)
    cached = tmp_path / "corpus", tmp_path / "cache", build(tmp_path / "corpus", tmp_path / "cache")
    assert [row.accepted for row in cached[2]] == [True, True, True, False]
    assert problems(cached) == []
    write_recording(tmp_path / "corpus", "zz", seed=5)
    assert kinds(cached) == {("zz_s001_t000", "status in the index")}


def test_a_file_of_a_recording_that_is_no_longer_wanted_is_left_over_and_kept(cached: Cached) -> None:
    corpus, cache, index = cached
    gone = corpus / listed(corpus)[0].path
    gone.unlink()
    newer = build(corpus, cache)
    assert kinds((corpus, cache, newer)) == {(index[0].recording_id, LEFTOVER)}
    assert (cache / index[0].file).is_file()
    (cache / newer[0].chain / "notes.txt").write_text("mine")
    assert ("notes", "extra file") in kinds((corpus, cache, newer))


def test_a_file_of_another_recording_is_found(cached: Cached) -> None:
    _, cache, index = cached
    shutil.copy(cache / index[0].file, cache / index[1].file)
    assert (index[1].recording_id, "recording in the file") in kinds(cached)


@pytest.mark.parametrize("column", ["background_windows", "partial_windows", "full_windows"])
def test_a_wrong_count_in_the_index_is_found(cached: Cached, column: str) -> None:
    corpus, cache, index = cached
    wrong = [replace(index[0], **{column: getattr(index[0], column) + 1}), *index[1:]]
    assert kinds((corpus, cache, wrong)) == {(index[0].recording_id, f"{column} in the index")}


def test_counts_by_other_windows_are_found(cached: Cached) -> None:
    windows = WindowSettings(window_s=4.0, stride_s=1.0)
    found = kinds(cached, preparation=PreparationSettings(workers=1, windows=windows))
    assert {problem for _, problem in found} >= {"background_windows in the index", "full_windows in the index"}


def test_other_settings_of_the_chain_are_found(cached: Cached) -> None:
    other = PreparationSettings(workers=1, signals=ONE_PROCESS.signals.model_copy(update={"notch_hz": 50.0}))
    found = kinds(cached, preparation=other)
    assert {(row.recording_id, "made by other settings") for row in cached[2]} <= found


def source_rewritten(corpus: Path) -> None:
    write_recording(corpus, "ab", seed=77)


def annotation_corrected(corpus: Path) -> None:
    write_annotation(corpus / listed(corpus)[1].path, seizure_s=2.0)


def recording_added(corpus: Path) -> None:
    write_recording(corpus, "zz", seed=78)


def recording_removed(corpus: Path) -> None:
    shutil.rmtree(corpus / "edf/train/ab")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (source_rewritten, ("ab_s001_t000", "source in the file")),
        (annotation_corrected, ("ab_s001_t000", "seizures in the file")),
        (recording_added, ("zz_s001_t000", "not in the index")),
        (recording_removed, ("ab_s001_t000", "not in the corpus")),
    ],
)
def test_a_corpus_that_changed_since_is_found(cached: Cached, change: Callable[[Path], None], found: tuple[str, str]) -> None:
    change(cached[0])
    assert found in kinds(cached)
    assert {recording for recording, _ in kinds(cached)} == {found[0]}


def test_a_source_with_its_old_date_and_other_bytes_is_found_when_sources_are_read(cached: Cached) -> None:
    path = cached[0] / listed(cached[0])[0].path
    before = path.stat()
    flip(path, before.st_size - 100)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kinds(cached) == set()
    assert kinds(cached, settings=VerifySettings(sources=True)) == {("aa_s001_t000", "check sum of the source")}


def test_a_wrong_split_in_the_index_is_found(cached: Cached) -> None:
    corpus, cache, index = cached
    wrong = [replace(index[0], split="eval"), *index[1:]]
    assert kinds((corpus, cache, wrong)) == {(index[0].recording_id, "split in the index")}


def test_what_is_found_whole_passes_the_tests_of_zip_too(cached: Cached) -> None:
    for row in cached[2]:
        with zipfile.ZipFile(cached[1] / row.file) as archive:
            assert archive.testzip() is None
