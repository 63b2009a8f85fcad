"""Whose a far_root is: one data_root's, by a mark on both sides; two in one far_root would mistake each other's files."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.journal import FOLDER

MARK = "owner"  # without suffix: records of calls are the .json files there


@dataclass(frozen=True, slots=True)
class Owner:
    """A near side: a random id, and for people its folder and its machine."""

    id: str
    data_root: str
    host: str


def claim(backend: Backend, far_root: str, data_root: Path) -> None:
    """Mark a far_root as this data_root's, where it is nobody's yet; RemoteError where it is another's.

    The id is kept here first: killed in between, this side comes back as the one that it was."""
    if _is_ours(backend, far_root, data_root):
        return
    mark = data_root / FOLDER / MARK
    if _owner_here(data_root) is None:
        owner = Owner(secrets.token_hex(8), str(data_root.absolute()), socket.gethostname())
        write_whole(mark, json.dumps(asdict(owner)))
    backend.put_new(mark, mark_of(far_root))
    _is_ours(backend, far_root, data_root)  # another one may have been faster by a moment


def _is_ours(backend: Backend, far_root: str, data_root: Path) -> bool:
    """Whether the mark is this data_root's, False where there is none; RemoteError where it is another's."""
    there = _owner_there(backend, far_root)
    if (problem := _contradiction(there, far_root, data_root)) is not None:
        raise RemoteError(problem)
    return there is not None


def taken(backend: Backend, far_root: str, data_root: Path) -> list[str]:
    """What stands against using a far_root from this data_root; raises LostContact or RemoteError as the backend does."""
    problem = _contradiction(_owner_there(backend, far_root), far_root, data_root)
    return [] if problem is None else [problem]


def mark_of(far_root: str) -> str:
    """Where the mark lies over there."""
    return f"{far_root}/{FOLDER}/{MARK}"


def content_of(backend: Backend, far: str) -> bytes | None:
    """What a small file over there holds; None where there is none."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        try:
            backend.get(far, copy)
        except FileNotFoundError:
            return None
        return copy.read_bytes()


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(path)


def _contradiction(there: Owner | None, far_root: str, data_root: Path) -> str | None:
    here = _owner_here(data_root)
    if there is None or (here is not None and here.id == there.id):
        return None
    return (
        f"far_root {far_root} is that of {there.data_root} on {there.host}, not of {data_root.absolute()} on "
        f"{socket.gethostname()}; the one would take the other's files for its own; set another far_root in runner.yml, or, "
        f"to take it over, remove {mark_of(far_root)} there"
    )


def _owner_there(backend: Backend, far_root: str) -> Owner | None:
    """A mark that cannot be read is somebody's, so that nobody takes the place."""
    content = content_of(backend, mark_of(far_root))
    return None if content is None else _parsed(content) or Owner("", "an unreadable mark", "an unknown machine")


def _owner_here(data_root: Path) -> Owner | None:
    mark = data_root / FOLDER / MARK
    return _parsed(mark.read_bytes()) if mark.is_file() else None


def _parsed(content: bytes) -> Owner | None:
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return None
