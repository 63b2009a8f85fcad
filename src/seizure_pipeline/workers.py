"""Work in several processes: results as they come, an error at once, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_processes(work: Callable[..., Result], jobs: Iterable[tuple[Any, ...]], processes: int) -> Iterator[Result]:
    """Results of `work(*job)` in the order in which they are done; an error or an interrupt drops what is queued."""
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        for done in as_completed([pool.submit(work, *job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let a pool's process end when the one that started it is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("this process was not started by a pool")
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
