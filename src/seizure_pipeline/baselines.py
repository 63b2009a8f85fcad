"""One-feature detectors: what the model is held against beside chance.

Each feature is taken over 2 s every 0.25 s within a contiguous stretch, as the mean and as the maximum over electrodes,
standardised in its logarithm by the recording's own median and spread, and mapped to (0, 1) by the logistic function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.scoring import resolve

Array = NDArray[np.float32]

RATE_HZ = 256
SAMPLES_PER_TOKEN = 16
SAMPLES_PER_BLOCK = 64  # 0.25 s, the hop
BLOCKS_PER_WINDOW = 8  # 2 s
SAMPLES_PER_SLOW_SAMPLE = 8  # 32 Hz is enough for the bands below 8 Hz
DELTA_HZ = (1.0, 4.0)
THETA_HZ = (4.0, 8.0)
SMALLEST_FEATURE = 1e-6  # a flat electrode has a logarithm too; the square of one step of the cached signal
SD_PER_MAD = 1.4826
LINEAR_SD = 3.0


def one_feature_traces(signal_CT: Array, stretch_starts_samples: Sequence[int] = (0,)) -> dict[str, Array]:
    """Scores in (0, 1) at 16 Hz by feature, from the standardised signal (C, T) at 256 Hz of one recording.

    `stretch_starts_samples` are the samples at which a contiguous stretch begins, the first being 0. A stretch of n
    samples gives ceil(n / 16) tokens, and the traces (L,) hold one stretch after the other. Names are the feature and
    how electrodes are pooled: `line_length_mean`, `theta_power_max`, ... Scores lie on the grid of `scoring.resolve`;
    a feature that is the same for most of the recording scores 0.5 throughout. Raises ValueError for stretches that do
    not start at 0 and ascend within the signal.
    """
    bounds = (*stretch_starts_samples, signal_CT.shape[1])
    if bounds[0] != 0 or any(end <= begin for begin, end in pairwise(bounds)):
        raise ValueError(f"stretches start at {bounds[:-1]}; they ascend from 0 within {signal_CT.shape[1]} samples")
    stretches = [signal_CT[:, begin:end] for begin, end in pairwise(bounds)]
    traces = {}
    for name, feature in FEATURES.items():
        blocks = [feature(_whole_blocks(stretch)) for stretch in stretches]
        for pooling, pool in POOLINGS.items():
            score_per_stretch = _standardise([np.log(pool(block_CK) + SMALLEST_FEATURE) for block_CK in blocks])
            tokens = [_to_tokens(s_K, x.shape[1]) for s_K, x in zip(score_per_stretch, stretches, strict=True)]
            traces[f"{name}_{pooling}"] = resolve(np.concatenate(tokens))
    return traces


def cached_baselines(cached: CachedSignal) -> dict[str, Array]:
    """As `one_feature_traces`, of a cached recording."""
    signal_CT = cached.signal.astype(np.float32) * np.float32(cached.step_sd)
    return one_feature_traces(signal_CT, cached.layout.sample_starts)


def line_length(x_CT: Array) -> Array:
    """(C, K) mean absolute step from sample to sample over the 2 s around each block."""
    step_CT = np.abs(np.diff(x_CT, axis=1, prepend=x_CT[:, :1]))
    return _over_window(_block_mean(step_CT))


def amplitude(x_CT: Array) -> Array:
    """(C, K) root mean square over the 2 s around each block."""
    return np.sqrt(_over_window(_block_mean(np.square(x_CT))))


def delta_power(x_CT: Array) -> Array:
    """(C, K) power between 1 and 4 Hz in the 2 s around each block."""
    return _band_power(x_CT, *DELTA_HZ)


def theta_power(x_CT: Array) -> Array:
    """(C, K) power between 4 and 8 Hz in the 2 s around each block."""
    return _band_power(x_CT, *THETA_HZ)


def _mean(x_CK: Array) -> Array:
    mean_K: Array = x_CK.mean(axis=0)
    return mean_K


def _max(x_CK: Array) -> Array:
    max_K: Array = x_CK.max(axis=0)
    return max_K


FEATURES: dict[str, Callable[[Array], Array]] = {
    "line_length": line_length,
    "amplitude": amplitude,
    "delta_power": delta_power,
    "theta_power": theta_power,
}
POOLINGS: dict[str, Callable[[Array], Array]] = {"mean": _mean, "max": _max}


def _whole_blocks(x_CT: Array) -> Array:
    missing = -x_CT.shape[1] % SAMPLES_PER_BLOCK
    return x_CT if missing == 0 else np.pad(x_CT, ((0, 0), (0, missing)), mode="symmetric")


def _block_mean(x_CT: Array) -> Array:
    mean_CK: Array = np.mean(x_CT.reshape(len(x_CT), -1, SAMPLES_PER_BLOCK), axis=2)
    return mean_CK


def _over_window(x_CK: Array) -> Array:
    # Mean over the blocks of the window around each; at the ends of a stretch over those that there are.
    n = x_CK.shape[1]
    total = np.concatenate([np.zeros((len(x_CK), 1)), np.cumsum(x_CK, axis=1, dtype=np.float64)], axis=1)
    first = np.maximum(np.arange(n) - BLOCKS_PER_WINDOW // 2, 0)
    end = np.minimum(np.arange(n) + BLOCKS_PER_WINDOW // 2, n)
    end = np.maximum(end, first + 1)
    mean_CK: Array = ((total[:, end] - total[:, first]) / (end - first)).astype(np.float32)
    return mean_CK


def _band_power(x_CT: Array, low_hz: float, high_hz: float) -> Array:
    slow_rate_hz = RATE_HZ // SAMPLES_PER_SLOW_SAMPLE
    per_window, per_block = 2 * slow_rate_hz, SAMPLES_PER_BLOCK // SAMPLES_PER_SLOW_SAMPLE
    basis_WF = _band_basis(per_window, slow_rate_hz, low_hz, high_hz)
    # The window around block k starts half a window before it; the stretch is mirrored at its ends.
    edges = ((0, 0), (per_window // 2, per_window // 2 - per_block))
    slow_CS = np.pad(_slow(x_CT), edges, mode="symmetric")
    windows_CKW = np.lib.stride_tricks.sliding_window_view(slow_CS, per_window, axis=1)[:, ::per_block]
    power = [np.square(window_KW @ basis_WF).sum(axis=1) for window_KW in windows_CKW]
    return np.stack(power)


def _slow(x_CT: Array) -> Array:
    # Triangular means over 16 samples every 8: 28 Hz, which would fold onto 4 Hz, is held down by 34 dB.
    half = np.arange(1, SAMPLES_PER_SLOW_SAMPLE + 1, dtype=np.float32) / SAMPLES_PER_SLOW_SAMPLE**2
    parts_CS8 = x_CT.reshape(len(x_CT), -1, SAMPLES_PER_SLOW_SAMPLE)
    rising_CS, falling_CS = parts_CS8 @ half, parts_CS8 @ (1 / SAMPLES_PER_SLOW_SAMPLE - half)
    slow_CS: Array = rising_CS + np.concatenate([falling_CS[:, 1:], falling_CS[:, -1:]], axis=1)
    return slow_CS


def _band_basis(n: int, rate_hz: int, low_hz: float, high_hz: float) -> Array:
    # Cosines and sines under a Hann window at each whole number of cycles in low_hz <= f < high_hz: power is the sum of
    # the squared projections.
    frequencies_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    inside_hz = frequencies_hz[(frequencies_hz >= low_hz) & (frequencies_hz < high_hz)]
    phase_WF = 2 * np.pi * np.arange(n)[:, None] / rate_hz * inside_hz
    hann_W1 = np.hanning(n + 1)[:n, None] / n
    return np.concatenate([hann_W1 * np.cos(phase_WF), hann_W1 * np.sin(phase_WF)], axis=1).astype(np.float32)


def _standardise(log_feature_per_stretch: list[Array]) -> list[Array]:
    whole = np.concatenate(log_feature_per_stretch)
    median = np.median(whole)
    spread = SD_PER_MAD * np.median(np.abs(whole - median))
    if spread == 0:  # more than half of the recording holds one value: there is no scale to measure by
        return [np.full_like(part, 0.5) for part in log_feature_per_stretch]
    return [_probability((part - median) / spread) for part in log_feature_per_stretch]


def _probability(deviation: Array) -> Array:
    # Linear near the median, logarithmic beyond LINEAR_SD: 80 spreads still lie within the grid of scores.
    probability: Array = expit(LINEAR_SD * np.arcsinh(deviation / LINEAR_SD))
    return probability


def _to_tokens(score_K: Array, n_samples: int) -> Array:
    n_tokens = -(-n_samples // SAMPLES_PER_TOKEN)
    return np.repeat(score_K, SAMPLES_PER_BLOCK // SAMPLES_PER_TOKEN)[:n_tokens]
