"""One recording of the corpus, from its plan to its channels."""

from __future__ import annotations

import numpy as np
from scipy.signal import resample_poly

from seizure_pipeline.corpora.synthetic.artefacts import add_eyes, add_heart, add_movements, add_sweat
from seizure_pipeline.corpora.synthetic.background import BRAIN_RATE_HZ, draw_background, draw_vigilance
from seizure_pipeline.corpora.synthetic.channels import Channel, record
from seizure_pipeline.corpora.synthetic.electrodes import (
    add_chewing,
    add_contacts,
    add_ictal_muscle,
    add_muscle,
    add_pops,
)
from seizure_pipeline.corpora.synthetic.plan import PlannedRecording
from seizure_pipeline.corpora.synthetic.requirements import random_numbers
from seizure_pipeline.corpora.synthetic.seizures import add_seizure, damping, draw_course
from seizure_pipeline.corpora.synthetic.variants import add_spikes, add_variants
from seizure_pipeline.corpora.synthetic.waves import Signal


def generate_channels(planned: PlannedRecording, seed: int) -> list[Channel]:
    """The recording's channels in microvolts at the patient's rate; the same plan and seed give the same samples."""
    rng = random_numbers(seed, planned.recording_id, "samples")
    sites_ST, heart_T = _brain_and_body(rng, planned)
    patient = planned.patient
    up, down = patient.habits.rate_hz, BRAIN_RATE_HZ
    sites_ST = np.ascontiguousarray(resample_poly(sites_ST, up, down, axis=1, padtype="line"), np.float32)
    heart_T = np.asarray(resample_poly(heart_T, up, down), np.float32)
    add_muscle(rng, patient, sites_ST)
    add_chewing(rng, patient, sites_ST)
    for span_s in planned.seizures:
        add_ictal_muscle(rng, patient.ictal, patient.habits.rate_hz, span_s, sites_ST)
    add_pops(rng, patient, sites_ST)
    add_contacts(rng, patient, sites_ST)
    return record(patient, sites_ST, heart_T)


def _brain_and_body(rng: np.random.Generator, planned: PlannedRecording) -> tuple[Signal, Signal]:
    """Potentials (S, T) and the heart's channel (T,) at 128 Hz."""
    rest, ictal = planned.patient.rest, planned.patient.ictal
    samples = planned.duration_s * BRAIN_RATE_HZ
    courses = [draw_course(rng, ictal, *span_s) for span_s in planned.seizures]
    vigilance = draw_vigilance(rng, rest, samples)
    sites_ST = draw_background(rng, rest, vigilance, damping(ictal, courses, samples))
    add_variants(rng, rest, vigilance, sites_ST)
    add_spikes(rng, rest, ictal, sites_ST)
    for course in courses:
        add_seizure(rng, ictal, course, sites_ST)
    add_eyes(rng, rest, vigilance, sites_ST)
    add_sweat(rng, rest, sites_ST)
    add_movements(rng, rest, sites_ST)
    return sites_ST, add_heart(rng, rest, sites_ST)
