"""Folders of the cache, one per chain of settings: what each was made with, how large it is, and how it goes."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizure_pipeline.cache.facts import FORMAT
from seizure_pipeline.cache.index import CacheError
from seizure_pipeline.cache.ledger import LEDGER
from seizure_pipeline.cache.parts import READ_ONLY, new_part, remove_dead_parts, write_whole
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.signals import SignalSettings

CHAIN = "chain.json"
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
    last_used_s: float
    files: tuple[Path, ...]


def chain_fingerprint(signals: SignalSettings, montage: MontageSettings) -> str:
    """Fingerprint of the settings that turn a file into a cached signal, and of the cache's format."""
    return fingerprint(_chain(signals, montage))


def open_chain(cache: Path, signals: SignalSettings, montage: MontageSettings) -> Path:
    """The folder of a chain, made and marked with its settings; raises CacheError if it cannot be written."""
    folder = cache / chain_fingerprint(signals, montage)
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
        raise CacheError(f"{cache}: the cache folder cannot be written ({error.strerror}); it must be writable") from error
    return folder


def leave_chain(folder: Path) -> None:
    """Tidy up after use: dead files in the making go, and the time is noted; on a read-only disk nothing is done."""
    remove_dead_parts(folder)
    try:
        os.utime(folder / CHAIN)
    except OSError as error:
        if error.errno not in (*READ_ONLY, errno.ENOENT):
            raise


def list_chains(cache: Path) -> list[Chain]:
    """Every chain's folder below the cache, the last used first, and the files of an earlier format, if there are any."""
    if not cache.is_dir():
        return []
    chains = [_listed(path, path.name, _words(path / CHAIN)) for path in cache.iterdir() if (path / CHAIN).is_file()]
    earlier = _listed(cache, EARLIER, "a format that is no longer read")
    return sorted(chains, key=lambda chain: -chain.last_used_s) + ([earlier] if earlier.files else [])


def remove_chain(chain: Chain) -> list[Path]:
    """Delete the files that a listed chain named, and its folder if nothing else is in it; returns what stays there.

    Raises CacheError while a process writes into the folder."""
    if remove_dead_parts(chain.folder):
        raise CacheError(f"{chain.folder}: a process is writing there now; wait for it, or stop it")
    for file in chain.files:
        file.unlink(missing_ok=True)
    if chain.name == EARLIER:
        return []
    stays = sorted(chain.folder.iterdir())
    if not stays:
        chain.folder.rmdir()
    return stays


def _chain(signals: SignalSettings, montage: MontageSettings) -> dict[str, Any]:
    return {"format": FORMAT, "signals": signals.model_dump(mode="json"), "montage": montage.model_dump(mode="json")}


def _listed(folder: Path, name: str, settings: str) -> Chain:
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat() for entry in entries if entry.is_file(follow_symlinks=False)}
    recordings = sorted(each for each in found if each.endswith(".npz") and not each.startswith("."))
    own = recordings if name == EARLIER else [*recordings, *({CHAIN, LEDGER} & found.keys())]
    return Chain(
        name=name,
        folder=folder,
        settings=settings,
        recordings=len(recordings),
        size_bytes=sum(found[each].st_size for each in own),
        last_used_s=max((found[each].st_mtime for each in own), default=time.time()),
        files=tuple(folder / each for each in own),
    )


def _words(chain_file: Path) -> str:
    try:
        stored = json.loads(chain_file.read_text())
        values = {**stored["signals"], **stored["montage"]}
    except (ValueError, KeyError, TypeError) as error:
        return f"not readable: {error}"
    return ", ".join(f"{name} {value}" for name, value in values.items())
