"""NEDC's CSV files: csv_bi, seizure or background over all channels, and csv, TUSZ's classes channel by channel."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from seizure_pipeline.annotations.listed import ListedEvents
from seizure_pipeline.annotations.seizures import Annotation, AnnotationError, Seizure, Seizures
from seizure_pipeline.annotations.text import (
    Confidences,
    decoded,
    numbered,
    seconds,
    shown,
    with_confidences,
    writable,
    write_whole,
)

VERSION = "# version = csv_v1.0.0"
COLUMNS = "channel,start_time,stop_time,label,confidence"
DURATION = re.compile(r"# duration = (\S+) secs")
# TUH EEG's classes (annotation guidelines v39). Non-epileptic events, nesz, look like seizures and are none.
SEIZURE_LABELS = ("seiz", "fnsz", "gnsz", "spsz", "cpsz", "absz", "tnsz", "cnsz", "tcsz", "atsz", "mysz")
ARTEFACTS = ("eyem", "chew", "shiv", "musc", "elec")
OTHER_LABELS = (
    *("null", "bckg", "spsw", "gped", "pled", "eybl", "artf", "nesz", "intr", "slow"),
    *("elpp", "elst", "calb", "hphs", "trip", *ARTEFACTS, *map("_".join, combinations(ARTEFACTS, 2))),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file: what a label says about a channel over a piece of time."""

    line: int
    channel: str
    label: str
    event: Seizure


@dataclass(frozen=True, slots=True)
class Table:
    """What a file of either kind holds: its rows and the recording's length."""

    rows: tuple[Row, ...]
    duration_s: float

    def annotation(self, seizures: Seizures, where: str) -> Annotation:
        """`seizures` held against the length, with the time that the rows reach; AnnotationError if there are no rows."""
        if not self.rows:
            raise AnnotationError.of(where, "no rows", "a seizure-free recording has a row of background")
        reach_s = max(row.event.offset_s for row in self.rows)
        return Annotation(seizures.checked(self.duration_s, where), self.duration_s, reach_s=reach_s)


def read_csv_bi(path: str | Path) -> tuple[Seizures, float | None]:
    """(seizures, recording length in s) of the csv_bi file at `path`, as `parse_csv_bi` understands it."""
    found = parse_csv_bi(Path(path).read_bytes(), str(path))
    return found.seizures, found.duration_s


def parse_csv_bi(raw: bytes, where: str) -> Annotation:
    """What a csv_bi file that errors call `where` says; background rows are checked and left out.

    AnnotationError for a wrong first line, a missing length or column line, no rows, a channel other than TERM, a label
    other than seiz and bckg, or impossible times. The confidence is not used. Rows need not fill the recording, since a
    file of detections may list nothing else; `reach_s` tells a corpus whether the file is whole.
    """
    table = _table_of_all_channels(raw, where)
    for row in table.rows:
        row.event.checked(f"{where}, line {row.line}")
    return table.annotation(Seizures(tuple(sorted(row.event for row in table.rows if row.label == "seiz"))), where)


def list_csv_bi(raw: bytes, where: str) -> ListedEvents:
    """The seizure rows of a csv_bi file that errors call `where`, as they stand; background rows are checked and left out.

    AnnotationError as `parse_csv_bi`, but what NEDC's scorers define is accepted: no rows at all (all background), and
    rows unsorted, touching, overlapping, nested, repeated or of no length."""
    table = _table_of_all_channels(raw, where)
    rows = ListedEvents.of(((row.line, row.event) for row in table.rows), table.duration_s, where)
    rows.within(table.duration_s, where)
    return ListedEvents(tuple((row.line, row.event) for row in table.rows if row.label == "seiz"), table.duration_s)


def parse_tusz_csv(raw: bytes, where: str) -> Annotation:
    """What a TUSZ csv that errors call `where` says: the time in which any channel has a seizure of any class.

    The type of such a time is its class, or the classes that it has: `fnsz+gnsz`; `seiz` is a seizure of no class.
    AnnotationError as for csv_bi, with any channel, and for a label that TUH EEG does not know.
    """
    table = _table(raw, where)
    for row in table.rows:
        place = f"{where}, line {row.line}"
        if row.label not in SEIZURE_LABELS and row.label not in OTHER_LABELS:
            rule = f"a label is one of TUH EEG's: seizures {', '.join(SEIZURE_LABELS)}; others {', '.join(OTHER_LABELS)}"
            raise AnnotationError.of(place, f"label {shown(row.label)}", rule)
        row.event.checked(place)
    rows = [row for row in table.rows if row.label in SEIZURE_LABELS]
    said = table.annotation(Seizures.union(row.event for row in rows), where)
    return replace(said, types=tuple(_classes(seizure, rows) for seizure in said.seizures))


