"""What a URL says before anything is asked of the place: its protocol, what must not stand in it, and which place it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsspec.core import split_protocol
from fsspec.implementations.local import LocalFileSystem

from seizure_pipeline.corpora.errors import CorpusError

LOCAL_PROTOCOLS = (None, "file", "local")
S3_PROTOCOLS = ("s3", "s3a")
STORING_PROTOCOLS = (*S3_PROTOCOLS, "memory")  # a file appears there whole or not at all; elsewhere a cut leaves half of it
MD5_DIGITS = 32
CREDENTIALS_FILE = "conf/ENV/credentials.yml (conf/local without --env)"


def protocol_of(url: str) -> str | None:
    """The protocol of a URL, None for a plain path; in a chain (`simplecache::s3://...`) all of them together."""
    protocol: str | None = split_protocol(url)[0]
    return protocol


def local_path_of(url: str) -> Path:
    """The path of a local folder or file."""
    return Path(LocalFileSystem._strip_protocol(url))


def check_url(url: str) -> None:
    """Raise CorpusError for a URL, or a part of a chain of them, that carries a password or a query such as a signature."""
    for part in url.split("::"):
        scheme, separator, rest = part.partition("://")
        if not separator or scheme in LOCAL_PROTOCOLS:
            continue
        where, _, query = rest.partition("?")
        shown = f"{scheme}://{'***@' if '@' in where else ''}{where.rpartition('@')[2]}"
        if _has_password(rest):
            raise CorpusError(f"{shown}: a URL with a password; credentials belong in {CREDENTIALS_FILE}")
        if "=" in query or (query and scheme not in STORING_PROTOCOLS):
            raise CorpusError(
                f"{shown}?***: a URL with a query; a place has none, and credentials belong in {CREDENTIALS_FILE}"
            )


def place_of(url: str, options: Mapping[str, Any]) -> str:
    """Which place a URL and its options mean, the same for all ways to write it: a local path, or a URL and its server."""
    if protocol_of(url) in LOCAL_PROTOCOLS:
        return str(local_path_of(url).resolve())
    endpoint = options.get("endpoint_url") or dict(options.get("client_kwargs") or {}).get("endpoint_url") or "-"
    plain = url.rstrip("/")
    plain = f"s3://{plain.removeprefix('s3a://')}" if plain.startswith("s3a://") else plain
    return f"//{str(endpoint).rpartition('@')[2].rstrip('/')}//{plain}"  # no local path begins so


def place_id(url: str, options: Mapping[str, Any]) -> str:
    """A check sum of `place_of`, to be written where the place itself is nobody's business."""
    return hashlib.sha256(place_of(url, options).encode()).hexdigest()[:32]


def _has_password(rest: str) -> bool:
    """Whether `user:password@` begins what follows the protocol, the password perhaps with slashes in it."""
    authority = rest.partition("/")[0]
    after = authority.partition(":")[2]
    return "@" in rest and ":" in authority and not after.isdigit() and rest.index(":") < rest.rindex("@")
