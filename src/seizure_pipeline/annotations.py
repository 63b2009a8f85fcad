"""Seizures as intervals and as masks, and the two files that carry them: csv_bi (NEDC), events TSV (BIDS, SzCORE)."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Confidences: TypeAlias = Sequence[float] | None  # one for each event, in the events' order
BEYOND_END_S = 1.0  # annotation tools round a recording's length: up to here an offset is cut to the end
CSV_BI_MAGIC = "# version = csv_v1.0.0"
CSV_BI_COLUMNS = "channel,start_time,stop_time,label,confidence"
CSV_BI_DURATION = re.compile(r"# duration = (\S+) secs")
TSV_COLUMNS = ("onset", "duration", "eventType", "confidence", "channels", "dateTime", "recordingDuration")
TSV_NEEDED = ("onset", "duration", "eventType")
NO_SEIZURE_TYPES = ("bckg", "impd")  # background; impedance measurement (SeizeIT2)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


class AnnotationError(ValueError):
    """Annotations that are not read or written; the message names the file, the line, the value and the rule."""

    @classmethod
    def of(cls, where: str, value: str, rule: str) -> AnnotationError:
        """Error about `value` found at `where`, against `rule`."""
        return cls(f"{where}: {value}; {rule}")


@dataclass(frozen=True, slots=True, order=True)
class Seizure:
    """One event, in seconds from the recording's start."""

    onset_s: float
    offset_s: float

    def __str__(self) -> str:
        return f"event from {self.onset_s} to {self.offset_s} s"


@dataclass(frozen=True)
class Seizures(Sequence[Seizure]):
    """Events of one recording, sorted by onset; annotated seizures and detections alike. Touching events stay two."""

    events: tuple[Seizure, ...] = ()

    @classmethod
    def from_intervals(cls, intervals: Iterable[tuple[float, float]]) -> Seizures:
        """Events from (onset_s, offset_s) in any order; `checked` says whether they are possible."""
        return cls(tuple(sorted(Seizure(float(onset_s), float(offset_s)) for onset_s, offset_s in intervals)))

    @classmethod
    def from_mask(cls, mask: NDArray[np.bool_], rate_hz: float) -> Seizures:
        """Events from a mask (n_samples,): sample k covers [k, k + 1) / rate_hz. Undone by `to_mask`."""
        if mask.ndim != 1 or mask.dtype != np.bool_:
            raise AnnotationError.of("mask", f"{mask.dtype} {mask.shape}", "a mask is one row of booleans")
        edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)) / rate_hz
        return cls(tuple(Seizure(float(a), float(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)))

    def to_mask(self, n_samples: int, rate_hz: float) -> NDArray[np.bool_]:
        """Mask (n_samples,), True inside events; onsets and offsets go to the nearest sample edge.

        AnnotationError for an event more than one sample outside: the mask would lose part of it.
        """
        mask = np.zeros(n_samples, np.bool_)
        for event in self.events:
            first, stop = (math.floor(time_s * rate_hz + 0.5) for time_s in (event.onset_s, event.offset_s))
            if first < 0 or stop > n_samples + 1:
                rule = f"events lie inside the mask of {n_samples / rate_hz:g} s"
                raise AnnotationError.of("mask", str(event), rule)
            mask[first:stop] = True
        return mask

    def checked(self, duration_s: float, where: str) -> Seizures:
        """The same events if they are possible in a recording of `duration_s`, cut to its end by at most one second.

        AnnotationError, naming `where`, for an event that is not finite, begins before 0, ends before it begins,
        overlaps the next one (touching is none), or lies beyond the end by more than that second or altogether.
        """
        if not 0 < duration_s < math.inf:
            raise AnnotationError.of(where, f"recording of {duration_s} s", "its length is finite and above 0 s")
        for event in self.events:
            _check_event(event, where)
            if event.offset_s > duration_s + BEYOND_END_S or event.onset_s >= duration_s:
                rule = f"it lies inside the recording of {duration_s:g} s, or ends up to {BEYOND_END_S:g} s later"
                raise AnnotationError.of(where, str(event), rule)
        for event, following in pairwise(self.events):
            if following.onset_s < event.offset_s:
                raise AnnotationError.of(where, f"{event} and {following}", "events of one recording do not overlap")
        return Seizures(tuple(Seizure(event.onset_s, min(event.offset_s, duration_s)) for event in self.events))

    @overload
    def __getitem__(self, index: int) -> Seizure: ...
    @overload
    def __getitem__(self, index: slice) -> Seizures: ...
    def __getitem__(self, index: int | slice) -> Seizure | Seizures:
        return Seizures(self.events[index]) if isinstance(index, slice) else self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Seizure]:
        return iter(self.events)


