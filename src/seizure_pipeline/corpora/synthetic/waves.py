"""Building blocks in time: noise of a given spectrum, envelopes that drift or switch, and adding a wave to sites."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len
from scipy.ndimage import uniform_filter1d

Signal = NDArray[np.float32]
Gain = Callable[[NDArray[np.float32]], NDArray[np.float32]]
PLATEAU_HZ = 0.4  # amplifiers and the scalp itself stop the rise of 1/f towards 0 Hz


def falling(exponent: float) -> Gain:
    """Amplitude gain of noise whose power falls like 1 / f^exponent above 0.4 Hz."""
    return lambda hz: np.asarray(np.maximum(hz, PLATEAU_HZ) ** (-exponent / 2) * (hz > 0), np.float32)


def around(centre_hz: float, width_hz: float) -> Gain:
    """Amplitude gain of a rhythm: a Gaussian around its centre."""
    return lambda hz: np.asarray(np.exp(-(((hz - centre_hz) / width_hz) ** 2) / 2), np.float32)


def between(low_hz: float, high_hz: float) -> Gain:
    """Amplitude gain of 1 between two frequencies and 0 elsewhere."""
    return lambda hz: np.asarray((hz >= low_hz) & (hz <= high_hz), np.float32)


def noise(rng: np.random.Generator, rows: int, samples: int, rate_hz: float, gain: Gain) -> Signal:
    """Gaussian noise (rows, samples) with the spectrum `gain` and an expected root mean square of 1."""
    length = next_fast_len(samples, real=True)
    hz = (np.arange(length // 2 + 1) * (rate_hz / length)).astype(np.float32)
    weight = gain(hz)
    weight /= np.sqrt((weight.astype(np.float64) ** 2).sum()) * 2 / length
    spectrum = rng.standard_normal((rows, 2 * weight.size), np.float32).view(np.complex64)
    spectrum *= weight
    return np.asarray(irfft(spectrum, length, axis=-1)[:, :samples], np.float32)


def drift(rng: np.random.Generator, samples: int, rate_hz: float, knot_s: float) -> Signal:
    """A slow random curve (samples,) of unit variance at its knots, `knot_s` apart."""
    times_s = np.arange(samples) / rate_hz
    knots_s = np.arange(0, times_s[-1] + 2 * knot_s, knot_s)
    return np.interp(times_s, knots_s, rng.standard_normal(knots_s.size)).astype(np.float32)


def levels(edges_s: list[float], values: list[float], samples: int, rate_hz: float, soft_s: float) -> Signal:
    """A curve (samples,) that holds `values[i]` from `edges_s[i]` on, its steps softened over `soft_s`."""
    steps = np.searchsorted(edges_s, np.arange(samples) / rate_hz, side="right") - 1
    return np.asarray(uniform_filter1d(np.asarray(values, np.float32)[steps], max(1, round(soft_s * rate_hz)), mode="nearest"))


def rise(x: NDArray[np.floating]) -> Signal:
    """Smooth step: 0 below 0, 1 above 1, level at both ends."""
    inside = np.clip(x, 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside), np.float32)


def swell(samples: int, flank: float = 0.25) -> Signal:
    """Envelope (samples,) that rises over the share `flank` of its length and falls likewise."""
    x = (np.arange(samples) + 0.5) / max(samples, 1)
    return rise(x / flank) * rise((1 - x) / flank)


def cycles(rng: np.random.Generator, samples: int, rate_hz: float, frequency_hz: float, jitter: float) -> Signal:
    """Phase (samples,) in radians of a rhythm whose frequency wanders by the share `jitter`."""
    wander = 1 + jitter * drift(rng, samples, rate_hz, 0.3)
    return np.asarray(2 * np.pi * (rng.random() + np.cumsum(frequency_hz * wander) / rate_hz), np.float32)


def arrivals(rng: np.random.Generator, per_min: float, duration_s: float) -> NDArray[np.float64]:
    """Times (n,) in seconds of events that come at random, `per_min` on average."""
    return np.asarray(rng.random(rng.poisson(per_min * duration_s / 60)) * duration_s)


def add_wave(sites_ST: Signal, topography_S: Signal, wave_T: Signal, start: int) -> None:
    """Add a wave with a topography to the sites from sample `start` on; what lies outside is cut off."""
    first, last = max(start, 0), min(start + wave_T.size, sites_ST.shape[1])
    if first < last:
        sites_ST[:, first:last] += topography_S[:, None] * wave_T[first - start : last - start]
