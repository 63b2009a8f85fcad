"""What each patient adds to every figure: the sums that figures of any resample of patients follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.counts import GroupedCounts, count_in_groups
from seizure_pipeline.scoring.curve import recorded_hours
from seizure_pipeline.scoring.detections import PostProcessingSettings
from seizure_pipeline.scoring.events import Interval, ScoringError, joined
from seizure_pipeline.scoring.places import PlacedTraces, place
from seizure_pipeline.scoring.samples import auroc, average_precision, recording_histograms
from seizure_pipeline.scoring.traces import Trace

MOST_SCORES = 20_000
NOTHING_REACHES = 2.0  # no probability is this high


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What two evaluations must share to be compared."""

    recording_id: str
    patient_id: str
    duration_s: float
    seizures: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Sums of P patients, by id: counts at K thresholds and at a frozen one, tokens by S scores, figures of recordings.

    `auroc` and `average_precision` are (P, 2): the sum over the patient's recordings that have one, and how many those
    are. `frozen` is None where no threshold was given.
    """

    recordings: tuple[RecordingFacts, ...]
    patient_ids: tuple[str, ...]
    hours: NDArray[np.float64]
    counts: GroupedCounts
    frozen: GroupedCounts | None
    seizure_tokens: NDArray[np.float64]
    background_tokens: NDArray[np.float64]
    auroc: NDArray[np.float64]
    average_precision: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrozenThreshold:
    """A threshold that was chosen elsewhere; None if none met the budget there, so that nothing is detected."""

    threshold: float | None


def gather_evidence(
    traces: Sequence[Trace], settings: PostProcessingSettings, frozen: FrozenThreshold | None = None
) -> Evidence:
    """The sums that resamples need, at every distinct score of `traces` and, where it is given, at a frozen threshold.

    Raises ScoringError for no recording, one given twice, or too many distinct scores to keep them for every patient.
    """
    if not traces:
        raise ScoringError("no recording in the scored split; there is nothing to resample")
    placed = place(traces)
    if len(placed.scores) > MOST_SCORES:
        rule = f"at most {MOST_SCORES} are kept for every patient (`resolve` leaves 769)"
        raise ScoringError(f"{len(placed.scores)} distinct scores in {len(traces)} recordings; {rule}")
    patient_ids = sorted({trace.patient_id for trace in traces})
    groups = [patient_ids.index(trace.patient_id) for trace in traces]
    hours_P = np.zeros(len(patient_ids))
    np.add.at(hours_P, groups, [recorded_hours(trace) for trace in traces])
    seizure_PS, background_PS, auroc_P2, ap_P2 = _over_tokens(placed, groups, len(patient_ids))
    return Evidence(
        recordings=tuple(sorted((_facts(trace) for trace in traces), key=lambda facts: facts.recording_id)),
        patient_ids=tuple(patient_ids),
        hours=hours_P,
        counts=count_in_groups(placed, placed.scores[::-1].copy(), settings, groups),
        frozen=None if frozen is None else count_in_groups(placed, _thresholds(frozen), settings, groups),
        seizure_tokens=seizure_PS,
        background_tokens=background_PS,
        auroc=auroc_P2,
        average_precision=ap_P2,
    )


def _thresholds(frozen: FrozenThreshold) -> NDArray[np.float64]:
    return np.asarray([NOTHING_REACHES if frozen.threshold is None else frozen.threshold])


def _over_tokens(placed: PlacedTraces, groups: Sequence[int], patients: int) -> tuple[NDArray[np.float64], ...]:
    seizure_PS, background_PS = np.zeros((2, patients, len(placed.scores)))
    auroc_P2, ap_P2 = np.zeros((2, patients, 2))
    for group, histogram in zip(groups, recording_histograms(placed), strict=True):
        seizure_PS[group] += histogram.seizure
        background_PS[group] += histogram.background
        for sums_P2, figure in ((auroc_P2, auroc(histogram)), (ap_P2, average_precision(histogram))):
            if figure is not None:
                sums_P2[group] += (figure, 1)
    return seizure_PS, background_PS, auroc_P2, ap_P2


def _facts(trace: Trace) -> RecordingFacts:
    return RecordingFacts(trace.recording_id, trace.patient_id, trace.duration_s, tuple(joined(trace.reference)))
