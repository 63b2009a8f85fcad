"""What is kept is kept for a reason: an index, a ledger or a state on the disk is trusted only for what it was made from."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from noise_corpus import ONE_PROCESS, build, contents, identities, listed, write_corpus, write_recording

from seizure_pipeline.cache import CacheError, IndexRow, build_cache, chains, locate_row, open_row, store
from seizure_pipeline.cache import build as building
from seizure_pipeline.cache import ledger as ledgers
from seizure_pipeline.cache.facts import read_facts
from seizure_pipeline.cache.index import count_kinds
from seizure_pipeline.cache.npz import write_npz
from seizure_pipeline.cache.parts import new_part, remove_dead_parts
from seizure_pipeline.corpora import Folder
from seizure_pipeline.evaluation import keep_baseline_traces
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.training.opening import locate
from seizure_pipeline.windows import Layout, WindowSettings

Cached = tuple[Path, Path, list[IndexRow]]
Filled = list[str]


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    """A corpus of three recordings, its cache and its index."""
    write_corpus(tmp_path / "corpus")
    return tmp_path / "corpus", tmp_path / "cache", build(tmp_path / "corpus", tmp_path / "cache")


READERS: list[Callable[[Path, IndexRow], object]] = [
    open_row,
    locate_row,
    locate,
    lambda cache, row: keep_baseline_traces(cache, [row], cache.parent / "traces"),
]


@pytest.mark.parametrize("read", READERS)
def test_an_index_older_than_the_files_is_refused_by_whoever_reads_through_it(
    cached: Cached, read: Callable[[Path, IndexRow], object]
) -> None:
    corpus, cache, index = cached
    read(cache, index[1])
    write_recording(corpus, "ab", seed=77)  # as long as before
    build(corpus, cache)
    shutil.rmtree(cache.parent / "traces", ignore_errors=True)
    with pytest.raises(CacheError, match=r"ab_s001_t000\.npz: signal and seizures .* run the windowing pipeline again"):
        read(cache, index[1])


def test_an_index_with_other_seizures_other_stretches_or_no_file_is_refused(cached: Cached) -> None:
    _, cache, index = cached
    with pytest.raises(CacheError, match="signal and seizures"):
        open_row(cache, replace(index[0], seizures=((1.0, 2.0),)))
    with pytest.raises(CacheError, match="stretches"):
        open_row(cache, replace(index[0], stretch_start_s=(1.0,)))
    (cache / index[0].file).unlink()
    with pytest.raises(CacheError, match="no such file, though the index names it"):
        open_row(cache, index[0])
    (cache / index[1].file).write_bytes(b"something else")
    with pytest.raises(CacheError, match="not a cached recording of this format"):
        open_row(cache, index[1])


def test_other_code_derives_the_rows_anew_from_the_facts_and_tries_again_what_it_refused(
    tmp_path: Path, chains: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "corpus")
    write_recording(tmp_path / "corpus", "zz", flat_records=12)
    first = build(tmp_path / "corpus", tmp_path / "cache")
    before = identities(tmp_path / "cache")
    monkeypatch.setattr(ledgers, "code_fingerprint", lambda *_: "other code")
    counted = {"background_windows": 7, "partial_windows": 0, "full_windows": 0}
    monkeypatch.setattr("seizure_pipeline.cache.index.count_kinds", lambda *_: counted)
    chains.clear()
    second = build(tmp_path / "corpus", tmp_path / "cache")
    assert chains == ["zz_s001_t000"]
    assert [row.background_windows for row in second] == [7, 7, 7, 0]
    assert [row.fingerprint for row in second] == [row.fingerprint for row in first]
    assert identities(tmp_path / "cache") == before
    chains.clear()
    assert build(tmp_path / "corpus", tmp_path / "cache") == second
    assert chains == []


def test_the_code_in_the_ledger_is_that_which_shapes_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    from seizure_pipeline.configuration import code_fingerprint

    root = Path(building.__file__).parents[1]
    read = Path.read_bytes
    before = code_fingerprint.__wrapped__(*ledgers.CODE)
    for file in ("signals/resampling.py", "recordings/header.py", "montage.py", "windows.py", "cache/index.py"):
        path = root / file if (root / file).exists() else next((root / Path(file).stem).glob("*.py"))

        def changed(self: Path, wanted: Path = path) -> bytes:
            return read(self) + (b"#" if self == wanted else b"")

        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", changed)
            assert code_fingerprint.__wrapped__(*ledgers.CODE) != before, file


def test_a_file_that_another_process_writes_at_once_is_not_trusted_by_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_corpus(tmp_path / "corpus", 1)
    fill, looked_into = building.fill, []

    def overtaken(job: building.Job) -> object:
        stored = fill(job)
        job.target.write_bytes(b"what another process put there")
        return stored

    with monkeypatch.context() as patched:
        patched.setattr(building, "fill", overtaken)
        build(tmp_path / "corpus", tmp_path / "cache")
    find_whole = building.find_whole
    monkeypatch.setattr(building, "find_whole", lambda path: looked_into.append(path.name) or find_whole(path))
    (row,) = build(tmp_path / "corpus", tmp_path / "cache")
    assert looked_into == ["aa_s001_t000.npz"]
    open_row(tmp_path / "cache", row)


def test_a_signal_that_is_not_what_its_facts_say_is_not_copied_under_them(cached: Cached) -> None:
    _, cache, index = cached
    path = cache / index[0].file
    facts = read_facts(path)
    other = read_facts(cache / index[1].file)
    before = contents(cache)
    with pytest.raises(CacheError, match=r"aa_s001_t000\.npz: the signal changed while it was copied"):
        store.rewrite_facts(path, replace(facts, signal_xxh3_128=other.signal_xxh3_128), facts.origin)
    assert contents(cache) == before
    assert not list(path.parent.glob(".*"))


def test_a_writer_keeps_its_file_though_another_process_looks_for_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = os.replace

    def disturbed(part: Path, path: Path) -> None:
        assert remove_dead_parts(tmp_path) == 1
        move(part, path)

    monkeypatch.setattr(os, "replace", disturbed)
    write_npz(tmp_path / "one.npz", {"one": np.arange(3)})
    assert os.listdir(tmp_path) == ["one.npz"]


def test_files_are_locked_for_writing_as_network_disks_want_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock

    def as_on_nfs(file: object, how: int) -> None:
        if how & fcntl.LOCK_EX and not file.writable():  # type: ignore[attr-defined]
            raise OSError(9, "Bad file descriptor")
        lock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    _, file = new_part(tmp_path / "one.npz")
    file.close()
    assert remove_dead_parts(tmp_path) == 0
    assert os.listdir(tmp_path) == []
    write_corpus(tmp_path / "corpus")
    build(tmp_path / "corpus", tmp_path / "cache")
    (chain,) = chains.list_chains(tmp_path / "cache")
    assert chains.remove_chain(chain) == []


def test_files_that_vanish_while_a_folder_is_listed_are_left_out(cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    _, cache, index = cached
    folder, plain = cache / index[0].chain, os.scandir
    (folder / ".one.npz.0.part").write_bytes(b"")

    @contextmanager
    def vanishing(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with plain(path) as entries:
            found = list(entries)
        (folder / ".one.npz.0.part").unlink(missing_ok=True)
        (cache / index[0].file).unlink(missing_ok=True)
        yield found

    monkeypatch.setattr(os, "scandir", vanishing)
    listed_now = chains._listed(folder, folder.name, "")
    assert [path.name for path in listed_now.files] == [
        *(Path(row.file).name for row in index[1:]),
        ledgers.LEDGER,
        chains.CHAIN,
    ]
    shutil.copy(cache / index[1].file, cache / index[0].file)
    assert set(ledgers.file_states(folder)) == {Path(row.file).name for row in index[1:]}


def test_a_chain_is_not_pruned_while_it_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path / "corpus")
    index = build(tmp_path / "corpus", tmp_path / "cache")
    write_recording(tmp_path / "corpus", "ab", seed=77)
    fill, refused = building.fill, []

    def pruned_at(job: building.Job) -> object:
        (chain,) = chains.list_chains(tmp_path / "cache")
        with pytest.raises(CacheError, match="a process is at work there now") as caught:
            chains.remove_chain(chain)
        refused.append(caught)
        return fill(job)

    monkeypatch.setattr(building, "fill", pruned_at)
    build(tmp_path / "corpus", tmp_path / "cache")
    assert len(refused) == 1
    assert set(contents(tmp_path / "cache")) == {row.file for row in index}


def test_a_chain_that_is_pruned_before_it_is_held_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, made = chains._make, []

    def pruned(folder: Path, *settings: object) -> None:
        make(folder, *settings)  # type: ignore[arg-type]
        made.append(folder)
        if len(made) == 1:
            (chain,) = chains.list_chains(folder.parent)
            chains.remove_chain(chain)

    monkeypatch.setattr(chains, "_make", pruned)
    write_corpus(tmp_path / "corpus", 1)
    (row,) = build(tmp_path / "corpus", tmp_path / "cache")
    assert len(made) == 2
    open_row(tmp_path / "cache", row)


def test_copies_of_remote_recordings_lie_on_the_disk_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path / "corpus")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "corpus") + "/", "/recordings_to_cache/", recursive=True)
    read: list[Path] = []
    fill = building.fill

    def noted(job: building.Job) -> object:
        read.append(job.edf)
        return fill(job)

    monkeypatch.setattr(building, "fill", noted)
    rows, settings = listed(tmp_path / "corpus"), MontageSettings()
    remote = Folder("memory://recordings_to_cache")
    tokens = {file.path: file.token for file in remote.files()}
    rows = [replace(row, token=tokens[row.path]) for row in rows]
    build_cache(remote, rows, ONE_PROCESS, settings, tmp_path / "cache")
    memory.rm("/recordings_to_cache", recursive=True)
    assert len(read) == 3
    assert all(path.is_relative_to(tmp_path / "cache" / building.FETCHED) for path in read)
    assert not any(path.exists() for path in read)
    assert [chain.recordings for chain in chains.list_chains(tmp_path / "cache")] == [3]


def test_large_recordings_are_fetched_ahead_by_fewer(cached: Cached) -> None:
    rows = listed(cached[0])
    small = [(row, None) for row in rows]
    assert building._fetched_ahead(small) == building.WAITING_SMALL  # type: ignore[arg-type]
    large = [(replace(row, size_bytes=3 << 30), None) for row in rows]
    assert building._fetched_ahead(large) == building.WAITING  # type: ignore[arg-type]


def test_a_stretch_of_no_sample_holds_no_seizure() -> None:
    counts = count_kinds(Layout((0, 2560), (0.0, 20.0)), ((1.0, 2.0),), WindowSettings(window_s=10.0))
    assert counts == {"background_windows": 1, "partial_windows": 1, "full_windows": 0}
