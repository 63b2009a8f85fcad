"""A place that is not this disk, by its URL: listed, read in pieces that are checked, and written whole."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import xxhash
from fsspec.asyn import sync

from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.listing import FileFacts
from seizure_pipeline.corpora.retries import Changed, Incomplete, attempt

PIECE_BYTES = 16 * 2**20
READS_OF_ONE_FILE = 3  # a file whose every piece came whole and whose check sum is wrong all the same
S3_PROTOCOLS = ("s3", "s3a")
S3_CLIENT = {
    "connect_timeout": 10,
    "read_timeout": 30,
    "max_pool_connections": 32,
    "retries": {"mode": "standard", "total_max_attempts": 3},  # hiccups of one request; `attempt` takes what lasts longer
}
S3_UPLOAD = {"chunksize": 16 * 2**20, "max_concurrency": 2}  # what one file under way may hold in memory: two parts
MD5_DIGITS = 32
CHANGE_MARKS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created")
ENCRYPTED_BY_KEY = ("aws:kms", "aws:kms:dsse")  # the ETag of such an object is no check sum of its bytes
for name in ("botocore.auth", "botocore.endpoint"):
    logging.getLogger(name).setLevel(logging.INFO)  # at DEBUG they write session tokens out


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, and the MD5 of the whole file where the place knows it (else empty)."""

    content: bytes
    file_md5: str


class Bucket:
    """Files below `url`, through fsspec with `options`; faults that pass are tried again, others are TransferErrors."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url, self._options = url.rstrip("/"), options
        self._protocol = fsspec.core.split_protocol(url)[0]
        settings = {**options, "config_kwargs": {**S3_CLIENT, **options.get("config_kwargs", {})}}
        # an instance of its own, for all threads: fsspec keeps one per thread, and a client takes tenths of a second
        self._filesystem, root = fsspec.url_to_fs(
            url, use_listings_cache=False, skip_instance_cache=True, **(settings if self._is_s3 else dict(options))
        )
        if self._is_s3:
            self._filesystem.retries = 1
        self._root = root.rstrip("/")

    def files(self) -> list[FileFacts]:
        """Every file below the root, sorted by path; raises FileNotFoundError where there is none."""
        found = attempt(self.url, self._find, self._options)
        infos = {self._relative(path): info for path, info in found.items() if _is_file(path, info)}
        if not infos:
            raise FileNotFoundError(f"{self.url}: no such folder, bucket or file")
        return [self._listed(path, infos[path]) for path in sorted(infos)]

    def facts(self, path: str) -> FileFacts:
        """Facts of the file at relative `path`; TransferError where there is none."""
        whole, name = self._whole(path), self.name(path)
        return _facts(name, path, attempt(name, lambda: self._filesystem.info(whole), self._options))

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

    def store(self, source: Path, path: str) -> FileFacts:
        """Write the local file `source` as the file at relative `path`, whole or not at all, and return its facts."""
        whole, parts = f"{self._root}/{path}", S3_UPLOAD if self._is_s3 else {}
        attempt(self.name(path), lambda: self._filesystem.put_file(str(source), whole, **parts), self._options)
        return self.facts(path)

    @property
    def _is_s3(self) -> bool:
        return self._protocol in S3_PROTOCOLS

    def _find(self) -> dict[str, dict[str, Any]]:
        try:
            found: dict[str, dict[str, Any]] = self._filesystem.find(self._root, detail=True)
        except FileNotFoundError:
            return {}
        return found

    def _listed(self, path: str, info: Mapping[str, Any]) -> FileFacts:
        return self.facts(path) if info["size"] is None else _facts(self.name(path), path, info)

    def _pieces(self, file: FileFacts) -> Iterator[Piece]:
        for start in range(0, file.size_bytes, PIECE_BYTES):
            yield self._piece(file, start, min(start + PIECE_BYTES, file.size_bytes))
        if not self._is_s3 and self.facts(file.path) != file:
            raise TransferError(f"{self.name(file.path)}: changed while it was read; list it again and start afresh")

    def _piece(self, file: FileFacts, start: int, end: int) -> Piece:
        def read() -> Piece:
            piece = self._get_object(file, start, end) if self._is_s3 else self._cat(file, start, end)
            if len(piece.content) != end - start:
                raise Incomplete(f"{len(piece.content)} bytes came of the {end - start} from byte {start}")
            return piece

        return attempt(self.name(file.path), read, self._options)

    def _cat(self, file: FileFacts, start: int, end: int) -> Piece:
        return Piece(self._filesystem.cat_file(self._whole(file.path), start=start, end=end), "")

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

        content, answer = sync(self._filesystem.loop, get)
        token = answer["ETag"].strip('"')
        if token != file.token:
            raise Changed(f"ETag is {token}, it was {file.token}")
        encrypted = answer.get("ServerSideEncryption") in ENCRYPTED_BY_KEY or "SSECustomerAlgorithm" in answer
        return Piece(content, token if len(token) == MD5_DIGITS and not encrypted else "")

    def _whole(self, path: str) -> str:
        return self._root if PurePosixPath(self._root).name == path and self._is_one_file else f"{self._root}/{path}"

    @cached_property
    def _is_one_file(self) -> bool:
        return bool(attempt(self.url, lambda: self._filesystem.isfile(self._root), self._options))

    def _relative(self, path: str) -> str:
        return path.removeprefix(self._root).lstrip("/") or PurePosixPath(path).name


def _is_file(path: str, info: Mapping[str, Any]) -> bool:
    return info["type"] == "file" and not path.endswith("/")  # a name that ends so stands for a folder in some consoles


def _facts(name: str, path: str, info: Mapping[str, Any]) -> FileFacts:
    if info["size"] is None:
        raise TransferError(f"{name}: the place states no length; a file must have one to be sure that it came whole")
    return FileFacts(path=path, size_bytes=int(info["size"]), token=_token(info))


def _token(info: Mapping[str, Any]) -> str:
    changed = next((info[mark] for mark in CHANGE_MARKS if info.get(mark)), "")
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    return f"{changed:.6f}" if isinstance(changed, float) else str(changed).strip('"')
