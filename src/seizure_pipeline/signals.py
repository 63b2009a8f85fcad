"""Resample, band-pass, notch, scale and quantise: array in, array out."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import fft

from seizure_pipeline.configuration import Settings

RATE_HZ = 256.0
"""Sampling rate of everything behind this room."""
MIN_RATE_HZ = 100.0
"""Lowest sampling rate that is taken: below it half of the 0.5 to 120 Hz band would be missing."""
SD_PER_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
INT16_MAX = 32767

_MAX_RATE_DENOMINATOR = 10_000  # a rate is taken as a fraction no more than 1e-4 Hz away, under 2 ms per hour at 200 Hz
_PAD_PERIODS = 8.0  # of the band's lower edge; order 4 has decayed by more than 160 dB


class SignalError(ValueError):
    """Raised for a signal that cannot be processed: too low a rate, values that are not finite, a flat channel."""


class SignalSettings(Settings):
    """Pass band, notch and range of the stored signal; `notch_hz` None means no notch.

    A recording of which more than `max_clipped_share` would be clipped is refused."""

    band_low_hz: float = Field(default=0.5, gt=0)
    band_high_hz: float = Field(default=120.0, lt=RATE_HZ / 2)
    filter_order: int = Field(default=4, ge=1, le=8)
    notch_hz: float | None = Field(default=60.0, gt=0, lt=RATE_HZ / 2)
    notch_q: float = Field(default=30.0, gt=0)
    clip_sd: float = Field(default=32.0, gt=0)
    max_clipped_share: float = Field(default=0.02, ge=0, le=1)

    @model_validator(mode="after")
    def _band_is_in_order(self) -> SignalSettings:
        if self.band_low_hz >= self.band_high_hz:
            raise ValueError(f"band_low_hz {self.band_low_hz:g} is not below band_high_hz {self.band_high_hz:g}")
        return self


def resample_and_filter(x_CT: NDArray[np.float32], rate_hz: float, settings: SignalSettings) -> NDArray[np.float32]:
    """Return `x_CT` (C, T) at 256 Hz, band-passed and notched without phase shift, as (C, round(T * 256 / rate_hz)).

    One pass in the frequency domain per channel: a circular buffer that starts with the signal and holds both ends'
    odd reflections, its rFFT times `zero_phase_gain`, and an inverse rFFT of the length that has the new rate.

    Raises SignalError for a rate below 100 Hz, an empty signal or a value that is not finite.
    """
    ratio = _resampling_ratio(rate_hz)
    n_samples = x_CT.shape[1]
    if n_samples == 0:
        raise SignalError("the signal is empty: 0 samples")
    _refuse_not_finite(x_CT)
    pad = math.ceil(_PAD_PERIODS / settings.band_low_hz * rate_hz)
    blocks = fft.next_fast_len(math.ceil((n_samples + 2 * pad) / ratio.denominator), real=True)
    n_in, n_out = blocks * ratio.denominator, blocks * ratio.numerator
    n_bins = (min(n_in, n_out) + 1) // 2  # strictly below both Nyquist frequencies
    frequency_hz = np.arange(n_bins, dtype=np.float64) * (RATE_HZ / n_out)
    gain = (zero_phase_gain(frequency_hz, settings) * (n_out / n_in)).astype(np.float32)
    y_CT = np.empty((len(x_CT), round(n_samples * ratio)), dtype=np.float32)
    for x_T, y_T in zip(x_CT, y_CT, strict=True):
        spectrum = fft.rfft(_reflected(x_T, n_in, pad), overwrite_x=True, workers=1)[:n_bins]
        spectrum *= gain
        y_T[:] = fft.irfft(spectrum, n_out, overwrite_x=True, workers=1)[: len(y_T)]
    return y_CT


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


def flat_channels(x_CT: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which channels (C,) hold one value over the whole stretch; raises SignalError for values not finite."""
    _refuse_not_finite(x_CT)
    flat: NDArray[np.bool_] = x_CT.min(axis=1) == x_CT.max(axis=1)
    return flat


