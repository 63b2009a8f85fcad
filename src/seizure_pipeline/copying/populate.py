"""One place into another: every file copied once, checked, and written down."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

import pandas as pd

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.copying.copier import PART_NAME, Copier, fault
from seizure_pipeline.copying.ledger import Ledger, open_ledger
from seizure_pipeline.copying.plan import Plan, check_places, files_to_copy, make_plan
from seizure_pipeline.copying.settings import PopulateSettings
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.listing import FileFacts
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.tables import table_from_records

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """One line of what a run did: `status` is copied, replaced (it had changed at the source) or kept.

    `xxh3_128` is empty for a file that no run of this pipeline wrote."""

    path: str
    status: str
    size_bytes: int
    xxh3_128: str


def populate(source: Folder, target: Folder, settings: PopulateSettings) -> list[CopiedFile]:
    """Copy every file of `source` below `target` that is not there yet, and say what was done, sorted by path.

    A file appears under its name whole and checked or not at all; a run that was cut off is gone on with. Nothing is
    deleted. Raises TransferError for a fault of either place, naming the file, the value and the rule,
    Stopped once a file is whole where this process is asked to stop; those that are half copied are begun anew then."""
    check_places(source, target)
    stopped = threading.Event()
    source, target = replace(source, stopped=stopped), replace(target, stopped=stopped)
    files = files_to_copy(source, settings)
    there = {file.path: file for file in _files_there(target)}
    with open_ledger(target, there) as ledger:
        _remove_parts(target, there)
        plan = make_plan(source, target, files, there, ledger)
        copier = Copier(source, target, ledger, settings.verify, there, settings.scratch, stopped)
        _copy_all(plan, copier, settings.workers)
        return _lines(plan, ledger)


def table_of_copies(copies: list[CopiedFile]) -> pd.DataFrame:
    """What a run did, one line per file."""
    return table_from_records(copies, CopiedFile)


def _files_there(target: Folder) -> list[FileFacts]:
    if target.is_local:
        folder = target.local_path("")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise fault(target, "", error) from error
    try:
        return target.files()
    except FileNotFoundError:
        return []  # an empty prefix of a bucket


def _remove_parts(target: Folder, there: dict[str, FileFacts]) -> None:
    """Remove what killed runs left under way in a local folder, which is locked."""
    for path in [path for path in there if target.is_local and PART_NAME.fullmatch(path.rpartition("/")[2])]:
        target.local_path(path).unlink(missing_ok=True)
        del there[path]


def _copy_all(plan: Plan, copier: Copier, workers: int) -> None:
    pool = ThreadPoolExecutor(workers, "copy")
    with ProgressMeter("copying", len(plan.missing) + len(plan.changed), "files", bytes_total=plan.size_bytes) as meter:
        try:
            running = {pool.submit(copier.copy, file, meter.move): file for file in (*plan.missing, *plan.changed)}
            for done in as_completed(running):
                done.result()
                meter.advance(note=running[done].path)
                stop_if_asked()
        finally:
            copier.stopped.set()
            pool.shutdown(cancel_futures=True)
    log.info(
        "%d files (%.3f GB) copied, %d of them in place of what had changed at the source, %d kept",
        len(plan.missing) + len(plan.changed),
        plan.size_bytes / 1e9,
        len(plan.changed),
        len(plan.kept),
    )


def _lines(plan: Plan, ledger: Ledger) -> list[CopiedFile]:
    done = (("copied", plan.missing), ("replaced", plan.changed), ("kept", plan.kept))
    lines = [_line(file, status, ledger) for status, files in done for file in files]
    return sorted(lines, key=lambda line: line.path)


def _line(file: FileFacts, status: str, ledger: Ledger) -> CopiedFile:
    copy = ledger.copies.get(file.path)
    return CopiedFile(file.path, status, file.size_bytes, copy.xxh3_128 if copy is not None else "")
