"""Secrets struck out of all that a far machine reports, and long texts cut: in this order, or half a secret would stay."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from seizure_pipeline.remote.records import LONGEST_TEXT

STRUCK = "***"
SHORTEST = 4
"""Shorter values stand in half of all words; nobody keeps a secret of three letters."""
SHORTEST_LINE = 12
"""A line of a longer secret (a key in PEM) is one as well, from this length on."""


class Redactor:
    """Strikes `values` out of texts, also where they are quoted for JSON, Python or a URL."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for part in _parts(value) for form in _forms(part)}
        self._forms = sorted(forms, key=len, reverse=True)

    @classmethod
    def of_environment(cls, keys: Sequence[str]) -> Redactor:
        """For the values of environment variables; those that are not set have none."""
        return cls(_value(key) or "" for key in keys)

    def text(self, text: str) -> str:
        """A text without secrets, and not too long."""
        for form in self._forms:
            text = text.replace(form, STRUCK)
        return cut(text)

    def plain(self, value: Any) -> Any:
        """A JSON value with `text` done to every string in it; what JSON does not know becomes a string."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(inner) for inner in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


def unset(keys: Sequence[str]) -> list[str]:
    """Those of these environment variables that this process does not have."""
    return [key for key in keys if _value(key) is None]


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text of at most `longest` characters: its beginning, its end, and how much is left out between."""
    if len(text) <= longest:
        return text
    half = (longest - 50) // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"


def _value(key: str) -> str | None:
    return os.environ.get(key)  # noqa: TID251 (secrets come as variables: this is their place)


def _parts(value: str) -> list[str]:
    lines = value.splitlines()
    long_lines = [line.strip() for line in lines if len(line.strip()) >= SHORTEST_LINE] if len(lines) > 1 else []
    return [part for part in (value, value.strip(), *long_lines) if len(part) >= SHORTEST]


def _forms(value: str) -> tuple[str, ...]:
    return value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe=""), quote(value), quote_plus(value)
