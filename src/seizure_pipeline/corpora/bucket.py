"""A place that is not this disk, by its URL: listed, read in pieces that are checked, and written whole."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import fsspec
import xxhash

from seizure_pipeline.corpora import marks, retries
from seizure_pipeline.corpora.errors import TransferError, naming
from seizure_pipeline.corpora.listing import FileFacts
from seizure_pipeline.corpora.places import MD5_DIGITS, S3_PROTOCOLS, protocol_of
from seizure_pipeline.corpora.retries import Changed, Incomplete, attempt, finished
from seizure_pipeline.corpora.walk import Info, files_below, paths_of

Result = TypeVar("Result")
PIECE_BYTES = 16 * 2**20
READS_OF_ONE_FILE = 3  # a file whose every piece came whole and whose check sum is wrong all the same
S3_CLIENT = {
    "connect_timeout": 10,
    "read_timeout": 30,
    "max_pool_connections": 32,
    "retries": {"mode": "standard", "total_max_attempts": 3},  # hiccups of one request; `attempt` takes what lasts longer
}
S3_UPLOAD = {"chunksize": 16 * 2**20, "max_concurrency": 2}  # what one file under way may hold in memory: two parts
ENCRYPTED_BY_KEY = ("aws:kms", "aws:kms:dsse")  # the ETag of such an object is no check sum of its bytes
TALKATIVE = ("botocore.auth", "botocore.endpoint")


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, and the MD5 of the whole file where the place knows it (else empty)."""

    content: bytes
    file_md5: str


