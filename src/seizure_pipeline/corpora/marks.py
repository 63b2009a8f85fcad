"""What a place says of a file: whether it is one, its length, and the mark that changes when the file does."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.listing import FileFacts

log = logging.getLogger(__name__)
CHANGE_MARKS = (
    *("ETag", "etag", "md5Hash", "Content-MD5", "content_md5", "Digest", "mtime", "LastModified", "last_modified"),
    *("Last-Modified", "modify", "modified", "updated", "modificationTime", "created"),
)
UNMARKED = "unmarked-"  # begins a token that never comes again
PAGES = ("text/html", "application/xhtml+xml")


def is_file(info: Mapping[str, Any]) -> bool:
    """Whether it is a file: not a folder, nor the page by which a web server shows one."""
    return info.get("type", "file") == "file" and info.get("mimetype") not in PAGES


def facts(place: str, name: str, path: str, info: Mapping[str, Any]) -> FileFacts:
    """Facts of the file `name` of `place`, called `path` in it; TransferError where the place states no length."""
    if info.get("size") is None:
        raise TransferError(f"{name}: the place states no length; a file must have one to be sure that it came whole")
    return FileFacts(path=path, size_bytes=int(info["size"]), token=_token(place, info))


def may_be_same(now: FileFacts, listed: FileFacts) -> bool:
    """Whether a file may still be the one that was listed: all that can be told where the place gives no marks."""
    if now.token.startswith(UNMARKED) or listed.token.startswith(UNMARKED):
        return now.size_bytes == listed.size_bytes
    return now == listed


def _token(place: str, info: Mapping[str, Any]) -> str:
    changed = next((info[mark] for mark in CHANGE_MARKS if info.get(mark)), "")
    if isinstance(changed, datetime):
        changed = changed.timestamp()
    token = f"{changed:.6f}" if isinstance(changed, float) else str(changed).strip('"')
    if not token:
        _warn_once(place)
    return token or f"{UNMARKED}{uuid.uuid4().hex}"


@lru_cache(maxsize=256)
def _warn_once(place: str) -> None:
    log.warning("%s: the place does not say when its files changed; nothing made from them can be kept between runs", place)
