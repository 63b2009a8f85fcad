"""Files in the making: hidden names beside the target, locked while their writer lives, so that the dead are known.

A process id in the name would not do: ids are used again, and another container on the same disk counts its own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

PART = ".*.part"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
ABSENT = (FileNotFoundError, NotADirectoryError)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # some network disks; there a dead file stays where it is
FileState = tuple[int, int]
"""Bytes of a file and the time of its last change in nanoseconds: a file that was written again has another."""


def new_part(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside `path`, locked until it is closed, and its name."""
    while True:
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        file = open(part, "xb")  # noqa: SIM115 -- the caller closes it
        if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, otherwise=True) and os.fstat(file.fileno()).st_nlink:
            return part, file
        file.close()  # somebody who looks for dead files came between creation and lock, and removes this one


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file; a reader sees the old one or the whole new one, also after a power cut."""
    part, file = new_part(path)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_dead_parts(folder: Path) -> int:
    """Remove the files in the making in `folder` whose writer is gone; returns how many are left, being written.

    On a read-only disk they stay: nothing reads them."""
    living = 0
    for part in folder.glob(PART):
        try:
            with open(part, "r+b") as file:  # network disks lock for writing only what is open for writing
                if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, otherwise=False):
                    part.unlink(missing_ok=True)
                else:
                    living += 1
        except FileNotFoundError:
            continue  # finished meanwhile
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
    return living


@contextmanager
def shared(path: Path) -> Iterator[bool]:
    """Whether `path` is there; if so nobody has it `alone` as long as the context lasts. Waits for who has it alone."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
        except ABSENT:
            yield False
            return
        _lock(file, fcntl.LOCK_SH, otherwise=True)
        yield os.fstat(file.fileno()).st_nlink > 0


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether `path` could be had alone, for as long as the context lasts: nobody shares it; OSError if it is not there."""
    with open(path, "r+b") as file:
        yield _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, otherwise=True)


def state_of(file: Path | os.DirEntry[str] | BinaryIO) -> FileState:
    """The state of a file, by its name or as it is open; raises FileNotFoundError."""
    facts = file.stat() if isinstance(file, (Path, os.DirEntry)) else os.fstat(file.fileno())
    return facts.st_size, facts.st_mtime_ns


def _lock(file: BinaryIO, how: int, otherwise: bool) -> bool:
    """Whether the file could be locked; `otherwise` where the disk knows no locks."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return otherwise
    return True
