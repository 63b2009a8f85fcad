"""What runs in a Modal container: one attempt at a request, with a line home that may break without hurting the work."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

import modal

from seizure_pipeline.remote.far.call_folder import write_whole
from seizure_pipeline.remote.far.supervisor import AttemptFailed, supervise
from seizure_pipeline.remote.modal.errors import OF_THE_WAY, describe
from seizure_pipeline.remote.records import Event, Request

log = logging.getLogger(__name__)
LOOK_S = 3.0  # how long a word to stop may wait
BATCH = 100
TOO_LARGE = (modal.exception.RequestSizeError, modal.exception.InvalidError)
GOODBYE_S = 10.0
OPEN_FILES = "there are open files preventing the operation"  # of reloading, as modal.Volume.reload looks for it
CALL_ID = "call_id"
"""File of a call's folder with the id that Modal gave the call, for who asked for its start and lost the answer."""


def attempt(text: str, queue_name: str, volume_names: Sequence[str], project: str) -> str:
    """Try a request (JSON) once, in a container; returns its outcome as JSON, and nothing else ever travels back.

    Raises what the provider answers with another attempt: AttemptOver, AttemptFailed, KeyboardInterrupt."""
    request = Request.from_json(text)
    volumes = [modal.Volume.from_name(name) for name in volume_names]

    def commit() -> None:
        for volume in volumes:
            _commit(volume)

    with LineHome(modal.Queue.from_name(queue_name), request.call) as line:
        try:
            _say_which(Path(request.folder))
            outcome = supervise(request, Path(project), commit, line.send, line.stop_asked)
        except OF_THE_WAY as error:
            # an error of this machine's surroundings; as it is it would pass for one of the way home
            raise AttemptFailed(f"{type(error).__name__}: {error}") from None
    return outcome.to_json()


def _commit(volume: modal.Volume) -> None:
    """Commit; the client reloads after that where it is told to, which open files hinder, and which nobody here needs."""
    try:
        volume.commit()
    except RuntimeError as error:
        if OPEN_FILES not in str(error):
            raise


def _say_which(folder: Path) -> None:
    """The first commit, moments later, makes it safe."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CALL_ID, modal.current_function_call_id() or "")


def events_of(call: str) -> str:
    """The queue's partition for a call's events."""
    return f"{_short(call)}:events"


def word_for(call: str) -> str:
    """The queue's partition for the word to stop."""
    return f"{_short(call)}:stop"


def first_word_of(call: str) -> str:
    """The queue's partition for the time at which the first word to stop was sent."""
    return f"{_short(call)}:first"


def _short(call: str) -> str:
    """A partition's name has 64 bytes at most."""
    return hashlib.sha256(call.encode()).hexdigest()[:40]


class LineHome:
    """Events to the queue, in their order, and the word to stop from it, in a thread of its own.

    What the queue does not take (it is full, or out of reach) waits here and is tried again, and what is too large for it is
    left out; the file of events on the volume is complete without it."""

    def __init__(self, line: modal.Queue, call: str) -> None:
        self._line, self._call = line, call
        self._waiting: deque[str] = deque()
        self._batch, self._was_told = BATCH, False
        self._wake, self._asked, self._leaving = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="line home", daemon=True)

    def __enter__(self) -> LineHome:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving.set()
        self._wake.set()
        self._thread.join(GOODBYE_S)

    def send(self, event: Event) -> None:
        """Send an event home, as soon as may be; returns at once."""
        self._waiting.append(event.to_json())
        self._wake.set()

    def stop_asked(self) -> bool:
        """Whether the word to stop has come."""
        return self._asked.is_set()

    def _work(self) -> None:
        looked_s = float("-inf")
        while not self._leaving.is_set():
            self._wake.wait(LOOK_S)
            self._wake.clear()
            if not self._sent():
                self._leaving.wait(LOOK_S)
            if time.monotonic() - looked_s >= LOOK_S:
                looked_s = time.monotonic()
                self._listen()
        self._sent()

    def _sent(self) -> bool:
        """Send all that waits; False where the queue did not take it."""
        while batch := list(islice(self._waiting, self._batch)):
            try:
                self._line.put_many(batch, block=False, partition=events_of(self._call))
            except (queue.Full, modal.exception.ConflictError) as error:
                return self._not_taken(error)
            except TOO_LARGE:
                if len(batch) > 1:
                    self._batch = len(batch) // 2
                    continue
            except OF_THE_WAY as error:
                return self._not_taken(error)
            for _ in batch:
                self._waiting.popleft()
            self._batch = min(2 * self._batch, BATCH)
            self._was_told = False
        return True

    def _not_taken(self, error: BaseException) -> bool:
        if not self._was_told:
            log.warning(
                "the queue home takes nothing now (%s); events come by the volume, up to a minute later", describe(error)
            )
        self._was_told = True
        return False

    def _listen(self) -> None:
        try:
            if not self._asked.is_set() and self._line.len(partition=word_for(self._call)):
                self._asked.set()
        except OF_THE_WAY:
            return  # asked again at the next turn
