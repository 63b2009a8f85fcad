"""Folders for copies that last as long as they are used: locked while their maker lives, so that the dead are removed.

A copy of a recording holds who was recorded; a killed run must not leave it behind for good."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from seizure_pipeline.corpora.errors import NO_LOCKS

PREFIX = "seizure-pipeline-"


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder below `parent` (None: the system's for temporary files) that goes afterwards; OSError of the disk."""
    parent = parent if parent is not None else Path(tempfile.gettempdir())
    remove_dead(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@lru_cache(maxsize=256)  # once a process: what dies later is removed at the next start
def remove_dead(parent: Path) -> None:
    """Remove the folders below `parent` whose maker is gone; those of other users, and all on a disk without locks, stay."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid() and _lock(lock, otherwise=False):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # somebody who looks for dead folders came between creation and lock
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if _lock(lock, otherwise=True) and folder.exists():
                return folder, lock
            os.close(lock)


def _lock(descriptor: int, otherwise: bool) -> bool:
    """Whether the folder could be locked; `otherwise` where the disk knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return otherwise
    return True
