"""The filter: gain over frequency, and how far it reaches in time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.signals.settings import RATE_HZ, SignalSettings

_TAIL_PERIODS = 8.0  # of the band's lower edge at order 4: what is left then is below -160 dB

_TAPER_SHARE = 0.05
_GONE = 1e-3


def zero_phase_gain(frequency_hz: NDArray[np.float64], settings: SignalSettings) -> NDArray[np.float64]:
    """Gain at `frequency_hz` (below 128 Hz) of the digital Butterworth band-pass and notch, run forward and backward.

    Both are bilinear transforms, so with w = tan(pi f / rate) the squared magnitudes are, n being the order,
      band-pass  1 / (1 + ((w^2 - low*high) / (w (high - low)))^2n),  low and high the warped band edges;
      notch      (c - c0)^2 / ((c - c0)^2 + (tan(b / 2) sin)^2),  c = cos(2 pi f / rate), b = 2 pi notch / (Q rate).
    """
    radians_per_hz = 2 * np.pi / RATE_HZ
    warped = np.tan(frequency_hz * (radians_per_hz / 2))
    low = math.tan(settings.band_low_hz * radians_per_hz / 2)
    high = math.tan(settings.band_high_hz * radians_per_hz / 2)
    passed = (warped * (high - low)) ** (2 * settings.filter_order)
    gain: NDArray[np.float64] = passed / (passed + (warped**2 - low * high) ** (2 * settings.filter_order))
    if settings.notch_hz is not None:
        angle, notch = frequency_hz * radians_per_hz, settings.notch_hz * radians_per_hz
        distance = (np.cos(angle) - math.cos(notch)) ** 2
        gain *= distance / (distance + (math.tan(notch / settings.notch_q / 2) * np.sin(angle)) ** 2)
    return gain


def taper(frequency_hz: NDArray[np.float64], nyquist_hz: float, settings: SignalSettings) -> NDArray[np.float64]:
    """Factor that lets the gain go to 0 at a recording's own Nyquist frequency, where the band reaches beyond it.

    A cosine over the last 5 % of the frequencies below it; an edge without width would ring for minutes. It is 1 where
    the band-pass has come down by itself, as from 250 Hz.
    """
    if nyquist_hz >= RATE_HZ / 2 or zero_phase_gain(np.array([nyquist_hz]), settings)[0] < _GONE:
        return np.ones_like(frequency_hz)
    begin_hz = (1 - _TAPER_SHARE) * nyquist_hz
    angle = np.clip((frequency_hz - begin_hz) / (nyquist_hz - begin_hz), 0, 1) * np.pi
    return (1 + np.cos(angle)) / 2


def tail_s(settings: SignalSettings) -> float:
    """Seconds after which the filter's response to an impulse has decayed by more than 160 dB, either side.

    The slowest pole of a Butterworth filter of order n decays with sin(pi / 2n) times the lower edge (or half the band's
    width, where that is less), that of the notch with its half width notch / 2Q.
    """
    edge_hz = min(settings.band_low_hz, (settings.band_high_hz - settings.band_low_hz) / 2)
    steepness = math.sin(math.pi / 8) / math.sin(math.pi / (2 * settings.filter_order))
    band_s = _TAIL_PERIODS * max(1.0, steepness) / edge_hz
    return band_s if settings.notch_hz is None else max(band_s, _TAIL_PERIODS * settings.notch_q / settings.notch_hz)
