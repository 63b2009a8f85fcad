"""What is asked of a generated corpus: sizes, seed, share of seizures; and how random numbers are named."""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import Field, model_validator

from seizure_pipeline.configuration import Settings, fingerprint

GENERATOR_VERSION = 1  # part of the fingerprint: raise it with every change of the generated samples


class SyntheticSettings(Settings):
    """Size and make-up of the corpus; the defaults give about 10 hours from 32 patients."""

    seed: int = 2026
    train_patients: int = Field(default=20, ge=0)
    dev_patients: int = Field(default=9, ge=0)
    eval_patients: int = Field(default=3, ge=0)
    recordings_per_patient: int = Field(default=5, ge=1)
    shortest_recording_min: float = Field(default=2.5, ge=1.0)
    longest_recording_min: float = Field(default=5.0, ge=1.0)
    seizure_recordings_share: float = Field(default=0.36, ge=0.0, le=1.0)
    second_seizure_share: float = Field(default=0.4, ge=0.0, le=1.0)
    shortest_seizure_s: float = Field(default=15.0, ge=10.0, le=30.0)
    longest_seizure_s: float = Field(default=90.0, ge=15.0)

    @model_validator(mode="after")
    def _ordered(self) -> SyntheticSettings:
        if self.shortest_recording_min > self.longest_recording_min:
            raise ValueError("shortest_recording_min must not exceed longest_recording_min")
        if self.shortest_seizure_s > self.longest_seizure_s:
            raise ValueError("shortest_seizure_s must not exceed longest_seizure_s")
        return self

    @property
    def expected_hours(self) -> float:
        """Hours of EEG, by the middle of the lengths that recordings may have."""
        recordings = sum(self.patients().values()) * self.recordings_per_patient
        return recordings * (self.shortest_recording_min + self.longest_recording_min) / 2 / 60

    def patients(self) -> dict[str, int]:
        """Number of patients of each split."""
        return {"train": self.train_patients, "dev": self.dev_patients, "eval": self.eval_patients}


def corpus_fingerprint(settings: SyntheticSettings) -> str:
    """Fingerprint of the settings together with the generator's version."""
    return fingerprint({"settings": settings, "generator_version": GENERATOR_VERSION})


def random_numbers(seed: int, *name: str) -> np.random.Generator:
    """Random numbers that depend on the seed and a name only, never on what was drawn before."""
    digest = hashlib.sha256("/".join((str(seed), *name)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))
