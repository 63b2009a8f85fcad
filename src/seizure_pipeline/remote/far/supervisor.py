"""Watches over one attempt at a far node: tells what happens, keeps it safe, counts what it costs, ends it in time."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.far.call_folder import REQUEST, CallFolder, Spent, write_whole
from seizure_pipeline.remote.far.child import Child, Word
from seizure_pipeline.remote.far.machine import Gauge, facts, oom_kills
from seizure_pipeline.remote.far.telling import Commit, Emit, Telling
from seizure_pipeline.remote.records import Failure, Outcome, Request, Status
from seizure_pipeline.remote.redaction import Redactor

Reason = Literal["stopped", "over_budget", "time", "preempted"]
TICK_S, SYSTEM_S, COST_S = 0.5, 30.0, 60.0
COMMIT_S = 120.0  # after which a commit hangs; the first one of a node that fills a cache takes its time
MARGIN_S, MARGIN_SHARE = 30.0, 0.05  # of an attempt's time, for what follows the node's end
HURRIED = frozenset({"time", "preempted"})  # the provider ends what does not end itself
WHY = {
    "stopped": "it was asked to",
    "over_budget": "its budget is spent",
    "time": "the time of an attempt is over",
    "preempted": "the machine is taken back",
}


class AttemptOver(RemoteError):
    """An attempt ended before its node did, with a checkpoint: another one goes on there."""


class AttemptFailed(RemoteError):
    """The process of a node, or its surroundings, ended without a word: another attempt goes on at the last checkpoint."""


def supervise(request: Request, project: Path, commit: Commit | None, emit: Emit, stop_asked: Callable[[], bool]) -> Outcome:
    """Run the node of a request once, and say how the call ended; a call that ended is not run again.

    `commit` makes safe what was written (None where writing does); it runs in a thread of its own, and what it raises is a
    warning, tried again. `emit` gets each event in its order; `stop_asked` is asked twice a second. Raises AttemptOver and
    AttemptFailed where another attempt is to follow. KeyboardInterrupt (the machine is taken back), like any other word
    from outside, has the node save itself, and is raised again. What the node raises is an outcome: another attempt would raise
    it again."""
    folder = CallFolder(Path(request.folder))
    try:
        if (ended := folder.outcome()) is not None:
            return ended
        watch = _Watch(request, project, folder, commit, emit, stop_asked)
        with ThreadPoolExecutor(1, thread_name_prefix="watch") as pool:  # where no interrupt cuts a line in two
            watching = pool.submit(watch.run)
            try:
                while not watching.done():
                    wait([watching], TICK_S)  # not for ever: an interrupt that is no signal would wait as long
                return watching.result()
            except BaseException:  # an interrupt, or the provider's word that the call is cancelled
                watch.preempted = True
                wait([watching])
                raise
    finally:
        folder.close()


class _Bill:
    """Hours and US dollars of all attempts, this one included."""

    def __init__(self, request: Request, before: Spent) -> None:
        self._request, self._before, self._began_s = request, before, time.monotonic()

    def now(self) -> Spent:
        """What they took up to now."""
        hours = (time.monotonic() - self._began_s) / 3600
        usd = self._before.usd + hours * self._request.usd_per_hour
        return Spent(self._before.attempts + 1, self._before.hours + hours, usd)

    def is_over(self) -> bool:
        """Whether the budget would not pay for a checkpoint later than now."""
        grace_usd = self._request.usd_per_hour * self._request.grace_s / 3600
        budget_usd = self._request.budget_usd
        return budget_usd is not None and self.now().usd + grace_usd >= budget_usd


class _Watch:
    """One attempt."""

    def __init__(
        self,
        request: Request,
        project: Path,
        folder: CallFolder,
        commit: Commit | None,
        emit: Emit,
        stop_asked: Callable[[], bool],
    ) -> None:
        self._request, self._project, self._folder, self._stop_asked = request, project, folder, stop_asked
        self._redactor = Redactor.of_environment(request.secret_keys)
        self._telling = Telling(commit, emit, self._warn, max(COMMIT_S, request.grace_s))
        self._bill, self._gauge, self._facts = _Bill(request, folder.spent()), Gauge(), facts()
        self._end: dict[str, Any] | None = None
        self._why: Reason | None = None
        self.preempted = False
        now_s = time.monotonic()
        self._looked_s, self._system_s, self._cost_s, self._kill_s = 0.0, now_s + SYSTEM_S, now_s + COST_S, math.inf
        margin_s = min(MARGIN_S, MARGIN_SHARE * request.timeout_s)
        self._deadline_s = now_s + max(request.timeout_s / 2, request.timeout_s - request.grace_s - margin_s)

    def run(self) -> Outcome:
        """Run the node and say how the call ended, or raise where another attempt is to follow."""
        self._folder.write_spent(self._bill.now())
        if self._bill.is_over():
            return self._finish("over_budget")
        self._tell("attempt", {"attempt": self._bill.now().attempts, **self._facts})
        kills = oom_kills()
        status = self._watch()
        said = "nothing" if self._end is None else self._end["status"]
        if said == "finished":
            return self._finish("finished")
        if self._end is not None and said == "failed":
            return self._finish("failed", Failure(**self._end["failure"]))
        if self._why == "stopped" or self._why == "over_budget":
            return self._finish(self._why)
        if said == "stopped" or self._why is not None:
            raise self._closed(AttemptOver(self._over()))
        raise self._closed(AttemptFailed(self._died(status, oom_kills() - kills)))

    def _watch(self) -> int:
        """The exit status of the node's process."""
        path = self._folder.path / REQUEST
        write_whole(path, self._request.to_json())
        self._child = Child(path, self._project, self._redactor)
        try:
            for word in self._child.words(TICK_S):
                if word is not None:
                    self._hear(word)
                self._look_around()
            return self._child.end(self._request.grace_s)
        finally:
            self._child.kill()

    def _hear(self, word: Word) -> None:
        if word.kind == "end":
            self._end = word.facts
        else:
            self._tell(word.kind, word.facts, word.at_s)

    def _look_around(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < TICK_S:
            return
        self._looked_s = now_s
        self._telling.go_on()
        if self._why is None:
            self._stop(self._reason_to_stop(now_s))
        elif now_s >= self._kill_s:
            self._kill_s = math.inf
            self._warn(f"it did not stop within {self._request.grace_s:g} s and was killed; its last checkpoint stands")
            self._child.kill()
        if now_s >= self._system_s:
            self._system_s = now_s + SYSTEM_S
            self._tell("system", {"metrics": self._gauge.read()})
        if now_s >= self._cost_s:
            self._cost_s = now_s + COST_S
            self._count()

    def _reason_to_stop(self, now_s: float) -> Reason | None:
        if self.preempted:
            return "preempted"
        if self._stop_asked():
            return "stopped"
        if self._bill.is_over():
            return "over_budget"
        return "time" if now_s >= self._deadline_s else None

    def _stop(self, why: Reason | None) -> None:
        if why is not None:
            self._why = why
            self._kill_s = time.monotonic() + self._request.grace_s
            self._tell("stopping", {"why": WHY[why]})
            self._child.ask_to_stop()

    def _tell(self, kind: str, told: dict[str, Any], at_s: float | None = None) -> None:
        event = self._folder.add(kind, self._redactor.plain(told), at_s)
        if event is not None:
            self._telling.add(event)

    def _warn(self, message: str) -> None:
        self._tell("log", {"level": "WARNING", "logger": __name__, "message": message})

    def _count(self) -> None:
        spent = self._bill.now()
        self._folder.write_spent(spent)
        self._tell("cost", {"hours": spent.hours, "usd": spent.usd})

    def _finish(self, status: Status, failure: Failure | None = None) -> Outcome:
        self._count()
        spent = self._bill.now()
        outcome = Outcome(status, spent.attempts, spent.hours, spent.usd, failure, self._facts)
        self._folder.write_outcome(outcome)
        self._make_safe()
        return outcome

    def _closed(self, error: RemoteError) -> RemoteError:
        """The same error, once the books of this attempt are safe."""
        self._warn(str(error))
        self._count()
        self._make_safe()
        return error

    def _make_safe(self) -> None:
        try:
            self._telling.finish(self._request.grace_s if self._why in HURRIED else max(COMMIT_S, self._request.grace_s))
        except RemoteError as error:
            raise AttemptFailed(str(error)) from error

    def _over(self) -> str:
        why = "a signal from elsewhere" if self._why is None else WHY[self._why]
        return f"attempt {self._bill.now().attempts} at {self._request.node} is over: {why}; the next one goes on there"

    def _died(self, status: int, oom: int) -> str:
        how = f"ended with exit status {status}" if status >= 0 else f"died of signal {-status} ({signal.strsignal(-status)})"
        if -status == signal.SIGKILL:
            how += ": out of memory" if oom > 0 else ", for lack of memory most often"
        tail = "\n".join(self._child.tail)
        lines = f"; its last lines:\n{tail}" if tail else ""
        return f"attempt {self._bill.now().attempts} at {self._request.node}: without a word, its process {how}{lines}"
