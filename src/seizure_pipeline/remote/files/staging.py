"""Files of a far node's datasets: carried there where they changed, brought home when it ended.

What was put there is written down beside it, over there, so that all near sides know it. An entry goes before anything can
change its file, and comes back after, so that a process killed in between carries once too often, never once too rarely."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.files.ownership import claim, content_of
from seizure_pipeline.remote.files.travel import Dataset, is_one_folder
from seizure_pipeline.remote.journal import FOLDER
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.settings import RemoteSettings

LEDGER = "carried"  # without suffix: records of calls are the .json files there
LARGEST_BYTES = 256 * 2**20
AT_ONCE = 8
WEIGHTS, VOUCHER, VOUCHED = "weights.safetensors", "config.json", "weights_sha256"
"""Names of a checkpoint's files, and of the hash in the second that vouches for the first; `model.checkpoint` needs torch."""


class Staging:
    """Moves files between data_root here and far_root there, unless both are one folder of this machine."""

    def __init__(self, backend: Backend, settings: RemoteSettings, data_root: Path, patience: Patience) -> None:
        self._backend, self._patience, self._data_root = backend, patience, data_root
        self._bring_home, self._far_root = settings.bring_home, settings.far_root
        self._is_here = is_one_folder(settings, data_root)
        self._ledger = _Ledger(backend, f"{settings.far_root}/{FOLDER}/{LEDGER}", patience)

    def carry(self, datasets: Iterable[Dataset]) -> list[str]:
        """Put every file there that is not what was put there last, or that vanished; returns the names of those.

        Marks far_root as this data_root's; RemoteError where it is another's."""
        if self._is_here:
            return []
        self.claim()
        with _alone(self._data_root):
            known = self._ledger.read()
            changed = {dataset: sha256 for dataset in datasets if (sha256 := self._changed(dataset, known)) is not None}
            self._ledger.drop([dataset.there for dataset in changed])
            for dataset in changed:
                self._put(Path(dataset.here), dataset.there)
            self._ledger.add({dataset.there: sha256 for dataset, sha256 in changed.items()})
        return [dataset.name for dataset in changed]

    def claim(self) -> None:
        """Mark far_root as this data_root's; RemoteError where it is another's."""
        if not self._is_here:
            with _alone(self._data_root):
                self._patience.asking(lambda: claim(self._backend, self._far_root, self._data_root))

    def forget(self, datasets: Iterable[Dataset]) -> None:
        """Trust no longer that these files over there are what was put there: a node is about to write them."""
        if not self._is_here:
            with _alone(self._data_root):
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
        named = _named_folders(datasets)
        brought: dict[str, int] = {}
        for name, dataset in folders.items():
            brought |= self._fetch(dataset, self._bring_home.get(name, ()), named)
        return brought

    def fetch_missing(self, read: Iterable[Dataset]) -> list[str]:
        """Have here what nodes read that is not here, where it is there: files, and of folders what `bring_home` names.

        Returns the names of what came. On the machine that sent a call it all is here; another one attaches without it."""
        came = []
        for dataset in read:
            here = Path(dataset.here)
            if self._is_here or not dataset.there or (any(here.iterdir()) if here.is_dir() else here.exists()):
                continue
            if dataset.kind == "folder" and self._fetch(dataset, self._bring_home.get(dataset.name, ())):
                came.append(dataset.name)
            elif dataset.kind == "file" and self._size(dataset.there) is not None:
                self._get(dataset.there, here)
                came.append(dataset.name)
        return came

    def _changed(self, dataset: Dataset, known: dict[str, str]) -> str | None:
        """The hash of a file that must be carried; None for one that lies there as it is here."""
        here = Path(dataset.here)
        if (size := here.stat().st_size) > LARGEST_BYTES:
            raise RemoteError(f"{here}: {size} bytes are too many to be carried; the limit is {LARGEST_BYTES}")
        sha256 = _sha256(here)
        return None if known.get(dataset.there) == sha256 and self._size(dataset.there) == size else sha256

    def _put(self, here: Path, there: str) -> None:
        self._patience.asking(lambda: self._backend.put(here, there))

    def _get(self, there: str, here: Path) -> None:
        if self._is_here:
            return
        try:
            self._patience.asking(lambda: self._backend.get(there, here))
        except FileNotFoundError as error:
            raise RemoteError(f"{there}: the far node ended well, but this file of its is not there") from error

    def _fetch(self, dataset: Dataset, patterns: Sequence[str], named: Sequence[str] = ()) -> dict[str, int]:
        """Have here the files that patterns choose, of the folders that records name where any of those is in it.

        Sizes alone do not tell whether a file changed over there: all are fetched but weights that are vouched for."""
        if not patterns:
            return {}
        listed = _below(named, self._listing(dataset.there))
        chosen = {path: size for path, size in listed.items() if any(fnmatchcase(path, pattern) for pattern in patterns)}
        here, there = Path(dataset.here), PurePosixPath(dataset.there)
        vouchers = [path for path in chosen if PurePosixPath(path).name == VOUCHER]
        _at_once(lambda path: self._get(str(there / path), here / path), vouchers)
        rest = [path for path, size in chosen.items() if path not in vouchers and not _is_vouched_for(here / path, size)]
        _at_once(lambda path: self._get(str(there / path), here / path), rest)
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
    """Far path -> SHA-256 of what was put there last; a small file over there."""

    def __init__(self, backend: Backend, path: str, patience: Patience) -> None:
        self._backend, self._path, self._patience = backend, path, patience

    def read(self) -> dict[str, str]:
        """Empty where there is none, or a torn one: then everything is carried again."""
        content = self._patience.asking(lambda: content_of(self._backend, self._path))
        try:
            entries = json.loads(content or b"{}")
        except ValueError:
            return {}
        return entries if isinstance(entries, dict) else {}

    def add(self, entries: dict[str, str]) -> None:
        """Write down what was put there."""
        if entries:
            self._write({**self.read(), **entries})

    def drop(self, paths: Iterable[str]) -> None:
        """Vouch for these no longer."""
        entries, gone = self.read(), set(paths)
        if gone & entries.keys():
            self._write({path: sha256 for path, sha256 in entries.items() if path not in gone})

    def _write(self, entries: dict[str, str]) -> None:
        with TemporaryDirectory() as folder:
            local = Path(folder) / LEDGER
            local.write_text(json.dumps(entries))
            self._patience.asking(lambda: self._backend.put(local, self._path))


