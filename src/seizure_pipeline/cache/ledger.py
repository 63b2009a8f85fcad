"""The ledger of a chain's folder: finished index rows and what they were made from, so that unchanged files stay closed.

It is no authority: where it is missing, torn or disagrees with the disk, the cached file's own facts decide, so that
losing it costs nothing but time.
"""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from seizure_pipeline.cache.facts import UNREADABLE, read_facts
from seizure_pipeline.cache.index import IndexRow, rows_from_table, table_from_rows
from seizure_pipeline.cache.parts import ABSENT, FileState, state_of, write_whole
from seizure_pipeline.configuration import code_fingerprint, fingerprint
from seizure_pipeline.corpora import RecordingRow
from seizure_pipeline.windows import WindowSettings

log = logging.getLogger(__name__)
LEDGER = "ledger.parquet"
WRITE_EVERY_S = 10.0
NO_FILE: FileState = (0, 0)
CODE = ("cache", "montage", "recordings", "signals", "windows")
"""What derives a row, or a refusal, from a recording: under other code both are derived anew."""
ENTRY_COLUMNS = ("origin", "windows", "code", "file_bytes", "file_mtime_ns")


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording that was seen to: by what origin, windows and code, and its file's bytes and mtime then.

    A recording that was refused has no file, none bytes and no mtime."""

    origin: str
    windows: str
    code: str
    file_bytes: int
    file_mtime_ns: int
    row: IndexRow


class Ledger:
    """The entries of one chain's folder in memory, written back as a whole now and then."""

    def __init__(self, folder: Path, windows: WindowSettings) -> None:
        self._path, self._windows = folder / LEDGER, windows
        self._marks = (fingerprint(windows), code_fingerprint(*CODE))
        self._state = _state_or_none(self._path)
        self._entries = _read(self._path)
        self._changed: dict[str, Entry] = {}
        self._dropped: set[str] = set()
        self._written_s = time.monotonic()

    def unchanged(self, row: RecordingRow, origin: str, files: dict[str, FileState]) -> IndexRow | None:
        """The index row of a recording whose origin and file are as they were; `files` by name.

        Under other code it is read anew from the facts in the file, and what was refused is tried again."""
        entry = self._entries.get(row.recording_id)
        file = files.get(f"{row.recording_id}.npz", NO_FILE)
        if entry is None or entry.origin != origin or file != (entry.file_bytes, entry.file_mtime_ns):
            return None
        windows, code = self._marks
        if entry.code != code:
            entry = self._derived_anew(row, entry)
            if entry is None:
                return None
        elif entry.windows != windows:
            entry = replace(entry, windows=windows, row=entry.row.counted(self._windows))
            self._put(entry)
        return entry.row.as_listed(row)

    def holds_refusal(self, recording_id: str, origin: str) -> bool:
        """Whether the code of now refused exactly this origin."""
        entry = self._entries.get(recording_id)
        return entry is not None and not entry.row.accepted and (entry.origin, entry.code) == (origin, self._marks[1])

    def add(self, origin: str, file: FileState, row: IndexRow) -> None:
        """Remember what was seen to; now and then all is written."""
        self._put(Entry(origin, *self._marks, *file, row))
        if time.monotonic() - self._written_s > WRITE_EVERY_S:
            self.write()

    def drop(self, recordings: Iterable[str]) -> None:
        """Forget recordings, so that the next run looks into their files; they are gone once it is written."""
        self._dropped |= self._entries.keys() & set(recordings)

    def write(self) -> None:
        """Write what changed; entries that another process wrote meanwhile are kept.

        A ledger that cannot be written is no error: the next run opens the files instead."""
        if not self._changed and not self._dropped:
            return
        self._written_s = time.monotonic()
        if _state_or_none(self._path) != self._state:
            self._entries = _read(self._path) | self._changed
        for name in self._dropped:
            self._entries.pop(name, None)
        try:
            write_whole(self._path, _packed(list(self._entries.values())))
        except OSError as error:
            log.warning("%s: not written (%s); the next run looks at every cached file instead", self._path, error.strerror)
            return
        self._state = _state_or_none(self._path)
        self._changed, self._dropped = {}, set()

    def _derived_anew(self, row: RecordingRow, entry: Entry) -> Entry | None:
        try:
            facts = read_facts(self._path.parent / f"{row.recording_id}.npz")
        except UNREADABLE:
            return None
        if facts.origin.fingerprint != entry.origin:
            return None
        derived = IndexRow.accepted_from(row, facts, entry.file_bytes, self._windows)
        anew = Entry(entry.origin, *self._marks, entry.file_bytes, entry.file_mtime_ns, derived)
        self._put(anew)
        return anew

    def _put(self, entry: Entry) -> None:
        self._entries[entry.row.recording_id] = self._changed[entry.row.recording_id] = entry


def file_states(folder: Path) -> dict[str, FileState]:
    """(bytes, mtime in ns) of every cached file in a chain's folder, without opening one."""
    try:
        with os.scandir(folder) as listed:
            found = {each.name: _state_or_none(each) for each in listed if each.name.endswith(".npz")}
    except ABSENT:
        return {}
    return {name: state for name, state in found.items() if state is not None}


def _state_or_none(file: Path | os.DirEntry[str]) -> FileState | None:
    """None for a file that is not there, or no longer."""
    try:
        return state_of(file)
    except ABSENT:
        return None


def _read(path: Path) -> dict[str, Entry]:
    try:
        entries = _unpacked(path.read_bytes())
    except ABSENT:
        return {}
    except (ValueError, KeyError, TypeError, OSError) as error:
        log.warning("%s: not a ledger of this cache (%s); every cached file is looked at instead", path, error)
        return {}
    return {entry.row.recording_id: entry for entry in entries}


def _packed(entries: list[Entry]) -> bytes:
    """The entries as Parquet: a tenth of a second for 6,500, where JSON takes half of one."""
    table = table_from_rows([entry.row for entry in entries])
    for name in ENTRY_COLUMNS:
        table[name] = [getattr(entry, name) for entry in entries]
    return bytes(table.to_parquet(index=False))


def _unpacked(content: bytes) -> list[Entry]:
    """Undoes `_packed`."""
    table = pd.read_parquet(io.BytesIO(content))
    rows = rows_from_table(table.drop(columns=list(ENTRY_COLUMNS)))
    columns = (table[name].tolist() for name in ENTRY_COLUMNS)
    return [
        Entry(origin, windows, code, file_bytes, file_mtime_ns, row)
        for origin, windows, code, file_bytes, file_mtime_ns, row in zip(*columns, rows, strict=True)
    ]
