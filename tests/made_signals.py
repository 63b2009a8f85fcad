"""Signals of known content."""

from __future__ import annotations

import numpy as np

from seizure_pipeline.signals import RATE_HZ


def tone(frequency_hz: float, rate_hz: float, duration_s: float, phase: float = 0.3) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * frequency_hz * time_s + phase)[None].astype(np.float32)


def pink_noise(n_channels: int, n_samples: int, seed: int = 0) -> np.ndarray:
    """1/f noise of about 30 units standard deviation on an offset of 500."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((n_channels, n_samples)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, spectrum.shape[1] + 1)), n_samples)
    return (500 + 30 * noise / max(noise.std(), 1e-9)).astype(np.float32)


def interior(x_CT: np.ndarray, margin_s: float = 10.0) -> np.ndarray:
    margin = int(margin_s * RATE_HZ)
    return x_CT[:, margin:-margin]
