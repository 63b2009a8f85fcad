"""Files of a far node's datasets: carried there where they changed, brought home when it ended.

A ledger remembers what was put where. An entry goes before anything over there can change its file, and comes back after,
so that a process killed in between carries once too often, never once too rarely."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.journal import FOLDER
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.settings import RemoteSettings
from seizure_pipeline.remote.travel import Dataset

LEDGER = "carried"  # without suffix: records of calls are the .json files there
LARGEST_BYTES = 256 * 2**20
AT_ONCE = 8


class Staging:
    """Moves files between data_root here and far_root there, unless both are one folder of this machine."""

    def __init__(self, backend: Backend, settings: RemoteSettings, data_root: Path, patience: Patience) -> None:
        self._backend, self._patience, self._data_root = backend, patience, data_root
        self._bring_home = settings.bring_home
        self._is_here = settings.backend == "subprocess" and Path(settings.far_root).resolve() == data_root.resolve()
        self._ledger = _Ledger(data_root / FOLDER / LEDGER, _place(backend, settings))

    def carry(self, datasets: Iterable[Dataset]) -> list[str]:
        """Put every file there that is not what was put there last, or that vanished; returns the names of those."""
        carried: list[str] = []
        if self._is_here:
            return carried
        for dataset in datasets:
            here = Path(dataset.here)
            if (size := here.stat().st_size) > LARGEST_BYTES:
                raise RemoteError(f"{here}: {size} bytes are too many to be carried; the limit is {LARGEST_BYTES}")
            sha256 = _sha256(here)
            if self._ledger.get(dataset.there) != sha256 or self._size(dataset.there) != size:
                self._put(here, dataset.there, sha256)
                carried.append(dataset.name)
        return carried

    def forget(self, datasets: Iterable[Dataset]) -> None:
        """Trust no longer that these files over there are what was put there: a node is about to write them."""
        self._ledger.drop([dataset.there for dataset in datasets])

    def bring_home(self, datasets: Sequence[Dataset]) -> dict[str, int]:
        """Fetch a node's outputs, and of the folders it fills what `bring_home` names; path below data_root -> bytes.

        Raises RemoteError where a file that the node should have written is not there."""
        for dataset in datasets:
            if dataset.kind == "file" and dataset.is_output:
                self._get(dataset.there, Path(dataset.here))
            elif dataset.kind == "pictures" and dataset.is_output:
                self._mirror(dataset)
        folders = {dataset.name: dataset for dataset in datasets if dataset.kind == "folder"}
        brought: dict[str, int] = {}
        for name, dataset in folders.items():
            brought |= self._fetch(dataset, self._bring_home.get(name, ()))
        return brought

    def _put(self, here: Path, there: str, sha256: str) -> None:
        self._ledger.drop([there])
        self._patience.asking(lambda: self._backend.put(here, there))
        self._ledger.add(there, sha256)

    def _get(self, there: str, here: Path) -> None:
        if self._is_here:
            return
        try:
            self._patience.asking(lambda: self._backend.get(there, here))
        except FileNotFoundError as error:
            raise RemoteError(f"{there}: the far node ended well, but this file of its is not there") from error

    def _fetch(self, dataset: Dataset, patterns: Sequence[str]) -> dict[str, int]:
        """Sizes alone do not tell whether a file changed over there, so that all are fetched."""
        if not patterns:
            return {}
        listed = self._listing(dataset.there)
        chosen = {path: size for path, size in listed.items() if any(fnmatchcase(path, pattern) for pattern in patterns)}
        here, there = Path(dataset.here), PurePosixPath(dataset.there)
        _at_once(lambda path: self._get(str(there / path), here / path), list(chosen))
        return {(here / path).relative_to(self._data_root).as_posix(): size for path, size in chosen.items()}

    def _mirror(self, dataset: Dataset) -> None:
        """Have here the pictures that are there, and no others."""
        brought = self._fetch(dataset, ("*",))
        for picture in Path(dataset.here).glob("*.png"):
            if picture.relative_to(self._data_root).as_posix() not in brought:
                picture.unlink()

    def _size(self, there: str) -> int | None:
        path = PurePosixPath(there)
        return self._listing(str(path.parent)).get(path.name)

    def _listing(self, there: str) -> dict[str, int]:
        listed = self._patience.asking(lambda: self._backend.listing(there))
        for path in listed:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise RemoteError(f"{there} lists {path!r}, which does not lie in it")
        return listed


class _Ledger:
    """Far path -> SHA-256 of what was put there last, for one place among those of a file."""

    def __init__(self, path: Path, place: str) -> None:
        self._path, self._place = path, place

    def get(self, there: str) -> str | None:
        return self._read().get(self._place, {}).get(there)

    def add(self, there: str, sha256: str) -> None:
        self._change(lambda entries: entries.update({there: sha256}))

    def drop(self, paths: Iterable[str]) -> None:
        gone = set(paths)
        self._change(lambda entries: [entries.pop(path, None) for path in gone])

    def _change(self, change: Callable[[dict[str, str]], object]) -> None:
        places = self._read()
        change(places.setdefault(self._place, {}))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        part.write_text(json.dumps(places))
        part.replace(self._path)

    def _read(self) -> dict[str, dict[str, str]]:
        """Empty where there is none, or a torn one: then everything is carried again."""
        try:
            places = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return places if isinstance(places, dict) else {}


def _place(backend: Backend, settings: RemoteSettings) -> str:
    volumes = {path: volume.name for path, volume in settings.volumes.items()}
    return fingerprint({"backend": backend.name, "far_root": settings.far_root, "volumes": volumes})


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _at_once(move: Callable[[str], None], paths: Sequence[str]) -> None:
    """Move many small files: most of the time of each is waiting for an answer."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="files") as pool:
        for moved in [pool.submit(move, path) for path in paths]:
            moved.result()
