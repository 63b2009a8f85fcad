"""What every settings class shares: frozen, checked once, and an unknown key is an error."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

SOURCE = frozenset({".py", ".html", ".css"})
"""Endings of the files that this package is made of: code, and the pages that it fills in."""


class Settings(BaseModel):
    """Base of every room's settings; raises pydantic's ValidationError for an unknown key or an impossible value."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def fingerprint(facts: Mapping[str, Any] | Settings) -> str:
    """First 16 hex digits of the SHA-256 of `facts` written as canonical JSON."""
    plain = facts.model_dump(mode="json") if isinstance(facts, Settings) else facts
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, plain value) of every leaf of nested settings."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def keys(settings: type[BaseModel], prefix: str) -> Iterator[str]:
    """The dotted names below `prefix` of every key that `settings` and the settings in them know."""
    for name, known in settings.model_fields.items():
        yield (key := f"{prefix}.{name}")
        for kind in (known.annotation, *get_args(known.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, key)


def nearest(name: str, known: Iterable[str]) -> str:
    """Words on what may have been meant; where nothing is near, what there is."""
    among = sorted(known)
    close = get_close_matches(name, among, n=1)
    return f"; {close[0]} is meant?" if close else f"; there are {', '.join(among) or 'none'}"


def nearest_key(key: str, known: Iterable[str]) -> str:
    """As `nearest` of dotted names, where the last part counts: it may stand in another place, or be misspelt here or there."""
    room, _, own = key.rpartition(".")
    places: dict[str, list[str]] = defaultdict(list)
    for each in known:
        places[each.rpartition(".")[2]].append(each)
    here = {name: each for name, found in places.items() for each in found if each.rpartition(".")[0] == room}
    for near in (*{own} & places.keys(), *get_close_matches(own, here, n=1), *get_close_matches(own, places, n=1)):
        return f"; {here.get(near) or ' or '.join(places[near])} is meant?"
    return nearest(own, here) if here else ""


@cache
def code_fingerprint(*names: str) -> str:
    """Fingerprint of the source of modules or packages of this project, by their names in it; read once per process."""
    root = Path(__file__).parent
    hashes = {}
    for name in names:
        module = root / f"{name}.py"
        for file in [module] if module.is_file() else sorted((root / name).rglob("*.py")):
            hashes[str(file.relative_to(root))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return fingerprint(hashes)


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.model_dump(mode="json")
    raise TypeError(f"a fingerprint takes JSON values and settings, not {type(value).__name__}")
