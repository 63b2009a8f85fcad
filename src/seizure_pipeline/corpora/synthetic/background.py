"""The brain at rest: 1/f activity, alpha that reacts to the eyes, beta, and stretches that look like sleep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.head import (
    N_ELECTRODES,
    SOURCE_DIRECTIONS,
    direction,
    distances,
    source_topographies,
    topography,
)
from seizure_pipeline.corpora.synthetic.patients import Rest
from seizure_pipeline.corpora.synthetic.waves import (
    Signal,
    add_wave,
    around,
    arrivals,
    drift,
    falling,
    levels,
    noise,
    swell,
)

BRAIN_RATE_HZ = 128  # everything cortical lies below 60 Hz
SLOW_PLACES = 12
SPINDLES_PER_MIN, VERTEX_WAVES_PER_MIN, K_COMPLEXES_PER_MIN = 5.0, 4.0, 1.5


@dataclass(frozen=True, slots=True)
class Vigilance:
    """Three curves (T,) from 0 to 1 at 128 Hz: eyes closed, drowsy (theta), asleep (delta, spindles)."""

    eyes_closed: Signal
    drowsy: Signal
    asleep: Signal


def draw_vigilance(rng: np.random.Generator, rest: Rest, samples: int) -> Vigilance:
    """Stretches of 10 to 45 s, each with the eyes open, closed, drowsy or asleep; sleepy recordings sink deeper."""
    duration_s = samples / BRAIN_RATE_HZ
    sleepy = rng.random() < rest.sleepiness
    stage_shares = (0.15, 0.3, 0.25, 0.3) if sleepy else (0.45, 0.45, 0.1, 0.0)
    edges_s, stages, now_s = [], [], 0.0
    while now_s < duration_s:
        edges_s.append(now_s)
        stages.append(int(rng.choice(4, p=stage_shares)))
        now_s += rng.uniform(10, 45)

    def curve(weights: tuple[float, float, float, float], soft_s: float) -> Signal:
        return levels(edges_s, [weights[stage] for stage in stages], samples, BRAIN_RATE_HZ, soft_s)

    return Vigilance(curve((0.06, 1, 0.25, 0), 1.0), curve((0, 0, 1, 0.5), 4.0), curve((0, 0, 0, 1), 6.0))


def draw_background(rng: np.random.Generator, rest: Rest, vigilance: Vigilance, damping_T: Signal) -> Signal:
    """Potentials (S, T) at 128 Hz of the resting brain in microvolts; `damping_T` scales it (seizures silence it)."""
    sources_KT, mixing_SK = _broadband(rng, rest, vigilance)
    _add_alpha(rng, rest, vigilance, sources_KT)
    sources_KT *= damping_T
    sites_ST = mixing_SK @ sources_KT
    sites_ST += _slow_rhythms(rng, vigilance)
    _add_sleep_transients(rng, vigilance, sites_ST)
    return sites_ST


def _broadband(rng: np.random.Generator, rest: Rest, vigilance: Vigilance) -> tuple[Signal, Signal]:
    samples = vigilance.asleep.size
    mixing_SK = source_topographies(rng, tilt_sd=0.5)
    scale = rest.broadband_uv / np.sqrt((mixing_SK[:N_ELECTRODES] ** 2).sum(axis=1)).mean()
    sources_KT = noise(rng, mixing_SK.shape[1], samples, BRAIN_RATE_HZ, falling(rest.exponent))
    sources_KT *= np.float32(scale) * np.exp(0.15 * drift(rng, samples, BRAIN_RATE_HZ, 3.0))
    return sources_KT, mixing_SK


def _add_alpha(rng: np.random.Generator, rest: Rest, vigilance: Vigilance, sources_KT: Signal) -> None:
    """Alpha of the back of the head, waxing and waning, one generator for each side; beta of the front."""
    samples = sources_KT.shape[1]
    for name in ("O1", "O2", "P3", "P4"):
        near = np.exp(-((distances(direction(name)) / 0.4) ** 2)).astype(np.float32)
        near /= np.linalg.norm(near)
        rhythm = noise(rng, 1, samples, BRAIN_RATE_HZ, around(rest.alpha_hz + rng.normal(0, 0.15), 0.5))[0]
        waxing = np.exp(0.4 * drift(rng, samples, BRAIN_RATE_HZ, 2.0))
        size_uv = rest.alpha_uv * (1.0 if name.startswith("O") else 0.5)
        sources_KT += near[:, None] * (np.float32(size_uv) * waxing * vigilance.eyes_closed * rhythm)
    frontal = np.exp(-((distances(direction("Fz")) / 0.7) ** 2)).astype(np.float32)
    betas_3T = noise(rng, 3, samples, BRAIN_RATE_HZ, around(20.0, 4.0))
    which = rng.integers(3, size=frontal.size)
    sources_KT += frontal[:, None] * betas_3T[which] * np.float32(rest.beta_uv)


def _slow_rhythms(rng: np.random.Generator, vigilance: Vigilance) -> Signal:
    """Theta of drowsiness and delta of sleep, broad over the head, in clusters."""
    samples = vigilance.asleep.size
    sites_ST = np.zeros((topography(direction("Cz")).size, samples), np.float32)
    for towards in rng.choice(SOURCE_DIRECTIONS, SLOW_PLACES, replace=False):
        clusters = np.exp(0.45 * drift(rng, samples, BRAIN_RATE_HZ, 2.5))
        theta = noise(rng, 1, samples, BRAIN_RATE_HZ, around(rng.uniform(4.5, 6.5), 0.9))[0]
        delta = noise(rng, 1, samples, BRAIN_RATE_HZ, around(1.4, 0.7))[0]
        wave = clusters * (9 * vigilance.drowsy * theta + 16 * vigilance.asleep * delta)
        sites_ST += topography(towards, rng.normal(0, 0.4, 3))[:, None] * wave
    return sites_ST


def _add_sleep_transients(rng: np.random.Generator, vigilance: Vigilance, sites_ST: Signal) -> None:
    duration_s = vigilance.asleep.size / BRAIN_RATE_HZ
    for make, per_min, name in (
        (_spindle, SPINDLES_PER_MIN, "Cz"),
        (_vertex_wave, VERTEX_WAVES_PER_MIN, "Cz"),
        (_k_complex, K_COMPLEXES_PER_MIN, "Fz"),
    ):
        for at_s in arrivals(rng, per_min, duration_s):
            start = int(at_s * BRAIN_RATE_HZ)
            depth = vigilance.asleep[start] if make is not _vertex_wave else vigilance.drowsy[start]
            if depth > 0.4:
                place = direction(name) + rng.normal(0, 0.1, 3)
                add_wave(sites_ST, topography(place), make(rng), start)


def _spindle(rng: np.random.Generator) -> Signal:
    samples = round(rng.uniform(0.6, 1.5) * BRAIN_RATE_HZ)
    turns = np.arange(samples) / BRAIN_RATE_HZ * rng.uniform(12, 14)
    return np.asarray(rng.uniform(15, 35) * swell(samples, 0.5) * np.sin(2 * np.pi * turns), np.float32)


def _bump(centre_s: float, width_s: float, duration_s: float) -> NDArray[np.float64]:
    times_s = np.arange(round(duration_s * BRAIN_RATE_HZ)) / BRAIN_RATE_HZ
    return np.exp(-(((times_s - centre_s) / width_s) ** 2))


def _vertex_wave(rng: np.random.Generator) -> Signal:
    wave = -_bump(0.25, 0.06, 0.8) + 0.4 * _bump(0.42, 0.1, 0.8)
    return np.asarray(rng.uniform(50, 110) * wave, np.float32)


def _k_complex(rng: np.random.Generator) -> Signal:
    wave = -_bump(0.4, 0.12, 1.8) + 0.8 * _bump(0.8, 0.25, 1.8)
    return np.asarray(rng.uniform(80, 150) * wave, np.float32)
