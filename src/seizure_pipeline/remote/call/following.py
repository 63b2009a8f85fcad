"""Hears what a far node reports, as it comes: progress, logs and metrics, each once, however often and in which order."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from seizure_pipeline import tracking
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.remote.backend import Backend, EndedWithoutAWord, RemoteError
from seizure_pipeline.remote.call.lease import Lease
from seizure_pipeline.remote.journal import Call, Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Event, Outcome

log = logging.getLogger(__name__)
WAIT_S = 1.0
GAP_S = 10.0  # a number that is left out comes by the live way within moments, or not at all
JOURNAL_EVERY_S = 5.0
QUIET_S = 60.0
AGAIN_S = 30.0  # a store that is down keeps whoever asks it waiting, too
SIGNS_OF_WORK = frozenset({"progress", "epoch", "step", "checkpoint", "log"})
Report = Callable[[Mapping[str, float | None], int], None]


class Numbers:
    """Which events were heard: all up to `upto`, and some beyond."""

    def __init__(self, upto: int) -> None:
        self.upto = self.highest = upto
        self._beyond: set[int] = set()

    @property
    def has_gap(self) -> bool:
        """Whether a number was left out."""
        return self.highest > self.upto

    def unheard(self, events: Sequence[Event]) -> list[Event]:
        """The events that were not heard yet, each once, in the order of their numbers."""
        found = {event.number: event for event in events if event.number > self.upto and event.number not in self._beyond}
        return [found[number] for number in sorted(found)]

    def mark(self, number: int) -> None:
        """Count an event as heard from now on."""
        self._beyond.add(number)
        self.highest = max(self.highest, number)
        while self.upto + 1 in self._beyond:
            self.upto += 1
            self._beyond.remove(self.upto)


class Voice:
    """Says here what a far node reports: a bar, log lines with its machine's name, metrics of epochs and of the machine."""

    def __init__(self, call: Call, steps: Sequence[tracking.Point]) -> None:
        self.hours, self.usd = call.hours, call.usd
        self.attempts = call.attempts
        self.epochs: dict[int, Mapping[str, float | None]] = dict(call.epochs)
        self._untold: deque[tuple[Report, Mapping[str, float | None], int]] = deque()
        self._steps = {step: metrics for metrics, step in steps}
        self._untold_steps: deque[tracking.Point] = deque()
        self._again_s = 0.0
        self._host = "far machine"
        self._title, self._done, self._total = "", 0, 0
        self._meter: ProgressMeter | None = None

    def say(self, event: Event) -> None:
        """Pass one event on."""
        if event.kind == "progress":
            self._progress(event.facts)
        elif event.kind == "epoch":
            self._epoch(int(event.facts["epoch"]), event.facts["metrics"])
        elif event.kind == "step":
            self._step(int(event.facts["step"]), event.facts["metrics"])
        elif event.kind == "log":
            self._log(event.facts)
        elif event.kind == "attempt":
            self._attempt(event.facts)
        elif event.kind == "system":
            metrics = {f"system/{name}": value for name, value in event.facts["metrics"].items()}
            self._record(tracking.measure, metrics, event.number)
        elif event.kind == "cost":
            self.hours, self.usd = float(event.facts["hours"]), float(event.facts["usd"])
            self._record(tracking.measure, {"cost/hours": self.hours, "cost/usd": self.usd}, event.number)
        elif event.kind == "stopping":
            log.warning("[%s] stops: %s", self._host, event.facts["why"])

    def replay(self) -> None:
        """Report again the epochs and steps that an earlier process heard: the record keeps none of them twice."""
        self._untold_steps.extend((metrics, step) for step, metrics in self._steps.items())
        for epoch, metrics in self.epochs.items():
            self._record(tracking.report, metrics, epoch)
        self.tell()

    def tell(self, *, at_once: bool = False) -> bool:
        """Report all that was not recorded yet, not too often where that failed; whether nothing is left."""
        if time.monotonic() >= self._again_s or at_once:
            try:
                while self._untold:
                    report, metrics, step = self._untold[0]
                    report(metrics, step)
                    self._untold.popleft()
                self._tell_steps()
            except tracking.NotRecorded as error:
                self._again_s = time.monotonic() + AGAIN_S
                waiting = len(self._untold) + len(self._untold_steps)
                log.warning("%d live numbers wait, and are told again with the next ones: %s", waiting, error)
        return not (self._untold or self._untold_steps)

    def end(self) -> None:
        """Take the bar away."""
        if self._meter is not None:
            complete = self._done >= self._total
            self._meter.__exit__(None if complete else RemoteError, None, None)  # a line of what was done, if all was
            self._meter = None

    def _attempt(self, facts: Mapping[str, Any]) -> None:
        self.attempts, self._host = int(facts["attempt"]), str(facts["host"])
        software = ", ".join(f"{name} {facts[name]}" for name in ("python", "torch", "gpu") if facts.get(name))
        log.info("[%s] attempt %d: %s", self._host, self.attempts, software)

    def _log(self, facts: Mapping[str, Any]) -> None:
        level = logging.getLevelNamesMapping().get(str(facts["level"]), logging.INFO)
        log.log(level, "[%s] %s", self._host, facts["message"])

    def _epoch(self, epoch: int, metrics: Mapping[str, float | None]) -> None:
        """An attempt that goes on reports the epochs of those before it again."""
        if epoch not in self.epochs:
            self._untold.append((tracking.report, metrics, epoch))  # first: known, but not told, it would be lost
            self.epochs[epoch] = metrics
            self.tell()

    def _tell_steps(self) -> None:
        """All together: a store takes a hundred numbers in little more time than one."""
        if points := list(self._untold_steps):
            tracking.report_steps(points)
        for _ in points:
            self._untold_steps.popleft()

    def _step(self, step: int, metrics: Mapping[str, float]) -> None:
        if step not in self._steps:
            self._untold_steps.append((metrics, step))
            self._steps[step] = metrics

    def _record(self, report: Report, metrics: Mapping[str, float | None], step: int) -> None:
        self._untold.append((report, metrics, step))
        self.tell()

    def _progress(self, facts: Mapping[str, Any]) -> None:
        title, done, total = str(facts["title"]), int(facts["done"]), int(facts["total"])
        if self._meter is None and title == self._title and done == self._done >= total:
            return  # told twice that it is complete
        if self._meter is None or title != self._title:
            self.end()
            self._title, self._done, self._total = title, done, total
            unit, done_before, later = str(facts["unit"]), int(facts["done_before"]), int(facts["later"])
            self._meter = ProgressMeter(title, total, unit, done_before, later=later).__enter__()
        note = str(facts.get("note") or "")
        spent = f"{self.usd:.2f} USD" if self.usd else ""
        self._done = max(done, self._done)
        self._meter.take_over(self._done, float(facts["spent_s"]), ", ".join(part for part in (note, spent) if part))
        if self._done >= total:
            self.end()


