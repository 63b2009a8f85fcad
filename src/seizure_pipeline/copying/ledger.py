"""What was copied to a place, kept in that place: one line of JSON per file, the last line of a file counts."""

from __future__ import annotations

import fcntl
import json
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.errors import NO_LOCKS, TransferError
from seizure_pipeline.corpora.listing import FileFacts

log = logging.getLogger(__name__)
LEDGER = ".populated.jsonl"
STORE_EVERY_S = 30.0  # a bucket cannot append: the whole ledger is written again


@dataclass(frozen=True, slots=True)
class Copy:
    """One file as it was copied: from where (a check sum of the place), its token there, its check sum, its token here."""

    path: str
    source: str
    source_token: str
    size_bytes: int
    xxh3_128: str
    target_token: str

    def is_from(self, source: Folder) -> bool:
        """Whether it was copied from this very place."""
        return self.source == source.place_id

    def is_of(self, source: Folder, file: FileFacts) -> bool:
        """Whether this is a copy of `file` as it is now."""
        now = (source.place_id, file.path, file.token, file.size_bytes)
        return (self.source, self.path, self.source_token, self.size_bytes) == now

    def is_as_made(self, there: FileFacts) -> bool:
        """Whether the file in the target is still what was written."""
        return (self.size_bytes, self.target_token) == (there.size_bytes, there.token)


class Ledger:
    """The copies in one place by path; adding one writes it down, so that a killed run is gone on with."""

    def __init__(self, copies: dict[str, Copy], target: Folder, lines: BinaryIO | None) -> None:
        self.copies, self._target, self._lines = copies, target, lines
        self._lock, self._stored_s = threading.Lock(), time.monotonic()

    def add(self, copy: Copy) -> None:
        """Remember a copy that is whole and checked."""
        with self._lock:
            self.copies[copy.path] = copy
            if self._lines is not None:
                self._lines.write(_line(copy))
                self._lines.flush()
            elif time.monotonic() - self._stored_s > STORE_EVERY_S:
                self.store()

    def store(self) -> None:
        """Write the whole ledger into a bucket; a local one is written line by line."""
        if self._lines is not None:
            return
        with tempfile.NamedTemporaryFile(suffix=LEDGER) as file:
            file.writelines(_line(copy) for copy in self.copies.values())
            file.flush()
            self._target.store(Path(file.name), LEDGER)
        self._stored_s = time.monotonic()


@contextmanager
def open_ledger(target: Folder, there: dict[str, FileFacts]) -> Iterator[Ledger]:
    """The ledger of `target`, where `there` are its files; a local one is locked until the end.

    Raises TransferError where another run is copying to the same local folder."""
    if target.is_local:
        with _open(target) as lines:
            _lock(lines, target)
            lines.seek(0)
            content = lines.read()
            if content and not content.endswith(b"\n"):
                lines.write(b"\n")  # the last line of a killed run
            yield Ledger(_copies(content), target, lines)
        return
    facts = there.get(LEDGER)
    ledger = Ledger(_copies(target.read_bytes(facts)) if facts else {}, target, None)
    before = dict(ledger.copies)
    try:
        yield ledger
    except BaseException:
        _store_what_is_done(ledger, before)
        raise
    if ledger.copies != before:
        ledger.store()


def _store_what_is_done(ledger: Ledger, before: dict[str, Copy]) -> None:
    """Store the ledger of a run that failed; that it cannot be stored either must not hide why the run failed."""
    try:
        if ledger.copies != before:
            ledger.store()
    except (TransferError, OSError) as error:
        log.error("%s; the next run compares what was copied by this one", error)


def _open(target: Folder) -> BinaryIO:
    path = target.local_path("") / LEDGER
    try:
        return open(path, "a+b")
    except OSError as error:
        raise TransferError(f"{path}: {error.strerror}; the folder that files are copied to must be writable") from error


def _lock(lines: BinaryIO, target: Folder) -> None:
    try:
        fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TransferError(f"{target.url}: another run copies to this folder; one at a time") from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        rule = "two runs at a time could not be told apart there; copy to a disk that knows locks"
        raise TransferError(f"{target.url}: the disk knows no locks ({error.strerror}); {rule}") from error


def _line(copy: Copy) -> bytes:
    return json.dumps(asdict(copy)).encode() + b"\n"


def _copies(content: bytes) -> dict[str, Copy]:
    found: dict[str, Copy] = {}
    for line in content.split(b"\n"):
        try:
            copy = Copy(**json.loads(line)) if line.strip() else None
        except (ValueError, TypeError):
            log.warning("%s: a line that says nothing is left out: %.80r", LEDGER, line)  # the last one of a killed run
            continue
        if copy is not None:
            found[copy.path] = copy
    return found
