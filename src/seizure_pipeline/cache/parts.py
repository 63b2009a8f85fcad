"""Files in the making: hidden names beside the target, locked while their writer lives, so that the dead are known.

A process id in the name would not do: ids are used again, and another container on the same disk counts its own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from pathlib import Path
from typing import BinaryIO

PART = ".*.part"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # some network disks; there a dead file stays where it is


def new_part(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside `path`, locked until it is closed, and its name."""
    while True:
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        file = open(part, "xb")  # noqa: SIM115 -- the caller closes it
        if _lock(file, otherwise=True) and os.fstat(file.fileno()).st_nlink:
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
            with open(part, "rb") as file:
                if _lock(file, otherwise=False):
                    part.unlink(missing_ok=True)
                else:
                    living += 1
        except FileNotFoundError:
            continue  # finished meanwhile
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
    return living


def _lock(file: BinaryIO, otherwise: bool) -> bool:
    """Whether the file could be locked; `otherwise` where the disk knows no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return otherwise
    return True