class Follower:
    """Follows one call from where the journal left it, and writes down how far it was heard."""

    def __init__(self, backend: Backend, journal: Journal, call: Call, patience: Patience) -> None:
        self._backend, self._journal, self._patience = backend, journal, patience
        self.call = call
        self._lease = Lease(backend, call.request, journal, patience)
        self._numbers, self._voice = Numbers(call.last_event), Voice(call, journal.steps(call.call))
        self._gap_s = self._written_s = self._heard_s = self._spoke_s = time.monotonic()

    def alone(self) -> AbstractContextManager[None]:
        """Follow within it as the only one of all machines; RemoteError, naming the other, where one follows already."""
        return self._lease.held()

    def replay(self) -> None:
        """Have the run's record hold what earlier processes heard."""
        self._voice.replay()

    def complete(self) -> None:
        """Have the run's record hold all that was heard; raises NotRecorded where it does not take it."""
        if not self._voice.tell(at_once=True):
            raise tracking.NotRecorded(f"the run's record lacks numbers of call {self.call.call}, which are kept here")

    def follow(self) -> Outcome:
        """Hear all until the call ended; raises EndedWithoutAWord where it did, LostContact out of patience.

        Broken off anywhere and called again, here or in another process, it goes on where it was."""
        try:
            while True:
                self._lease.renew()
                heard = self._hear(self._after(), WAIT_S)
                outcome = None if heard else self._outcome()
                if outcome is not None:
                    self._voice.tell(at_once=True)
                    return outcome
        finally:
            self._voice.end()
            self._write()

    def settle(self, outcome: Outcome) -> Call:
        """Write down how the call ended."""
        facts = {"attempts": outcome.attempts, "hours": outcome.hours, "usd": outcome.usd}
        return self.become(status=outcome.status, **facts)

    def become(self, **facts: Any) -> Call:
        """Write down what is known now of the call."""
        self.call = replace(self.call, **facts)
        self._journal.write(self.call)
        return self.call

    def _after(self) -> int:
        if self._numbers.has_gap and time.monotonic() - self._gap_s >= GAP_S:
            self._gap_s = time.monotonic()
            return self._numbers.upto
        return self._numbers.highest

    def _hear(self, after: int, wait_s: float) -> bool:
        request, call_id = self.call.request, self.call.call_id or ""
        events = self._patience.asking(lambda: self._backend.events(call_id, request, after, wait_s))
        epochs = len(self._voice.epochs)
        unheard = self._numbers.unheard(events)
        steps = [(event.facts["metrics"], int(event.facts["step"])) for event in unheard if event.kind == "step"]
        self._journal.add_steps(self.call.call, steps)  # first: the journal's number of the last event counts them as heard
        for event in unheard:
            self._voice.say(event)
            self._numbers.mark(event.number)
        self._voice.tell()
        now_s = time.monotonic()
        self._mind_silence(unheard, now_s)
        if len(self._voice.epochs) > epochs or (unheard and now_s - self._written_s >= JOURNAL_EVERY_S):
            self._write()
        return bool(unheard)

    def _mind_silence(self, unheard: Sequence[Event], now_s: float) -> None:
        """A machine that is measured and paid for, but does nothing, is silent."""
        if any(event.kind in SIGNS_OF_WORK for event in unheard):
            self._heard_s = self._spoke_s = now_s
        elif now_s - self._spoke_s >= QUIET_S:
            self._spoke_s, quiet_s, voice = now_s, now_s - self._heard_s, self._voice
            log.info("%s: nothing new for %.0f s; %.2f h and %.2f USD so far", self.call.call, quiet_s, voice.hours, voice.usd)

    def _outcome(self) -> Outcome | None:
        request, call_id = self.call.request, self.call.call_id or ""
        try:
            outcome = self._patience.asking(lambda: self._backend.outcome(call_id, request))
        except EndedWithoutAWord:
            self._hear_the_rest()
            raise
        if outcome is not None:
            self._hear_the_rest()
        return outcome

    def _hear_the_rest(self) -> None:
        while self._hear(self._numbers.upto, 0.0):
            pass
        if self._numbers.has_gap:
            log.warning("%s: events after number %d never came", self.call.call, self._numbers.upto)

    def _write(self) -> None:
        self._written_s = time.monotonic()
        voice = self._voice
        facts = {"hours": voice.hours, "usd": voice.usd, "attempts": voice.attempts, "last_event": self._numbers.upto}
        self.become(epochs=tuple(voice.epochs.items()), **facts)
