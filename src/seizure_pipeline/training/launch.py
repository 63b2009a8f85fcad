"""A process for each device, started here: the work of rank 0 is reported as if it were done in this process."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from seizure_pipeline.announcements import Stopped, announce, ask_to_stop, listen, signals_ask_to_stop, stop_if_asked
from seizure_pipeline.training.division import Share
from seizure_pipeline.training.loop import Reports
from seizure_pipeline.training.team import Team, Together

log = logging.getLogger(__name__)
Result = TypeVar("Result")
PACKAGE = __name__.partition(".")[0]
LOOK_EVERY_S = 0.2
GRACE_S = 20.0  # for saving the state
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def train_together(work: Callable[[Reports, Team], Result], device: str, devices: int, reports: Reports) -> Result:
    """Do `work` (which can be pickled) in a process for each device; returns what it returned on rank 0.

    Raises what it raises on the rank that fails first, once all have ended or GRACE_S later; RuntimeError for more GPUs than
    there are or a rank that dies, Stopped once rank 0 has saved its state where this process is asked to stop."""
    if device == "cuda" and devices > torch.cuda.device_count():
        raise RuntimeError(f"training.devices is {devices}, but this machine has {torch.cuda.device_count()} CUDA devices")
    words: Any = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory() as folder, signals_ask_to_stop():
        place = f"file://{Path(folder).resolve()}/meeting_place"
        with _signals_wait():
            ranks: Any = torch.multiprocessing.spawn(  # type: ignore[attr-defined, no-untyped-call]
                _rank, (work, device, devices, place, words), devices, join=False
            )
        try:
            result: Result = _follow(ranks, words, reports)
        finally:
            for process in ranks.processes:  # rank 0 has ended, or all were given time to
                process.kill()
                process.join()
    return result


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Within it signals wait, and in processes that are started here until they let them in: a rank that still imports could
    only die of them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(ranks: Any, words: Any, reports: Reports) -> Any:
    """Pass on what rank 0 says until it is done; after a failure the others may end what they write."""
    hear: dict[str, Callable[..., None]] = {
        "epoch": reports.epoch,
        "step": reports.step,
        "announce": _announce_again,
        "log": _log_again,
    }
    asked, failure, wait_until_s = False, None, math.inf
    while True:
        asked = asked or _passed_on(ranks.processes[0])
        dead, all_ended = _dead(ranks.processes), all(process.exitcode is not None for process in ranks.processes)
        kind, facts = _next_word(words)  # what a process said is heard before it is missed
        if kind == "done":
            return facts
        if kind == "failed" or (kind == "" and dead):
            found = facts if kind else RuntimeError(f"{dead}; the same command goes on from the last state")
            if failure is None:
                failure, wait_until_s = found, time.monotonic() + GRACE_S
            if isinstance(found, Stopped):  # rank 0 alone is asked to: it saved the state
                raise found
        elif kind:
            hear[kind](*facts)
        if failure is not None and ((all_ended and not kind) or time.monotonic() > wait_until_s):
            raise failure


def _next_word(words: Any) -> tuple[str, Any]:
    """What some process says, and of what kind that is; no kind if all are silent for a while."""
    try:
        word: tuple[str, Any] = words.get(timeout=LOOK_EVERY_S)
    except queue.Empty:
        return "", None
    return word


def _passed_on(leader: Any) -> bool:
    """Whether this process was asked to stop, and rank 0 therefore too: what it saves is the state of all."""
    try:
        stop_if_asked()
    except Stopped:
        leader.terminate()
        return True
    return False


def _dead(processes: list[Any]) -> str:
    """Which process ended that should not have, and how; empty while all is well."""
    for rank, process in enumerate(processes):
        if process.exitcode or (rank == 0 and process.exitcode is not None):
            return f"the process of device {rank} ended with status {process.exitcode} and without a word"
    return ""


def _announce_again(kind: str, facts: Mapping[str, Any]) -> None:
    announce(kind, **facts)


def _log_again(name: str, level: int, message: str) -> None:
    logging.getLogger(name).log(level, "%s", message)


def _rank(rank: int, work: Callable[[Reports, Team], Any], device: str, devices: int, place: str, words: Any) -> None:
    """What the process of one device does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; who started this process passes it on
    threading.Thread(target=_heed_end_of_parent, args=(rank,), daemon=True).start()
    reports = Reports(epoch=lambda *_: None, step=lambda *_: None)
    if rank == 0:
        reports = Reports(epoch=partial(_say, words, "epoch"), step=partial(_say, words, "step"))
        listen(partial(_say, words, "announce"))
        logging.getLogger(PACKAGE).addHandler(_Teller(words))
        logging.getLogger(PACKAGE).setLevel(logging.INFO)
    with signals_ask_to_stop() if rank == 0 else nullcontext():
        if rank == 0:  # it saves for all; signals to the others, as where a whole group of processes is sent one, wait for ever
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            stop_if_asked()
            team = Together(Share(rank, devices), device, place)
            result = work(reports, team)
            team.part()
        except Exception as error:
            words.put(("failed", error))
            words.close()
            words.join_thread()
            raise
    if rank == 0:
        words.put(("done", result))


def _say(words: Any, kind: str, *facts: Any) -> None:
    words.put((kind, facts))


class _Teller(logging.Handler):
    """Sends lines of the log to the process that started this one."""

    def __init__(self, words: Any) -> None:
        super().__init__(logging.INFO)
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line."""
        _say(self._words, "log", record.name, record.levelno, record.getMessage())


def _heed_end_of_parent(rank: int) -> None:
    """Save and stop when the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a rank is started by another process")
    parent.join()
    if rank == 0:
        ask_to_stop("the process that started those of the devices is gone")
    time.sleep(GRACE_S)
    os._exit(1)
