"""One file from one place to another: under its name whole and checked, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import xxhash

from seizure_pipeline.copying.ledger import Copy, Ledger
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.errors import TransferError, naming
from seizure_pipeline.corpora.listing import FileFacts, facts_of
from seizure_pipeline.corpora.scratch import scratch_folder

PART = ".populating"  # ends the name of a file that is under way in a local folder
PART_NAME = re.compile(rf"\.[0-9a-f]{{16}}{re.escape(PART)}")
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)  # what disks say that know no second name of a file
PIECE_BYTES = 4 * 2**20
RULES = {
    errno.ENOSPC: "there must be room; what is copied already stays, and the same command goes on from here",
    errno.EDQUOT: "there must be room within the quota; the same command goes on from here",
    errno.EROFS: "the place must be writable",
    errno.EACCES: "the file must be readable and the place writable for this user",
}


@dataclass(frozen=True)
class Copier:
    """Copies files from `source` to `target`, each written down in `ledger`; `verify` reads every copy again.

    `there` are the files of the target as the plan found them: only such are replaced. On the way into a bucket a file lies
    below `scratch`, by default in the system's folder for temporary files."""

    source: Folder
    target: Folder
    ledger: Ledger
    verify: bool
    there: Mapping[str, FileFacts] = field(default_factory=dict)
    scratch: Path | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def copy(self, file: FileFacts, on_bytes: Callable[[int], None]) -> None:
        """Copy one file; raises TransferError naming the file, the value and the rule."""

        def heard(n_bytes: int) -> None:
            if self.stopped.is_set():
                raise TransferError(f"{file.path}: stopped half-way with the rest of the run")
            on_bytes(n_bytes)

        try:
            checksum, there = (self._to_folder if self.target.is_local else self._to_bucket)(file, heard)
        except OSError as error:
            raise fault(self.target, file.path, error) from error
        self.ledger.add(Copy(file.path, self.source.place_id, file.token, file.size_bytes, checksum, there.token))

    def _to_folder(self, file: FileFacts, on_bytes: Callable[[int], None]) -> tuple[str, FileFacts]:
        path = self.target.local_path("") / file.path
        part = part_of(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # of a killed run; it may be a second name of the file, so it is not written into
        try:
            checksum = self.source.fetch(file, part, on_bytes)
            with naming(part):
                _flush(part)
                if self.verify:
                    self._compare(file, checksum, checksum_of(part))
            self._publish(part, path, file)
        finally:
            part.unlink(missing_ok=True)
        return checksum, facts_of(path, file.path)

    def _publish(self, part: Path, path: Path, file: FileFacts) -> None:
        """Give a file its name; TransferError where another file has it that the plan did not find."""
        planned = self.there.get(file.path)
        if planned is not None:
            if facts_of(path, file.path) != planned:
                raise _in_the_way(str(path))
            os.replace(part, path)
            return
        try:
            os.link(part, path)  # unlike a rename, it takes no name away
        except FileExistsError:
            raise _in_the_way(str(path)) from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if path.exists():
                raise _in_the_way(str(path)) from None
            os.replace(part, path)

    def _to_bucket(self, file: FileFacts, on_bytes: Callable[[int], None]) -> tuple[str, FileFacts]:
        with scratch_folder(self.scratch) as folder:
            on_disk = folder / PurePosixPath(file.path).name
            checksum = self.source.fetch(file, on_disk, on_bytes)
            planned = self.there.get(file.path)
            if planned is not None and self.target.facts(file.path) != planned:
                raise _in_the_way(f"{self.target.url}/{file.path}")
            there = self.target.store(on_disk, file.path, is_new=planned is None)
            if self.verify and there.token != md5_of(on_disk):
                self.target.fetch(there, on_disk)
                self._compare(file, checksum, checksum_of(on_disk))
        return checksum, there

    def _compare(self, file: FileFacts, written: str, read: str) -> None:
        if written != read:
            raise TransferError(
                f"{self.target.url}: {file.path} was written with xxh3_128 {written} and reads {read}; they must be equal"
            )


def checksum_of(path: Path) -> str:
    """xxh3_128 of a local file, in hexadecimal."""
    whole = xxhash.xxh3_128()
    with open(path, "rb") as read, naming(path):
        while piece := read.read(PIECE_BYTES):
            whole.update(piece)
    return whole.hexdigest()


def md5_of(path: Path) -> str:
    """MD5 of a local file, in hexadecimal: what a bucket calls an object stored in one part."""
    with open(path, "rb") as read, naming(path):
        return hashlib.file_digest(read, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fault(target: Folder, path: str, error: OSError) -> TransferError:
    """What a fault of this machine's disks is called."""
    where = error.filename or f"{target.url}/{path}"
    rule = RULES.get(error.errno or 0, "it must be readable where it comes from and writable where it goes")
    return TransferError(f"{where}: {error.strerror or error}; {rule}")


def part_of(path: Path) -> Path:
    """Where a file lies until it gets its name: beside it, one name for all runs, so that none leaves another."""
    return path.with_name(f".{xxhash.xxh3_64_hexdigest(path.name.encode())}{PART}")


def _in_the_way(name: str) -> TransferError:
    return TransferError(f"{name}: another file came there, or changed there, meanwhile; it is not overwritten, move it away")


def _flush(path: Path) -> None:
    """Write a file out to the disk, and let the next reader read it from there."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
