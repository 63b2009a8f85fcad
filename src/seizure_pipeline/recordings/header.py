"""The header of an EDF or BDF file: 256 bytes about the file, then 256 about each signal (Kemp & Olivan 2003)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

FIXED_BYTES = 256
BYTES_PER_SIGNAL = 256
ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")
IDENTIFYING_BYTES = slice(8, 168)  # who was recorded, and the recording's own identification
SAMPLE_BYTES = {"EDF": 2, "BDF": 3}
VERSIONS = {b"0": "EDF", b"\xffBIOSEMI": "BDF"}
SIGNAL_FIELDS = (
    ("label", 16),
    ("transducer", 80),
    ("unit", 8),
    ("physical_min", 8),
    ("physical_max", 8),
    ("digital_min", 8),
    ("digital_max", 8),
    ("prefilter", 80),
    ("samples_per_record", 8),
    ("reserved", 32),
)
UV_PER_UNIT = {
    **dict.fromkeys(("uV", "uv", "UV", "µV"), 1.0),
    **dict.fromkeys(("ÂµV", "Î¼V"), 1.0),  # the two micro signs as UTF-8 writers leave them in latin-1
    "nV": 1e-3,
    "mV": 1e3,
    "V": 1e6,
}
Hear: TypeAlias = Callable[[int, memoryview], None]
"""hear(at, content) is told what is read of header and samples, at once: the place of its first byte, and the bytes."""
MOST_UV = 1e12  # a million volts: sums over a recording stay finite in 32 bits, whatever its samples
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)", re.ASCII)


class RecordingError(ValueError):
    """A recording that is not read; the message names the file, the value and the rule it breaks."""

    @classmethod
    def of(cls, path: str, value: str, rule: str) -> RecordingError:
        """Error about `value` found in the file `path`, against `rule`."""
        return cls(f"{path}: {value}; {rule}")


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of the header. Its scaling stays text: only a channel that is read must be sound.

    `first_sample` counts the samples of one data record that lie before this signal's.
    """

    label: str
    unit: str
    samples_per_record: int
    first_sample: int
    physical_min: str
    physical_max: str
    digital_min: str
    digital_max: str

    @property
    def is_annotation(self) -> bool:
        """Whether the signal holds annotation lists instead of samples."""
        return self.label in ANNOTATION_LABELS


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says; `signals` includes annotation signals, `n_records` is -1 where it is left open."""

    path: str
    family: str
    file_format: str
    start: datetime | None
    clock_s: int | None
    n_records: int
    record_s: Fraction
    signals: tuple[Signal, ...]
    n_bytes: int
    sha256: str

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample: 2 in EDF, 3 in BDF."""
        return SAMPLE_BYTES[self.family]

    @property
    def record_bytes(self) -> int:
        """Bytes of one data record, annotation signals included."""
        return self.sample_bytes * sum(signal.samples_per_record for signal in self.signals)


def unheard(at: int, content: memoryview) -> None:
    """What is read concerns nobody else."""


def read_header(path: str, hear: Hear = unheard) -> Header:
    """Header of the file at `path`; RecordingError unless every field that fixes the layout is sound."""
    with Path(path).open("rb") as file:
        fixed = file.read(FIXED_BYTES)
        family = _family(fixed, path)
        n_signals = _signal_count(fixed, path)
        raw = fixed + file.read(BYTES_PER_SIGNAL * n_signals)
    n_bytes = FIXED_BYTES + BYTES_PER_SIGNAL * n_signals
    if len(raw) < n_bytes:
        found = f"{len(raw)} bytes"
        raise RecordingError.of(path, found, f"the header of {n_signals} signals takes {n_bytes} bytes: truncated")
    hear(0, memoryview(raw))
    signals = _signals(raw, n_signals, path)
    reserved = _text(fixed[192:236])
    return Header(
        path=path,
        family=family,
        file_format=family + (reserved[3:5] if reserved[:5] in {"EDF+C", "EDF+D", "BDF+C", "BDF+D"} else ""),
        start=parse_start(_text(fixed[168:176]), _text(fixed[176:184])),
        clock_s=parse_clock(_text(fixed[176:184])),
        n_records=whole_number(_text(fixed[236:244]), "number of data records", path),
        record_s=_record_duration(_text(fixed[244:252]), signals, path),
        signals=signals,
        n_bytes=n_bytes,
        sha256=hashlib.sha256(raw[: IDENTIFYING_BYTES.start] + raw[IDENTIFYING_BYTES.stop :]).hexdigest(),
    )


