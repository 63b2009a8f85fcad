"""The process that runs one node over there: `python -m seizure_pipeline.remote.far.node REQUEST --project DIR --events-fd N`.

What happens goes into a pipe, a line of JSON each ({kind, at_s, facts}), the last of which is `end`: status (finished,
failed, stopped), why, failure. Standard input carries nothing: its end says that whoever watches is gone.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from seizure_pipeline import announcements, tracking
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.remote.far.machine import check_same
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.redaction import Redactor

PACKAGE, PROGRESS_LOG = "seizure_pipeline", "seizure_pipeline.progress"
SHORTEST_PAUSE_S, LONGEST_PAUSE_S, PAUSES = 1.0, 30.0, 50


class Pipe:
    """Where lines go, from any thread; secrets are struck out. Nobody at its other end is a reason to save and stop."""

    def __init__(self, descriptor: int, redactor: Redactor) -> None:
        os.set_inheritable(descriptor, False)  # processes of the node must not hold it open
        self._stream = os.fdopen(descriptor, "wb")
        self._redactor, self._lock = redactor, threading.Lock()

    def send(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Send one line."""
        line = json.dumps({"kind": kind, "at_s": time.time(), "facts": self._redactor.plain(dict(facts))})
        try:
            with self._lock:
                self._stream.write(f"{line}\n".encode())
                self._stream.flush()
        except BrokenPipeError:
            announcements.ask_to_stop("nobody watches over this process any more")


class Pace:
    """Which progress is told: the first and the last of a title, in between one a second, then rarer and rarer."""

    def __init__(self) -> None:
        self._began_s: dict[str, float] = {}
        self._told_s: dict[str, float] = {}

    def is_due(self, title: str, is_last: bool, now_s: float) -> bool:
        """Whether to tell it now; for 100 hours of epochs of an hour that makes 30,000 lines instead of 360,000."""
        began_s = self._began_s.setdefault(title, now_s)
        pause_s = min(max((now_s - began_s) / PAUSES, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        due = is_last or title not in self._told_s or now_s - self._told_s[title] >= pause_s
        if due:
            self._told_s[title] = now_s
        return due


class Teller(logging.Handler):
    """Sends what this process reports, announces and logs: of this package from INFO on, of others from WARNING on."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__(logging.INFO)
        self._pipe, self._pace = pipe, Pace()

    def listen(self) -> None:
        """Hear all from now on."""
        tracking.listen(self.report, steps=self.report_steps)
        announcements.listen(self.announce)
        logging.getLogger().addHandler(self)

    def report(self, metrics: Mapping[str, float], step: int) -> None:
        """Send the metrics of an epoch."""
        self._pipe.send("epoch", {"epoch": step, "metrics": metrics})

    def report_steps(self, points: Sequence[tracking.Point]) -> None:
        """Send the numbers of steps within epochs."""
        for metrics, step in points:
            self._pipe.send("step", {"step": step, "metrics": metrics})

    def announce(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Send an announcement; progress only at its pace."""
        if kind != "progress" or self._pace.is_due(facts["title"], facts["done"] >= facts["total"], time.monotonic()):
            self._pipe.send(kind, facts)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line of the log; those that only say progress in words are left out."""
        ours = record.name.partition(".")[0] == PACKAGE and record.name != PROGRESS_LOG
        if ours or record.levelno >= logging.WARNING:
            self._pipe.send("log", {"level": record.levelname, "logger": record.name, "message": self.format(record)})


def main() -> int:
    """Run the node of a request; the exit status is 0 where it finished or stopped as it was asked to."""
    parser = argparse.ArgumentParser(description="Run one node of a request.")
    parser.add_argument("request", type=Path)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--events-fd", type=int, required=True)
    chosen = parser.parse_args()
    _heed_signals()
    request = Request.from_json(chosen.request.read_text())
    pipe = Pipe(chosen.events_fd, Redactor.of_environment(request.secret_keys))
    threading.Thread(target=_heed_end_of_input, args=(request.grace_s,), daemon=True).start()
    try:
        run_node(request, chosen.project.resolve(), Teller(pipe))
    except Stopped as stopped:
        pipe.send("end", {"status": "stopped", "why": str(stopped)})
    except BaseException as error:
        pipe.send("end", {"status": "failed", "failure": _failure(error)})
        raise
    else:
        pipe.send("end", {"status": "finished"})
    return 0


def run_node(request: Request, project: Path, teller: Teller) -> None:
    """Run the node in a session of its own, on the data below the request's `far_root`; raises what the node raises."""
    os.chdir(project)  # Kedro looks for conf/logging.yml in the working directory, when it is imported
    check_same(request, project)
    from kedro.framework.session import KedroServiceSession
    from kedro.framework.startup import bootstrap_project
    from kedro.runner import SequentialRunner

    tracking.keep_elsewhere()
    bootstrap_project(project)
    teller.listen()
    session = KedroServiceSession.create(project_path=project, env=request.env)
    with session:
        session.run(
            run_id=request.run_id,
            pipeline_names=list(request.pipelines),
            node_names=[request.node],
            runner=SequentialRunner(),
            runtime_params={**request.params, "data_root": request.far_root},
        )


def _failure(error: BaseException) -> dict[str, str]:
    kind = type(error)
    return {
        "kind": f"{kind.__module__}.{kind.__qualname__}",
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _heed_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ask)


def _ask(number: int, frame: FrameType | None) -> None:
    announcements.ask_to_stop(f"signal {signal.Signals(number).name}")


def _heed_end_of_input(grace_s: float) -> None:
    """Save and stop when the process that watches is gone, at the latest after its grace: nobody else would end this one."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    announcements.ask_to_stop("the process that watches over this one is gone")
    time.sleep(grace_s)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
