"""Nothing that stops or disturbs the filling of a cache leaves anything wrong in it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_builds import index_bytes, kill_within, start_build
from noise_corpus import ONE_PROCESS, build, contents, listed, write_corpus, write_recording

from seizure_pipeline.cache import CacheError, PreparationSettings, build_cache
from seizure_pipeline.cache.parts import new_part, remove_dead_parts
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora import folder as folders
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.montage import MontageSettings

RECORDINGS = 12


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen recordings of 20 s."""
    root = tmp_path_factory.mktemp("corpus")
    write_corpus(root, RECORDINGS)
    return root


def is_clean(cache: Path) -> bool:
    """Whether the chain's folder holds cached recordings, the chain's settings and the ledger, and nothing else."""
    (chain,) = cache.iterdir()
    extra = {path.name for path in chain.iterdir() if path.suffix != ".npz"}
    return extra == {"chain.json", "ledger.parquet"}


@pytest.mark.parametrize(("workers", "kills"), [(1, 4), (2, 2)])
def test_after_a_kill_the_next_run_gives_the_undisturbed_cache(corpus: Path, tmp_path: Path, workers: int, kills: int) -> None:
    build(corpus, tmp_path / "warm")  # what is compiled or imported once takes no part in the time
    begun = time.monotonic()
    undisturbed = build(corpus, tmp_path / "undisturbed")
    lasts_s = time.monotonic() - begun
    choice = random.Random(workers)
    for number in range(kills):
        cache = tmp_path / f"killed{number}"
        kill_within(start_build(corpus, cache, workers), cache, choice, lasts_s)
        index = build(corpus, cache)
        assert contents(cache) == contents(tmp_path / "undisturbed")
        assert index_bytes(index, tmp_path) == index_bytes(undisturbed, tmp_path)
        assert is_clean(cache)


def test_two_runs_at_once_fill_one_cache_without_harm(corpus: Path, tmp_path: Path) -> None:
    build(corpus, tmp_path / "undisturbed")
    both = [start_build(corpus, tmp_path / "cache", workers) for workers in (1, 2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert contents(tmp_path / "cache") == contents(tmp_path / "undisturbed")
    assert is_clean(tmp_path / "cache")


def test_a_file_in_the_making_is_removed_only_when_its_writer_is_gone(tmp_path: Path) -> None:
    part, file = new_part(tmp_path / "one.npz")
    assert remove_dead_parts(tmp_path) == 1
    assert part.exists()
    file.close()
    assert remove_dead_parts(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_was_done_before_a_failed_transfer_is_kept(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = listed(corpus)
    there = folders.Folder.local_path

    def cut(self: Folder, file: object) -> Path:
        if rows[5].recording_id in str(file):
            raise TransferError(f"{rows[5].path}: the connection was cut")
        return there(self, file)

    monkeypatch.setattr(folders.Folder, "local_path", cut)
    with pytest.raises(TransferError, match="the connection was cut"):
        build_cache(Folder(str(corpus)), rows, ONE_PROCESS, MontageSettings(), tmp_path / "cache")
    monkeypatch.undo()
    assert 1 <= len(contents(tmp_path / "cache")) < RECORDINGS
    build(corpus, tmp_path / "cache")
    build(corpus, tmp_path / "undisturbed")
    assert contents(tmp_path / "cache") == contents(tmp_path / "undisturbed")


def test_a_killed_worker_ends_the_run_with_the_name_of_a_recording(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizure_pipeline.cache.build.fill", die)
    with pytest.raises(CacheError, match=r"\.edf: a worker process was killed while this or another"):
        build(corpus, tmp_path / "cache", PreparationSettings(workers=2))


def die(job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_an_unwritable_cache_is_named(corpus: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(CacheError, match="cannot be written"):
        build(corpus, blocked / "cache")


SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
from noise_corpus import build, contents, write_recording
corpus, cache = Path(sys.argv[1]), Path(sys.argv[2])
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", cache], check=True)
told = {}
mount("size=1m")
try:
    build(corpus, cache / "cache")
except OSError as error:
    told["full"] = str(error)
told["after"] = contents(cache / "cache")
told["left over"] = [path.name for path in cache.rglob("*.part")]
mount("remount,size=64m")
told["index"] = len(build(corpus, cache / "cache"))
told["continued"] = contents(cache / "cache")
mount("remount,ro")
told["read-only and unchanged"] = len(build(corpus, cache / "cache"))
write_recording(corpus, "aa", seed=99)
try:
    build(corpus, cache / "cache")
except ValueError as error:
    told["read-only and changed"] = str(error)
print(json.dumps(told))
"""


def test_a_full_and_a_read_only_disk_are_named_and_leave_nothing_half_made(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", 6)
    build(tmp_path / "corpus", tmp_path / "undisturbed")
    (tmp_path / "disk").mkdir()
    space = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*space, "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs mount namespaces, which this machine does not allow")
    command = [*space, sys.executable, "-c", SMALL_DISK, tmp_path / "corpus", tmp_path / "disk"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    undisturbed = contents(tmp_path / "undisturbed")
    assert "No space left on device" in told["full"]
    assert ".npz" in told["full"]
    assert 0 < len(told["after"]) < 6
    assert told["after"].items() <= undisturbed.items()
    assert told["left over"] == []
    assert told["continued"] == undisturbed
    assert (told["index"], told["read-only and unchanged"]) == (6, 6)
    assert "the cache folder cannot be written (Read-only file system)" in told["read-only and changed"]


def test_a_long_name_with_blanks_and_other_letters_is_cached(tmp_path: Path) -> None:
    write_recording(tmp_path / "corpus", "Jörg Müller é 患者")
    (row,) = build(tmp_path / "corpus", tmp_path / "cache")
    assert row.accepted
    assert (tmp_path / "cache" / row.file).is_file()