def read_csv_bi(path: str | Path) -> tuple[Seizures, float]:
    """(seizures, recording length in s) of a csv_bi file; background rows are checked and left out.

    AnnotationError for a wrong first line, a missing length or column line, a channel other than TERM, a label other
    than seiz and bckg, or impossible times. The confidence is not used.
    """
    lines = _lines(path)
    if lines[0] != CSV_BI_MAGIC:
        raise AnnotationError.of(f"{path}, line 1", repr(lines[0]), f"the first line is {CSV_BI_MAGIC!r}")
    if CSV_BI_COLUMNS not in lines:
        raise AnnotationError.of(str(path), "no line of column names", f"it is {CSV_BI_COLUMNS!r}")
    head = lines.index(CSV_BI_COLUMNS)
    duration_s = _csv_bi_duration_s(lines[:head], path)
    events = []
    for line_number, line in _numbered(lines, head + 1):
        label, event = _csv_bi_row(line, f"{path}, line {line_number}")
        if label == "seiz":
            events.append(event)
    return Seizures(tuple(sorted(events))).checked(duration_s, str(path)), duration_s


def write_csv_bi(
    path: str | Path, recording_id: str, seizures: Seizures, duration_s: float, confidences: Confidences = None
) -> None:
    """Write a csv_bi file: 4 decimals, one background row if there is no event, confidence 1 where none is given."""
    seizures = _writable(seizures, duration_s, path)
    rows = [(event.onset_s, event.offset_s, "seiz", c) for event, c in _with_confidences(seizures, confidences, path)]
    lines = [CSV_BI_MAGIC, f"# bname = {recording_id}", f"# duration = {duration_s:.4f} secs"]
    lines += ["# montage_file = n/a", "#", CSV_BI_COLUMNS]
    for onset_s, offset_s, label, confidence in rows or [(0.0, duration_s, "bckg", None)]:
        lines.append(f"TERM,{onset_s:.4f},{offset_s:.4f},{label},{1.0 if confidence is None else confidence:.4f}")
    _write_whole(Path(path), lines)


def read_events_tsv(path: str | Path) -> tuple[Seizures, float | None]:
    """(seizures, recording length in s or None) of an events TSV; a seizure's eventType is `sz` or begins with `sz_`.

    The length is the first row's recordingDuration; without it the caller checks the events against the recording's.
    AnnotationError for a missing column, a row of the wrong width, no rows at all (a seizure-free recording has a
    `bckg` row), an eventType that is neither a seizure nor `bckg` or `impd`, or impossible times.
    """
    lines = _lines(path)
    names = lines[0].split("\t")
    missing = [name for name in TSV_NEEDED if name not in names]
    if missing:
        raise AnnotationError.of(f"{path}, line 1", f"columns {names}", f"columns {', '.join(missing)} are needed")
    rows = [(f"{path}, line {k}", _tsv_row(line, names, f"{path}, line {k}")) for k, line in _numbered(lines, 1)]
    if not rows:
        raise AnnotationError.of(str(path), "no rows", "a seizure-free recording has one bckg row")
    events = [_tsv_event(row, where) for where, row in rows if _is_seizure(row["eventType"], where)]
    seizures = Seizures(tuple(sorted(events)))
    where, first = rows[0]
    length = first.get("recordingDuration", "n/a")
    if length == "n/a":
        return seizures, None
    duration_s = float(_number(length, "recordingDuration", where))
    return seizures.checked(duration_s, str(path)), duration_s


def write_events_tsv(
    path: str | Path,
    seizures: Seizures,
    duration_s: float,
    confidences: Confidences = None,
    start: datetime | None = None,
) -> None:
    """Write an events TSV of `sz` rows with 4 decimals, or one `bckg` row; `start` is the recording's start."""
    seizures = _writable(seizures, duration_s, path)
    clock = "n/a" if start is None else start.strftime("%Y-%m-%d %H:%M:%S")
    lines = ["\t".join(TSV_COLUMNS)]
    rows = [(event, "sz", c) for event, c in _with_confidences(seizures, confidences, path)]
    for event, kind, confidence in rows or [(Seizure(0.0, round(duration_s, 4)), "bckg", None)]:
        length_s = event.offset_s - event.onset_s
        sure = "n/a" if confidence is None else f"{confidence:.4f}"
        fields = (f"{event.onset_s:.4f}", f"{length_s:.4f}", kind, sure, "n/a", clock, f"{duration_s:.4f}")
        lines.append("\t".join(fields))
    _write_whole(Path(path), lines)


