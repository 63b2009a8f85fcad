"""Files of a local folder: every one once, whatever links there are."""

from __future__ import annotations

import logging
import os
import stat
from collections import deque
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

    Links to folders are followed after the real folders, each real folder once, so that loops end. A broken link is
    listed with 0 bytes, for its reader to refuse by name. Pipes, sockets and devices are left out with a warning."""
    if root.is_file():
        return [facts_of(root, root.name)]
    found: list[FileFacts] = []
    seen: set[tuple[int, int]] = set()
    folders, links = deque([(root, "")]), deque[tuple[Path, str]]()
    while folders or links:
        folder, prefix = folders.popleft() if folders else links.popleft()
        if not _is_first_visit(folder, root, seen):
            log.warning("%s: a link to a folder that is listed already; it is not followed", folder)
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                path = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append((Path(entry.path), f"{path}/"))
                elif entry.is_symlink() and _is_folder(entry):
                    links.append((Path(entry.path), f"{path}/"))
                elif (facts := _facts_of_entry(entry, path)) is not None:
                    found.append(facts)
    return sorted(found, key=lambda facts: facts.path)


def facts_of(file: Path, path: str) -> FileFacts:
    """Facts of one local file, called `path` in its corpus; its token is the time of its last change, in nanoseconds."""
    facts = file.stat()
    return FileFacts(path, facts.st_size, str(facts.st_mtime_ns))


def _is_first_visit(folder: Path, root: Path, seen: set[tuple[int, int]]) -> bool:
    facts = folder.stat()
    known = (facts.st_dev, facts.st_ino) in seen
    seen.add((facts.st_dev, facts.st_ino))
    holds_the_root = folder != root and root.resolve().is_relative_to(folder.resolve())
    return not known and not holds_the_root


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
