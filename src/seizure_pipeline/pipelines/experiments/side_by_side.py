"""Carries out a plan of experiments: so many at once, within their budget, each failing for itself."""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seizure_pipeline.experiments import Result, read_result, write_result
from seizure_pipeline.experiments.results import FAILED, FINISHED, LOG, OVER_BUDGET, RESULT, RUNS_ON
from seizure_pipeline.pipelines.experiments.children import OUTCOME, Child
from seizure_pipeline.pipelines.experiments.plan import Plan
from seizure_pipeline.pipelines.experiments.purse import Purse
from seizure_pipeline.progress import HEARTBEAT_S
from seizure_pipeline.remote.backend import RemoteError

log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.25
PATIENCE_S = 30.0


class SideBySide:
    """The experiments of a plan: waiting, running and settled; `parent` is the record that all belong to."""

    def __init__(
        self, plan: Plan, folder: Path, parent: str | None, made_from: Mapping[str, str], budget_usd: float | None
    ) -> None:
        self._plan, self._parent, self._made_from = plan, parent, made_from
        self._waiting = [Child(plan, planned, folder) for planned in plan.experiments]
        self._running: list[Child] = []
        has_price = budget_usd is not None and plan.is_elsewhere
        self._purse = Purse(budget_usd or 0.0, plan.each_usd, parent, self._waiting) if has_price else None
        self._results: dict[str, Result] = {}
        self._spoke_s = time.monotonic()

    def run(self) -> list[Result]:
        """Results in the order of the plan; a process that is interrupted meanwhile passes that on and waits for the ends."""
        self._keep_finished()
        try:
            while self._waiting or self._running:
                self._settle_ended()
                self._start()
                self._say()
                time.sleep(LOOK_EVERY_S)
        finally:
            self._interrupt()
        return [self._results[planned.name] for planned in self._plan.experiments]

    def _keep_finished(self) -> None:
        for child in list(self._waiting):
            name, kept = child.planned.name, read_result(child.folder)
            same = kept is not None and (kept.made_from, kept.parent) == (self._made_from[name], self._parent)
            if kept is not None and same and kept.status == FINISHED:
                log.info("%s: finished and unchanged, kept", name)
                self._waiting.remove(child)
                self._results[name] = kept
                self._keep_there(child)

    def _start(self) -> None:
        for child in list(self._waiting):
            if len(self._running) >= self._plan.at_once:
                return
            granted_usd = None if self._purse is None else self._purse.grant(child, self._waiting)
            if self._purse is None or granted_usd is not None:
                self._begin(child, granted_usd)
            elif not self._running:
                self._settle(child, OVER_BUDGET, self._purse.refusal(child))

    def _begin(self, child: Child, granted_usd: float | None) -> None:
        try:
            is_begun = child.start(self._parent, granted_usd)
        except OSError as error:
            self._settle(child, FAILED, f"it could not be started: {error}")
            return
        if is_begun:
            log.info("%s: started, its log is %s", child.planned.name, child.folder / LOG)
            self._waiting.remove(child)
            self._running.append(child)
            if self._purse is not None and granted_usd is not None:
                self._purse.bind(child, granted_usd)

    def _settle_ended(self) -> None:
        for child in [child for child in self._running if child.ended()]:
            self._running.remove(child)
            error = child.error()
            if not error and (child.folder / OUTCOME).is_file():
                self._settle(child, FINISHED, "")
            else:
                self._settle(child, RUNS_ON if child.runs_on() else FAILED, error or f"{child.folder / LOG} says why")

    def _settle(self, child: Child, status: str, error: str) -> None:
        name, calls = child.planned.name, child.calls()
        outcome: dict[str, Any] = json.loads((child.folder / OUTCOME).read_text()) if status == FINISHED else {}
        hours = sum(call.hours for call in calls) if calls else child.hours()
        result = Result(
            name=name,
            status=status,
            made_from=self._made_from[name],
            parent=self._parent,
            overrides=child.planned.overrides,
            error=error,
            hours=0.0 if status == OVER_BUDGET else hours,
            usd=sum(call.usd for call in calls),
            **outcome,
        )
        self._results[name] = result
        if child in self._waiting:
            self._waiting.remove(child)
        if self._purse is not None and status != RUNS_ON:
            self._purse.settle(child)
        write_result(child.folder, result)
        log.log(
            logging.INFO if status == FINISHED else logging.WARNING, "%s: %s%s", name, status, f": {error}" if error else ""
        )
        self._keep_there(child)

    def _keep_there(self, child: Child) -> None:
        """Have its result beside what its far nodes made; where that fails for now, the experiments go on."""
        name = child.planned.name
        try:
            if self._plan.keep_there is not None:
                self._plan.keep_there(f"{name}'s result", child.folder / RESULT)
        except RemoteError as error:
            log.warning("%s: its result lies only here, and the same command puts it there too: %s", name, error)

    def _say(self) -> None:
        """One line of all, now and then."""
        if time.monotonic() - self._spoke_s < HEARTBEAT_S:
            return
        self._spoke_s = time.monotonic()
        running = [f"{child.planned.name}: {child.news() or 'starts'}" for child in self._running]
        counts = f"{len(self._results)} of {len(self._plan.experiments)} ended, {len(self._waiting)} wait"
        log.info("experiments: %s", "; ".join([counts, *running]))

    def _interrupt(self) -> None:
        """End what still runs, as Ctrl-C does: far nodes are left alone, trainings here continue from their last save."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):  # started in a shell's background, the first is ignored
            for child in self._running:
                child.signal(number)
            deadline_s = time.monotonic() + PATIENCE_S
            while any(not child.ended() for child in self._running) and time.monotonic() < deadline_s:
                time.sleep(LOOK_EVERY_S)
        for child in self._running:
            log.warning("%s: interrupted; the same command goes on with it", child.planned.name)