def write_csv_bi(
    path: str | Path, recording_id: str, seizures: Seizures, duration_s: float, confidences: Confidences = None
) -> None:
    """Write a csv_bi file: rows of seizure and background in turn that fill the recording, with 4 decimals.

    The confidence of background, and of events where none are given, is 1."""
    seizures = writable(seizures, duration_s, path)
    rows, at_s = [], 0.0
    for event, confidence in with_confidences(seizures, confidences, path):
        rows += [(at_s, event.onset_s, "bckg", 1.0)]
        rows += [(event.onset_s, event.offset_s, "seiz", 1.0 if confidence is None else confidence)]
        at_s = event.offset_s
    rows += [(at_s, round(duration_s, 4), "bckg", 1.0)]
    lines = [VERSION, f"# bname = {recording_id}", f"# duration = {duration_s:.4f} secs", "# montage_file = n/a", "#", COLUMNS]
    lines += [
        f"TERM,{start_s:.4f},{stop_s:.4f},{label},{sure:.4f}" for start_s, stop_s, label, sure in rows if start_s < stop_s
    ]
    write_whole(Path(path), lines)


def _classes(seizure: Seizure, rows: list[Row]) -> str:
    """The classes of all rows that make up a time, each of which begins within it."""
    labels = {row.label for row in rows if seizure.onset_s <= row.event.onset_s < seizure.offset_s}
    return "+".join(sorted(labels - {SEIZURE_LABELS[0]}))


def _table_of_all_channels(raw: bytes, where: str) -> Table:
    """The table of a csv_bi file, whose rows are about all channels and say seizure or background."""
    table = _table(raw, where)
    for row in table.rows:
        if row.channel != "TERM":
            rule = "rows of a csv_bi file are about all channels, TERM"
            raise AnnotationError.of(f"{where}, line {row.line}", f"channel {shown(row.channel)}", rule)
        if row.label not in ("seiz", "bckg"):
            rule = "labels of a csv_bi file are seiz and bckg"
            raise AnnotationError.of(f"{where}, line {row.line}", f"label {shown(row.label)}", rule)
    return table


def _table(raw: bytes, where: str) -> Table:
    lines = decoded(raw, where).split("\n")
    if lines[0] != VERSION:
        raise AnnotationError.of(f"{where}, line 1", "another line", f"the first line is {VERSION!r}")
    if COLUMNS not in lines:
        raise AnnotationError.of(where, "no line of column names", f"it is {COLUMNS!r}")
    head = lines.index(COLUMNS)
    duration_s = _duration_s(lines[:head], where)
    return Table(tuple(_row(line, number, where) for number, line in numbered(lines, head + 1)), duration_s)


def _duration_s(lines: list[str], where: str) -> float:
    durations_s: list[float] = []
    for line_number, line in enumerate(lines, start=1):
        if found := DURATION.fullmatch(line.strip()):
            place = f"{where}, line {line_number}"
            durations_s.append(float(seconds(found.group(1), "duration", place)))
            if durations_s[-1] != durations_s[0]:
                raise AnnotationError.of(place, f"duration {durations_s[-1]} s", f"it is said before: {durations_s[0]} s")
    if not durations_s:
        raise AnnotationError.of(where, "no duration", "a line such as '# duration = 1289.0000 secs' precedes the columns")
    return durations_s[0]


def _row(line: str, number: int, where: str) -> Row:
    place = f"{where}, line {number}"
    fields = line.split(",")
    if len(fields) != 5:
        raise AnnotationError.of(place, f"{len(fields)} fields", f"a row is {COLUMNS}")
    channel, onset, offset, label, _confidence = fields
    event = Seizure(float(seconds(onset, "start_time", place)), float(seconds(offset, "stop_time", place)))
    return Row(number, channel, label, event)
