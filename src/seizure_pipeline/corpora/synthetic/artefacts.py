"""What is in the recording and not from the brain, at 128 Hz: eyes, sweat, movement, heart. Adds to (S, T) in place."""

from __future__ import annotations

import numpy as np

from seizure_pipeline.corpora.synthetic.background import BRAIN_RATE_HZ, Vigilance
from seizure_pipeline.corpora.synthetic.head import SITE_POSITIONS, SITES, site
from seizure_pipeline.corpora.synthetic.patients import Rest
from seizure_pipeline.corpora.synthetic.waves import (
    Signal,
    add_wave,
    arrivals,
    between,
    levels,
    noise,
    swell,
)

BLINKS_PER_MIN, GLANCES_PER_MIN, MOVEMENTS_PER_MIN = 14.0, 6.0, 0.9
EYE_SHARES = {"Fp1": 1.0, "Fp2": 1.0, "F7": 0.35, "F8": 0.35, "F3": 0.3, "F4": 0.3, "Fz": 0.32, "C3": 0.08, "C4": 0.08}
GLANCE_SHARES = {"F7": 1.0, "F8": -1.0, "Fp1": 0.45, "Fp2": -0.45, "T3": 0.4, "T4": -0.4, "F3": 0.2, "F4": -0.2}
HEART_BEAT_S = ((0.16, 0.025, 0.12), (0.24, 0.012, -0.15), (0.27, 0.012, 1.0), (0.30, 0.012, -0.25), (0.52, 0.05, 0.3))
HEART_PEAK_UV = 900.0


def _shares(table: dict[str, float]) -> Signal:
    return np.array([table.get(name, 0.0) for name in SITES], np.float32)


def add_eyes(rng: np.random.Generator, rest: Rest, vigilance: Vigilance, sites_ST: Signal) -> None:
    """Blinks while the eyes are open, glances to the sides, slow rolling eyes in drowsiness."""
    samples = sites_ST.shape[1]
    awake_T = (vigilance.eyes_closed < 0.5) & (vigilance.drowsy < 0.3)
    for at_s in arrivals(rng, BLINKS_PER_MIN, samples / BRAIN_RATE_HZ):
        start = int(at_s * BRAIN_RATE_HZ)
        if awake_T[start]:
            add_wave(sites_ST, _shares(EYE_SHARES) * np.float32(rng.uniform(70, 180)), _blink(rng), start)
    edges_s = [0.0, *sorted(arrivals(rng, GLANCES_PER_MIN, samples / BRAIN_RATE_HZ))]
    gaze = levels(edges_s, list(rng.uniform(-35, 35, len(edges_s))), samples, BRAIN_RATE_HZ, 0.08) * awake_T
    rolling = 20 * vigilance.drowsy * noise(rng, 1, samples, BRAIN_RATE_HZ, between(0.2, 0.5))[0]
    add_wave(sites_ST, _shares(GLANCE_SHARES), np.asarray(gaze + rolling, np.float32), 0)


def _blink(rng: np.random.Generator) -> Signal:
    times_s = np.arange(round(0.6 * BRAIN_RATE_HZ)) / BRAIN_RATE_HZ
    width_s = rng.uniform(0.07, 0.11)
    down = np.exp(-(((times_s - 0.22) / width_s) ** 2))
    return np.asarray(down - 0.15 * np.exp(-(((times_s - 0.45) / 0.1) ** 2)), np.float32)


def add_sweat(rng: np.random.Generator, rest: Rest, sites_ST: Signal) -> None:
    """Slow drift of a few electrodes."""
    few = rng.choice(len(SITES), 5, replace=False)
    slow = noise(rng, few.size, sites_ST.shape[1], BRAIN_RATE_HZ, between(0.08, 0.5))
    sites_ST[few] += slow * (12 * rest.artefacts * rng.random((few.size, 1))).astype(np.float32)


def add_movements(rng: np.random.Generator, rest: Rest, sites_ST: Signal) -> None:
    """The head moves: large irregular waves of one to eight seconds, uneven over the electrodes."""
    for at_s in arrivals(rng, MOVEMENTS_PER_MIN * rest.artefacts, sites_ST.shape[1] / BRAIN_RATE_HZ):
        samples = round(rng.uniform(1, 8) * BRAIN_RATE_HZ)
        wave = noise(rng, 2, samples, BRAIN_RATE_HZ, between(0.7, rng.uniform(2.5, 7.0)))
        pulls_S2 = rng.standard_normal((2, len(SITES))) + SITE_POSITIONS[:, :2].T * rng.normal(0, 1, (2, 1))
        for pull_S, row in zip(pulls_S2, wave, strict=True):
            size_uv = rng.lognormal(np.log(22), 0.5) * swell(samples)
            add_wave(sites_ST, pull_S.astype(np.float32), np.asarray(size_uv * row, np.float32), int(at_s * BRAIN_RATE_HZ))


def add_heart(rng: np.random.Generator, rest: Rest, sites_ST: Signal) -> Signal:
    """Add the heart's leak, low on the head and opposite on both sides, and return the heart's own channel (T,)."""
    samples = sites_ST.shape[1]
    gaps_s = rng.normal(1 / rest.heart_hz, 0.04 / rest.heart_hz, int(samples / BRAIN_RATE_HZ * rest.heart_hz * 1.3) + 5)
    times_s = np.arange(round(0.7 * BRAIN_RATE_HZ)) / BRAIN_RATE_HZ
    beat = sum(size * np.exp(-(((times_s - at) / width) ** 2)) for at, width, size in HEART_BEAT_S)
    heart_T = np.zeros((1, samples), np.float32)
    for at_s in np.cumsum(gaps_s):
        add_wave(heart_T, np.ones(1, np.float32), np.asarray(beat, np.float32), int(at_s * BRAIN_RATE_HZ))
    axis_S = SITE_POSITIONS @ np.array([0.8, 0.3, -0.6])
    axis_S[site("A1")] *= 1.5
    sites_ST += (rest.heart_leak_uv * axis_S[:, None] * heart_T).astype(np.float32)
    return np.asarray(HEART_PEAK_UV * heart_T[0], np.float32)
