"""What the readers and writers of annotation files share: lines, numbers, and a file that appears whole or not at all."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from seizure_pipeline.annotations.seizures import AnnotationError, Seizure, Seizures

Confidences: TypeAlias = Sequence[float] | None  # one for each event, in the events' order
LONGEST_FIELD = 40  # a message shows no more of a field: a line written by hand may name a patient
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def decoded(raw: bytes, where: str, encoding: str = "utf-8") -> str:
    """The text of a file, its line ends made one; AnnotationError if it is not in `encoding`."""
    try:
        return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise AnnotationError.of(where, f"byte {error.start} is no UTF-8", "annotations are text") from error


def shown(field: str) -> str:
    """A field in quotes as messages show it: the value of what should be a number or a label, cut short."""
    return repr(field if len(field) <= LONGEST_FIELD else f"{field[:LONGEST_FIELD]}…")


def numbered(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of the lines from index `first` that are not blank."""
    return ((k + 1, line) for k, line in enumerate(lines) if k >= first and line.strip())


def seconds(text: str, what: str, where: str) -> Decimal:
    """Exact decimal, so that onset + duration of one row equals the next row's onset where the file says so."""
    if not NUMBER.fullmatch(text):
        raise AnnotationError.of(where, f"{what} is {shown(text)}", "it is a finite decimal number of seconds")
    return Decimal(text)


def writable(seizures: Seizures, duration_s: float, path: str | Path) -> Seizures:
    """The checked events rounded to the 4 decimals of the files; an event that would round to nothing is an error."""
    checked = seizures.checked(duration_s, str(path))
    rounded = Seizures.from_intervals((round(event.onset_s, 4), round(event.offset_s, 4)) for event in checked)
    return rounded.checked(round(duration_s, 4), str(path))


def with_confidences(seizures: Seizures, confidences: Confidences, path: str | Path) -> list[tuple[Seizure, float | None]]:
    """Each event with its confidence, None where none are given; AnnotationError unless there is one per event."""
    if confidences is None:
        return [(event, None) for event in seizures]
    if len(confidences) != len(seizures):
        value = f"{len(confidences)} confidences for {len(seizures)} events"
        raise AnnotationError.of(str(path), value, "each event has one confidence")
    for confidence in confidences:
        if not 0 <= confidence <= 1:
            raise AnnotationError.of(str(path), f"confidence {confidence}", "a confidence lies between 0 and 1")
    return list(zip(seizures, confidences, strict=True))


def write_whole(path: Path, lines: list[str]) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
