"""Traces as rough as a detector's: autocorrelated noise in log odds, raised around seizures; 16 Hz, on `resolve`'s grid."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from seizure_pipeline.scoring import Trace, resolve

RATE_HZ, HOURS, RECORDINGS, SEIZURES, PATIENTS = 16.0, 435.5, 1832, 833, 53
BASE_LOG_ODDS, SLOW_SD, SLOW_S, FAST_SD, FAST_S, WHITE_SD = -4.5, 1.6, 30.0, 0.8, 1.0, 0.15


def made_traces(recordings: int = RECORDINGS, seed: int = 0, quality: float = 4.0) -> list[Trace]:
    """`recordings` traces of 2 to 25 minutes with their share of 435.5 h and 833 seizures; `quality` lifts seizures."""
    truth, noise = np.random.default_rng(1), np.random.default_rng(seed)
    minutes = truth.uniform(2, 26.53, RECORDINGS)
    durations_s = np.round(minutes / minutes.sum() * HOURS * 3600)
    held = np.bincount(truth.choice(RECORDINGS // 3, SEIZURES), minlength=RECORDINGS)  # a third of the recordings holds all
    patients = truth.integers(0, PATIENTS, RECORDINGS)
    traces = []
    for i in range(recordings):
        reference = _seizures(truth, float(durations_s[i]), int(held[i]))
        probability = noisy_probability(noise, int(durations_s[i] * RATE_HZ), reference, quality)
        name, patient = f"r{i:04}", f"p{patients[i]:02}"
        traces.append(Trace(name, patient, RATE_HZ, probability, float(durations_s[i]), reference=reference))
    return traces


def _seizures(rng: np.random.Generator, duration_s: float, number: int) -> tuple[tuple[float, float], ...]:
    slots = np.linspace(0, duration_s, number + 1)
    found = []
    for start_s, end_s in pairwise(slots):
        length_s = min(float(rng.lognormal(3.6, 0.9)), 0.8 * (end_s - start_s))
        onset_s = float(rng.uniform(start_s, end_s - length_s))
        found.append((onset_s, onset_s + length_s))
    return tuple(found)


def noisy_probability(
    rng: np.random.Generator, tokens: int, reference: tuple[tuple[float, float], ...], quality: float
) -> np.ndarray:
    """(tokens,) probability, higher within `reference` by `quality`."""
    log_odds = BASE_LOG_ODDS + _correlated(rng, tokens, SLOW_SD, SLOW_S) + _correlated(rng, tokens, FAST_SD, FAST_S)
    log_odds += rng.normal(scale=WHITE_SD, size=tokens)
    for onset_s, offset_s in reference:
        log_odds[int(onset_s * RATE_HZ) : int(offset_s * RATE_HZ)] += quality * rng.uniform(0, 2.5)
    return resolve(1 / (1 + np.exp(-log_odds)))


def _correlated(rng: np.random.Generator, tokens: int, sd: float, time_s: float) -> np.ndarray:
    keep = np.exp(-1 / (RATE_HZ * time_s))
    noise = rng.normal(size=tokens) * sd * np.sqrt(1 - keep**2)
    noise[:1] = rng.normal(scale=sd)
    return lfilter([1.0], [1.0, -keep], noise)
