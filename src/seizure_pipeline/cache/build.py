"""Filling the cache: what is unchanged is kept unopened, what changed is made again, and only as far as it changed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from pydantic import Field

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.cache.chains import chain_fingerprint, hold_chain, leave_chain, open_chain
from seizure_pipeline.cache.facts import Origin, xxh3_of_file
from seizure_pipeline.cache.fill import Job, fill
from seizure_pipeline.cache.index import CacheError, IndexRow
from seizure_pipeline.cache.ledger import NO_FILE, Ledger, file_states
from seizure_pipeline.cache.parts import FileState
from seizure_pipeline.cache.store import Stored, find_whole, rewrite_facts
from seizure_pipeline.configuration import Settings
from seizure_pipeline.corpora import Folder, RecordingRow
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.refusals import log_refusals
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.windows import WindowSettings
from seizure_pipeline.workers import Crew, in_threads

log = logging.getLogger(__name__)
Task: TypeAlias = tuple[RecordingRow, Origin]
WAITING = 2
"""Recordings that wait for a process, so that none waits for a recording."""
WAITING_SMALL = 8
"""The same where each is fetched first: as many transfers at once, while they take no more than WAITING_BYTES."""
WAITING_BYTES = 1 << 30
FETCHED = ".fetched"
"""Folder in the cache for copies of remote recordings: the system's for temporary files may be small."""
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
    `cache` cannot be written or a file changes while it is read, TransferError if one cannot be fetched, Stopped between
    two recordings where this process is asked to stop."""
    chain = chain_fingerprint(settings.signals, montage)
    with hold_chain(cache / chain):
        ledger = Ledger(cache / chain, settings.windows)
        done, to_do = _sort_out(rows, chain, ledger, file_states(cache / chain))
        outcomes = Counter({KEPT: sum(row.accepted for row in rows) - len(to_do)})
        try:
            with closing(_made(corpus, settings, montage, cache, to_do)) as all_made:
                for made in all_made:
                    ledger.add(made.origin, made.state, made.row)
                    done[made.row.recording_id] = made.row
                    outcomes[made.outcome] += 1
        finally:
            ledger.write()
        leave_chain(cache / chain)
    index = [done[row.recording_id] for row in rows]
    _report(rows, index, outcomes)
    return index


def _sort_out(
    rows: list[RecordingRow], chain: str, ledger: Ledger, files: dict[str, FileState]
) -> tuple[dict[str, IndexRow], list[Task]]:
    """The index rows that stand as they are, by recording, and the rows that must be seen to with their origins."""
    done: dict[str, IndexRow] = {}
    to_do: list[Task] = []
    for row in rows:
        if not row.accepted:
            done[row.recording_id] = IndexRow.refused(row, row.reason)
            continue
        origin = Origin.of(row, chain)
        unchanged = ledger.unchanged(row, origin.fingerprint, files)
        if unchanged is None:
            to_do.append((row, origin))
        else:
            done[row.recording_id] = unchanged
    return done, to_do


def _made(
    corpus: Folder, settings: PreparationSettings, montage: MontageSettings, cache: Path, to_do: list[Task]
) -> Generator[_Made]:
    """What became of each recording, as they are done."""
    if not to_do:
        return
    with (
        open_chain(cache, settings.signals, montage) as folder,
        Crew(settings.workers) as crew,
        ProgressMeter("caching recordings", len(to_do), "recordings") as meter,
    ):
        copies, waiting = None, WAITING
        if not corpus.is_local:
            copies, waiting = cache / FETCHED, _fetched_ahead(to_do)
            copies.mkdir(exist_ok=True)
        builder = _Builder(corpus, settings, montage, folder, copies, crew)
        for made in in_threads(builder.see_to, to_do, settings.workers + waiting):
            yield made
            meter.advance(note=made.row.recording_id)
            stop_if_asked()


def _fetched_ahead(to_do: list[Task]) -> int:
    largest = max(row.size_bytes for row, _ in to_do)
    return min(WAITING_SMALL, max(WAITING, WAITING_BYTES // max(1, largest)))


@dataclass(frozen=True, slots=True)
class _Made:
    """What was done about a recording, from what origin, its file's state then, and its row."""

    outcome: str
    origin: str
    state: FileState
    row: IndexRow


@dataclass(frozen=True)
class _Builder:
    corpus: Folder
    settings: PreparationSettings
    montage: MontageSettings
    folder: Path
    copies: Path | None
    crew: Crew

    def see_to(self, task: Task) -> _Made:
        """Bring one recording's file up to date."""
        row, origin = task
        target = self.folder / f"{row.recording_id}.npz"
        outcome, stored = self._bring_up_to_date(target, origin)
        if isinstance(stored, str):
            target.unlink(missing_ok=True)  # made from a file that is no longer what it was
            return _Made(outcome, origin.fingerprint, NO_FILE, IndexRow.refused(row, stored))
        listed = IndexRow.accepted_from(row, stored.facts, stored.state[0], self.settings.windows)
        return _Made(outcome, origin.fingerprint, stored.state, listed)

    def _bring_up_to_date(self, target: Path, origin: Origin) -> tuple[str, Stored | str]:
        there = find_whole(target)
        if there is not None and there.facts.origin.chain != origin.chain:
            there = None
        if there is not None and there.facts.origin.fingerprint == origin.fingerprint:
            return KEPT, there
        if there is not None and there.facts.origin.source.is_version(origin.source):
            return RELABELLED, _relabel(target, there, origin)
        source = origin.source
        with self.corpus.local(FileFacts(source.path, source.size_bytes, source.token), self.copies) as edf:
            if there is not None and xxh3_of_file(edf) == there.facts.origin.source.xxh3_128:
                return RELABELLED, _relabel(target, there, origin)
            made = self._prepare(Job(edf, self.corpus.is_local, target, origin, self.settings.signals, self.montage))
        return (REFUSED if isinstance(made, str) else PREPARED), made

    def _prepare(self, job: Job) -> Stored | str:
        try:
            return self.crew.run(fill, job)
        except BrokenProcessPool as error:
            raise CacheError(
                f"{job.origin.source.path}: a worker process was killed while this or another recording was under way, "
                "for lack of memory most often; try fewer workers"
            ) from error


def _relabel(target: Path, there: Stored, origin: Origin) -> Stored:
    """The same signal under another annotation, or another name or date of the same file."""
    source = replace(origin.source, xxh3_128=there.facts.origin.source.xxh3_128)
    return rewrite_facts(target, there.facts, replace(origin, source=source))


def _report(rows: list[RecordingRow], index: list[IndexRow], outcomes: Counter[str]) -> None:
    refused = [made for row, made in zip(rows, index, strict=True) if row.accepted and not made.accepted]
    log_refusals([made.reason for made in refused])
    log.info(
        "cache: %d unchanged and kept, %d with new annotations, %d prepared, %d refused",
        outcomes[KEPT],
        outcomes[RELABELLED],
        outcomes[PREPARED],
        len(refused),
    )
