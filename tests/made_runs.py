"""Runs whose every figure follows from a few whole numbers, and an MLflow store that holds them.

A patient has two recordings of half an hour: one with seizures of 20 s, one without. The detector says HIGH all through a
seizure that it finds and for 10 s of each false alarm, and LOW elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

from seizure_pipeline.datasets import ArraysDataset
from seizure_pipeline.evaluation import PatientCounts, arrays_of, count_patients
from seizure_pipeline.scoring import PostProcessingSettings, Trace

RATE_HZ, RECORDING_S, SEIZURE_S, ALARM_S = 16, 1800, 20, 10
LOW, HIGH, THRESHOLD = 0.02, 0.9, 0.5
POINT: dict[str, Any] = {
    "threshold": THRESHOLD,
    "budget_per_24h": 10.0,
    "split": "dev",
    "sensitivity": 0.5,
    "false_alarms_per_24h": 4.0,
    "post_processing": PostProcessingSettings().model_dump(mode="json"),
    "settings_tried": 1,
}


@dataclass(frozen=True)
class Patient:
    """What one detector makes of a patient."""

    name: str
    seizures: int
    found: int
    alarms: int

    def traces(self) -> list[Trace]:
        """The recording with seizures and the one without, in which the false alarms are."""
        onsets_s = [100.0 * (k + 1) for k in range(self.seizures)]
        reference = tuple((onset_s, onset_s + SEIZURE_S) for onset_s in onsets_s)
        alarms = [(100.0 * (k + 1), 100.0 * (k + 1) + ALARM_S) for k in range(self.alarms)]
        return [trace(self.name, "a", reference[: self.found], reference), trace(self.name, "b", alarms, ())]


def trace(patient: str, mark: str, high: Sequence[tuple[float, float]], reference: tuple[tuple[float, float], ...]) -> Trace:
    probability_L = np.full(RECORDING_S * RATE_HZ, LOW, np.float32)
    for onset_s, offset_s in high:
        probability_L[round(onset_s * RATE_HZ) : round(offset_s * RATE_HZ)] = HIGH
    return Trace(f"{patient}_{mark}", patient, RATE_HZ, probability_L, float(RECORDING_S), reference=reference)


def counts(dev: Sequence[Patient], held_out: Sequence[Patient] = (), **point: Any) -> PatientCounts:
    """A run's counts on dev and, where they are given, on the patients of eval."""
    splits = {"dev": dev, "eval": held_out}
    traces = {split: [each for patient in patients for each in patient.traces()] for split, patients in splits.items()}
    return count_patients(traces, POINT | point)


@dataclass
class Store:
    """A new MLflow store in a folder."""

    folder: Path
    client: MlflowClient = field(init=False)
    experiment: str = field(init=False)

    def __post_init__(self) -> None:
        self.client = MlflowClient(self.uri)
        self.experiment = self.client.create_experiment("seizure_detection", (self.folder / "artifacts").as_uri())

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def log(self, name: str, made: PatientCounts | bytes | None = None, **tags: str) -> str:
        """The id of a finished run with these counts, or with this for a file of counts, or without any."""
        run_id = str(self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id)
        file = self.folder / "patient_counts.npz"
        if isinstance(made, PatientCounts):
            ArraysDataset(filepath=str(file)).save(arrays_of(made))
        elif made is not None:
            file.write_bytes(made)
        if made is not None:
            self.client.log_artifact(run_id, str(file))
        self.client.set_terminated(run_id)
        return run_id
