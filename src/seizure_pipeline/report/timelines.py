"""Every recording as a line of time with its seizures and detections, by patient.

A recording longer than a line goes on in the next. Beyond `ALL_DRAWN` recordings those without any event are named, not
drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seizure_pipeline.figures.appearance import S_PER_HOUR, clock
from seizure_pipeline.report.geometry import Box, Tick, TimeAxis
from seizure_pipeline.report.judged import JudgedEvent, JudgedRecording
from seizure_pipeline.report.numbers import number_of
from seizure_pipeline.windows import RATE_HZ, Layout

ALL_DRAWN = 100
LINE_LENGTHS_S = (300, 600, 900, 1200, 1800, 3600, 7200, 14400)
FITTING_SHARE = 0.9  # of the recordings lie in one line
LEFT, WIDTH, LINE_HEIGHT, TOP, BOTTOM = 190, 900, 24, 4, 24
SEIZURE_WORDS = {True: ("found", "seizure, found"), False: ("missed", "seizure, missed")}
DETECTION_WORDS = {True: ("hit", "detection of a seizure"), False: ("false-alarm", "false alarm")}
LONGEST_LABEL = 26  # characters that find room beside a line


@dataclass(frozen=True, slots=True)
class Mark:
    """A seizure (found, missed) or a detection (hit, false-alarm) on a line, a box a stretch; `words` says it in full."""

    boxes: list[Box]
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """A recording, or its next piece: recorded stretches and marks, `y` from the top."""

    label: str
    recording_id: str
    y: int
    recorded: list[Box]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class PatientTimeline:
    """The lines of a patient, what they come to, and the names of recordings that are not drawn."""

    patient_id: str
    words: str
    lines: list[Line]
    ticks: list[Tick]
    height: int
    named: list[str]


def line_length_s(recordings: Sequence[JudgedRecording]) -> int:
    """The shortest round length that holds most recordings whole."""
    spans_s = [_end_s(recording.row.layout) for recording in recordings]
    wanted_s = float(np.quantile(spans_s, FITTING_SHARE, method="inverted_cdf"))
    return next((length_s for length_s in LINE_LENGTHS_S if wanted_s <= length_s), LINE_LENGTHS_S[-1])


def draw_patient(patient_id: str, recordings: Sequence[JudgedRecording], length_s: int, all_drawn: bool) -> PatientTimeline:
    """The timeline of a patient, a line at most `length_s` long."""
    drawn = [recording for recording in recordings if all_drawn or recording.eventful]
    pieces = [(recording, begin_s) for recording in drawn for begin_s in _line_starts_s(recording, length_s)]
    return PatientTimeline(
        patient_id=patient_id,
        words=_words(recordings),
        lines=[_line(*piece, length_s, TOP + LINE_HEIGHT * i) for i, piece in enumerate(pieces)],
        ticks=TimeAxis(0, length_s, LEFT, WIDTH).ticks(),
        height=TOP + LINE_HEIGHT * len(pieces) + BOTTOM,
        named=[recording.row.recording_id for recording in recordings if recording not in drawn],
    )


def _line(recording: JudgedRecording, begin_s: int, length_s: int, y: int) -> Line:
    row, axis = recording.row, TimeAxis(begin_s, begin_s + length_s, LEFT, WIDTH)
    stretches = [
        (start_s, start_s + samples / RATE_HZ)
        for start_s, samples in zip(row.layout.stretch_start_s, row.layout.stretch_samples, strict=True)
    ]
    marks = [mark for each in _events(recording) if (mark := _mark(*each, recording, axis)).boxes]
    label = _short(row.recording_id) if begin_s == 0 else f"… from {clock(begin_s, with_hours=True)}"
    recorded = [axis.box("recorded", *stretch) for stretch in stretches if axis.holds(*stretch)]
    return Line(label, row.recording_id, y, recorded, marks)


def _line_starts_s(recording: JudgedRecording, length_s: int) -> range:
    return range(0, max(math.ceil(_end_s(recording.row.layout)), 1), length_s)


def _events(recording: JudgedRecording) -> list[tuple[JudgedEvent, str, str]]:
    """Events with their kind and words."""
    seizures = [(event, *(SEIZURE_WORDS[event.matched])) for event in recording.seizures]
    return [*seizures, *((event, *(DETECTION_WORDS[event.matched])) for event in recording.detections)]


def _mark(event: JudgedEvent, kind: str, words: str, recording: JudgedRecording, axis: TimeAxis) -> Mark:
    pieces_s = event.pieces_s(recording.row.layout)
    (onset_s, _), (_, offset_s) = pieces_s[0], pieces_s[-1]
    long = _end_s(recording.row.layout) >= S_PER_HOUR
    boxes = [axis.box(kind, *piece_s) for piece_s in pieces_s if axis.holds(*piece_s)]
    return Mark(boxes, f"{words}: {clock(onset_s, long)} to {clock(offset_s, long)}")


def _words(recordings: Sequence[JudgedRecording]) -> str:
    seizures = [event for recording in recordings for event in recording.seizures]
    false_alarms = sum(not event.matched for recording in recordings for event in recording.detections)
    hours = sum(recording.trace.duration_s for recording in recordings) / S_PER_HOUR
    found = sum(event.matched for event in seizures)
    return (
        f"{number_of(len(recordings), 'recording')}, {hours:.2f} h, {number_of(len(seizures), 'seizure')} ({found} found, "
        f"{len(seizures) - found} missed), {number_of(false_alarms, 'false alarm')}"
    )


def _short(name: str) -> str:
    half = LONGEST_LABEL // 2 - 1
    return name if len(name) <= LONGEST_LABEL else f"{name[:half]}…{name[-half:]}"


def _end_s(layout: Layout) -> float:
    return layout.stretch_start_s[-1] + layout.stretch_samples[-1] / RATE_HZ
