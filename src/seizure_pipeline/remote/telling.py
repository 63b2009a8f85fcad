"""Events on their way home: each is told in its order, and only once it is safe where later attempts find it.

So a number that was told is never given to another event, even if this machine is gone the moment after.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.records import Event

Commit = Callable[[], object]
Emit = Callable[[Event], object]
PAUSE_S, LONGEST_PAUSE_S = 10.0, 60.0
LAST_TRIES_S = (0.0, 1.0, 2.0, 4.0, 8.0)


class Telling:
    """Calls `commit` (None: what is written is safe) one at a time and seldom, in a thread of its own, then `emit`.

    What `commit` raises goes to `failed` as a text, and it is tried again. One that takes longer than `patience_s` once
    nothing is left to do but to wait for it is given up."""

    def __init__(self, commit: Commit | None, emit: Emit, failed: Callable[[str], object], patience_s: float) -> None:
        self._commit, self._emit, self._failed, self._patience_s = commit, emit, failed, patience_s
        self._waiting: deque[Event] = deque()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._under_way: Future[object] | None = None
        self._upto, self._pause_s, self._due_s = 0, PAUSE_S, 0.0

    def add(self, event: Event) -> None:
        """Tell an event as soon as it is safe."""
        self._waiting.append(event)
        if self._commit is None:
            self._tell(event.number)

    def go_on(self) -> None:
        """Tell what a commit made safe, and begin the next one when it is due; returns at once."""
        if self._under_way is not None and self._under_way.done():
            self._end()
        if self._under_way is None and self._waiting and time.monotonic() >= self._due_s:
            self._begin()

    def finish(self) -> None:
        """Make all safe that was written, in several tries, and tell it; raises RemoteError where that is not possible."""
        try:
            if self._under_way is not None:
                self._end()  # it began before the last was written
            if self._commit is not None and not any(self._try_after(delay_s) for delay_s in LAST_TRIES_S):
                raise RemoteError("what the node wrote could not be made safe; the warnings before this say why")
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _try_after(self, delay_s: float) -> bool:
        time.sleep(delay_s)
        self._begin()
        return self._end()

    def _begin(self) -> None:
        if self._commit is not None:
            self._upto = self._waiting[-1].number if self._waiting else self._upto
            self._under_way = self._pool.submit(self._commit)

    def _end(self) -> bool:
        """Wait for the commit under way; whether it succeeded."""
        if self._under_way is None:
            return True
        if not wait([self._under_way], self._patience_s).done:
            raise RemoteError(f"making safe what the node wrote has not ended within {self._patience_s:g} s and was given up")
        error = self._under_way.exception()
        self._under_way = None
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
