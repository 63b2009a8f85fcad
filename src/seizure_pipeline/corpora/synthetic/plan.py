"""Which recordings the corpus holds and where their seizures lie, known before a sample is generated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.channels import LABEL_STYLES
from seizure_pipeline.corpora.synthetic.patients import Patient, draw_patient
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings, random_numbers

LEAD_IN_S = 20.0
BETWEEN_SEIZURES_S = 30.0
TAIL_S = 5.0
SESSION_RECORDINGS = 3
MEDIAN_SEIZURE_S = 34.0
SEIZURE_LOG_SD = 0.5


@dataclass(frozen=True, slots=True)
class PlannedRecording:
    """One recording to be: its place in the tree, its length, its seizures as (onset_s, offset_s)."""

    split: str
    patient: Patient
    number: int
    duration_s: int
    seizures: tuple[tuple[float, float], ...]

    @property
    def recording_id(self) -> str:
        """Patient, session and token, as in the file's name."""
        token = self.number % SESSION_RECORDINGS
        return f"{self.patient.patient_id}_{self._session_number}_t{token:03d}"

    @property
    def edf_path(self) -> PurePosixPath:
        """Path of the EDF below the corpus' root; the annotation has the same stem."""
        montage = LABEL_STYLES[self.patient.habits.label_style].montage
        folder = PurePosixPath("edf", self.split, self.patient.patient_id, f"{self._session_number}_2015", montage)
        return folder / f"{self.recording_id}.edf"

    @property
    def _session_number(self) -> str:
        return f"s{1 + self.number // SESSION_RECORDINGS:03d}"


def plan(settings: SyntheticSettings) -> list[PlannedRecording]:
    """All recordings, in order of their paths' splits and patients."""
    recordings: list[PlannedRecording] = []
    first = 0
    for split, n_patients in settings.patients().items():
        patients = [draw_patient(settings.seed, first + i) for i in range(n_patients)]
        recordings += _plan_split(settings, split, patients)
        first += n_patients
    return recordings


def _plan_split(settings: SyntheticSettings, split: str, patients: list[Patient]) -> list[PlannedRecording]:
    counts = _seizure_counts(settings, split, len(patients))
    return [
        _plan_recording(settings, split, patient, number, int(counts[row, number]))
        for row, patient in enumerate(patients)
        for number in range(settings.recordings_per_patient)
    ]


def _seizure_counts(settings: SyntheticSettings, split: str, n_patients: int) -> NDArray[np.int64]:
    """Seizures of each recording (patients, recordings): every patient has one before any has the second, by lot."""
    shape = (n_patients, settings.recordings_per_patient)
    counts = np.zeros(shape, np.int64)
    if settings.seizure_recordings_share == 0 or n_patients == 0:
        return counts
    rng = random_numbers(settings.seed, split, "seizures")
    turns = rng.permuted(np.tile(np.arange(shape[1]), (n_patients, 1)), axis=1)
    queue = [(row, turns[row, turn]) for turn in range(shape[1]) for row in rng.permutation(n_patients)]
    chosen = np.array(queue[: max(n_patients, round(settings.seizure_recordings_share * counts.size))])
    counts[tuple(chosen.T)] = 1
    twice = rng.permutation(len(chosen))[: round(settings.second_seizure_share * len(chosen))]
    counts[tuple(chosen[twice].T)] = 2
    return counts


def _plan_recording(
    settings: SyntheticSettings, split: str, patient: Patient, number: int, n_seizures: int
) -> PlannedRecording:
    rng = random_numbers(settings.seed, patient.patient_id, str(number), "plan")
    minutes = rng.uniform(settings.shortest_recording_min, settings.longest_recording_min)
    duration_s = round(60 * minutes)
    return PlannedRecording(split, patient, number, duration_s, _place_seizures(rng, settings, duration_s, n_seizures))


def _place_seizures(
    rng: np.random.Generator, settings: SyntheticSettings, duration_s: int, count: int
) -> tuple[tuple[float, float], ...]:
    """Seizures at random places: not in the first 20 s, 30 s apart, 5 s before the end; the second only with room."""
    room_s = duration_s - LEAD_IN_S - TAIL_S
    if count == 2 and room_s < 2 * settings.shortest_seizure_s + BETWEEN_SEIZURES_S:
        count = 1
    if count == 0:
        return ()
    free_s = room_s - (count - 1) * BETWEEN_SEIZURES_S
    longest_s = max(settings.shortest_seizure_s, min(settings.longest_seizure_s, 0.9 * free_s / count))
    drawn_s = rng.lognormal(np.log(MEDIAN_SEIZURE_S), SEIZURE_LOG_SD, count)
    lengths_s = np.round(drawn_s.clip(settings.shortest_seizure_s, longest_s), 2)
    slack_s = np.sort(rng.random(count)) * (free_s - lengths_s.sum())
    onsets_s = LEAD_IN_S + slack_s + np.arange(count) * BETWEEN_SEIZURES_S + np.append(0, np.cumsum(lengths_s)[:-1])
    onsets_s = np.round(onsets_s, 2)
    return tuple((float(a), float(round(a + b, 2))) for a, b in zip(onsets_s, lengths_s, strict=True))
