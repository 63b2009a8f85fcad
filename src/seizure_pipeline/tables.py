"""Frozen records as tables: one column per field, tuples written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import pandas as pd

Record = TypeVar("Record")


def table_from_records(records: Sequence[Record], kind: type[Record]) -> pd.DataFrame:
    """The records, dataclasses of `kind`, as a table; an empty one has the columns too."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    table = pd.DataFrame(
        [tuple(getattr(record, name) for name in names) for record in records],
        columns=names,
    )
    for name in _tuples(kind):
        table[name] = [json.dumps(value) for value in table[name]]
    return table


def records_from_table(table: pd.DataFrame, kind: type[Record]) -> list[Record]:
    """Undoes `table_from_records`; ValueError, naming them, for columns that another version did not write."""
    lists, names = _tuples(kind), [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if missing := [name for name in names if name not in table]:
        rule = "another version wrote it; run the pipeline that makes it again"
        raise ValueError(f"a table of {kind.__name__} has no column {', '.join(missing)}: {rule}")
    columns = [[_read(text) for text in table[name]] if name in lists else table[name].tolist() for name in names]
    return [kind(*values) for values in zip(*columns, strict=True)]


def _tuples(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind) if str(field.type).startswith("tuple")]


@lru_cache(maxsize=4096)  # the same channels stand in thousands of rows
def _read(text: str) -> Any:
    return _frozen(json.loads(text))


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
