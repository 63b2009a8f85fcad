"""Rhythms that are no seizure: benign variants, runs of slow waves, isolated spikes. They do not evolve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seizure_pipeline.corpora.synthetic.background import BRAIN_RATE_HZ, Vigilance
from seizure_pipeline.corpora.synthetic.head import direction, topography
from seizure_pipeline.corpora.synthetic.patients import Ictal, Rest
from seizure_pipeline.corpora.synthetic.waves import Signal, add_wave, arrivals, cycles, drift, swell


@dataclass(frozen=True, slots=True)
class Variant:
    """A rhythm: where (one of these places at a time), how fast, how large, how long, how often, and in which state."""

    places: tuple[str, ...]
    hz: tuple[float, float]
    peak_uv: tuple[float, float]
    lasts_s: tuple[float, float]
    per_min: float
    needs: str  # any, awake or slow
    arched: float  # 0 sinusoidal, 1 sharp on one side


VARIANTS = {
    "temporal_theta": Variant(("T3", "T4"), (5.0, 6.5), (40, 110), (2.0, 12.0), 1.6, "any", 0.5),
    "wicket": Variant(("T3", "T4", "F7", "F8"), (6.5, 11.0), (40, 110), (0.7, 4.0), 2.0, "any", 0.6),
    "frontal_delta": Variant(("Fz",), (1.8, 3.0), (60, 170), (3.0, 14.0), 1.8, "slow", 0.0),
    "hypersynchrony": Variant(("Fz", "Cz"), (3.0, 5.0), (60, 190), (2.0, 9.0), 2.0, "slow", 0.1),
    "rocking": Variant(("O1", "O2", "T6", "T5"), (3.8, 5.5), (40, 180), (4.0, 20.0), 0.9, "any", 0.3),
}
BUILD_UP = Variant(("Fz", "Cz", "Pz"), (2.8, 6.0), (60, 170), (8.0, 30.0), 0.45, "any", 0.1)
SPIKE_S = 0.5


def add_variants(rng: np.random.Generator, rest: Rest, vigilance: Vigilance, sites_ST: Signal) -> None:
    """Add the rhythms that this patient tends to."""
    duration_s = sites_ST.shape[1] / BRAIN_RATE_HZ
    for variant in [VARIANTS[name] for name in rest.variants] + [BUILD_UP]:
        for at_s in arrivals(rng, variant.per_min * rng.gamma(2, 0.5), duration_s):
            start = int(at_s * BRAIN_RATE_HZ)
            if _allowed(variant, vigilance, start):
                place = direction(str(rng.choice(variant.places))) + rng.normal(0, 0.15, 3)
                add_wave(sites_ST, topography(place), _run(rng, variant), start)


def _allowed(variant: Variant, vigilance: Vigilance, start: int) -> bool:
    slow = vigilance.drowsy[start] > 0.4
    return variant.needs == "any" or slow == (variant.needs == "slow")


def _run(rng: np.random.Generator, variant: Variant) -> Signal:
    """One run of steady frequency that swells and fades."""
    samples = round(np.exp(rng.uniform(*np.log(variant.lasts_s))) * BRAIN_RATE_HZ)
    phase = cycles(rng, samples, BRAIN_RATE_HZ, rng.uniform(*variant.hz), jitter=0.11)
    wave = np.cos(phase) + variant.arched * 0.4 * np.cos(2 * phase)
    uneven = np.exp(0.3 * drift(rng, samples, BRAIN_RATE_HZ, 0.4))
    return np.asarray(rng.uniform(*variant.peak_uv) * swell(samples, rng.uniform(0.1, 0.4)) * uneven * wave, np.float32)


def add_spikes(rng: np.random.Generator, rest: Rest, ictal: Ictal, sites_ST: Signal) -> None:
    """Add interictal spikes with their slow wave near the focus, alone or in runs of two or three."""
    for at_s in arrivals(rng, rest.spikes_per_min, sites_ST.shape[1] / BRAIN_RATE_HZ):
        place = topography(ictal.focus + rng.normal(0, 0.08, 3))
        for nth in range(int(rng.choice((1, 2, 3), p=(0.75, 0.15, 0.1)))):
            start = int((at_s + nth * rng.uniform(0.3, 0.6)) * BRAIN_RATE_HZ)
            add_wave(sites_ST, place, _spike(rng, ictal.peak_uv), start)


def _spike(rng: np.random.Generator, peak_uv: float) -> Signal:
    times_s = np.arange(round(SPIKE_S * BRAIN_RATE_HZ)) / BRAIN_RATE_HZ
    sharp = np.exp(-(((times_s - 0.08) / 0.018) ** 2))
    slow = np.exp(-(((times_s - 0.24) / 0.08) ** 2))
    return np.asarray(-rng.uniform(0.6, 1.4) * peak_uv * (sharp - 0.45 * slow), np.float32)
