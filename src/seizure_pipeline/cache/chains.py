"""Folders of the cache, one per chain of settings: what each was made with, how large it is, and how it goes."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizure_pipeline.cache.facts import FORMAT
from seizure_pipeline.cache.index import CacheError
from seizure_pipeline.cache.ledger import LEDGER
from seizure_pipeline.cache.parts import READ_ONLY, alone, new_part, remove_dead_parts, shared, write_whole
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.signals import SignalSettings

CHAIN = "chain.json"
CHAIN_VERSION = 1
"""Part of every chain's fingerprint: raise it when the same file and settings would give other samples."""
_BUSY = "{}: a process is at work there now; wait for it, or stop it"
EARLIER = "earlier"
"""Stands in a list of chains for files that lie in the cache folder itself, as an earlier format kept them."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain's folder: its fingerprint, its settings in words, and the files that are the cache's own."""

    name: str
    folder: Path
    settings: str
    recordings: int
    size_bytes: int
    last_filled_s: float
    files: tuple[Path, ...]


def chain_fingerprint(signals: SignalSettings, montage: MontageSettings) -> str:
    """Fingerprint of the settings that turn a file into a cached signal, and of the cache's format."""
    return fingerprint(_chain(signals, montage))


@contextmanager
def open_chain(cache: Path, signals: SignalSettings, montage: MontageSettings) -> Iterator[Path]:
    """The folder of a chain, made and marked with its settings, and not pruned as long as the context lasts.

    Raises CacheError if it cannot be written."""
    folder = cache / chain_fingerprint(signals, montage)
    is_held = False
    while not is_held:  # somebody may prune it between making and holding
        _make(folder, signals, montage)
        with hold_chain(folder) as is_held:
            if is_held:
                yield folder


@contextmanager
def hold_chain(folder: Path) -> Iterator[bool]:
    """Whether a chain's folder is there; if so it is not pruned as long as the context lasts."""
    with shared(folder / CHAIN) as is_there:
        yield is_there


def _make(folder: Path, signals: SignalSettings, montage: MontageSettings) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part, file = new_part(folder / CHAIN)
        file.close()
        part.unlink(missing_ok=True)
        remove_dead_parts(folder)
        text = json.dumps(_chain(signals, montage), indent=2, sort_keys=True) + "\n"
        if not (folder / CHAIN).is_file() or (folder / CHAIN).read_text() != text:
            write_whole(folder / CHAIN, text.encode())
    except OSError as error:
        raise CacheError(
            f"{folder.parent}: the cache folder cannot be written ({error.strerror}); it must be writable"
        ) from error


def leave_chain(folder: Path) -> None:
    """Tidy up after use: dead files in the making go, and the time is noted; on a read-only disk nothing is done."""
    remove_dead_parts(folder)
    try:
        os.utime(folder / CHAIN)
    except OSError as error:
        if error.errno not in (*READ_ONLY, errno.ENOENT):
            raise


def list_chains(cache: Path) -> list[Chain]:
    """Every chain's folder below the cache, the last filled first, and the files of an earlier format, if there are any."""
    if not cache.is_dir():
        return []
    chains = [_listed(path, path.name, _words(path / CHAIN)) for path in cache.iterdir() if (path / CHAIN).is_file()]
    earlier = _listed(cache, EARLIER, "a format that is no longer read")
    return sorted(chains, key=lambda chain: -chain.last_filled_s) + ([earlier] if earlier.files else [])


def remove_chain(chain: Chain) -> list[Path]:
    """Delete the files that a listed chain named, and its folder if nothing else is in it; returns what stays there.

    Raises CacheError while a process writes into the folder."""
    if chain.name == EARLIER:
        _remove(chain.folder, chain.files)
        return []
    with _undisturbed(chain.folder):
        _remove(chain.folder, chain.files)
        stays = sorted(chain.folder.iterdir())
        if not stays:
            chain.folder.rmdir()
    return stays


def remove_recordings(folder: Path, files: list[Path]) -> None:
    """Delete some cached files of a chain's folder; raises as `remove_chain`."""
    with _undisturbed(folder):
        _remove(folder, files)


@contextmanager
def _undisturbed(folder: Path) -> Iterator[None]:
    with alone(folder / CHAIN) as is_alone:
        if not is_alone:
            raise CacheError(_BUSY.format(folder))
        yield


def _remove(folder: Path, files: Sequence[Path]) -> None:
    if remove_dead_parts(folder):
        raise CacheError(_BUSY.format(folder))
    for file in files:
        file.unlink(missing_ok=True)


def _chain(signals: SignalSettings, montage: MontageSettings) -> dict[str, Any]:
    made_by = {"signals": signals.model_dump(mode="json"), "montage": montage.model_dump(mode="json")}
    return {"format": FORMAT, "version": CHAIN_VERSION, **made_by}


def _listed(folder: Path, name: str, settings: str) -> Chain:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _is_own(entry.name) and entry.is_file(follow_symlinks=False))
    found = {each: state for each in names if (state := _stat(folder / each)) is not None}
    recordings = [each for each in found if each.endswith(".npz")]
    own = recordings if name == EARLIER else [*recordings, *(each for each in (LEDGER, CHAIN) if each in found)]
    return Chain(
        name=name,
        folder=folder,
        settings=settings,
        recordings=len(recordings),
        size_bytes=sum(found[each].st_size for each in own),
        last_filled_s=max((found[each].st_mtime for each in own), default=time.time()),
        files=tuple(folder / each for each in own),
    )


def _is_own(name: str) -> bool:
    """Whether the cache keeps this name in a chain's folder; files in the making are hidden and go by themselves."""
    return name in (CHAIN, LEDGER) or (name.endswith(".npz") and not name.startswith("."))


def _stat(file: Path) -> os.stat_result | None:
    """None for a file that went meanwhile."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _words(chain_file: Path) -> str:
    try:
        stored = json.loads(chain_file.read_text())
        values = {**stored["signals"], **stored["montage"]}
    except (ValueError, KeyError, TypeError) as error:
        return f"not readable: {error}"
    return ", ".join(f"{name} {value}" for name, value in values.items())
