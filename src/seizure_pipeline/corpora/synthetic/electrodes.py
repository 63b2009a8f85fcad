"""What arises at the electrodes and behind them, at the recording's rate: muscle, pops, impedance, mains, amplifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.head import N_ELECTRODES, SITES, site
from seizure_pipeline.corpora.synthetic.patients import Ictal, Patient
from seizure_pipeline.corpora.synthetic.waves import (
    Signal,
    add_wave,
    arrivals,
    between,
    drift,
    falling,
    noise,
    rise,
    swell,
)

MUSCLE_SITES = {
    "temporal": ("T3", "F7", "A1"),
    "temporal_right": ("T4", "F8", "A2"),
    "brow": ("Fp1", "Fp2", "F7", "F8"),
}
MUSCLE_PER_MIN, CHEWING_PER_MIN, POPS_PER_MIN = 1.6, 0.22, 0.5
MUSCLE_HZ = (22.0, 95.0)
MAINS_HARMONICS = (1.0, 0.12, 0.25)


def add_muscle(rng: np.random.Generator, patient: Patient, sites_ST: Signal) -> None:
    """Bursts of muscle over the temples and the brow."""
    rate_hz = patient.habits.rate_hz
    for at_s in arrivals(rng, MUSCLE_PER_MIN * patient.rest.artefacts, sites_ST.shape[1] / rate_hz):
        samples = round(np.exp(rng.uniform(np.log(0.5), np.log(12))) * rate_hz)
        envelope = rng.lognormal(np.log(14), 0.6) * swell(samples, 0.15)
        _contract(rng, str(rng.choice(list(MUSCLE_SITES))), envelope, rate_hz, sites_ST, round(at_s * rate_hz))


def add_chewing(rng: np.random.Generator, patient: Patient, sites_ST: Signal) -> None:
    """Stretches of chewing: both temples, once or twice a second."""
    rate_hz = patient.habits.rate_hz
    for at_s in arrivals(rng, CHEWING_PER_MIN * patient.rest.artefacts, sites_ST.shape[1] / rate_hz):
        samples = round(rng.uniform(4, 18) * rate_hz)
        bites = np.maximum(np.sin(2 * np.pi * rng.uniform(1, 2) * np.arange(samples) / rate_hz), 0) ** 2
        for muscle in ("temporal", "temporal_right"):
            envelope = rng.uniform(15, 45) * bites * swell(samples, 0.1)
            _contract(rng, muscle, envelope, rate_hz, sites_ST, round(at_s * rate_hz))


def add_ictal_muscle(
    rng: np.random.Generator, ictal: Ictal, rate_hz: int, span_s: tuple[float, float], sites_ST: Signal
) -> None:
    """Muscle that joins in the second half of this patient's seizures."""
    start, stop = round(span_s[0] * rate_hz), round(span_s[1] * rate_hz)
    share = np.arange(stop - start) / (stop - start)
    envelope = ictal.muscle_uv * rise((share - 0.35) / 0.4) * rise((1 - share) / 0.03)
    for muscle in ("temporal", "temporal_right"):
        _contract(rng, muscle, envelope * rng.uniform(0.4, 1), rate_hz, sites_ST, start)


def _contract(
    rng: np.random.Generator, muscle: str, envelope: NDArray[np.floating], rate_hz: int, sites_ST: Signal, start: int
) -> None:
    """Independent motor units under each electrode of the muscle."""
    names = MUSCLE_SITES[muscle]
    units = noise(rng, len(names), envelope.size, rate_hz, between(*MUSCLE_HZ))
    for name, unit in zip(names, units, strict=True):
        seen = np.zeros(len(SITES), np.float32)
        seen[site(name)] = rng.uniform(0.5, 1.3)
        add_wave(sites_ST, seen, np.asarray(envelope * unit, np.float32), start)


def add_pops(rng: np.random.Generator, patient: Patient, sites_ST: Signal) -> None:
    """An electrode jumps and creeps back."""
    rate_hz = patient.habits.rate_hz
    for at_s in arrivals(rng, POPS_PER_MIN * patient.rest.artefacts, sites_ST.shape[1] / rate_hz):
        times_s = np.arange(3 * rate_hz) / rate_hz
        wave = rng.choice((-1, 1)) * rng.uniform(60, 350) * np.exp(-times_s / rng.uniform(0.1, 0.6))
        row = int(rng.integers(N_ELECTRODES))
        first = round(at_s * rate_hz)
        last = min(first + wave.size, sites_ST.shape[1])
        sites_ST[row, first:last] += wave[: last - first].astype(np.float32)


def add_contacts(rng: np.random.Generator, patient: Patient, sites_ST: Signal) -> None:
    """Mains hum that follows each contact's impedance, four contacts that go bad and recover, and amplifier noise."""
    rate_hz, samples = patient.habits.rate_hz, sites_ST.shape[1]
    sites_ST += np.float32(patient.habits.amplifier_uv) * rng.standard_normal(sites_ST.shape, np.float32)
    hum_T = _hum(rng, patient, samples)
    for row in range(len(SITES)):
        impedance_T = np.exp(0.5 * rng.standard_normal() + 0.25 * drift(rng, samples, rate_hz, 25.0))
        sites_ST[row] += hum_T * impedance_T
    worst = rng.choice(N_ELECTRODES, 4, replace=False)
    for row, noise_T in zip(worst, noise(rng, worst.size, samples, rate_hz, falling(1.0)), strict=True):
        badness_T = np.maximum(drift(rng, samples, rate_hz, 20.0), 0)
        sites_ST[row] *= 1 - 0.12 * np.minimum(badness_T, 2)
        sites_ST[row] += 6 * badness_T * noise_T


def _hum(rng: np.random.Generator, patient: Patient, samples: int) -> Signal:
    """Mains (T,) with those harmonics that the sampling rate can hold."""
    times_s = np.arange(samples) / patient.habits.rate_hz
    hum_T = np.zeros(samples)
    for order, share in enumerate(MAINS_HARMONICS, start=1):
        if order * patient.habits.line_hz < patient.habits.rate_hz / 2:
            hum_T += share * np.sin(2 * np.pi * (order * patient.habits.line_hz * times_s + rng.random()))
    return np.asarray(hum_T * patient.habits.line_uv, np.float32)
