"""An excerpt as a drawing: the picture of the EEG with labels and scale, the probability below it, the whole recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.figures.appearance import S_PER_HOUR, clock
from seizure_pipeline.figures.traces import nice, row_spacing
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.pages import token_times_s
from seizure_pipeline.report.eeg_picture import eeg_picture
from seizure_pipeline.report.excerpts import EXCERPT_S, EegExcerpt, Found
from seizure_pipeline.report.geometry import Box, Tick, TimeAxis, thinned
from seizure_pipeline.report.judged import JudgedRecording
from seizure_pipeline.windows import RATE_HZ, Layout

LEFT, WIDTH, RIGHT = 62, 1000, 74
ROW_HEIGHT = 32
PIXELS_PER_UNIT = 1.5  # of the EEG's picture, for print and fine screens
EEG_HEIGHT = ROW_HEIGHT * (len(ELECTRODES) + 1)
TRACE_TOP, TRACE_HEIGHT = EEG_HEIGHT + 26, 84
STRIP_TOP, STRIP_HEIGHT = TRACE_TOP + TRACE_HEIGHT + 50, 44
HIGH_SHARE, HIGH_ROWS = 0.96, 1.2  # so much of the page stays within so many rows' share of its line
HEIGHT = STRIP_TOP + STRIP_HEIGHT + 34


@dataclass(frozen=True, slots=True)
class EegDrawing:
    """The picture of the EEG and what stands around it; `electrodes` are name, height and whether it was interpolated."""

    picture: str
    picture_width: float
    electrodes: list[tuple[str, int, bool]]
    seconds: list[float]
    scale_height: float
    scale_uv: float


@dataclass(frozen=True, slots=True)
class Panel:
    """A probability trace over a time axis: polylines, the threshold's height, and ticks."""

    top: int
    height: int
    lines: list[str]
    threshold_y: float | None
    ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class ExcerptDrawing:
    """An event with its surroundings, in units of the drawing; `frame` is the excerpt within the whole recording."""

    title: str
    alt: str
    eeg: EegDrawing
    near: Panel
    near_boxes: list[Box]
    whole: Panel
    whole_boxes: list[Box]
    frame: Box


def draw_excerpt(found: Found, excerpt: EegExcerpt, kind: str, threshold: float | None) -> ExcerptDrawing:
    """The drawing of an event, which is a `kind`, in its excerpt."""
    recording, layout = found.recording, found.recording.row.layout
    near = TimeAxis(excerpt.start_s, excerpt.start_s + EXCERPT_S, LEFT, WIDTH)
    whole = TimeAxis(0.0, _end_s(layout), LEFT, WIDTH)
    title = _title(found, kind)
    return ExcerptDrawing(
        title=title,
        alt=f"EEG of 19 electrodes with the probability below it. {title}",
        eeg=_eeg(excerpt, near, recording.row.interpolated),
        near=_panel(recording, near, threshold, TRACE_TOP, TRACE_HEIGHT),
        near_boxes=_boxes(recording, near),
        whole=_panel(recording, whole, threshold, STRIP_TOP, STRIP_HEIGHT),
        whole_boxes=_boxes(recording, whole),
        frame=whole.box("frame", near.start_s, near.end_s),
    )


def _title(found: Found, kind: str) -> str:
    row, event = found.recording.row, found.event
    onset_s, offset_s = found.file_clock_s
    long = _end_s(row.layout) >= S_PER_HOUR
    probability = f"highest probability {event.probability:.2f}"
    if event in found.recording.detections:
        area = event.probability * event.duration_s
        probability = f"mean probability {event.probability:.2f}, times duration {area:.1f} s"
    times = f"{clock(onset_s, long)} to {clock(offset_s, long)}"
    return f"{kind} in {row.recording_id} (patient {row.patient_id}), {times}, {event.duration_s:.1f} s; {probability}"


def _eeg(excerpt: EegExcerpt, axis: TimeAxis, interpolated: tuple[str, ...]) -> EegDrawing:
    row_uv = row_height_uv(excerpt.signal_uv_CT)
    picture_width = WIDTH * (excerpt.end_s - excerpt.start_s) / EXCERPT_S
    pixels = round(picture_width * PIXELS_PER_UNIT), round(ROW_HEIGHT * PIXELS_PER_UNIT)
    return EegDrawing(
        picture=eeg_picture(excerpt.signal_uv_CT, row_uv, *pixels),
        picture_width=round(picture_width, 1),
        electrodes=[(name, ROW_HEIGHT * (i + 1), name in interpolated) for i, name in enumerate(ELECTRODES)],
        seconds=[axis.x(second) for second in np.arange(np.ceil(axis.start_s), axis.end_s)],
        scale_height=round(ROW_HEIGHT * nice(row_uv) / row_uv, 1),
        scale_uv=nice(row_uv),
    )


def row_height_uv(signal_uv_CT: NDArray[np.float32]) -> float:
    """Microvolts from one electrode's line to the next: as on other pages, or more where much of the page is a seizure."""
    deviation_CT = np.abs(signal_uv_CT - np.median(signal_uv_CT, axis=1, keepdims=True))
    return max(row_spacing(signal_uv_CT), HIGH_ROWS * float(np.quantile(deviation_CT, HIGH_SHARE)))


def _panel(recording: JudgedRecording, axis: TimeAxis, threshold: float | None, top: int, height: int) -> Panel:
    return Panel(
        top=top,
        height=height,
        lines=thinned(token_times_s(recording.row.layout), recording.trace.probability, axis, top, height),
        threshold_y=None if threshold is None else round(top + height * (1 - threshold), 1),
        ticks=axis.ticks(),
    )


def _boxes(recording: JudgedRecording, axis: TimeAxis) -> list[Box]:
    kinds = (("seizure", recording.seizures), ("detection", recording.detections))
    pieces = [(kind, piece_s) for kind, events in kinds for event in events for piece_s in event.pieces_s(recording.row.layout)]
    return [axis.box(kind, *piece_s) for kind, piece_s in pieces if axis.holds(*piece_s)]


def _end_s(layout: Layout) -> float:
    return layout.stretch_start_s[-1] + layout.stretch_samples[-1] / RATE_HZ
