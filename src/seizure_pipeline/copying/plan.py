"""What there is to copy: held against what is there already, before the first byte moves."""

from __future__ import annotations

import fnmatch
import logging
import shutil
from dataclasses import dataclass
from pathlib import PurePosixPath

from seizure_pipeline.copying.copier import PART, checksum_of
from seizure_pipeline.copying.ledger import LEDGER, Copy, Ledger
from seizure_pipeline.copying.settings import PopulateSettings
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.listing import FileFacts
from seizure_pipeline.corpora.places import MD5_DIGITS

log = logging.getLogger(__name__)
EXAMPLES = 3


@dataclass(frozen=True)
class Plan:
    """Files to copy, files to replace because they changed at the source, files that are there, with what is there."""

    missing: tuple[FileFacts, ...]
    changed: tuple[FileFacts, ...]
    kept: tuple[FileFacts, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes that are to be copied."""
        return sum(file.size_bytes for file in (*self.missing, *self.changed))


def files_to_copy(source: Folder, settings: PopulateSettings) -> list[FileFacts]:
    """The files of `source` without what is excluded; TransferError for names that would leave the target folder."""
    try:
        everything = source.files()
    except FileNotFoundError as error:
        raise TransferError(f"{error}; --params copy_from=... must name a place that is there") from error
    skipped = (*settings.exclude, LEDGER, f"*{PART}")
    files = [file for file in everything if not any(fnmatch.fnmatchcase(file.path, pattern) for pattern in skipped)]
    for file in files:
        if not PurePosixPath(file.path).parts or ".." in file.path.split("/") or "//" in f"/{file.path}":
            raise TransferError(f"{source.url}: file {file.path!r}; a path must not leave the folder it is copied to")
    return files


def check_places(source: Folder, target: Folder) -> None:
    """Raise TransferError where a place is not named, files are not stored whole there, or one lies in the other."""
    for folder, name in ((source, "copy_from"), (target, "copy_to")):
        if not folder.url:
            raise TransferError(f"{name} is empty; set it by --params {name}=... (a folder or a URL)")
    if not target.is_local and not target.is_stored_whole:
        raise TransferError(
            f"copy_to {target.url}: files are copied to local folders, to S3 and to memory; elsewhere a cut leaves half a file"
        )
    ours, theirs = PurePosixPath(source.place), PurePosixPath(target.place)
    if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
        raise TransferError(f"copy_from {source.url} and copy_to {target.url}: neither may lie in the other")


def make_plan(source: Folder, target: Folder, files: list[FileFacts], there: dict[str, FileFacts], ledger: Ledger) -> Plan:
    """Which of `files` to copy; raises TransferError for files in the way that no run made, and for too little space."""
    missing: list[FileFacts] = []
    changed: list[FileFacts] = []
    kept: list[FileFacts] = []
    foreign: list[str] = []
    for file in files:
        copy, found = ledger.copies.get(file.path), there.get(file.path)
        if found is None:
            missing.append(file)
        elif copy is not None and copy.is_from(source) and copy.is_as_made(found):
            (kept if copy.is_of(source, file) else changed).append(file)
        elif (checksum := checksum_if_equal(source, file, target, found)) is not None:
            kept.append(file)
            ledger.add(Copy(file.path, source.place_id, file.token, file.size_bytes, checksum, found.token))
        else:
            foreign.append(file.path)
    if foreign:
        raise TransferError(
            f"{target.url}: {len(foreign)} files are there that differ and that were not copied from there "
            f"({', '.join(foreign[:EXAMPLES])}); move them away, or copy to another place"
        )
    plan = Plan(tuple(missing), tuple(changed), tuple(kept))
    _check_space(target, plan)
    return plan


def checksum_if_equal(source: Folder, file: FileFacts, target: Folder, there: FileFacts) -> str | None:
    """xxh3_128 of two files that hold the same bytes, None where they differ; both are read.

    Two objects of one MD5, as their buckets know it, are not read: their check sum stays empty."""
    if file.size_bytes != there.size_bytes:
        return None
    if not source.is_local and not target.is_local and file.token == there.token and len(file.token) == MD5_DIGITS:
        return ""
    ours, theirs = _xxh3(source, file), _xxh3(target, there)
    return ours if ours == theirs else None


def _xxh3(folder: Folder, file: FileFacts) -> str:
    with folder.local(file) as path:
        return checksum_of(path)


def _check_space(target: Folder, plan: Plan) -> None:
    if not target.is_local:
        return
    free = shutil.disk_usage(target.local_path("")).free
    if plan.size_bytes > free:
        raise TransferError(
            f"{target.url}: {free / 1e6:.1f} MB are free, {plan.size_bytes / 1e6:.1f} MB are to be copied; there must be room"
        )
