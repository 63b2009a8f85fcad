"""A folder or a bucket by its URL: what lies in it, and each file as one on this machine's disk."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import xxhash

from seizure_pipeline.corpora.errors import CorpusError, TransferError, naming
from seizure_pipeline.corpora.listing import FileFacts, facts_of, list_folder
from seizure_pipeline.corpora.places import (
    LOCAL_PROTOCOLS,
    STORING_PROTOCOLS,
    check_url,
    local_path_of,
    place_id,
    place_of,
    protocol_of,
)
from seizure_pipeline.corpora.scratch import scratch_folder
from seizure_pipeline.recordings.header import BYTES_PER_SIGNAL, FIXED_BYTES, WHOLE_NUMBER

if TYPE_CHECKING:
    from seizure_pipeline.corpora.bucket import Bucket

__all__ = ["FileFacts", "Folder"]

PIECE_BYTES = 4 * 2**20
FIRST_BYTES = 16384  # holds the EDF header of up to 63 signals
MOST_SIGNALS = 9999  # four digits are what the header has for their number
OPEN_OPTIONS = frozenset({"anon"})


@dataclass(frozen=True)
class Folder:
    """A corpus root: a local path or any URL that fsspec knows, with fsspec's `options` for it (anon, key, secret...).

    Tested are local paths, s3, memory and http(s); files are stored in the first three only. A root that is one file
    stands for the folder that holds it, with that file alone in it. The options never show; a Folder with options other
    than `anon` refuses to be pickled, so that no secret travels. Once `stopped` is set, nothing is waited for any longer.
    Raises CorpusError for a URL with a password or a query in it."""

    url: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    stopped: threading.Event | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_url(self.url)

    def __getstate__(self) -> dict[str, Any]:
        if set(self.options) - OPEN_OPTIONS:
            raise TypeError(f"{self.url}: a Folder with credentials is not pickled; open files where the credentials are")
        return {"url": self.url, "options": dict(self.options)}

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine's disk."""
        return protocol_of(self.url) in LOCAL_PROTOCOLS

    @property
    def is_stored_whole(self) -> bool:
        """Whether `store` works here: a file that is cut while it is written leaves nothing under its name."""
        return protocol_of(self.url) in STORING_PROTOCOLS

    @property
    def place(self) -> str:
        """Which place this is, the same however its URL is written; its server included."""
        return place_of(self.url, self.options)

    @property
    def place_id(self) -> str:
        """A check sum of `place`, to be written where the place itself is nobody's business."""
        return place_id(self.url, self.options)

    def files(self) -> list[FileFacts]:
        """Every file below the root, sorted by path; raises FileNotFoundError for a root that is not there."""
        if not self.is_local:
            return self._bucket.files()
        if not self._root.exists():
            raise FileNotFoundError(f"{self.url}: no such folder, bucket or file")
        return list_folder(self._root)

    @contextmanager
    def local(self, file: FileFacts | str, scratch: Path | None = None) -> Iterator[Path]:
        """The file on this disk: itself where the root is local, else a checked copy below `scratch` that goes afterwards.

        `file` is a path relative to the root, or its facts as listed: a copy of them is sure to be the file that was
        listed. Raises TransferError where a copy cannot be had."""
        if self.is_local:
            yield self.local_path(file)
            return
        with _written(_path_of(file), scratch, lambda target: self.fetch(file, target)) as copy:
            yield copy

    @contextmanager
    def local_header(self, file: FileFacts, scratch: Path | None = None) -> Iterator[Path]:
        """The file where the root is local, else a stand-in of its length that holds its EDF header and nothing after.

        Files with gaps (EDF+D, BDF+D) come whole: where their records lie in time stands between the samples."""
        if self.is_local:
            yield self.local_path(file)
            return
        first = self._bucket.head(file, FIRST_BYTES)
        if _text(first[192:236])[:5] in ("EDF+D", "BDF+D"):
            with self.local(file, scratch) as whole:
                yield whole
            return
        if (n_bytes := _header_bytes(first)) > len(first):
            first = self._bucket.head(file, n_bytes)
        with _written(file.path, scratch, lambda target: _write_head(target, first, file.size_bytes)) as stand_in:
            yield stand_in

    def read_bytes(self, file: FileFacts) -> bytes:
        """The content of a small file."""
        with self.local(file) as path:
            return path.read_bytes()

    def read_text(self, file: FileFacts) -> str:
        """The content of a small file of UTF-8 text, without a byte-order mark; UnicodeDecodeError for other bytes."""
        return self.read_bytes(file).decode("utf-8-sig")

    def fetch(self, file: FileFacts | str, target: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
        """Copy a file to the local path `target` and return its xxh3_128; `on_bytes` hears of every piece.

        Raises TransferError if it is not the file that was listed or does not come whole, OSError of this disk."""
        if not self.is_local:
            facts = file if isinstance(file, FileFacts) else self._bucket.facts(file)
            return self._bucket.fetch(facts, target, on_bytes)
        source = self.local_path(file)
        facts = file if isinstance(file, FileFacts) else facts_of(source, file)
        whole = xxhash.xxh3_128()
        with open(source, "rb") as read, open(target, "wb") as written:
            while piece := _read(read, source):
                with naming(target):
                    written.write(piece)
                whole.update(piece)
                on_bytes(len(piece))
        if facts_of(source, facts.path) != facts:
            raise TransferError(f"{source}: changed since it was listed; the next run must list it again")
        return whole.hexdigest()

    def facts(self, path: str) -> FileFacts:
        """Facts of the file at relative `path` as it is now; TransferError or OSError where there is none."""
        return facts_of(self.local_path(path), path) if self.is_local else self._bucket.facts(path)

    def store(self, source: Path, path: str, is_new: bool = False) -> FileFacts:
        """Put the local file `source` into the bucket as `path`, whole or not at all; its facts there.

        Raises TransferError where it cannot be stored, or where it `is_new` and another file has that name; CorpusError
        where this is a local folder, or a place where a cut would leave half a file under the name."""
        if self.is_local:
            raise CorpusError(f"{self.url}: a local folder; files are written there in place, not stored")
        if not self.is_stored_whole:
            known = ", ".join(STORING_PROTOCOLS)
            raise CorpusError(f"{self.url}: files are stored in local folders and in {known}; elsewhere half a file may stay")
        return self._bucket.store(source, path, is_new)

    def local_path(self, file: FileFacts | str) -> Path:
        """Where a file of a local root lies."""
        path = _path_of(file)
        return self._root if self._root.is_file() else self._root / path

    @cached_property
    def _root(self) -> Path:
        return local_path_of(self.url)

    @cached_property
    def _bucket(self) -> Bucket:
        from seizure_pipeline.corpora.bucket import Bucket  # the clients of buckets take half a second to import

        return Bucket(self.url, self.options, self.stopped)


@contextmanager
def _written(path: str, scratch: Path | None, write: Callable[[Path], object]) -> Iterator[Path]:
    """A file below `scratch` that `write` makes and that goes afterwards; TransferError for a fault of this disk."""
    with ExitStack() as stack:
        try:
            target = stack.enter_context(scratch_folder(scratch)) / PurePosixPath(path).name
            write(target)
        except OSError as error:
            where = scratch or tempfile.gettempdir()
            raise TransferError(f"{where}: {path}: {error.strerror or error}; it must hold a copy of one file") from error
        yield target


def _write_head(target: Path, first: bytes, size_bytes: int) -> None:
    with open(target, "wb") as written:
        written.write(first)
        written.truncate(size_bytes)


def _path_of(file: FileFacts | str) -> str:
    return file if isinstance(file, str) else file.path


def _read(file: BinaryIO, source: Path) -> bytes:
    with naming(source):
        return file.read(PIECE_BYTES)


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \x00")


def _header_bytes(first: bytes) -> int:
    """Bytes of an EDF header by the number of signals that it states; none for what is no EDF."""
    stated = _text(first[252:256])
    n_signals = int(stated) if WHOLE_NUMBER.fullmatch(stated) else 0
    return FIXED_BYTES + BYTES_PER_SIGNAL * n_signals if 1 <= n_signals <= MOST_SIGNALS else 0