def microvolts(signal: Signal, path: str) -> tuple[float, float]:
    """(gain, offset) with microvolts = gain * digital + offset; RecordingError if the scaling is impossible."""
    if signal.unit not in UV_PER_UNIT:
        value = f"channel {signal.label!r} has unit {signal.unit!r}"
        raise RecordingError.of(path, value, "a channel that is read is in nV, uV, µV, mV or V")
    names = ("physical_min", "physical_max", "digital_min", "digital_max")
    numbers = (number(getattr(signal, name), f"{name} of channel {signal.label!r}", path) for name in names)
    physical_min, physical_max, digital_min, digital_max = numbers
    if digital_min >= digital_max:
        value = f"channel {signal.label!r} has digital range {signal.digital_min} to {signal.digital_max}"
        raise RecordingError.of(path, value, "the digital minimum lies below the digital maximum")
    if physical_min == physical_max:
        value = f"channel {signal.label!r} has physical range {signal.physical_min} to {signal.physical_max}"
        raise RecordingError.of(path, value, "the physical minimum and maximum differ")
    uv = UV_PER_UNIT[signal.unit]
    if uv * max(abs(physical_min), abs(physical_max)) > MOST_UV:
        value = f"channel {signal.label!r} has physical range {signal.physical_min} to {signal.physical_max} {signal.unit}"
        raise RecordingError.of(path, value, f"potentials lie within {MOST_UV:g} uV")
    gain = (physical_max - physical_min) / (digital_max - digital_min)
    return uv * gain, uv * (physical_min - gain * digital_min)


def number(text: str, what: str, path: str) -> float:
    """Finite number written in an EDF field; RecordingError for anything else, a decimal comma included."""
    if NUMBER.fullmatch(text) and abs(value := float(text)) != float("inf"):
        return value
    rule = "EDF writes numbers with a decimal point, not a comma" if "," in text else "the field holds a finite number"
    raise RecordingError.of(path, f"{what} is {text!r}", rule)


def whole_number(text: str, what: str, path: str) -> int:
    """Whole number written in an EDF field; RecordingError for anything else."""
    if not WHOLE_NUMBER.fullmatch(text):
        raise RecordingError.of(path, f"{what} is {text!r}", "the field holds a whole number")
    return int(text)


def parse_start(date: str, clock: str) -> datetime | None:
    """Start from "dd.mm.yy" and "hh.mm.ss" (1985 to 2084), None if either is malformed: no sample depends on it."""
    day_month_year, hour_minute_second = DATE.fullmatch(date), DATE.fullmatch(clock)
    if day_month_year is None or hour_minute_second is None:
        return None
    day, month, year = (int(part) for part in day_month_year.groups())
    hour, minute, second = (int(part) for part in hour_minute_second.groups())
    try:
        return datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:  # a 31st of February, a 25th hour
        return None


def parse_clock(clock: str) -> int | None:
    """Seconds since midnight from "hh.mm.ss", None if it is malformed or no time of a day."""
    found = DATE.fullmatch(clock)
    hour, minute, second = (int(part) for part in found.groups()) if found else (24, 0, 0)
    return 3600 * hour + 60 * minute + second if hour < 24 and minute < 60 and second < 60 else None


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \x00")


def _family(fixed: bytes, path: str) -> str:
    version = fixed[:8].rstrip(b" \x00")
    if len(fixed) < FIXED_BYTES:
        raise RecordingError.of(path, f"{len(fixed)} bytes", "not an EDF or BDF file: the header alone takes 256 bytes")
    if version not in VERSIONS:
        raise RecordingError.of(path, "begins otherwise", "not an EDF or BDF file: those begin with '0' or BIOSEMI")
    return VERSIONS[version]


def _signal_count(fixed: bytes, path: str) -> int:
    n_signals = whole_number(_text(fixed[252:256]), "number of signals", path)
    if n_signals < 1:
        raise RecordingError.of(path, f"number of signals is {n_signals}", "a recording has at least one signal")
    header_bytes = whole_number(_text(fixed[184:192]), "header length", path)
    if header_bytes != FIXED_BYTES + BYTES_PER_SIGNAL * n_signals:
        rule = f"{n_signals} signals take 256 * (1 + {n_signals}) = {256 * (1 + n_signals)} header bytes"
        raise RecordingError.of(path, f"header length is {header_bytes}", rule)
    return n_signals


def _signals(raw: bytes, n_signals: int, path: str) -> tuple[Signal, ...]:
    columns: dict[str, list[str]] = {}
    at = FIXED_BYTES
    for name, width in SIGNAL_FIELDS:
        columns[name] = [_text(raw[at + k * width : at + (k + 1) * width]) for k in range(n_signals)]
        at += width * n_signals
    signals: list[Signal] = []
    before = 0
    for k in range(n_signals):
        fields = {name: columns[name][k] for name in Signal.__dataclass_fields__ if name in columns}
        label, text = fields["label"], fields.pop("samples_per_record")
        count = whole_number(text, f"samples per record of channel {label!r}", path)
        if count < 1:
            value = f"channel {label!r} has {count} samples per record"
            raise RecordingError.of(path, value, "every signal has at least one sample per record")
        signals.append(Signal(**fields, samples_per_record=count, first_sample=before))
        before += count
    if all(signal.is_annotation for signal in signals):
        raise RecordingError.of(path, f"{n_signals} signals, all annotations", "a recording has at least one signal of samples")
    return tuple(signals)


def _record_duration(text: str, signals: tuple[Signal, ...], path: str) -> Fraction:
    if number(text, "record duration", path) <= 0:
        raise RecordingError.of(path, f"record duration is {text!r}", "records of samples last longer than 0 s")
    record_s = Fraction(text)
    most = max(signal.samples_per_record for signal in signals)
    if not 1e-6 <= most / record_s <= 1e9:
        rate = f"record duration is {text!r} for {most} samples"
        raise RecordingError.of(path, rate, "a sampling rate is finite, between 1 uHz and 1 GHz")
    return record_s