@contextmanager
def _alone(data_root: Path) -> Iterator[None]:
    """One process of a data_root at a time: a stale copy of the ledger, written back, would vouch for what is gone."""
    lock = data_root / FOLDER / f"{LEDGER}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _named_folders(datasets: Iterable[Dataset]) -> list[str]:
    """The folders that a node's records name, as checkpoint.json does that of its weights."""
    files = [Path(dataset.here) for dataset in datasets if dataset.kind == "file" and dataset.here.endswith(".json")]
    records = [_record(file) for file in files if file.is_file()]
    return [record["folder"] for record in records if isinstance(record.get("folder"), str)]


def _record(file: Path) -> dict[str, Any]:
    """What a JSON object holds; nothing where it is none, which whoever loads it will say."""
    try:
        record = json.loads(file.read_bytes())
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _below(named: Sequence[str], listed: dict[str, int]) -> dict[str, int]:
    """The files below these folders; all of them, where the folders are of elsewhere."""
    found = {path: size for path, size in listed.items() if any(PurePosixPath(path).is_relative_to(name) for name in named)}
    return found or listed


def _is_vouched_for(weights: Path, size: int) -> bool:
    """Whether weights that are here are those that the record beside them, just fetched, tells the hash of."""
    if weights.name != WEIGHTS or not weights.is_file() or weights.stat().st_size != size:
        return False
    voucher = weights.with_name(VOUCHER)
    return voucher.is_file() and _record(voucher).get(VOUCHED) == _sha256(weights)


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _at_once(move: Callable[[str], None], paths: Sequence[str]) -> None:
    """Move many small files: most of the time of each is waiting for an answer."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="files") as pool:
        for moved in [pool.submit(move, path) for path in paths]:
            moved.result()
