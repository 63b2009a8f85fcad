"""Seizures that evolve: from about 8 Hz to 3 Hz, from the focus to its neighbours and the other side; the time after.

The course is written in the share u of the seizure that has passed (0 at onset, 1 at the end):
    frequency  f(u) = f_end + (f_start - f_end) (1 - u)^1.2
    amplitude  A(u) = peak (0.3 + 0.7 rise(u / 0.6))
    source k joins at u_k = 0.35 spread (way_k - 0.35);  way_k: radians from the focus, or by the other side, 1.1 more
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.background import BRAIN_RATE_HZ
from seizure_pipeline.corpora.synthetic.head import distances, source_topographies, topography
from seizure_pipeline.corpora.synthetic.patients import Ictal
from seizure_pipeline.corpora.synthetic.waves import Signal, add_wave, around, drift, noise, rise

CROSSING_RAD = 1.1
DELAY_PER_RAD = 0.35
CROSSING_GAIN = 0.55
JOINING_SHARE = 0.15
LAG_S_PER_RAD = 0.035
ENDING_S = 0.6
AFTER_S = 45.0


@dataclass(frozen=True, slots=True)
class SeizureCourse:
    """One seizure of one recording: its place in time and this time's deviation from the patient's habit."""

    onset_s: float
    offset_s: float
    peak_uv: float
    start_hz: float
    end_hz: float


def draw_course(rng: np.random.Generator, ictal: Ictal, onset_s: float, offset_s: float) -> SeizureCourse:
    """A seizure like the patient's others, but not the same."""
    return SeizureCourse(
        onset_s,
        offset_s,
        peak_uv=float(ictal.peak_uv * rng.lognormal(0, 0.15)),
        start_hz=float(ictal.start_hz * rng.uniform(0.94, 1.06)),
        end_hz=float(ictal.end_hz * rng.uniform(0.94, 1.06)),
    )


def frequency_hz(course: SeizureCourse, share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Frequency of the discharge when this share (0 to 1) of the seizure has passed."""
    return np.asarray(course.end_hz + (course.start_hz - course.end_hz) * (1 - share) ** 1.2, np.float64)


def add_seizure(rng: np.random.Generator, ictal: Ictal, course: SeizureCourse, sites_ST: Signal) -> None:
    """Add the discharge and the slow waves after it to the sites (S, T) at 128 Hz."""
    start = round(course.onset_s * BRAIN_RATE_HZ)
    samples = round(course.offset_s * BRAIN_RATE_HZ) - start
    sources_KT = _discharge(rng, ictal, course, samples)
    tilt_sd = 0.1 if ictal.generalised else 0.25
    sites_ST[:, start : start + samples] += source_topographies(rng, tilt_sd) @ sources_KT
    _add_buzz(rng, ictal, samples, sites_ST, start)
    _add_slowing_after(rng, ictal, course, sites_ST, start + samples)


def damping(ictal: Ictal, courses: list[SeizureCourse], samples: int) -> Signal:
    """Share (T,) of the resting activity that is left at 128 Hz: less during a seizure, least just after it."""
    times_s = np.arange(samples, dtype=np.float32) / BRAIN_RATE_HZ
    left = np.ones(samples, np.float32)
    for course in courses:
        during = rise((times_s - course.onset_s) / 4) * (times_s < course.offset_s) * 0.5
        after = np.exp(-np.maximum(times_s - course.offset_s, 0) / AFTER_S) * (times_s >= course.offset_s)
        left *= 1 - ictal.attenuation * (during + after)
    return left


def _discharge(rng: np.random.Generator, ictal: Ictal, course: SeizureCourse, samples: int) -> Signal:
    share = (np.arange(samples) + 0.5) / samples
    wander = 1 + 0.11 * drift(rng, samples, BRAIN_RATE_HZ, 0.3)
    phase = 2 * np.pi * np.cumsum(frequency_hz(course, share) * wander) / BRAIN_RATE_HZ
    ending = rise((1 - share) * samples / (ENDING_S * BRAIN_RATE_HZ))
    size = course.peak_uv * (0.3 + 0.7 * rise(share / 0.6)) * ending * rise(share * samples / BRAIN_RATE_HZ)
    size = size * np.exp(0.25 * drift(rng, samples, BRAIN_RATE_HZ, 0.35))
    lags_s, joins, gains = _recruitment(rng, ictal)
    lag_phase = 2 * np.pi * lags_s[:, None] * frequency_hz(course, share)
    own_wander = np.stack([0.6 * drift(rng, samples, BRAIN_RATE_HZ, 1.5) for _ in joins])
    recruited = rise((share - joins[:, None]) / JOINING_SHARE + (joins[:, None] <= 0))
    wave = _waveform(phase - lag_phase + own_wander, np.float32(ictal.sharpness) * rise(share / 0.7))
    return np.asarray(gains[:, None] * size * recruited * wave, np.float32)


def _recruitment(
    rng: np.random.Generator, ictal: Ictal
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Lag in seconds, share of the seizure before joining, and gain of each cortical source (K,)."""
    near = distances(ictal.focus)
    mirrored = distances(ictal.focus * np.array([-1.0, 1.0, 1.0]))
    way = np.minimum(near, CROSSING_RAD + mirrored)
    if ictal.generalised:
        return 0.3 * LAG_S_PER_RAD * near, np.zeros(near.size), 0.3 * np.exp(-((near / 1.2) ** 2))
    joins = ictal.spread * DELAY_PER_RAD * np.maximum(way - 0.35, 0) * rng.uniform(0.85, 1.15, near.size)
    gains = 0.7 * np.maximum(np.exp(-near / 0.6), CROSSING_GAIN * np.exp(-mirrored / 0.6))
    return LAG_S_PER_RAD * way, joins, gains


def _waveform(phase: NDArray[np.floating], sharpness: Signal) -> Signal:
    """Cosine that turns into spike and slow wave as `sharpness` grows from 0 to 1; peak about 1."""
    turned = phase.astype(np.float32)
    spike = np.exp(5 * (np.cos(turned) - 1)) - 0.18
    slow = -np.cos(turned - 1.1)
    return np.asarray((1 - sharpness) * np.cos(turned) + sharpness * (0.9 * spike + 0.35 * slow), np.float32)


def _add_buzz(rng: np.random.Generator, ictal: Ictal, samples: int, sites_ST: Signal, start: int) -> None:
    """Fast activity over the focus that many seizures open with."""
    share = np.arange(samples) / samples
    buzz = noise(rng, 1, samples, BRAIN_RATE_HZ, around(18.0, 2.0))[0] * rise(share / 0.05) * rise((0.35 - share) / 0.2)
    add_wave(sites_ST, topography(ictal.focus), np.asarray(ictal.buzz_uv * buzz, np.float32), start)


def _add_slowing_after(rng: np.random.Generator, ictal: Ictal, course: SeizureCourse, sites_ST: Signal, start: int) -> None:
    samples = sites_ST.shape[1] - start
    if samples <= 0:
        return
    times_s = np.arange(samples) / BRAIN_RATE_HZ
    size = rng.uniform(0.2, 0.45) * course.peak_uv * rise(times_s / 3) * np.exp(-times_s / AFTER_S)
    slow = noise(rng, 2, samples, BRAIN_RATE_HZ, around(1.6, 0.7))
    add_wave(sites_ST, topography(ictal.focus), np.asarray(size * slow[0], np.float32), start)
    add_wave(sites_ST, topography(np.array([0.0, 0.5, 0.9])), np.asarray(0.7 * size * slow[1], np.float32), start)
