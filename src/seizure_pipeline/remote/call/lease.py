"""Who follows a call, of all machines: a mark over there that its follower renews as long as it follows.

The locks of a journal are of one machine. Two machines that follow one call, each with a copy of its journal, would tell its
numbers to one MLflow run twice. Clocks of machines differ: a mark counts as left when it stays the same for `GONE_S`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from seizure_pipeline.remote.backend import Backend, LostContact, RemoteError
from seizure_pipeline.remote.files.ownership import content_of
from seizure_pipeline.remote.journal import Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Request

log = logging.getLogger(__name__)
MARK = "follower"
RENEW_S, LOOK_S, GONE_S = 30.0, 3.0, 75.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who follows, and how often it said so."""

    host: str
    data_root: str
    process: int
    renewed: int = 0

    def is_of(self, other: Holder) -> bool:
        """Whether both are of one data_root, where a lock of the system lets only one of them live."""
        return (self.host, self.data_root) == (other.host, other.data_root)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} (data_root {self.data_root})"


class Lease:
    """The right to follow one call; it is had from `take` on, and kept by `renew`."""

    def __init__(self, backend: Backend, request: Request, journal: Journal, patience: Patience) -> None:
        self._backend, self._call, self._patience = backend, request.call, patience
        self._path = f"{request.folder}/{MARK}"
        self._me = Holder(socket.gethostname(), str(journal.data_root.absolute()), os.getpid())
        self._due_s = float("inf")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have it, and leave it to anybody afterwards."""
        self.take()
        try:
            yield
        finally:
            self._give_up()

    def take(self) -> None:
        """Have it; RemoteError, naming who follows, where another machine goes on saying that it does."""
        holder = self._patience.asking(self._holder)
        if holder is not None and not holder.is_of(self._me):
            log.info("%s was followed by %s; whether it still is shows within %.0f s", self._call, holder, GONE_S)
            self._wait_for_a_sign_of(holder)
        self._patience.asking(self._write)

    def renew(self) -> None:
        """Say, now and then, that this process still follows; RemoteError where another one took over meanwhile."""
        if time.monotonic() < self._due_s:
            return
        try:
            holder = self._holder()
            if holder is not None and not holder.is_of(self._me):
                raise RemoteError(f"call {self._call} is followed by {holder} by now")
            self._write()
        except LostContact:
            self._due_s = time.monotonic() + LOOK_S  # whoever follows hears of it, and is patient

    def _wait_for_a_sign_of(self, holder: Holder) -> None:
        until_s = time.monotonic() + GONE_S
        while time.monotonic() < until_s:
            time.sleep(min(LOOK_S, GONE_S / 5))
            now = self._patience.asking(self._holder)
            if now is None:
                return
            if now != holder:
                raise RemoteError(f"call {self._call} is followed by {now}; one at a time: end that one, the far node runs on")

    def _holder(self) -> Holder | None:
        """Who follows as far as the mark says; None where nobody does."""
        content = content_of(self._backend, self._path)
        try:
            return Holder(**json.loads(content)) if content else None
        except (ValueError, TypeError):
            return None  # torn: its follower, if there is one, renews it soon

    def _write(self) -> None:
        self._me = replace(self._me, renewed=self._me.renewed + 1)
        self._put(json.dumps(asdict(self._me)))
        self._due_s = time.monotonic() + RENEW_S

    def _give_up(self) -> None:
        self._due_s = float("inf")
        try:
            holder = self._holder()
            if holder is not None and holder.is_of(self._me):
                self._put("")
        except RemoteError as error:
            log.info("%s: other machines learn only within %.0f s that it is not followed: %s", self._call, GONE_S, error)

    def _put(self, text: str) -> None:
        with TemporaryDirectory() as folder:
            mark = Path(folder) / MARK
            mark.write_text(text)
            self._backend.put(mark, self._path)
