"""A folder or a bucket by its URL: what lies in it, and each file as one on this machine's disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a corpus: path relative to the root, bytes, and a token that changes when the file does."""

    path: str
    size_bytes: int
    token: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A corpus root: a local path or any URL that fsspec knows; buckets are read anonymously or by their own chain.

    A root that is one file stands for the folder that holds it, with that file alone in it."""

    url: str
    anonymous: bool = False

    def files(self) -> list[FileFacts]:
        """Every file below the root, sorted by path; raises FileNotFoundError for a root that is not there."""
        filesystem, root = self._open()
        if not filesystem.exists(root):
            raise FileNotFoundError(f"{self.url}: no such folder, bucket or file")
        found: dict[str, dict[str, object]] = filesystem.find(root, detail=True)
        return [_facts(self._relative(path, root), info) for path, info in sorted(found.items())]

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """The file at relative `path` on this disk: itself where the root is local, else a copy that goes afterwards."""
        filesystem, root = self._open()
        whole = root if filesystem.isfile(root) else f"{root}/{path}"
        if "file" in filesystem.protocol:
            yield Path(whole)
            return
        with tempfile.TemporaryDirectory(prefix="recording-") as folder:
            target = Path(folder) / Path(path).name
            filesystem.get_file(whole, str(target))
            yield target

    def _open(self) -> tuple[fsspec.AbstractFileSystem, str]:
        protocol = fsspec.core.split_protocol(self.url)[0] or "file"
        options = {"anon": self.anonymous} if protocol in ("s3", "s3a") else {}
        filesystem, root = fsspec.url_to_fs(self.url, use_listings_cache=False, **options)
        return filesystem, root.rstrip("/")

    @staticmethod
    def _relative(path: str, root: str) -> str:
        return path.removeprefix(root).lstrip("/") or Path(path).name


def _facts(relative: str, info: dict[str, object]) -> FileFacts:
    changed = next((info[name] for name in ("ETag", "mtime", "LastModified") if info.get(name)), "")
    return FileFacts(path=relative, size_bytes=int(str(info["size"] or 0)), token=str(changed).strip('"'))
