"""A copy of an EDF or BDF file with annotations added (EDF+, Kemp & Olivan 2003); every sample's bytes stay as they are.

The copy has one annotation signal more, behind all others. A file of EDF+ or BDF+ keeps its own annotations, its header and
its records' onsets. A plain file becomes EDF+C or BDF+C, for which three header fields must change: the reserved one says
so, and the identification of patient and recording gets the subfields of EDF+ in front of its text, unless it has them. Text
for which a field's 80 bytes then have no room is cut off at the end, and said.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from seizure_pipeline.recordings.header import (
    BYTES_PER_SIGNAL,
    FIXED_BYTES,
    IDENTIFYING_BYTES,
    SIGNAL_FIELDS,
    Header,
    RecordingError,
    read_header,
)
from seizure_pipeline.recordings.recording import Recording, open_recording
from seizure_pipeline.recordings.timeline import record_onsets_s

DATE = r"\d\d-(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)-\d{4}"
PATIENT = re.compile(rf"\S+ [MFX] (?:{DATE}|X) \S+(?: .*)?")
RECORDING = re.compile(rf"Startdate (?:{DATE}|X) \S+ \S+ \S+(?: .*)?")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
IDENTIFICATION_BYTES = 80
LARGEST = {"EDF": 32_767, "BDF": 8_388_607}


@dataclass(frozen=True, slots=True)
class Note:
    """An annotation: onset in seconds of the file's clock, duration in seconds, and one line of text."""

    onset_s: float
    duration_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Identification:
    """A field of the header as EDF+ wants it, and what had to be cut off of its text, in words without that text."""

    field: bytes
    cut: str = ""


def write_annotated_copy(source: Path, target: Path, notes: Sequence[Note]) -> list[str]:
    """Copy the recording `source` to `target` with `notes` added; `target` appears whole or not at all.

    Onsets and durations are written to 4 decimals. Returns in words what the copy's header leaves out of the source's. Raises
    RecordingError for a source that `open_recording` refuses or whose annotations do not begin with the record's onset, and
    where `target` is `source`."""
    recording, header = open_recording(source), read_header(str(source))
    if target.exists() and target.samefile(source):
        raise RecordingError.of(str(target), "the recording itself", "a copy is another file")
    lists = _lists(recording, header, notes)
    samples = math.ceil(max(len(each) for each in lists) / header.sample_bytes)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with source.open("rb") as read, beside.open("wb") as written:
            raw = read.read(header.n_bytes)
            who, what = _identifications(raw, header)
            written.write(_head(raw, header, recording.n_records, samples, who.field + what.field))
            for each in lists:
                written.write(read.read(header.record_bytes))
                written.write(each.ljust(samples * header.sample_bytes, b"\0"))
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return [each.cut for each in (who, what) if each.cut]


def _lists(recording: Recording, header: Header, notes: Sequence[Note]) -> list[bytes]:
    """What the added signal holds in each record: its onset, unless another signal says it, and the notes that begin in it."""
    timed = any(signal.is_annotation for signal in header.signals)
    first_s = float(record_onsets_s(header, 1)[0]) if timed else 0.0
    lists = [b"" if timed else b"+%s\x14\x14\0" % _decimal(k * header.record_s) for k in range(recording.n_records)]
    for note in sorted(notes, key=lambda note: note.onset_s):
        times = b"+%.4f\x15%.4f" % (first_s + note.onset_s, note.duration_s)
        lists[_record_at(recording, note.onset_s)] += b"%s\x14%s\x14\0" % (times, note.text.encode())
    lists[0] = lists[0] or b"\0"  # a signal has samples, also where there are no notes
    return lists


def _record_at(recording: Recording, onset_s: float) -> int:
    """The record in which a time lies, or the last one before it."""
    stretch = [each for each in recording.stretches if each.start_s <= onset_s or each.first_record == 0][-1]
    within = math.floor((onset_s - stretch.start_s) / recording.record_s)
    return stretch.first_record + min(max(within, 0), stretch.n_records - 1)


def _decimal(seconds: Fraction) -> bytes:
    return format(Decimal(seconds.numerator) / Decimal(seconds.denominator), "f").encode()


def _head(raw: bytes, header: Header, n_records: int, samples: int, identifications: bytes) -> bytes:
    """The source's header with `identifications` and one signal more, of `samples` per record."""
    count = len(header.signals)
    fixed = bytearray(raw[:FIXED_BYTES])
    fixed[IDENTIFYING_BYTES] = identifications
    if not _is_plus(header):
        fixed[192:236] = f"{header.family}+C".encode().ljust(44)
    fixed[184:192] = b"%-8d" % (FIXED_BYTES + BYTES_PER_SIGNAL * (count + 1))
    fixed[236:244] = b"%-8d" % n_records
    fixed[252:256] = b"%-4d" % (count + 1)
    largest = LARGEST[header.family]
    ours = {
        "label": f"{header.family} Annotations",
        "physical_min": "-1",
        "physical_max": "1",
        "digital_min": str(-largest - 1),
        "digital_max": str(largest),
        "samples_per_record": str(samples),
    }
    return bytes(fixed) + b"".join(_columns(raw[FIXED_BYTES:], count, ours))


def _columns(raw: bytes, count: int, ours: dict[str, str]) -> Iterator[bytes]:
    """Each field of all signals in turn, ours behind the source's."""
    at = 0
    for name, width in SIGNAL_FIELDS:
        yield raw[at : at + width * count] + ours.get(name, "").encode().ljust(width)
        at += width * count


def _is_plus(header: Header) -> bool:
    return header.file_format.endswith(("+C", "+D"))


def _identifications(raw: bytes, header: Header) -> tuple[Identification, Identification]:
    """Of the patient and of the recording: those of EDF+ as they are."""
    patient, recording = raw[8:88], raw[88:168]
    if _is_plus(header):
        return Identification(patient), Identification(recording)
    return (
        _identification(patient, PATIENT, b"X X X ", "patient"),
        _identification(recording, RECORDING, _start_field(header), "recording"),
    )


def _identification(field: bytes, conforming: re.Pattern[str], lead: bytes, of: str) -> Identification:
    """A field of 80 bytes as EDF+ wants it: as it is, or as much of its text as there is room for behind `lead`."""
    text = field.rstrip(b" \0")
    if conforming.fullmatch(text.decode("latin-1")):
        return Identification(field)
    moved, room = b"_".join(text.split()) or b"X", IDENTIFICATION_BYTES - len(lead)
    whole = (lead + moved)[:IDENTIFICATION_BYTES].ljust(IDENTIFICATION_BYTES)
    if len(moved) <= room:
        return Identification(whole)
    return Identification(
        whole, f"identification of the {of} cut from {len(moved)} characters to {room}; EDF+ puts {len(lead)} before it"
    )


def _start_field(header: Header) -> bytes:
    start = header.start
    date = "X" if start is None else f"{start.day:02d}-{MONTHS[start.month - 1]}-{start.year}"
    return f"Startdate {date} X X X ".encode()
