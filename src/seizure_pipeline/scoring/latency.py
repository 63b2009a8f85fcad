"""How late and how long a seizure is detected, by its length and, where it is known, its type.

The detection of a seizure is the first, by onset, of those that overlap it (any overlap, NEDC's preparation of events).
Latency is that detection's onset minus the seizure's: negative if the alarm began before, far below zero if one alarm
covers several seizures. Duration error is the time of all detections that overlap the seizure, in and outside it, minus
the seizure's length. Missed seizures have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seizure_pipeline.scoring.events import Interval, ScoredRecording, ScoringError, check_recordings, joined, nedc_time_s
from seizure_pipeline.scoring.ovlp import overlap

LENGTH_LIMITS_S = (10.0, 30.0, 60.0)
ALL, UNKNOWN_TYPE = "all", "not given"
Row = dict[str, float | int | str | None]
SeizureTypes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class SeizureOutcome:
    """One seizure of the reference; the last two are None if it was missed."""

    recording_id: str
    patient_id: str
    onset_s: float
    offset_s: float
    seizure_type: str | None
    latency_s: float | None
    duration_error_s: float | None

    @property
    def length_class(self) -> str:
        """`<10 s`, `10-30 s`, `30-60 s` or `>=60 s`; a class holds its lower end."""
        length_s = self.offset_s - self.onset_s
        return length_classes()[sum(length_s >= limit_s for limit_s in LENGTH_LIMITS_S)]


def length_classes() -> tuple[str, ...]:
    """Names of the classes of seizure length, the shortest first."""
    between = (f"{low:g}-{high:g} s" for low, high in pairwise(LENGTH_LIMITS_S))
    return (f"<{LENGTH_LIMITS_S[0]:g} s", *between, f">={LENGTH_LIMITS_S[-1]:g} s")


def seizure_outcomes(recordings: Sequence[ScoredRecording], seizure_types: SeizureTypes | None = None) -> list[SeizureOutcome]:
    """Every seizure of `recordings` with what became of it.

    `seizure_types` holds, for recordings whose types are known, one type for each reference event in the order in which
    they are listed; seizures that touch are one and have the type of the first. Raises ScoringError for another number of
    types, and for what cannot be scored.
    """
    check_recordings(recordings)
    return [outcome for recording in recordings for outcome in _outcomes(recording, seizure_types or {})]


def latency_table(outcomes: Sequence[SeizureOutcome]) -> list[Row]:
    """A row for all seizures, for each class of length and for each type: counts, and median and quartiles in seconds.

    Types are listed only if one is known. Figures are None in a row without a found seizure.
    """
    rows = [{"by": ALL, "class": ALL, **_figures(outcomes)}]
    rows += _rows("length", outcomes, lambda outcome: outcome.length_class, length_classes())
    if any(outcome.seizure_type is not None for outcome in outcomes):
        types = sorted({_type_of(outcome) for outcome in outcomes})
        rows += _rows("type", outcomes, _type_of, types)
    return rows


def latency_summary(outcomes: Sequence[SeizureOutcome]) -> Row:
    """The figures over all seizures by name, for instance `latency_median_s`."""
    return _figures(outcomes)


def _outcomes(recording: ScoredRecording, seizure_types: SeizureTypes) -> list[SeizureOutcome]:
    seizures, detections = joined(recording.reference), joined(recording.detections)
    types = _types_by_onset(recording, seizure_types)
    return [_outcome(recording, seizure, types[seizure[0]].pop(0) if types else None, detections) for seizure in seizures]


def _outcome(
    recording: ScoredRecording, seizure: Interval, seizure_type: str | None, detections: Sequence[Interval]
) -> SeizureOutcome:
    hits = [detection for detection in detections if overlap(seizure, detection)]
    alarmed_s = sum(offset_s - onset_s for onset_s, offset_s in hits)
    onset_s, offset_s = seizure
    return SeizureOutcome(
        recording_id=recording.recording_id,
        patient_id=recording.patient_id,
        onset_s=onset_s,
        offset_s=offset_s,
        seizure_type=seizure_type,
        latency_s=hits[0][0] - onset_s if hits else None,
        duration_error_s=alarmed_s - (offset_s - onset_s) if hits else None,
    )


def _types_by_onset(recording: ScoredRecording, seizure_types: SeizureTypes) -> dict[float, list[str]]:
    types = seizure_types.get(recording.recording_id)
    if types is None:
        return {}
    if len(types) != len(recording.reference):
        raise ScoringError(f"{recording.recording_id}: {len(types)} types for {len(recording.reference)} seizures; one each")
    found: dict[float, list[str]] = {}
    for (onset_s, _), name in sorted(zip(recording.reference, types, strict=True), key=lambda pair: pair[0]):
        found.setdefault(nedc_time_s(onset_s), []).append(name)
    return found


def _rows(
    by: str, outcomes: Sequence[SeizureOutcome], class_of: Callable[[SeizureOutcome], str], classes: Sequence[str]
) -> list[Row]:
    members = {name: [outcome for outcome in outcomes if class_of(outcome) == name] for name in classes}
    return [{"by": by, "class": name, **_figures(members[name])} for name in classes]


def _type_of(outcome: SeizureOutcome) -> str:
    return outcome.seizure_type or UNKNOWN_TYPE


def _figures(outcomes: Sequence[SeizureOutcome]) -> Row:
    latencies_s = [outcome.latency_s for outcome in outcomes if outcome.latency_s is not None]
    errors_s = [outcome.duration_error_s for outcome in outcomes if outcome.duration_error_s is not None]
    return {
        "seizures": len(outcomes),
        "found_seizures": len(latencies_s),
        **_quartiles("latency", latencies_s),
        **_quartiles("duration_error", errors_s),
    }


def _quartiles(quantity: str, values_s: Sequence[float]) -> Row:
    quartiles = np.quantile(values_s, (0.25, 0.5, 0.75)).tolist() if values_s else (None, None, None)
    return dict(
        zip((f"{quantity}_{name}_s" for name in ("lower_quartile", "median", "upper_quartile")), quartiles, strict=True)
    )
