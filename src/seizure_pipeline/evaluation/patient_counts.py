"""What two runs are compared by, as plain arrays: the sums of each patient of each split, and which recordings they are of.

`arrays_of` and `counted` undo each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.evaluation.operating import post_processing_of
from seizure_pipeline.evaluation.traces import DEV, SCORED
from seizure_pipeline.scoring import Trace
from seizure_pipeline.scoring.counts import GroupedCounts
from seizure_pipeline.scoring.evidence import Evidence, FrozenThreshold, RecordingFacts, gather_evidence

Arrays = dict[str, NDArray[Any]]
FORMAT = 1


@dataclass(frozen=True, slots=True)
class PatientCounts:
    """The operating point of a run and, by split, the evidence of its recordings; a split without any is left out."""

    point: dict[str, Any]
    splits: dict[str, Evidence]


def count_patients(traces: Mapping[str, Sequence[Trace]], point: dict[str, Any]) -> PatientCounts:
    """The evidence of each split's traces, post-processed as the operating point says, for all but dev at its threshold too."""
    settings = post_processing_of(point)
    frozen = {split: None if split == DEV else FrozenThreshold(point["threshold"]) for split in SCORED}
    splits = {split: gather_evidence(found, settings, frozen[split]) for split, found in traces.items() if found}
    return PatientCounts(point, splits)


def arrays_of(counts: PatientCounts) -> Arrays:
    """Arrays of numbers and text, those of a split below its name."""
    arrays: Arrays = {"format": np.asarray(FORMAT), "operating_point": np.asarray(json.dumps(counts.point, sort_keys=True))}
    for split, evidence in counts.splits.items():
        arrays |= {f"{split}/{name}": array for name, array in _arrays_of_evidence(evidence).items()}
    return arrays


def counted(arrays: Arrays) -> PatientCounts:
    """Undoes `arrays_of`; ValueError for another format."""
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"counts by patient of format {arrays['format']}, this package reads {FORMAT}")
    splits = [split for split in SCORED if f"{split}/hours" in arrays]
    return PatientCounts(json.loads(str(arrays["operating_point"])), {split: _evidence(arrays, split) for split in splits})


def _arrays_of_evidence(evidence: Evidence) -> Arrays:
    recordings = evidence.recordings
    tables = {"counts": evidence.counts, **({} if evidence.frozen is None else {"frozen": evidence.frozen})}
    return {
        "recording_ids": np.asarray([each.recording_id for each in recordings]),
        "recording_patients": np.asarray([each.patient_id for each in recordings]),
        "durations_s": np.asarray([each.duration_s for each in recordings]),
        "seizures_per_recording": np.asarray([len(each.seizures) for each in recordings]),
        "seizures_s": np.asarray([seizure for each in recordings for seizure in each.seizures]).reshape(-1, 2),
        "patient_ids": np.asarray(evidence.patient_ids),
        "hours": evidence.hours,
        **{f"{table}/{name}": getattr(found, name) for table, found in tables.items() for name in GroupedCounts.__slots__},
        "seizure_tokens": evidence.seizure_tokens,
        "background_tokens": evidence.background_tokens,
        "auroc": evidence.auroc,
        "average_precision": evidence.average_precision,
    }


def _evidence(arrays: Arrays, split: str) -> Evidence:
    def of(name: str) -> NDArray[Any]:
        return arrays[f"{split}/{name}"]

    def table(name: str) -> GroupedCounts:
        return GroupedCounts(**{field: of(f"{name}/{field}") for field in GroupedCounts.__slots__})

    seizures = np.split(of("seizures_s"), np.cumsum(of("seizures_per_recording"))[:-1])
    facts = zip(of("recording_ids"), of("recording_patients"), of("durations_s"), seizures, strict=True)
    return Evidence(
        recordings=tuple(
            RecordingFacts(str(recording), str(patient), float(duration_s), tuple((float(a), float(b)) for a, b in seizures_s))
            for recording, patient, duration_s, seizures_s in facts
        ),
        patient_ids=tuple(map(str, of("patient_ids"))),
        hours=of("hours"),
        counts=table("counts"),
        frozen=table("frozen") if f"{split}/frozen/tp" in arrays else None,
        seizure_tokens=of("seizure_tokens"),
        background_tokens=of("background_tokens"),
        auroc=of("auroc"),
        average_precision=of("average_precision"),
    )
