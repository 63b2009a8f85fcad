"""Files of a local folder: every one under each of its names, whatever links there are."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a corpus: path relative to the root, bytes, and a token that changes when the file does."""

    path: str
    size_bytes: int
    token: str


def list_folder(root: Path) -> list[FileFacts]:
    """Every file below `root`, sorted by path; raises FileNotFoundError for a root that is not there.

    Links to folders are followed, but for those to a folder in which they lie: so loops end, and a folder that is linked
    twice is listed twice. A broken link is listed with 0 bytes, for its reader to refuse by name. Pipes, sockets and
    devices are left out with a warning."""
    if root.is_file():
        return [facts_of(root, root.name)]
    found: list[FileFacts] = []
    waiting = [(root, "", frozenset(_identity(folder) for folder in root.resolve().parents))]
    while waiting:
        folder, prefix, above = waiting.pop()
        if (here := _identity(folder)) in above:
            log.warning("%s: a link to a folder in which it lies; it is not followed", folder)
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if _is_folder(entry):
                    waiting.append((Path(entry.path), f"{path}/", above | {here}))
                elif (facts := _facts_of_entry(entry, path)) is not None:
                    found.append(facts)
    return sorted(found, key=lambda facts: facts.path)


def facts_of(file: Path, path: str) -> FileFacts:
    """Facts of one local file, called `path` in its corpus; its token is the time of its last change, in nanoseconds."""
    facts = file.stat()
    return FileFacts(path, facts.st_size, str(facts.st_mtime_ns))


def _identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _facts_of_entry(entry: os.DirEntry[str], path: str) -> FileFacts | None:
    try:
        facts = entry.stat()
    except OSError:
        return FileFacts(path, 0, "")
    if stat.S_ISREG(facts.st_mode):
        return FileFacts(path, facts.st_size, str(facts.st_mtime_ns))
    log.warning("%s: neither a file nor a folder; it is left out", entry.path)
    return None
