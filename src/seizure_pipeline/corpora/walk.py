"""Every file below a folder of fsspec: folder after folder, where a folder that cannot be listed is never left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from seizure_pipeline.corpora.errors import TransferError
from seizure_pipeline.corpora.retries import is_missing

log = logging.getLogger(__name__)
Info: TypeAlias = Mapping[str, Any]


def files_below(
    filesystem: Any, root: str, url: str, attempt: Callable[[str, Callable[[], list[Info]]], list[Info]]
) -> dict[str, Info]:
    """What the place says of each file below `root`, by its whole name; nothing where there is no such root.

    fsspec's own `find` leaves out, without a word, folders whose listing fails. Raises TransferError for such."""
    found: dict[str, Info] = {}
    folders, seen = [root], {root}
    while folders:
        folder = folders.pop()
        for info in attempt(_named(folder, root, url), lambda folder=folder: _listed(filesystem, folder, root)):  # type: ignore[misc]
            name = str(info["name"]).rstrip("/")
            if not _is_below(name, root):
                if root.startswith("http"):
                    continue  # a page links to its own sorting, to the folder above, and to the world
                raise TransferError(f"{url}: {name!r} is listed there; what lies in a place must lie below {root!r}")
            if info["type"] != "directory":
                found[str(info["name"])] = info
            elif name not in seen:
                seen.add(name)
                folders.append(name)
    return found


def paths_of(url: str, root: str, found: Mapping[str, Info]) -> dict[str, Info]:
    """The files found, by their paths below `root`; TransferError where two would be one path, or one an absolute path."""
    infos: dict[str, Info] = {}
    names: dict[str, str] = {}
    for name, info in found.items():
        if name.endswith("/") or info.get("type", "file") == "directory":  # some consoles make a folder of a name that ends so
            continue
        if info.get("type", "file") != "file":
            log.warning("%s: %r is neither a file nor a folder but %s; it is left out", url, name, info["type"])
            continue
        path = name.removeprefix(root).removeprefix("/") if name != root else name.rpartition("/")[2]
        plain = "/".join(part for part in path.split("/") if part)
        if path.startswith("/") or plain in names:
            other = f" and {names[plain]!r}" if plain in names else ""
            raise TransferError(f"{url}: file {name!r}{other}; each must have a path of its own, without empty folder names")
        infos[path], names[plain] = info, name
    return infos


def _listed(filesystem: Any, folder: str, root: str) -> list[Info]:
    try:
        listed: list[Info] = filesystem.ls(folder, detail=True)
    except FileNotFoundError as error:
        if folder != root or not is_missing(error):
            raise
        return []
    return listed


def _named(folder: str, root: str, url: str) -> str:
    return f"{url}{folder.removeprefix(root)}"


def _is_below(name: str, root: str) -> bool:
    path = name.removeprefix(root)
    dots = any(part in (".", "..") for part in path.split("/"))
    sorts = root.startswith("http") and "?" in path
    return name == root or ((path.startswith("/") or not root) and name.startswith(root) and not dots and not sorts)
