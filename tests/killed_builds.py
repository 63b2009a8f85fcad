"""Fills caches in processes that are killed, or of which two run at once, and says what is left."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from noise_corpus import build, contents

from seizure_pipeline.cache import IndexRow, PreparationSettings, table_from_rows

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["noise_corpus", "torch"])
LONGEST_S = 60.0


def start_build(corpus: Path, cache: Path, workers: int) -> BaseProcess:
    """A process that fills the cache."""
    process = CONTEXT.Process(target=build, args=(corpus, cache, PreparationSettings(workers=workers)))
    process.start()
    return process


@dataclass(frozen=True, slots=True)
class Kill:
    """What a kill met: whether the build was still at work, and how many recordings were cached by then."""

    interrupted: bool
    cached: int


def kill_within(process: BaseProcess, cache: Path, choice: random.Random, longest_s: float) -> Kill:
    """Kill a build at a random moment after it began to write."""
    until = time.monotonic() + LONGEST_S
    before = _written(cache)
    while process.is_alive() and _written(cache) == before:
        assert time.monotonic() < until, f"{cache}: nothing was written within {LONGEST_S} s"
        time.sleep(0.0005)
    time.sleep(choice.uniform(0, longest_s))
    process.kill()
    process.join()
    return Kill(process.exitcode == -signal.SIGKILL, len(contents(cache)))


def _written(cache: Path) -> set[tuple[str, int]]:
    """The files that hold a recording or will, each with its inode."""
    found = set()
    for pattern in ("*/.*.npz.*", "*/*.npz"):
        for path in cache.glob(pattern):
            with suppress(FileNotFoundError):  # renamed meanwhile
                found.add((path.name, path.stat().st_ino))
    return found


def index_bytes(index: list[IndexRow], folder: Path) -> bytes:
    """The index as the catalog stores it."""
    path = folder / "index.parquet"
    table_from_rows(index).to_parquet(path)
    return path.read_bytes()