class Bucket:
    """Files below `url`, through fsspec with `options`; faults that pass are tried again, others are TransferErrors.

    Once `stopped` is set, what is under way is broken off and nothing is tried again."""

    def __init__(self, url: str, options: Mapping[str, Any], stopped: threading.Event | None = None) -> None:
        self.url, self._options, self._stopped = url.rstrip("/"), options, stopped
        self._is_s3 = protocol_of(url) in S3_PROTOCOLS
        _quieten()
        self._filesystem, root = self._attempt(self.url, self._connect)
        self._root = root.rstrip("/")

    def files(self) -> list[FileFacts]:
        """Every file below the root, sorted by path; raises FileNotFoundError where there is none, TransferError for
        names that would be one path."""
        infos = paths_of(self.url, self._root, self._find_s3() if self._is_s3 else self._find())
        if not infos:
            raise FileNotFoundError(f"{self.url}: no such folder, bucket or file")
        return [self._listed(path, infos[path]) for path in sorted(infos)]

    def facts(self, path: str) -> FileFacts:
        """Facts of the file at relative `path`; TransferError where there is none."""
        whole, name = self._whole(path), self.name(path)
        return marks.facts(self.url, name, path, self._attempt(name, lambda: self._filesystem.info(whole)))

    def name(self, path: str) -> str:
        """The URL of the file at relative `path`."""
        return self.url if self._whole(path) == self._root else f"{self.url}/{path}"

    def head(self, file: FileFacts, n_bytes: int) -> bytes:
        """The first bytes of `file`, at most `n_bytes`."""
        end = min(n_bytes, file.size_bytes)
        return self._piece(file, 0, end).content if end else b""

    def fetch(self, file: FileFacts, target: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
        """Copy `file` to the local path `target`, check it, and return its xxh3_128.

        Raises TransferError if it is not the file that was listed, or does not come whole; OSError of this disk."""
        for _ in range(READS_OF_ONE_FILE):
            whole, md5, promised_md5 = xxhash.xxh3_128(), hashlib.md5(usedforsecurity=False), ""
            with open(target, "wb") as written:
                for piece in self._pieces(file):
                    with naming(target):
                        written.write(piece.content)
                    whole.update(piece.content)
                    if promised_md5 := piece.file_md5:
                        md5.update(piece.content)
                    on_bytes(len(piece.content))
            if promised_md5 in ("", md5.hexdigest()):
                return whole.hexdigest()
            on_bytes(-file.size_bytes)
        raise TransferError(
            f"{self.name(file.path)}: MD5 is {md5.hexdigest()} in each of {READS_OF_ONE_FILE} reads; "
            f"it must be {promised_md5}, as its ETag says"
        )

    def store(self, source: Path, path: str, is_new: bool) -> FileFacts:
        """Write the local file `source` as the file at relative `path`, whole or not at all, and return its facts.

        Raises TransferError where it `is_new` and another file has that name, also one that came this moment."""
        if self._attempt(self.name(path), lambda: self._put(source, f"{self._root}/{path}", is_new)):
            return self.facts(path)
        there = self.facts(path)
        if there.size_bytes == source.stat().st_size and self._is_equal(there, source):
            return there  # an answer was lost on the way: the first attempt had stored it
        raise TransferError(f"{self.name(path)}: another file came there meanwhile; it is not overwritten, move it away")

    def _connect(self) -> tuple[Any, str]:
        """The file system, an instance of its own for all threads (fsspec keeps one per thread; a client takes tenths of a
        second), and the root in its words."""
        plain = {name: value for name, value in self._options.items() if name != "anon"}
        unsigned = {"anon": True} if self._options.get("anon") else {}
        settings = {**plain, **unsigned, "config_kwargs": {**S3_CLIENT, **plain.get("config_kwargs", {})}}
        chosen = settings if self._is_s3 else plain
        filesystem, root = fsspec.url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True, **chosen)
        if self._is_s3:
            filesystem.retries = 1
        return filesystem, root

    def _attempt(self, name: str, work: Callable[[], Result]) -> Result:
        return attempt(name, work, self._options, self._stopped)

    def _finished(self, request: Coroutine[Any, Any, Result], longest_s: float) -> Result:
        return finished(self._filesystem.loop, request, self._stopped, longest_s)

    def _find_s3(self) -> dict[str, Info]:
        def find() -> dict[str, Info]:
            try:
                return self._finished(self._filesystem._find(self._root, detail=True), float("inf"))
            except FileNotFoundError:
                return {}

        return self._attempt(self.url, find)

    def _find(self) -> dict[str, Info]:
        found = files_below(self._filesystem, self._root, self.url, self._attempt)
        root = self._root_info if not found else None
        return {self._root: root} if root is not None and marks.is_file(root) else found

    def _listed(self, path: str, info: Info) -> FileFacts:
        return self.facts(path) if info.get("size") is None else marks.facts(self.url, self.name(path), path, info)

    def _pieces(self, file: FileFacts) -> Iterator[Piece]:
        for start in range(0, file.size_bytes, PIECE_BYTES):
            yield self._piece(file, start, min(start + PIECE_BYTES, file.size_bytes))
        if not self._is_s3 and not marks.may_be_same(self.facts(file.path), file):
            raise TransferError(f"{self.name(file.path)}: changed since it was listed; list it again and start afresh")

    def _piece(self, file: FileFacts, start: int, end: int) -> Piece:
        def read() -> Piece:
            piece = self._get_object(file, start, end) if self._is_s3 else self._cat(file, start, end)
            if len(piece.content) != end - start:
                raise Incomplete(f"{len(piece.content)} bytes came of the {end - start} from byte {start}")
            return piece

        return self._attempt(self.name(file.path), read)

    def _cat(self, file: FileFacts, start: int, end: int) -> Piece:
        whole = self._whole(file.path)
        if not self._filesystem.async_impl:
            return Piece(self._filesystem.cat_file(whole, start=start, end=end), "")
        request = self._filesystem._cat_file(whole, start=start, end=end)
        content = self._finished(request, retries.LONGEST_REQUEST_S)
        is_all = len(content) == file.size_bytes <= PIECE_BYTES  # a server that knows no ranges sends the whole file
        return Piece(content[start:end] if is_all else content, "")

    def _get_object(self, file: FileFacts, start: int, end: int) -> Piece:
        """One ranged GET that fails if the object is no longer the one that was listed."""
        bucket, key, _ = self._filesystem.split_path(self._whole(file.path))
        same = {"IfMatch": f'"{file.token}"'} if file.token else {}

        async def get() -> tuple[bytes, Mapping[str, Any]]:
            answer = await self._filesystem._call_s3(
                "get_object", Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}", **same
            )
            async with answer["Body"] as body:
                return await body.read(), answer

        content, answer = self._finished(get(), retries.LONGEST_REQUEST_S)
        token = answer["ETag"].strip('"')
        if token != file.token:
            raise Changed(f"ETag is {token}, it was {file.token}")
        encrypted = answer.get("ServerSideEncryption") in ENCRYPTED_BY_KEY or "SSECustomerAlgorithm" in answer
        return Piece(content, token if len(token) == MD5_DIGITS and not encrypted else "")

    def _put(self, source: Path, whole: str, is_new: bool) -> bool:
        """Whether the file was written; not where it `is_new` and there is one of that name."""
        if not self._is_s3:
            if is_new and self._filesystem.exists(whole):
                return False
            self._filesystem.put_file(str(source), whole)
            return True
        try:
            self._upload(source, whole, mode="create" if is_new else "overwrite")
        except OSError as error:
            if is_new and (isinstance(error, FileExistsError) or retries.is_no_longer_so(error)):
                return False
            if not (is_new and retries.is_not_implemented(error)):
                raise
            if self._filesystem.exists(whole):  # some servers know no conditions: looked up, then
                return False
            self._upload(source, whole, mode="overwrite")
        return True

    def _upload(self, source: Path, whole: str, mode: str) -> None:
        self._finished(self._filesystem._put_file(str(source), whole, mode=mode, **S3_UPLOAD), float("inf"))

    def _is_equal(self, there: FileFacts, source: Path) -> bool:
        ours, theirs = xxhash.xxh3_128(), xxhash.xxh3_128()
        with open(source, "rb") as read:
            for piece in self._pieces(there):
                theirs.update(piece.content)
                ours.update(read.read(len(piece.content)))
        return ours.digest() == theirs.digest()

    def _whole(self, path: str) -> str:
        return self._root if PurePosixPath(self._root).name == path and self._is_one_file else f"{self._root}/{path}"

    @property
    def _is_one_file(self) -> bool:
        return self._root_info is not None and marks.is_file(self._root_info)

    @cached_property
    def _root_info(self) -> Info | None:
        def ask() -> Info | None:
            try:
                info: Info = self._filesystem.info(self._root)
            except FileNotFoundError as error:
                if not retries.is_missing(error):
                    raise
                return None
            return info

        return self._attempt(self.url, ask)


def _quieten() -> None:
    """At DEBUG these write session tokens out."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
