"""One file from one place to another: under its name whole and checked, or not there at all."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import xxhash

from seizure_pipeline.copying.ledger import Copy, Ledger
from seizure_pipeline.corpora import Folder
from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.listing import FileFacts, facts_of

PART = ".populating"  # ends the name of a file that is under way in a local folder
PIECE_BYTES = 4 * 2**20
RULES = {
    errno.ENOSPC: "there must be room; what is copied already stays, and the same command goes on from here",
    errno.EDQUOT: "there must be room within the quota; the same command goes on from here",
    errno.EROFS: "the place must be writable",
    errno.EACCES: "the file must be readable and the place writable for this user",
}


@dataclass(frozen=True)
class Copier:
    """Copies files from `source` to `target`, each written down in `ledger`; `verify` reads every copy again."""

    source: Folder
    target: Folder
    ledger: Ledger
    verify: bool
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
        self.ledger.add(Copy(file.path, self.source.url, file.token, file.size_bytes, checksum, there.token))

    def _to_folder(self, file: FileFacts, on_bytes: Callable[[int], None]) -> tuple[str, FileFacts]:
        path = self.target.local_path("") / file.path
        part = path.with_name(
            f".{xxhash.xxh3_64_hexdigest(path.name.encode())}{PART}"
        )  # one name, so that no run leaves another
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            checksum = self.source.fetch(file, part, on_bytes)
            _flush(part)
            if self.verify:
                self._compare(file, checksum, checksum_of(part))
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return checksum, facts_of(path, file.path)

    def _to_bucket(self, file: FileFacts, on_bytes: Callable[[int], None]) -> tuple[str, FileFacts]:
        with tempfile.TemporaryDirectory(prefix="copy-") as folder:
            on_disk = Path(folder) / PurePosixPath(file.path).name
            checksum = self.source.fetch(file, on_disk, on_bytes)
            there = self.target.store(on_disk, file.path)
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
    with open(path, "rb") as read:
        while piece := read.read(PIECE_BYTES):
            whole.update(piece)
    return whole.hexdigest()


def md5_of(path: Path) -> str:
    """MD5 of a local file, in hexadecimal: what a bucket calls an object stored in one part."""
    with open(path, "rb") as read:
        return hashlib.file_digest(read, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fault(target: Folder, path: str, error: OSError) -> TransferError:
    """What a fault of this machine's disks is called."""
    where = error.filename or f"{target.url}/{path}"
    rule = RULES.get(error.errno or 0, "it must be readable where it comes from and writable where it goes")
    return TransferError(f"{where}: {error.strerror or error}; {rule}")


def _flush(path: Path) -> None:
    """Write a file out to the disk, and let the next reader read it from there."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
