"""What makes one patient differ from the next: recording habits, background, artefacts, focus and seizures."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.head import direction
from seizure_pipeline.corpora.synthetic.requirements import random_numbers

RATES_HZ = (250, 256, 400, 512)
RATE_SHARES = (0.4, 0.3, 0.15, 0.15)
FOCI = ("T3", "T4", "T3", "T4", "F7", "F8", "C3", "C4", "P3", "P4", "F3", "F4", "O1", "T6", "T5", "O2")
BIPOLAR_EVERY, BIPOLAR_FIRST = 16, 5  # so that train and dev of the default corpus hold one bipolar patient each


@dataclass(frozen=True, slots=True)
class Habits:
    """How the laboratory records this patient."""

    rate_hz: int
    label_style: str  # one of channels.LABEL_STYLES
    line_hz: float
    line_uv: float
    amplifier_uv: float
    records_ears: bool
    records_photic: bool


@dataclass(frozen=True, slots=True)
class Rest:
    """The background: 1/f exponent, sizes in microvolts (root mean square at the scalp), rhythms in hertz."""

    exponent: float
    broadband_uv: float
    alpha_hz: float
    alpha_uv: float
    beta_uv: float
    sleepiness: float
    heart_hz: float
    heart_leak_uv: float
    artefacts: float
    spikes_per_min: float
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ictal:
    """The patient's seizures: where they start and what they look like."""

    focus: NDArray[np.float64]
    generalised: bool
    peak_uv: float
    start_hz: float
    end_hz: float
    sharpness: float
    buzz_uv: float
    muscle_uv: float
    spread: float
    attenuation: float


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient, wholly determined by the seed and the patient's number."""

    patient_id: str
    habits: Habits
    rest: Rest
    ictal: Ictal


def patient_name(number: int) -> str:
    """Eight letters that count upwards: 0 is aaaaaaaa, 1 is aaaaaaab."""
    letters = ""
    for _ in range(8):
        number, digit = divmod(number, 26)
        letters = string.ascii_lowercase[digit] + letters
    return letters


def draw_patient(seed: int, number: int) -> Patient:
    """The patient of this number."""
    patient_id = patient_name(number + 1)
    rng = random_numbers(seed, patient_id, "patient")
    return Patient(patient_id, _habits(rng, number), _rest(rng), _ictal(rng))


def _habits(rng: np.random.Generator, number: int) -> Habits:
    styles = ("ref_capitals", "ref_capitals", "ears_capitals", "ears_mixed", "bare_new_names", "ref_new_names")
    bipolar = number % BIPOLAR_EVERY == BIPOLAR_FIRST
    return Habits(
        rate_hz=int(rng.choice(RATES_HZ, p=RATE_SHARES)),
        label_style="bipolar" if bipolar else str(rng.choice(styles)),
        line_hz=float(rng.choice((50.0, 60.0))),
        line_uv=float(rng.lognormal(np.log(1.5), 0.8)),
        amplifier_uv=float(rng.uniform(0.4, 1.2)),
        records_ears=bool(rng.random() < 0.5),
        records_photic=bool(rng.random() < 0.3),
    )


def _rest(rng: np.random.Generator) -> Rest:
    variants = ("temporal_theta", "wicket", "frontal_delta", "hypersynchrony", "rocking")
    return Rest(
        exponent=float(rng.uniform(1.1, 1.9)),
        broadband_uv=float(rng.uniform(7, 13)),
        alpha_hz=float(np.clip(rng.normal(9.6, 0.8), 8.2, 11.5)),
        alpha_uv=float(rng.lognormal(np.log(12), 0.5)),
        beta_uv=float(rng.lognormal(np.log(2.5), 0.5)),
        sleepiness=float(rng.beta(1.5, 1.5)),
        heart_hz=float(rng.uniform(0.9, 1.5)),
        heart_leak_uv=float(rng.choice((1.0, 2.0, 12.0), p=(0.5, 0.3, 0.2))),
        artefacts=float(rng.lognormal(0, 0.4)),
        spikes_per_min=float(rng.choice((0.0, 0.5, 2.0, 5.0), p=(0.35, 0.25, 0.25, 0.15))),
        variants=tuple(name for name in variants if rng.random() < 0.6),
    )


def _ictal(rng: np.random.Generator) -> Ictal:
    generalised = bool(rng.random() < 0.15)
    focus = direction("Fz") if generalised else direction(str(rng.choice(FOCI))) + rng.normal(0, 0.12, 3)
    return Ictal(
        focus=focus / np.linalg.norm(focus),
        generalised=generalised,
        peak_uv=float(np.clip(rng.lognormal(np.log(85), 0.35), 45, 200)),
        start_hz=float(rng.uniform(6.8, 9.2)),
        end_hz=float(rng.uniform(2.6, 3.4)),
        sharpness=float(rng.uniform(0.3, 0.95)),
        buzz_uv=float(rng.choice((0.0, 12.0, 20.0), p=(0.5, 0.3, 0.2))),
        muscle_uv=float(rng.choice((0.0, 8.0, 25.0), p=(0.5, 0.3, 0.2))),
        spread=float(rng.uniform(0.6, 1.5)),
        attenuation=float(rng.uniform(0.2, 0.6)),
    )
