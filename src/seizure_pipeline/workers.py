"""Work in several processes or threads: results as they come, an error at once, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self, TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")
Item = TypeVar("Item")


def in_processes(work: Callable[..., Result], jobs: Iterable[tuple[Any, ...]], processes: int) -> Iterator[Result]:
    """Results of `work(*job)` in the order in which they are done; an error or an interrupt drops what is queued."""
    yield from _as_done(_processes(processes), work, jobs)


def in_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results of `work(item)` in the order in which they are done; an error or an interrupt drops what is queued."""
    yield from _as_done(ThreadPoolExecutor(threads), work, ((item,) for item in items))


class Crew:
    """Computes for the threads that call it, one thread of arithmetic per process; a context manager.

    Several processes start with the first piece of work. One process is this one, and the pieces wait for each other."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._limits = threadpool_limits(1) if self._processes == 1 else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._limits is not None:
            self._limits.restore_original_limits()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, work: Callable[[Item], Result], item: Item) -> Result:
        """The result of `work(item)`, which travel pickled where there are several processes.

        Raises what `work` raises, BrokenProcessPool if its process was killed."""
        if self._processes == 1:
            with self._lock:
                return work(item)
        with self._lock:
            self._pool = self._pool or _processes(self._processes)
        return self._pool.submit(work, item).result()


def _processes(number: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), _begin)


def _as_done(pool: Executor, work: Callable[..., Result], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
    try:
        for done in as_completed([pool.submit(work, *job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Keep a pool's process to one thread of arithmetic, and let it end when the one that started it is killed."""
    threadpool_limits(1)
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("this process was not started by a pool")
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