def _check_event(event: Seizure, where: str) -> None:
    if not (math.isfinite(event.onset_s) and math.isfinite(event.offset_s)):
        raise AnnotationError.of(where, str(event), "times are finite numbers")
    if event.onset_s < 0:
        raise AnnotationError.of(where, str(event), "an event begins at or after the recording's start, 0 s")
    if event.offset_s <= event.onset_s:
        raise AnnotationError.of(where, str(event), "an event ends after it begins")


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise AnnotationError.of(str(path), f"byte {error.start} is no UTF-8", "annotations are text") from error


def _numbered(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of the lines from index `first` that are not blank."""
    return ((k + 1, line) for k, line in enumerate(lines) if k >= first and line.strip())


def _number(text: str, what: str, where: str) -> Decimal:
    """Exact decimal, so that onset + duration of one row equals the next row's onset where the file says so."""
    if not NUMBER.fullmatch(text):
        raise AnnotationError.of(where, f"{what} is {text!r}", "it is a finite decimal number of seconds")
    return Decimal(text)


def _csv_bi_duration_s(lines: list[str], path: str | Path) -> float:
    for line_number, line in enumerate(lines, start=1):
        if found := CSV_BI_DURATION.fullmatch(line.strip()):
            return float(_number(found.group(1), "duration", f"{path}, line {line_number}"))
    raise AnnotationError.of(str(path), "no duration", "a line such as '# duration = 1289.0000 secs' precedes the columns")


def _csv_bi_row(line: str, where: str) -> tuple[str, Seizure]:
    fields = line.split(",")
    if len(fields) != 5:
        raise AnnotationError.of(where, f"{len(fields)} fields in {line!r}", f"a row is {CSV_BI_COLUMNS}")
    channel, onset, offset, label, _confidence = fields
    if channel != "TERM":
        raise AnnotationError.of(where, f"channel {channel!r}", "rows of a csv_bi file are about all channels, TERM")
    if label not in ("seiz", "bckg"):
        raise AnnotationError.of(where, f"label {label!r}", "labels of a csv_bi file are seiz and bckg")
    event = Seizure(float(_number(onset, "start_time", where)), float(_number(offset, "stop_time", where)))
    _check_event(event, where)
    return label, event


def _tsv_row(line: str, names: list[str], where: str) -> dict[str, str]:
    fields = line.split("\t")
    if len(fields) != len(names):
        raise AnnotationError.of(where, f"{len(fields)} fields", f"a row has the {len(names)} columns of line 1")
    return dict(zip(names, fields, strict=True))


def _is_seizure(event_type: str, where: str) -> bool:
    if event_type == "sz" or event_type.startswith("sz_"):
        return True
    if event_type not in NO_SEIZURE_TYPES:
        rule = f"an eventType is sz, sz_..., or one of {', '.join(NO_SEIZURE_TYPES)}"
        raise AnnotationError.of(where, f"eventType {event_type!r}", rule)
    return False


def _tsv_event(row: dict[str, str], where: str) -> Seizure:
    onset_s, duration_s = (_number(row[name], name, where) for name in ("onset", "duration"))
    event = Seizure(float(onset_s), float(onset_s + duration_s))
    _check_event(event, where)
    return event


def _writable(seizures: Seizures, duration_s: float, path: str | Path) -> Seizures:
    """The checked events rounded to the 4 decimals of the files; an event that would round to nothing is an error."""
    checked = seizures.checked(duration_s, str(path))
    rounded = Seizures.from_intervals((round(event.onset_s, 4), round(event.offset_s, 4)) for event in checked)
    return rounded.checked(round(duration_s, 4), str(path))


def _with_confidences(seizures: Seizures, confidences: Confidences, path: str | Path) -> list[tuple[Seizure, float | None]]:
    if confidences is None:
        return [(event, None) for event in seizures]
    if len(confidences) != len(seizures):
        value = f"{len(confidences)} confidences for {len(seizures)} events"
        raise AnnotationError.of(str(path), value, "each event has one confidence")
    for confidence in confidences:
        if not 0 <= confidence <= 1:
            raise AnnotationError.of(str(path), f"confidence {confidence}", "a confidence lies between 0 and 1")
    return list(zip(seizures, confidences, strict=True))


def _write_whole(path: Path, lines: list[str]) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
