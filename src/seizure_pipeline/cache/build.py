"""Filling the cache: what is unchanged is kept unopened, what changed is made again, and only as far as it changed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from pydantic import Field

from seizure_pipeline.cache.chains import chain_fingerprint, leave_chain, open_chain
from seizure_pipeline.cache.facts import Origin, SignalFacts, xxh3_of_file
from seizure_pipeline.cache.fill import REFUSALS, Job, fill
from seizure_pipeline.cache.index import CacheError, IndexRow
from seizure_pipeline.cache.ledger import NO_FILE, Entry, FileState, Ledger, file_states, windows_mark
from seizure_pipeline.cache.store import rewrite_facts, whole_facts
from seizure_pipeline.configuration import Settings
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.windows import WindowSettings
from seizure_pipeline.workers import Crew, in_threads

__all__ = ["REFUSALS", "PreparationSettings", "build_cache", "chain_fingerprint"]
log = logging.getLogger(__name__)
Task: TypeAlias = tuple[RecordingRow, Origin]
WAITING_LOCAL = 2
"""Recordings that wait for a process, so that none waits for a recording."""
WAITING_REMOTE = 8
"""The same where each is fetched first: as many transfers at once, and as many copies on the disk."""
KEPT, RELABELLED, PREPARED, REFUSED = "kept", "relabelled", "prepared", "refused"


class PreparationSettings(Settings):
    """Everything that shapes the cache, and how many worker processes fill it."""

    signals: SignalSettings = SignalSettings()
    windows: WindowSettings = WindowSettings()
    workers: int = Field(2, ge=1)


def build_cache(
    corpus: Folder, rows: list[RecordingRow], settings: PreparationSettings, montage: MontageSettings, cache: Path
) -> list[IndexRow]:
    """Cache every accepted row and return the index, in the rows' order; what is unchanged is kept.

    A file of the corpus or a setting of the chain that changed has the signal made again, the latter in a folder of its
    own; another annotation only the facts beside the signal; other windows or splits only the index. Raises CacheError if
    `cache` cannot be written or a file changes while it is read, TransferError if one cannot be fetched."""
    chain = chain_fingerprint(settings.signals, montage)
    ledger = Ledger(cache / chain)
    done, to_do = _sort_out(rows, chain, ledger, file_states(cache / chain), settings.windows)
    outcomes = Counter({KEPT: sum(row.accepted for row in rows) - len(to_do)})
    try:
        if to_do:
            folder = open_chain(cache, settings.signals, montage)
            with Crew(settings.workers) as crew:
                for outcome, entry in _in_turn(_Builder(corpus, settings, montage, folder, crew), to_do):
                    ledger.add(entry)
                    done[entry.row.recording_id] = entry.row
                    outcomes[outcome] += 1
    finally:
        ledger.write()
    leave_chain(cache / chain)
    index = [done[row.recording_id] for row in rows]
    _report(rows, index, outcomes)
    return index


def _sort_out(
    rows: list[RecordingRow], chain: str, ledger: Ledger, files: dict[str, FileState], windows: WindowSettings
) -> tuple[dict[str, IndexRow], list[Task]]:
    """The index rows that stand as they are, by recording, and the rows that must be seen to with their origins."""
    mark = windows_mark(windows)
    done: dict[str, IndexRow] = {}
    to_do: list[Task] = []
    for row in rows:
        if not row.accepted:
            done[row.recording_id] = IndexRow.refused(row, row.reason)
            continue
        origin = Origin.of(row, chain)
        unchanged = ledger.unchanged(row, origin.fingerprint, files, windows, mark)
        if unchanged is None:
            to_do.append((row, origin))
        else:
            done[row.recording_id] = unchanged
    return done, to_do


def _in_turn(builder: _Builder, to_do: list[Task]) -> Iterator[tuple[str, Entry]]:
    threads = builder.settings.workers + (WAITING_LOCAL if builder.corpus.is_local else WAITING_REMOTE)
    with ProgressMeter("caching recordings", len(to_do), "recordings") as meter:
        for outcome, entry in in_threads(builder.see_to, to_do, threads):
            yield outcome, entry
            meter.advance(note=entry.row.recording_id)


@dataclass(frozen=True)
class _Builder:
    corpus: Folder
    settings: PreparationSettings
    montage: MontageSettings
    folder: Path
    crew: Crew

    def see_to(self, task: Task) -> tuple[str, Entry]:
        """Bring one recording's file up to date; what was done, and its entry in the ledger."""
        row, origin = task
        target = self.folder / f"{row.recording_id}.npz"
        outcome, made = self._bring_up_to_date(target, origin)
        windows, file = self.settings.windows, NO_FILE
        if isinstance(made, str):
            target.unlink(missing_ok=True)  # made from a file that is no longer what it was
            listed = IndexRow.refused(row, made)
        else:
            facts = target.stat()
            file = (facts.st_size, facts.st_mtime_ns)
            listed = IndexRow.accepted_from(row, made, facts.st_size, windows)
        return outcome, Entry(origin.fingerprint, windows_mark(windows), *file, listed)

    def _bring_up_to_date(self, target: Path, origin: Origin) -> tuple[str, SignalFacts | str]:
        there = whole_facts(target)
        if there is not None and there.origin.chain != origin.chain:
            there = None
        if there is not None and there.origin.fingerprint == origin.fingerprint:
            return KEPT, there
        if there is not None and there.origin.source.is_version(origin.source):
            return RELABELLED, _relabel(target, there, origin)
        source = origin.source
        with self.corpus.local(FileFacts(source.path, source.size_bytes, source.token)) as edf:
            if there is not None and xxh3_of_file(edf) == there.origin.source.xxh3_128:
                return RELABELLED, _relabel(target, there, origin)
            made = self._prepare(Job(edf, self.corpus.is_local, target, origin, self.settings.signals, self.montage))
        return (REFUSED if isinstance(made, str) else PREPARED), made

    def _prepare(self, job: Job) -> SignalFacts | str:
        try:
            return self.crew.run(fill, job)
        except BrokenProcessPool as error:
            raise CacheError(
                f"{job.origin.source.path}: its worker process was killed, for lack of memory most often; try fewer workers"
            ) from error


def _relabel(target: Path, there: SignalFacts, origin: Origin) -> SignalFacts:
    """The same signal under another annotation, or another name or date of the same file."""
    source = replace(origin.source, xxh3_128=there.origin.source.xxh3_128)
    return rewrite_facts(target, there, replace(origin, source=source))


def _report(rows: list[RecordingRow], index: list[IndexRow], outcomes: Counter[str]) -> None:
    refused = [made for row, made in zip(rows, index, strict=True) if row.accepted and not made.accepted]
    for each in refused:
        log.warning("refused: %s", each.reason)
    log.info(
        "cache: %d unchanged and kept, %d with new annotations, %d prepared, %d refused",
        outcomes[KEPT],
        outcomes[RELABELLED],
        outcomes[PREPARED],
        len(refused),
    )
