"""Whose turn it is in a node's place over there: calls follow one another, each by a mark that only one can make.

The journal and its locks are of one machine. Two machines with one far_root, by a copy of the journal, see each other here."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.files.ownership import content_of
from seizure_pipeline.remote.journal import Call

OVER = ".over"


@dataclass(frozen=True, slots=True)
class Turn:
    """The call that a place was given to, and the process that sends it, or sent it."""

    number: int
    call: Call
    host: str
    process: int

    @property
    def sender(self) -> str:
        """The process, for people."""
        return f"process {self.process} on {self.host}"


class Turns:
    """The turns in one place; `folder` over there holds their marks, numbered from 1."""

    def __init__(self, backend: Backend, folder: str) -> None:
        self._backend, self._folder = backend, folder

    def last(self) -> tuple[int, Turn | None]:
        """The number of the last turn, 0 before any, and the turn itself; None where its call was never started."""
        marks = self._backend.listing(self._folder)
        number = max((int(name) for name in marks if name.isdigit()), default=0)
        return number, None if not number or f"{number}{OVER}" in marks else self._read(number)

    def take(self, call: Call, record: str, after: int) -> Turn:
        """Give the place to a call, after the turn that was looked at and is over; `record` is what the journal keeps of it.

        Raises RemoteError, naming the other call, where another was faster."""
        with self._marked(record) as mark:
            self._backend.put_new(mark, f"{self._folder}/{after + 1}")
        turn = self._read(after + 1)
        if turn.call.call != call.call:
            raise RemoteError(f"node {call.node} was sent a moment ago as call {turn.call.call}, by {turn.sender}")
        return turn

    def confirm(self, turn: Turn, record: str) -> None:
        """Have the mark hold what the journal knows of the call once it was started: its id at the provider."""
        with self._marked(record) as mark:
            self._backend.put(mark, f"{self._folder}/{turn.number}")

    def end(self, turn: Turn) -> None:
        """Say that a turn is over, whose call was not started."""
        with self._marked("{}") as mark:
            self._backend.put(mark, f"{self._folder}/{turn.number}{OVER}")

    @contextmanager
    def _marked(self, record: str) -> Iterator[Path]:
        """A file with a call's record, and who writes it."""
        with TemporaryDirectory() as folder:
            mark = Path(folder) / "mark"
            mark.write_text(json.dumps({"call": json.loads(record), "host": socket.gethostname(), "process": os.getpid()}))
            yield mark

    def _read(self, number: int) -> Turn:
        path = f"{self._folder}/{number}"
        try:
            facts = json.loads(content_of(self._backend, path) or b"")
            return Turn(number, Call.from_json(json.dumps(facts["call"])), str(facts["host"]), int(facts["process"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RemoteError(f"{path} over there is no mark of a call ({error}); remove it where none runs") from error