def robust_scale(x_CT: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each channel's median (C,) and standard deviation (C,), 1.4826 times the median absolute deviation.

    Padding is never among the samples: it is added where windows are cut. Raises SignalError if there is no sample, a
    value is not finite, or a channel's deviation is zero (half of its samples or more are one value).
    """
    if x_CT.shape[1] == 0:
        raise SignalError("no sample: the scale is not determined")
    _refuse_not_finite(x_CT)
    median_C, sd_C = np.empty(len(x_CT)), np.empty(len(x_CT))
    for channel, x_T in enumerate(x_CT):
        median_C[channel] = np.median(x_T)
        sd_C[channel] = SD_PER_MAD * np.median(np.abs(x_T - x_T.dtype.type(median_C[channel])))
    if not sd_C.all():
        flat = ", ".join(str(channel) for channel in np.flatnonzero(sd_C == 0))
        raise SignalError(f"channel {flat} is flat: its median absolute deviation is 0")
    return median_C, sd_C


def quantise(
    x_CT: NDArray[np.float32], median_C: NDArray[np.float64], sd_C: NDArray[np.float64], clip_sd: float
) -> tuple[NDArray[np.int16], int]:
    """Return (x - median) / sd as int16 (C, T) in steps of `clip_sd` / 32767, and how many samples were clipped."""
    _refuse_not_finite(x_CT)
    q_CT = np.empty(x_CT.shape, dtype=np.int16)
    clipped = 0
    for x_T, q_T, median, sd in zip(x_CT, q_CT, median_C, sd_C, strict=True):
        steps = np.rint((x_T - np.float32(median)) * np.float32(INT16_MAX / (clip_sd * sd)))
        clipped += int(np.count_nonzero(np.abs(steps) > INT16_MAX))
        q_T[:] = np.clip(steps, -INT16_MAX, INT16_MAX)
    return q_CT, clipped


def dequantise(
    q_CT: NDArray[np.int16], median_C: NDArray[np.float64], sd_C: NDArray[np.float64], clip_sd: float
) -> NDArray[np.float32]:
    """Return the float32 signal (C, T) that `quantise` took, up to half a step where it was not clipped."""
    step_C = (clip_sd / INT16_MAX * sd_C).astype(np.float32)
    return q_CT * step_C[:, None] + median_C.astype(np.float32)[:, None]


def check_rate(rate_hz: float) -> None:
    """Raise SignalError for a sampling rate that is not finite or below the lowest that is taken."""
    if not math.isfinite(rate_hz):
        raise SignalError(f"sampling rate {rate_hz} Hz is not a finite number")
    if rate_hz < MIN_RATE_HZ:
        raise SignalError(f"sampling rate {rate_hz:g} Hz is below {MIN_RATE_HZ:g} Hz, the lowest that is taken")


def _resampling_ratio(rate_hz: float) -> Fraction:
    check_rate(rate_hz)
    return Fraction(RATE_HZ) / Fraction(rate_hz).limit_denominator(_MAX_RATE_DENOMINATOR)


def _refuse_not_finite(x_CT: NDArray[np.float32]) -> None:
    for channel, x_T in enumerate(x_CT):
        finite = np.isfinite(x_T)
        if not finite.all():
            sample = int(np.argmin(finite))
            raise SignalError(f"channel {channel} is not finite: {x_T[sample]} at sample {sample}")


def _reflected(x_T: NDArray[np.float32], n_total: int, pad: int) -> NDArray[np.float32]:
    """Return `x_T` less its mean at the start of a circular buffer (n_total,) that leads from its end to its start.

    After the end comes its odd reflection, before the start (at the buffer's end) that of the start, as far as `pad`
    or the data reach; a straight line joins the two. The mean goes because float32 would lose small waves on it.
    """
    buffer = np.empty(n_total, dtype=np.float32)
    n_samples = len(x_T)
    reach = min(pad, n_samples - 1)
    signal = np.subtract(x_T, x_T.mean(dtype=np.float64), out=buffer[:n_samples], casting="same_kind")
    after, before = n_samples + reach, n_total - reach
    buffer[n_samples:after] = 2 * signal[-1] - signal[n_samples - 1 - reach : n_samples - 1][::-1]
    buffer[before:] = 2 * signal[0] - signal[1 : reach + 1][::-1]
    buffer[after:before] = np.linspace(buffer[after - 1], buffer[before % n_total], before - after + 2)[1:-1]
    return buffer
