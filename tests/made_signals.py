"""Signals of known content."""

from __future__ import annotations

import numpy as np
from scipy import signal

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


def textbook(x_CT: np.ndarray, rate_hz: int) -> np.ndarray:
    """The usual chain by scipy in float64, of a signal that comes back to its start: FFT resampling, sosfiltfilt.

    Beyond each end lies its odd reflection, 20 s or what there is, then a straight line from the one to the other."""
    pad, n_samples = min(x_CT.shape[1] - 1, 20 * rate_hz), x_CT.shape[1]
    before = 2 * x_CT[:, :1] - x_CT[:, pad:0:-1]
    after = 2 * x_CT[:, -1:] - x_CT[:, -2 : -pad - 2 : -1]
    ends = before.shape[1] + after.shape[1] + n_samples
    share = np.linspace(0, 1, -(-(ends + 40 * rate_hz) // rate_hz) * rate_hz - ends + 2)[1:-1]
    line = after[:, -1:] + (before[:, :1] - after[:, -1:]) * share
    half = line.shape[1] // 2 - (line.shape[1] - line.shape[1] // 2 + pad) % -rate_hz  # the signal starts at a whole second
    circle = np.concatenate([line[:, half:], before, x_CT, after, line[:, :half]], axis=1)
    resampled = signal.resample(circle, circle.shape[1] * 256 // rate_hz, axis=1)
    band = signal.butter(4, (0.5, 120), btype="bandpass", fs=256, output="sos")
    notch = signal.tf2sos(*signal.iirnotch(60, 30, fs=256))
    filtered = signal.sosfiltfilt(np.vstack([band, notch]), resampled, axis=1)
    first = (line.shape[1] - half + pad) * 256 // rate_hz
    return filtered[:, first : first + round(n_samples * 256 / rate_hz)]


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest error against the standard deviation of what is expected."""
    return float(20 * np.log10(np.abs(found - expected).max() / expected.std()))
