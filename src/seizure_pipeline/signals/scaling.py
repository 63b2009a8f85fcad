"""Robust standardisation to int16 and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.compiled import compiled
from seizure_pipeline.signals.settings import INT16_MAX, SignalError

SD_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
SCALE_SAMPLES = 1 << 16
"""Samples of a channel that decide its scale, at most: of noise, enough for 0.5 % of the standard deviation."""


def robust_scale(x_CT: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each channel's median (C,) and standard deviation (C,), 1.4826 times the median absolute deviation.

    Both come from every k-th sample, k the least that leaves 65,536 or fewer (all of them up to 4 minutes at 256 Hz,
    every 15th in an hour): all samples of an hour would cost half as much as filtering them. Of an even number the median
    is the upper of the middle two. Padding is never among the samples: it is added where windows are cut. Raises
    SignalError if there is no sample, one of those taken is not finite, or a channel's deviation is zero (half of its
    samples or more are one value).
    """
    n_samples = x_CT.shape[1]
    if n_samples == 0:
        raise SignalError("no sample: the scale is not determined")
    median_C, sd_C = np.empty(len(x_CT)), np.empty(len(x_CT))
    for channel, x_T in enumerate(x_CT):
        chosen = x_T[:: math.ceil(n_samples / SCALE_SAMPLES)].copy()
        if not np.isfinite(chosen).all():
            refuse_not_finite(x_CT)
        median_C[channel] = median = _upper_median(chosen)
        sd_C[channel] = SD_PER_MAD * _upper_median(np.abs(chosen - median))
    if not sd_C.all():
        flat = ", ".join(str(channel) for channel in np.flatnonzero(sd_C == 0))
        raise SignalError(f"channel {flat} is flat: its median absolute deviation is 0")
    return median_C, sd_C


def quantise(
    x_CT: NDArray[np.float32], median_C: NDArray[np.float64], sd_C: NDArray[np.float64], clip_sd: float
) -> tuple[NDArray[np.int16], int]:
    """Return (x - median) / sd as int16 (C, T) in steps of `clip_sd` / 32767, and how many samples were clipped.

    Raises SignalError if a value is not finite."""
    q_CT = np.empty(x_CT.shape, dtype=np.int16)
    clipped = 0
    for x_T, q_T, median, sd in zip(x_CT, q_CT, median_C, sd_C, strict=True):
        clipped += _quantise(x_T, np.float32(median), np.float32(INT16_MAX / (clip_sd * sd)), q_T)
    if clipped:
        refuse_not_finite(x_CT)
    return q_CT, clipped


def dequantise(
    q_CT: NDArray[np.int16], median_C: NDArray[np.float64], sd_C: NDArray[np.float64], clip_sd: float
) -> NDArray[np.float32]:
    """Return the float32 signal (C, T) that `quantise` took, up to half a step where it was not clipped."""
    step_C = (clip_sd / INT16_MAX * sd_C).astype(np.float32)
    return q_CT * step_C[:, None] + median_C.astype(np.float32)[:, None]


def refuse_not_finite(x_CT: NDArray[np.float32]) -> None:
    """Raise SignalError that names the first channel and sample with a value that is not finite."""
    for channel, x_T in enumerate(x_CT):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(x_T.sum()):  # quick: one bad value makes the sum bad
                continue
        finite = np.isfinite(x_T)
        if not finite.all():
            sample = int(np.argmin(finite))
            raise SignalError(f"channel {channel} is not finite: {x_T[sample]} at sample {sample}")


def _upper_median(x_T: NDArray[np.float32]) -> np.float32:
    middle = len(x_T) // 2  # np.median partitions at three places, which costs four times as much
    median: np.float32 = np.partition(x_T, middle)[middle]
    return median


@compiled
def _quantise(x_T: NDArray[np.float32], median: np.float32, steps_per_uv: np.float32, q_T: NDArray[np.int16]) -> int:
    """Write rounded and clipped steps into `q_T`, in one pass over memory; returns the number of clipped samples, among
    which are those that are not a number."""
    most = np.float32(INT16_MAX)
    clipped = np.int32(0)
    for k in range(len(x_T)):
        steps = np.rint((x_T[k] - median) * steps_per_uv)
        clipped = np.int32(clipped + (not abs(steps) <= most))  # a count of 64 bits would halve the vectors
        q_T[k] = np.int16(min(max(steps, -most), most))
    return int(clipped)
