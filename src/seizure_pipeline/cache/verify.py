"""Holding the cache against its index, the corpus and the settings: every file read once, everything wrong listed.

Windowing keeps a file by its bytes and date alone. What is wrong here is dropped from its ledger, so that it looks into
the file and makes it again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.cache.build import PreparationSettings
from seizure_pipeline.cache.chains import CHAIN, chain_fingerprint, hold_chain
from seizure_pipeline.cache.facts import BUFFER_BYTES, UNREADABLE, Origin, SignalFacts, read_facts, xxh3_of_file
from seizure_pipeline.cache.index import IndexRow, count_kinds, signal_fingerprint
from seizure_pipeline.cache.ledger import LEDGER, Ledger
from seizure_pipeline.cache.store import DamagedFile, inspect
from seizure_pipeline.configuration import Settings
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.windows import WindowSettings
from seizure_pipeline.workers import in_threads

log = logging.getLogger(__name__)
LEFTOVER = "leftover"
"""A whole file of a recording that is no longer in the index: not wrong, and of no use until the recording is back."""
SOURCE_CHANGED = "check sum of the source"


class VerifySettings(Settings):
    """Whether the corpus's own files are read and held against the check sums they were cached with; reading threads."""

    sources: bool = False
    threads: int = Field(4, ge=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `file` is relative to the cache, or to the corpus where it is about a source."""

    recording: str
    file: str
    problem: str
    found: str
    expected: str


@dataclass(frozen=True)
class Expected:
    """What the cache has to agree with: the corpus and the settings as they are now."""

    corpus: Folder
    rows: dict[str, RecordingRow]
    chain: str
    windows: WindowSettings
    cache: Path
    sources: bool


def verify_cache(
    corpus: Folder,
    rows: list[RecordingRow],
    index: list[IndexRow],
    preparation: PreparationSettings,
    montage: MontageSettings,
    cache: Path,
    settings: VerifySettings,
) -> list[Problem]:
    """Everything that is wrong with the cache, and leftovers, by recording; `rows` is the corpus as it is listed now.

    The next windowing looks into the files that are named. Raises TransferError if a source is wanted and cannot be
    fetched, Stopped between two files where this process is asked to stop; another look begins with the first one."""
    chain = chain_fingerprint(preparation.signals, montage)
    expected = Expected(corpus, {row.recording_id: row for row in rows}, chain, preparation.windows, cache, settings.sources)
    cached = [row for row in index if row.accepted]
    with hold_chain(cache / chain):
        ledger = Ledger(cache / chain, preparation.windows)
        problems = [*_index_problems(expected, index, ledger), *_extra_files(expected, index)]
        try:
            for found in _file_problems(expected, cached, settings.threads):
                problems += found
        finally:  # what was found before a stop or a fault is looked into as well
            ledger.drop(each.recording for each in problems if each.problem != LEFTOVER)
            ledger.write()
    return sorted(problems, key=lambda each: (each.recording, each.file, each.problem))


def _file_problems(expected: Expected, cached: list[IndexRow], threads: int) -> Iterator[list[Problem]]:
    buffers = threading.local()

    def check(row: IndexRow) -> tuple[IndexRow, list[Problem]]:
        if not hasattr(buffers, "bytes"):
            buffers.bytes = bytearray(BUFFER_BYTES)
        return row, list(_problems_of_file(expected, row, buffers.bytes))

    n_bytes = sum(row.size_bytes for row in cached)
    with ProgressMeter("verifying cache", len(cached), "recordings", bytes_total=n_bytes) as meter:
        for row, found in in_threads(check, cached, threads):
            yield found
            meter.move(row.size_bytes)
            meter.advance(note=row.recording_id)
            stop_if_asked()


def _problems_of_file(expected: Expected, row: IndexRow, buffer: bytearray) -> Iterator[Problem]:
    path = expected.cache / row.file
    if row.chain != expected.chain:
        yield Problem(row.recording_id, row.file, "made by other settings", row.chain, expected.chain)
    if not path.is_file():
        yield Problem(row.recording_id, row.file, "missing file", "no file", f"{row.size_bytes} bytes")
        return
    if (size_bytes := path.stat().st_size) != row.size_bytes:
        yield Problem(row.recording_id, row.file, "size", f"{size_bytes} bytes", f"{row.size_bytes} bytes")
    try:
        facts = inspect(path, buffer)
    except DamagedFile as damaged:
        yield Problem(row.recording_id, row.file, damaged.what, damaged.found, damaged.expected)
        return
    except UNREADABLE as error:
        yield Problem(row.recording_id, row.file, "unreadable", f"{type(error).__name__}: {error}", "a cached recording")
        return
    for problem, found, wanted in _disagreements(expected, row, facts):
        if found != wanted:
            yield Problem(row.recording_id, row.file, problem, str(found), str(wanted))
    yield from _source_problems(expected, row, facts, buffer)


def _disagreements(expected: Expected, row: IndexRow, facts: SignalFacts) -> Iterator[tuple[str, object, object]]:
    """(what, as the file or the index says, as it should be); most of them agree."""
    origin, layout = facts.origin, facts.layout
    yield "recording in the file", origin.recording_id, row.recording_id
    corpus_row = expected.rows.get(row.recording_id)
    if corpus_row is not None:
        wanted = Origin.of(corpus_row, expected.chain)
        if origin.fingerprint != wanted.fingerprint:
            yield "seizures in the file", origin.seizures, wanted.seizures
            yield "source in the file", _version(origin), _version(wanted)
        yield "fingerprint of the file", origin.fingerprint, wanted.fingerprint
    seizures = tuple(layout.recorded_interval(*seizure) for seizure in origin.seizures)
    yield "seizures in the index", row.seizures, seizures
    yield "fingerprint in the index", row.fingerprint, signal_fingerprint(facts.signal_xxh3_128, seizures)
    yield "stretches in the index", (row.stretch_samples, row.stretch_start_s), (layout.stretch_samples, layout.stretch_start_s)
    for name, count in count_kinds(layout, seizures, expected.windows).items():
        yield f"{name} in the index", getattr(row, name), count


def _version(origin: Origin) -> str:
    source = origin.source
    return f"{source.path}, {source.size_bytes} bytes, token {source.token}"


def _source_problems(expected: Expected, row: IndexRow, facts: SignalFacts, buffer: bytearray) -> Iterator[Problem]:
    corpus_row = expected.rows.get(row.recording_id)
    if not expected.sources or corpus_row is None:
        return
    file = FileFacts(corpus_row.path, corpus_row.size_bytes, corpus_row.token)
    with expected.corpus.local(file) as edf:
        found = xxh3_of_file(edf, buffer)
    if found != facts.origin.source.xxh3_128:
        wanted = facts.origin.source.xxh3_128
        yield Problem(row.recording_id, corpus_row.path, SOURCE_CHANGED, found, wanted)


def _index_problems(expected: Expected, index: list[IndexRow], ledger: Ledger) -> Iterator[Problem]:
    known = expected.rows
    cached = {row.recording_id: row for row in index}
    for name in known.keys() - cached.keys():
        yield Problem(name, known[name].path, "not in the index", "in the corpus", "in the index too")
    for name in cached.keys() - known.keys():
        yield Problem(name, cached[name].file, "not in the corpus", "in the index", "in the corpus too")
    for name in known.keys() & cached.keys():
        row, made = known[name], cached[name]
        was_refused = not made.accepted and ledger.holds_refusal(name, Origin.of(row, expected.chain).fingerprint)
        if made.accepted != row.accepted and not was_refused:
            yield Problem(name, made.file or row.path, "status in the index", made.status, row.status)
        found, wanted = (f"{each.split}, patient {each.patient_id}" for each in (made, row))
        if found != wanted:
            yield Problem(name, made.file or row.path, "split in the index", found, wanted)


def _extra_files(expected: Expected, index: list[IndexRow]) -> Iterator[Problem]:
    """Files in the chain's folder that no row names; other chains' folders and files in the making are not looked at."""
    left = set(leftovers(expected.cache, expected.chain, index))
    for path in _unnamed(expected.cache, expected.chain, index):
        what = LEFTOVER if path in left else "extra file"
        yield Problem(path.stem, f"{expected.chain}/{path.name}", what, "in the cache", "no such file")


def leftovers(cache: Path, chain: str, index: list[IndexRow]) -> list[Path]:
    """Files of a chain's folder that are whole recordings of its own and that the index does not name."""
    return [path for path in _unnamed(cache, chain, index) if _is_own(path, chain)]


def _unnamed(cache: Path, chain: str, index: list[IndexRow]) -> Iterator[Path]:
    named = {Path(row.file).name for row in index if row.accepted and row.chain == chain} | {CHAIN, LEDGER}
    folder = cache / chain
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in named and not (path.name.startswith(".") and path.suffix == ".part"):
            yield path


def _is_own(path: Path, chain: str) -> bool:
    try:
        origin = read_facts(path).origin
    except UNREADABLE:
        return False
    return (f"{origin.recording_id}.npz", origin.chain) == (path.name, chain)
