"""Progress of long work: a bar on a terminal, a heartbeat line with rate and time left in a log, announced to listeners."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seizure_pipeline.announcements import announce, anybody_listens, stop_if_asked

log = logging.getLogger(__name__)
Item = TypeVar("Item")
HEARTBEAT_S = 25.0  # with the step under way within half a minute; a run of days must not fill its log with them


class ProgressMeter:
    """Counts `total` pieces of work called `unit`, of which `done_before` an earlier run did; a context manager.

    With `bytes_total` the rate and the time left are those of bytes, which `move` counts from any thread. `later` are the
    pieces that meters after this one will count, as those of later epochs."""

    def __init__(
        self, title: str, total: int, unit: str, done_before: int = 0, bytes_total: int = 0, *, later: int = 0
    ) -> None:
        self._moved, self._bytes_total, self._lock = 0, bytes_total, threading.Lock()
        self._later = later
        self._title, self._total, self._unit = title, total, unit
        self._done = self._done_before = done_before
        self._bar: Progress | None = None
        self._started_s = self._spoke_s = time.monotonic()

    def __enter__(self) -> ProgressMeter:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[note]}"), transient=True)
            self._task = self._bar.add_task(self._title, total=self._total, completed=self._done, note="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is None:
            spent_s = time.monotonic() - self._started_s
            rate = f", {self._moved / max(spent_s, 1e-9) / 1e6:.0f} MB/s" if self._bytes_total else ""
            log.info("%s: %d %s in %.1f s%s", self._title, self._done, self._unit, spent_s, rate)

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more pieces as done; `note` stands beside the bar (a loss, a file name)."""
        self._done += count
        self._show(count, note)

    def take_over(self, done: int, spent_s: float, note: str) -> None:
        """Be where a meter elsewhere is, `spent_s` after its start."""
        count, self._done = done - self._done, done
        self._started_s = time.monotonic() - spent_s
        self._show(count, note)

    def move(self, n_bytes: int) -> None:
        """Count bytes of pieces under way; fewer than none where a piece must be moved again."""
        with self._lock:
            self._moved += n_bytes
            self._show(0, "")

    def _show(self, count: int, note: str) -> None:
        if anybody_listens():  # a meter of bytes comes here for every piece that is copied
            shown = self._bytes_note() or note
            counts = {"done": self._done, "total": self._total, "done_before": self._done_before, "later": self._later}
            spent_s = round(time.monotonic() - self._started_s, 3)
            announce("progress", title=self._title, unit=self._unit, note=shown, spent_s=spent_s, **counts)
        if self._bar is not None:
            self._bar.update(self._task, advance=count, note=self._bytes_note() or note)
        elif time.monotonic() - self._spoke_s >= HEARTBEAT_S:
            self._spoke_s = time.monotonic()
            log.info("%s", self._heartbeat(note))

    def _heartbeat(self, note: str) -> str:
        if self._bytes_total:
            line = f"{self._title}: {self._done} of {self._total} {self._unit}, {self._bytes_note()}"
            return f"{line}, {note}" if note else line
        rate = (self._done - self._done_before) / max(time.monotonic() - self._started_s, 1e-9)
        left = self._total - self._done
        told = f"{duration(left / rate)} left" if rate > 0 else "nothing done yet"
        if self._later and rate > 0:
            told = f"{duration(left / rate)} to its end, {duration((left + self._later) / rate)} for all {self._unit} to come"
        line = f"{self._title}: {self._done} of {self._total} {self._unit}, {rate:.2f} {self._unit}/s, {told}"
        return f"{line}, {note}" if note else line

    def _bytes_note(self) -> str:
        if not self._bytes_total:
            return ""
        rate = self._moved / max(time.monotonic() - self._started_s, 1e-9)
        left = f", {duration((self._bytes_total - self._moved) / rate)} left" if rate > 0 else ""
        return f"{self._moved / 1e9:.2f} of {self._bytes_total / 1e9:.2f} GB, {rate / 1e6:.0f} MB/s{left}"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that say something: 4 s, 3 min 20 s, 5 h 10 min."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    return f"{minutes} min {rest_s} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def follow(items: Iterable[Item], title: str, total: int, unit: str) -> Iterator[Item]:
    """Yield `items` and show how far they are; raises Stopped between two of them where this process is asked to stop."""
    with ProgressMeter(title, total, unit) as meter:
        for item in items:
            yield item
            meter.advance()
            stop_if_asked()
