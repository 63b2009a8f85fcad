"""Everything that a report says and shows of one split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.figures import Marks, PatientRow
from seizure_pipeline.figures.appearance import S_PER_HOUR
from seizure_pipeline.report.excerpt_drawing import ExcerptDrawing, draw_excerpt
from seizure_pipeline.report.excerpts import Found, eeg_around, missed_seizures, worst_false_alarms
from seizure_pipeline.report.intervals import curve_band
from seizure_pipeline.report.judged import JudgedRecording, by_patient, judge
from seizure_pipeline.report.pictures import Picture, chance_of, draw_curve, draw_latency, draw_patients, draw_reliability
from seizure_pipeline.report.tables import OneFeature, RuleBlock, TableLine, budget_lines, rule_blocks, threshold_free_lines
from seizure_pipeline.report.timelines import ALL_DRAWN, PatientTimeline, draw_patient, line_length_s
from seizure_pipeline.scoring import PostProcessingSettings, Trace, detected, operating_curve, score, summarise
from seizure_pipeline.scoring.bootstrap import BootstrapSettings, uncertainties
from seizure_pipeline.scoring.calibration import Temperature, calibration_summary, reliability
from seizure_pipeline.scoring.evidence import FrozenThreshold, gather_evidence
from seizure_pipeline.scoring.latency import Row, latency_table, seizure_outcomes
from seizure_pipeline.scoring.published import TUSZ_EVAL, why_not_beside
from seizure_pipeline.scoring.samples import score_histogram
from seizure_pipeline.scoring.trivial import seizure_durations_s

FALSE_ALARMS_SHOWN = 10


@dataclass(frozen=True)
class Detector:
    """A detector by its name, with its traces of a split and the threshold that dev gave it."""

    name: str
    traces: Sequence[Trace]
    threshold: float | None


@dataclass(frozen=True)
class SplitSource:
    """What is known of a split: its scored recordings (`rows` in the order of the model's traces) and its refused ones.

    `layout` is the corpus's, `cache` the folder of its signals; `temperature` was fitted on dev."""

    split: str
    rows: Sequence[IndexRow]
    refused: Sequence[IndexRow]
    model: Detector
    one_feature: Detector
    post_processing: PostProcessingSettings
    bootstrap: BootstrapSettings
    temperature: Temperature | None
    layout: str
    cache: Path

    @cached_property
    def judged(self) -> list[JudgedRecording]:
        """The recordings with their events at the model's threshold."""
        pairs = zip(self.rows, self.model.traces, strict=True)
        return [judge(row, trace, self.model.threshold, self.post_processing) for row, trace in pairs]


@dataclass(frozen=True, slots=True)
class AllThresholds:
    """What holds over all thresholds: tables, the curve, why published results are or are not beside it, reliability."""

    budgets: list[TableLine]
    threshold_free: list[TableLine]
    curve: Picture
    published_source: str
    not_published: str
    reliability: Picture
    calibration: dict[str, float | int | str | None]
    has_band: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """Events that are drawn, with all that there are."""

    drawn: list[ExcerptDrawing]
    all: list[Found]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """A split, ready to be laid out; `all_thresholds` is None where there is no seizure."""

    split: str
    recordings: int
    hours: float
    seizures: int
    refused: Sequence[IndexRow]
    blocks: list[RuleBlock]
    all_thresholds: AllThresholds | None
    patients: list[PatientRow]
    patients_picture: Picture
    line_length_s: int
    named_from: int
    timelines: list[PatientTimeline]
    false_alarms: Shown
    misses: Shown
    latency: list[Row]
    latency_picture: Picture | None


def report_of(source: SplitSource) -> SplitReport:
    """Score, draw and look up everything about a split."""
    judged = source.judged
    scored = [recording.scored for recording in judged]
    types = {row.recording_id: row.seizure_types for row in source.rows if any(row.seizure_types)}
    outcomes = seizure_outcomes(scored, types)
    patients = [_patient(name, recordings) for name, recordings in by_patient(judged).items()]
    length_s = line_length_s(judged)
    all_drawn = len(judged) <= ALL_DRAWN
    return SplitReport(
        split=source.split,
        recordings=len(judged),
        hours=sum(patient.hours for patient in patients),
        seizures=sum(patient.seizures for patient in patients),
        refused=source.refused,
        blocks=_blocks(source),
        all_thresholds=_all_thresholds(source) if outcomes else None,
        patients=patients,
        patients_picture=draw_patients(patients),
        line_length_s=length_s,
        named_from=ALL_DRAWN,
        timelines=[draw_patient(name, found, length_s, all_drawn) for name, found in by_patient(judged).items()],
        false_alarms=_shown(worst_false_alarms(judged), "False alarm", source, FALSE_ALARMS_SHOWN),
        misses=_shown(missed_seizures(judged), "Missed seizure", source),
        latency=latency_table(outcomes),
        latency_picture=draw_latency(outcomes),
    )


def _patient(patient_id: str, recordings: Sequence[JudgedRecording]) -> PatientRow:
    seizures = [event for recording in recordings for event in recording.seizures]
    return PatientRow(
        patient_id=patient_id,
        recordings=len(recordings),
        hours=sum(recording.trace.duration_s for recording in recordings) / S_PER_HOUR,
        seizures=len(seizures),
        found=sum(event.matched for event in seizures),
        false_alarms=sum(not event.matched for recording in recordings for event in recording.detections),
    )


def _blocks(source: SplitSource) -> list[RuleBlock]:
    other = source.one_feature
    recordings = detected(other.traces, other.threshold, source.post_processing)
    evidence = gather_evidence(source.model.traces, source.post_processing, FrozenThreshold(source.model.threshold))
    known = uncertainties(evidence, source.bootstrap)
    scored = [recording.scored for recording in source.judged]
    return rule_blocks(scored, OneFeature(other.name, recordings), known, source.bootstrap)


def _all_thresholds(source: SplitSource) -> AllThresholds:
    traces, other, settings = source.model.traces, source.one_feature, source.post_processing
    curve, other_curve = operating_curve(traces, settings), operating_curve(other.traces, settings)
    summary, other_summary = summarise(traces, curve, settings), summarise(other.traces, other_curve, settings)
    evidence = gather_evidence(traces, settings)
    known, band = uncertainties(evidence, source.bootstrap), curve_band(evidence, source.bootstrap)
    histogram = score_histogram(traces)
    against = why_not_beside(TUSZ_EVAL, source.layout, source.split, len(traces), curve.hours, curve.seizures)
    marks = Marks(band, _in_use(source), () if against else TUSZ_EVAL.points)
    chance = chance_of(
        seizure_durations_s(traces), [event.duration_s for recording in source.judged for event in recording.detections]
    )
    return AllThresholds(
        budgets=budget_lines(summary, other_summary, known),
        threshold_free=threshold_free_lines(summary, other_summary, known),
        curve=draw_curve(curve, (other.name, other_curve), chance, summary, marks),
        published_source="" if against else TUSZ_EVAL.source,
        not_published=against,
        reliability=draw_reliability(reliability(histogram), summary),
        calibration={} if source.temperature is None else calibration_summary(histogram, source.temperature),
        has_band=band is not None,
    )


def _in_use(source: SplitSource) -> tuple[float, float] | None:
    """False alarms per 24 h and sensitivity at the model's threshold, where there is one."""
    if source.model.threshold is None:
        return None
    found = score([recording.scored for recording in source.judged])
    return found.false_alarms_per_24h or 0.0, found.sensitivity or 0.0


def _shown(found: list[Found], kind: str, source: SplitSource, most: int | None = None) -> Shown:
    drawn = [draw_excerpt(each, eeg_around(each, source.cache), kind, source.model.threshold) for each in found[:most]]
    return Shown(drawn, found)
