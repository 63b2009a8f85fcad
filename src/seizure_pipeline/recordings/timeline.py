"""Where data records lie in time: one stretch in EDF, as many as the annotations say in EDF+D (Kemp & Olivan 2003)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.recordings.header import Header, RecordingError

ONSET = re.compile(rb"([+-]\d+(?:\.\d+)?)\x14\x14")
ONSET_ROUNDING_S = 0.002  # onsets are often written in milliseconds: two of them may disagree by one


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece without gaps: `n_records` records from `first_record`, `start_s` after the first record's start."""

    start_s: float
    duration_s: float
    first_record: int
    n_records: int


def stretches_of(header: Header, n_records: int) -> tuple[Stretch, ...]:
    """Stretches of a file of `n_records` records, in order; RecordingError if the records of EDF+D overlap."""
    if not header.file_format.endswith("+D"):
        return (Stretch(0.0, float(n_records * header.record_s), 0, n_records),)
    return stretches_from_onsets(record_onsets_s(header, n_records), header)


def record_onsets_s(header: Header, n_records: int) -> NDArray[np.float64]:
    """Start of every record in seconds (n_records,), as its first annotation list states it."""
    lists = next((signal for signal in header.signals if signal.is_annotation), None)
    if lists is None:
        value = f"format {header.file_format} without an annotation signal"
        raise RecordingError.of(header.path, value, "its annotations say when each record starts")
    first = header.n_bytes + lists.first_sample * header.sample_bytes
    n_bytes = lists.samples_per_record * header.sample_bytes
    onsets_s = np.empty(n_records)
    with Path(header.path).open("rb") as file:
        for k in range(n_records):
            file.seek(first + k * header.record_bytes)
            found = ONSET.match(file.read(n_bytes))
            if found is None:
                value = f"record {k} of {n_records} begins its annotations with something else"  # which may be a name
                rule = "they begin with the record's onset, such as '+123.5\\x14\\x14'"
                raise RecordingError.of(header.path, value, rule)
            onsets_s[k] = float(found.group(1))
    if not np.isfinite(onsets_s).all():
        record = int(np.argmin(np.isfinite(onsets_s)))
        raise RecordingError.of(header.path, f"record {record} starts at {onsets_s[record]} s", "an onset is a finite number")
    return onsets_s


def stretches_from_onsets(onsets_s: NDArray[np.float64], header: Header) -> tuple[Stretch, ...]:
    """Join records that follow each other within the tolerance; time 0 is the first record's onset.

    The tolerance is half a sample of the fastest signal, and never below 2 ms, between a record's end and the next
    one's onset. A later onset begins a new stretch; an earlier one is an overlap, RecordingError.
    """
    record_s = float(header.record_s)
    fastest = max(signal.samples_per_record for signal in header.signals if not signal.is_annotation)
    tolerance_s = max(0.5 * record_s / fastest, ONSET_ROUNDING_S)
    late_s = np.diff(onsets_s) - record_s
    if np.any(late_s < -tolerance_s):
        raise _overlap(int(np.argmax(late_s < -tolerance_s)), onsets_s, header)
    firsts = [0, *(np.flatnonzero(late_s > tolerance_s) + 1).tolist(), len(onsets_s)]
    stretches: list[Stretch] = []
    for first, stop in pairwise(firsts):
        start_s = float(onsets_s[first] - onsets_s[0])
        if stretches and start_s < stretches[-1].start_s + stretches[-1].duration_s:  # many small overlaps add up
            raise _overlap(first - 1, onsets_s, header)
        stretches.append(Stretch(start_s, float((stop - first) * header.record_s), first, stop - first))
    return tuple(stretches)


def _overlap(record: int, onsets_s: NDArray[np.float64], header: Header) -> RecordingError:
    value = f"record {record} starts at {onsets_s[record]:g} s and record {record + 1} at {onsets_s[record + 1]:g} s"
    return RecordingError.of(header.path, value, f"records of {float(header.record_s):g} s neither overlap nor go backwards")
