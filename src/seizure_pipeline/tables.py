"""Frozen records as tables: one column per field, tuples written as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

import pandas as pd

Record = TypeVar("Record")


def table_from_records(records: Sequence[Record], kind: type[Record]) -> pd.DataFrame:
    """The records, dataclasses of `kind`, as a table; an empty one has the columns too."""
    table = pd.DataFrame(
        [asdict(record) for record in records],  # type: ignore[call-overload]
        columns=[field.name for field in fields(kind)],  # type: ignore[arg-type]
    )
    for name in _tuples(kind):
        table[name] = [json.dumps(value) for value in table[name]]
    return table


def records_from_table(table: pd.DataFrame, kind: type[Record]) -> list[Record]:
    """Undoes `table_from_records`."""
    lists = _tuples(kind)
    rows: list[dict[Any, Any]] = table.to_dict("records")
    for row in rows:
        row.update({name: _frozen(json.loads(row[name])) for name in lists})
    return [kind(**row) for row in rows]


def _tuples(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind) if str(field.type).startswith("tuple")]


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
