"""Experiments as processes: each a `kedro run` with a session of its own, so that none can take another one down.

A process holds the lock of its experiment as long as it lives, also when the one that started it was killed: a later run
waits for it instead of starting a second."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from seizure_pipeline.experiments import merged, nested
from seizure_pipeline.experiments.results import LOG
from seizure_pipeline.pipelines.experiments.plan import Plan, Planned
from seizure_pipeline.remote.journal import UNFINISHED, Call, Journal

PIPELINES = ("training", "evaluation", "outcome")
LOCK, ORDER, OUTCOME = "running.lock", "run.yml", "outcome.json"
LONGEST_ERROR = 20_000  # names of all recordings of a batch; what is printed is cut where it is printed
LONGEST_NEWS = 70


class Child:
    """The process of one experiment; `folder` holds what it makes and its log."""

    def __init__(self, plan: Plan, planned: Planned, folder: Path) -> None:
        self.planned, self._plan = planned, plan
        self.folder = folder / planned.name
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        self._began_s = time.monotonic()

    def start(self, parent: str | None, budget_usd: float | None = None) -> bool:
        """Start it, or follow the far node that it left; False while a process of an earlier run still works on it.

        Its far nodes are stopped at `budget_usd`; None is the budget of runner.yml."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / LOCK, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            (self.folder / OUTCOME).unlink(missing_ok=True)
            OmegaConf.save(OmegaConf.create({"run": self._order(parent, budget_usd)}), self.folder / ORDER)
            with open(self.folder / LOG, "ab") as written:
                self._log_begin = written.tell()
                self._began_s = time.monotonic()
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "kedro", "run", "--config", str((self.folder / ORDER).resolve())],
                    cwd=self._plan.project,
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                )
        return True

    def ended(self) -> bool:
        """Whether the process ended."""
        return self._process is not None and self._process.poll() is not None

    def error(self) -> str:
        """Why it failed, from its log; empty where it ended well."""
        status = self._process.returncode if self._process is not None else 0
        if status == 0:
            return ""
        _, found, message = self._said().rpartition("\nError: ")
        told = " ".join(message.split()) if found else f"ended with status {status}; its last words: {self._last_line()}"
        return told[:LONGEST_ERROR]

    def news(self) -> str:
        """The end of the last line of its log, without the clock."""
        return self._last_line().partition("INFO ")[2].strip()[:LONGEST_NEWS]

    def hours(self) -> float:
        """Hours since it was started."""
        return (time.monotonic() - self._began_s) / 3600

    def calls(self) -> list[Call]:
        """Its far nodes, of all runs."""
        calls = Journal(self._plan.data_root).calls()
        return [call for call in calls if call.params.get("results") == self._params(None)["results"]]

    def usd(self, parent: str | None) -> float:
        """What its far nodes took up to now in runs below `parent`."""
        return sum(call.usd for call in self.calls() if call.params.get("mlflow_parent") == parent)

    def runs_on(self) -> bool:
        """Whether it ended while a far node of its goes on."""
        return any(call.status in UNFINISHED and call.call_id for call in self.calls())

    def signal(self, number: int) -> None:
        """Send it a signal, unless it ended."""
        if self._process is not None and not self.ended():
            self._process.send_signal(number)

    def _last_line(self) -> str:
        return (self._said().strip().splitlines() or [""])[-1]

    def _said(self) -> str:
        with open(self.folder / LOG, "rb") as file:
            file.seek(self._log_begin)
            return "\n" + file.read().decode(errors="replace")

    def _params(self, parent: str | None) -> dict[str, Any]:
        results = (self.folder.relative_to(self._plan.data_root)).as_posix()
        overridden = merged(self._plan.params, nested(self.planned.overrides))
        return {**overridden, "results": results, "mlflow_parent": parent}

    def _order(self, parent: str | None, budget_usd: float | None) -> dict[str, Any]:
        """The options of `kedro run`."""
        left = [call for call in self.calls() if call.status in UNFINISHED and call.call_id]
        params = self._params(parent)
        if left and _but_for_parent(left[-1].params) == _but_for_parent(params):
            call = left[-1]
            order = {"pipelines": ",".join(call.request.pipelines), "params": dict(call.params)}
            order["node_names"] = ",".join(call.left)
            runner_params = {**call.runner_params, "attach": call.call, "detach": False}
        else:
            order = {"pipelines": ",".join(PIPELINES), "params": params}
            runner_params = {**self._plan.runner_params}
        if budget_usd is not None:
            runner_params["budget_usd"] = budget_usd
        order |= {"runner": self._plan.runner, "runner_params": runner_params}
        return {**order, **({"env": self._plan.env} if self._plan.env else {})}


def _but_for_parent(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "mlflow_parent"}
