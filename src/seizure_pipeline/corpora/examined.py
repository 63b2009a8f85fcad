"""Rows of the last examination, kept so that a recording is looked at again only when something about it changed."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from seizure_pipeline.configuration import code_fingerprint, fingerprint
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.records import Entry
from seizure_pipeline.corpora.rows import RecordingRow, rows_from_table, table_from_rows
from seizure_pipeline.montage import MontageSettings

log = logging.getLogger(__name__)
CODE = ("annotations", "corpora", "montage", "recordings", "signals")  # all that an examination asks
FILE = "examined.parquet"
KEY = "key"


def keys_of(entries: list[Entry], montage: MontageSettings, url: str) -> list[str]:
    """For each entry a text that changes with anything that its row depends on, but for its patient and split.

    Those are facts of the layout and of the settings, and are written into a kept row anew.
    """
    common = fingerprint({"code": code_fingerprint(*CODE), "montage": montage, "url": url})
    return [json.dumps([common, *_facts(entry)]) for entry in entries]


def _facts(entry: Entry) -> list[object]:
    return [_file(entry.edf), _file(entry.annotation), entry.form, entry.names, entry.problem]


def _file(file: FileFacts | None) -> list[object]:
    return [] if file is None else [file.path, file.size_bytes, file.token]


def read_kept(folder: Path) -> dict[str, RecordingRow]:
    """Key -> row of the last examination; nothing where there is none or it cannot be understood."""
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        table = pd.read_parquet(path)
        return dict(zip(table.pop(KEY).tolist(), rows_from_table(table), strict=True))
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s: cannot be understood (%s); every recording is examined", path, error)
        return {}


def write_kept(folder: Path, rows: Mapping[str, RecordingRow]) -> None:
    """Write the rows, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    table = table_from_rows(list(rows.values()))
    table[KEY] = list(rows)
    beside = folder / f".{FILE}.{secrets.token_hex(4)}.part"
    try:
        table.to_parquet(beside)
        os.replace(beside, folder / FILE)
    finally:
        beside.unlink(missing_ok=True)
