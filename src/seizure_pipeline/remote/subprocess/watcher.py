"""The process that watches over a far node on this machine, attempt after attempt, and outlives whoever started it."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.far.call_folder import REQUEST, CallFolder
from seizure_pipeline.remote.far.supervisor import AttemptFailed, AttemptOver, supervise
from seizure_pipeline.remote.records import Event, Failure, Outcome, Request
from seizure_pipeline.remote.settings import RetrySettings

log = logging.getLogger(__name__)
RETRIES, LOCK, STOP, OUTPUT = "retries.json", "watcher.lock", "stop", "output.log"
"""Files of a call's folder: how often to try again, what is locked while this process lives, the word to stop, the output."""
LOOK_S = 0.1


def main() -> None:
    """Leave a process behind that watches over the call in FOLDER; ends once that one has its lock."""
    parser = argparse.ArgumentParser(description="Watch over a far node.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--project", type=Path, required=True)
    chosen = parser.parse_args()
    with (chosen.folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fork():
            os._exit(0)
        os.setsid()
        _redirect(chosen.folder / OUTPUT)
        _watch(chosen.folder, chosen.project)


def attempt_all(request: Request, project: Path, retries: RetrySettings, stop_asked: Callable[[], bool]) -> Outcome:
    """Try a node as often as its request allows; an attempt that failed is followed by a pause, one that is over by none."""
    delay_s = retries.delay_s
    for number in range(1, request.attempts + 1):
        try:
            return supervise(request, project, None, _tell_nobody, stop_asked)
        except (AttemptOver, AttemptFailed) as error:
            log.warning("%s", str(error).partition("\n")[0])  # its last lines stand above this one
            last = error
        if isinstance(last, AttemptFailed) and number < request.attempts:
            _pause(min(delay_s, retries.longest_delay_s), stop_asked)
            delay_s *= retries.backoff
    return _give_up(request, last)


def _watch(folder: Path, project: Path) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    request = Request.from_json((folder / REQUEST).read_text())
    retries = RetrySettings.model_validate_json((folder / RETRIES).read_text())
    attempt_all(request, project, retries, lambda: bool(asked) or (folder / STOP).exists())


def _give_up(request: Request, error: RemoteError) -> Outcome:
    folder = CallFolder(Path(request.folder))
    spent = folder.spent()
    failure = Failure(f"{type(error).__module__}.{type(error).__qualname__}", str(error), "")
    outcome = Outcome("failed", spent.attempts, spent.hours, spent.usd, failure)
    folder.write_outcome(outcome)
    folder.close()
    return outcome


def _pause(delay_s: float, stop_asked: Callable[[], bool]) -> None:
    until_s = time.monotonic() + delay_s
    while time.monotonic() < until_s and not stop_asked():
        time.sleep(LOOK_S)


def _tell_nobody(event: Event) -> None:
    """Whoever wants to hear reads the file of events."""


def _redirect(output: Path) -> None:
    """Print into a file, and hear nothing: the terminal belongs to whoever started this."""
    for path, flags, streams in ((os.devnull, os.O_RDONLY, (0,)), (output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, (1, 2))):
        descriptor = os.open(path, flags, 0o644)
        for stream in streams:
            os.dup2(descriptor, stream)
        os.close(descriptor)


if __name__ == "__main__":
    main()
