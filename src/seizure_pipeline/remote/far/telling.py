"""Events on their way home: each is told in its order, and only once it is safe where later attempts find it.

So a number that was told is never given to another event, even if this machine is gone the moment after.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.records import Event

Commit = Callable[[], object]
Emit = Callable[[Event], object]
PAUSE_S, LONGEST_PAUSE_S = 10.0, 60.0
LAST_TRIES_S = (0.0, 1.0, 2.0, 4.0, 8.0)
HUNG_AT_LAST = 2


class Telling:
    """Calls `commit` (None: what is written is safe) one at a time and seldom, in a thread of its own, then `emit`.

    What `commit` raises goes to `failed` as a text, and it is tried again. So is one that takes longer than `patience_s`: it
    is left alone, in a thread that keeps nobody from ending."""

    def __init__(self, commit: Commit | None, emit: Emit, failed: Callable[[str], object], patience_s: float) -> None:
        self._commit, self._emit, self._failed, self._patience_s = commit, emit, failed, patience_s
        self._waiting: deque[Event] = deque()
        self._under_way: _UnderWay | None = None
        self._upto, self._pause_s, self._due_s = 0, PAUSE_S, 0.0

    def add(self, event: Event) -> None:
        """Tell an event as soon as it is safe."""
        self._waiting.append(event)
        if self._commit is None:
            self._tell(event.number)

    def go_on(self) -> None:
        """Tell what a commit made safe, and begin the next one when it is due; returns at once."""
        if self._under_way is not None and (self._under_way.ended() or self._under_way.took_s() >= self._patience_s):
            self._end(self._under_way, self._patience_s)
            self._under_way = None
        if self._under_way is None and self._commit is not None and self._waiting and time.monotonic() >= self._due_s:
            self._under_way = self._begin(self._commit)

    def finish(self, patience_s: float) -> None:
        """Make all safe that was written, in several tries, and tell it; raises RemoteError where that is not possible.

        It waits no longer than `patience_s` for the one that was under way, and for each of two more."""
        if self._under_way is not None:
            self._end(self._under_way, patience_s)  # it began before the last was written
        if self._commit is None:
            return
        hung = 0
        for delay_s in LAST_TRIES_S:
            time.sleep(delay_s)
            last = self._begin(self._commit)
            if self._end(last, patience_s):
                return
            hung += not last.ended()
            if hung == HUNG_AT_LAST:
                break
        raise RemoteError("what the node wrote could not be made safe; the warnings before this say why")

    def _begin(self, commit: Commit) -> _UnderWay:
        self._upto = self._waiting[-1].number if self._waiting else self._upto
        return _UnderWay(commit)

    def _end(self, under_way: _UnderWay, patience_s: float) -> bool:
        """Wait until a commit has taken so long, and leave it alone then; whether it succeeded."""
        given_up = TimeoutError(f"it has not ended within {patience_s:g} s and was given up")
        error = under_way.error if under_way.ended(max(0.0, patience_s - under_way.took_s())) else given_up
        self._pause_s = PAUSE_S if error is None else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._due_s = time.monotonic() + self._pause_s
        if error is None:
            self._tell(self._upto)
        else:
            self._failed(f"what was written is not safe yet, tried again soon: {type(error).__name__}: {error}")
        return error is None

    def _tell(self, upto: int) -> None:
        while self._waiting and self._waiting[0].number <= upto:
            self._emit(self._waiting.popleft())


class _UnderWay:
    """A commit under way, in a daemon thread: for one of a pool, that hangs, the interpreter would wait at its end."""

    def __init__(self, commit: Commit) -> None:
        self._commit, self._ended, self._began_s = commit, threading.Event(), time.monotonic()
        self.error: BaseException | None = None
        threading.Thread(target=self._run, name="commit", daemon=True).start()

    def took_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began_s

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether it ended; waits for that so long."""
        return self._ended.wait(within_s)

    def _run(self) -> None:
        with self:
            self._commit()

    def __enter__(self) -> None:
        """Nothing: what counts is how it ends."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error
        self._ended.set()
        return True  # whoever waits for it hears of it
