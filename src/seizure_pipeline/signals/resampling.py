"""Resampling and filtering in one pass in the frequency domain: block by block, and the slow whole-record reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from seizure_pipeline.signals.filtering import tail_s, taper, zero_phase_gain
from seizure_pipeline.signals.mixing import one_thread
from seizure_pipeline.signals.scaling import refuse_not_finite
from seizure_pipeline.signals.settings import RATE_HZ, SignalError, SignalSettings, check_rate

ReadSamples: TypeAlias = Callable[[int, int, NDArray[np.float32], NDArray[np.float64]], None]
"""read(first, stop, out_CT, less_C) writes samples [first, stop) of every channel, less `less_C`, into `out_CT`."""

_RATE_ROUNDING = 1e-7  # of a rate, at which it is taken as a simpler fraction: 9 ms in a day
_DRIFT_S = 0.5 / RATE_HZ  # over a whole recording, at which an uneven rate is taken as an even one
_LARGEST_ROUNDING = 1e-4  # even where a signal is so short that the drift would allow more
_MOST_ROUNDING = 3.6e-7  # 31 ms in a day, half a token: always leaves a unit of which three fit in a block
_BLOCK_SAMPLES = 1 << 16  # transforms of 65,536 to 131,072 samples are the quickest (measured: benchmarks/chain.py)
_MAX_BLOCK_SAMPLES = 1 << 22  # a transform of a length with a large prime factor takes 100 bytes a sample
_LARGEST_UNIT = 1 << 15  # of samples: transforms with a larger prime factor lose accuracy in float32
_TAILS_PER_BLOCK = 8  # at least, so that no more than a quarter of a block is thrown away


@dataclass(frozen=True, slots=True)
class Blocks:
    """Overlapping blocks of `n_in` samples that become `n_out` at 256 Hz; tails are dropped on either side.

    `units` makes one such block, `tail_units` one tail; a unit is the least whole number of samples at both rates."""

    ratio: Fraction
    units: int
    tail_units: int

    @property
    def n_in(self) -> int:
        """Samples of a block."""
        return self.units * self.ratio.denominator

    @property
    def n_out(self) -> int:
        """Samples of a block at 256 Hz."""
        return self.units * self.ratio.numerator

    @property
    def tail_in(self) -> int:
        """Samples of a tail."""
        return self.tail_units * self.ratio.denominator

    @property
    def tail_out(self) -> int:
        """Samples of a tail at 256 Hz."""
        return self.tail_units * self.ratio.numerator


def n_resampled(n_samples: int, rate_hz: float) -> int:
    """How many samples at 256 Hz `n_samples` become; raises SignalError for a rate below 100 Hz."""
    return round(n_samples * _resampling_ratio(n_samples, rate_hz))


def works_in_blocks(n_samples: int, rate_hz: float, settings: SignalSettings) -> bool:
    """Whether `resample_blocks` takes such a signal block by block, or whole because it is short."""
    return _blocks_of(n_samples, _resampling_ratio(n_samples, rate_hz), rate_hz, settings) is not None


def samples_at_once(n_samples: int, rate_hz: float, settings: SignalSettings) -> int:
    """How many samples of each channel `resample_blocks` holds in memory at a time."""
    ratio = _resampling_ratio(n_samples, rate_hz)
    return (_blocks_of(n_samples, ratio, rate_hz, settings) or _whole(n_samples, ratio, rate_hz, settings)).n_in


def resample_and_filter(x_CT: NDArray[np.float32], rate_hz: float, settings: SignalSettings) -> NDArray[np.float32]:
    """Return `x_CT` (C, T) at 256 Hz, band-passed and notched without phase shift, as (C, round(T * 256 / rate_hz)).

    Raises SignalError for a rate below 100 Hz, an empty signal or a value that is not finite.
    """
    refuse_not_finite(x_CT)

    def read(first: int, stop: int, out_CT: NDArray[np.float32], less_C: NDArray[np.float64]) -> None:
        np.subtract(x_CT[:, first:stop], less_C[:, None], out=out_CT, casting="same_kind")

    y_CT = np.empty((len(x_CT), n_resampled(x_CT.shape[1], rate_hz)), dtype=np.float32)
    for first, block_CT in resample_blocks(read, x_CT.shape, rate_hz, settings):
        y_CT[:, first : first + block_CT.shape[1]] = block_CT
    return y_CT


def resample_blocks(
    read: ReadSamples, shape: tuple[int, int], rate_hz: float, settings: SignalSettings, n_out: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the filtered signal at 256 Hz in pieces (first sample, block (C, n)), in order and without overlap.

    `shape` (C, T) is that of the whole signal, of which `read` gives any range of finite samples; `n_out` is the length
    at 256 Hz where it is not round(T * 256 / rate_hz). A block is valid until the next one is asked for. Overlap-save:
    blocks of minutes, with tails as long as the filter reaches, in float32, a batch of all channels at a time. Raises
    SignalError for a rate below 100 Hz, an empty signal, or a long one at a filter that reaches too far for blocks.
    """
    n_samples = shape[1]
    if n_samples == 0:
        raise SignalError("the signal is empty: 0 samples")
    ratio = _resampling_ratio(n_samples, rate_hz)
    n_out = round(n_samples * ratio) if n_out is None else n_out
    blocks = _blocks_of(n_samples, ratio, rate_hz, settings)
    if blocks is None:
        whole = _whole(n_samples, ratio, rate_hz, settings)
        x_CN = np.empty((shape[0], whole.n_in), dtype=np.float32)
        read(0, n_samples, x_CN[:, :n_samples], _levels(read, shape[0], 0, n_samples))
        _close_circle(x_CN, n_samples, whole.tail_in)
        yield 0, _BlockFilter(whole, settings)(x_CN)[:, :n_out]
        return
    blocks = _fitted(blocks, n_samples)
    transform = _BlockFilter(blocks, settings)
    hop = blocks.n_out - 2 * blocks.tail_out
    starts = range(0, min(n_out, round(n_samples * ratio)), hop)
    for first, window_CN in zip(starts, _windows(read, shape, blocks, len(starts)), strict=True):
        length = n_out - first if first == starts[-1] else hop
        yield first, transform(window_CN)[:, blocks.tail_out : blocks.tail_out + length]


def resample_and_filter_reference(x_CT: NDArray[np.float64], rate_hz: float, settings: SignalSettings) -> NDArray[np.float64]:
    """What `resample_and_filter` computes, in float64 and from the whole record at once: slow and obvious.

    One pass per channel: a circular buffer that starts with the signal and holds both ends' odd reflections, its rFFT
    times `zero_phase_gain`, and an inverse rFFT of the length that has the new rate."""
    n_samples = x_CT.shape[1]
    whole = _whole(n_samples, _resampling_ratio(n_samples, rate_hz), rate_hz, settings)
    gain = _gain(whole.n_in, whole.n_out, settings)
    y_CT = np.empty((len(x_CT), n_resampled(n_samples, rate_hz)))
    for x_T, y_T in zip(x_CT, y_CT, strict=True):
        x_1N = np.empty((1, whole.n_in))
        x_1N[0, :n_samples] = x_T - x_T.mean()
        _close_circle(x_1N, n_samples, whole.tail_in)
        y_T[:] = fft.irfft(fft.rfft(x_1N[0])[: len(gain)] * gain, whole.n_out)[: len(y_T)]
    return y_CT


def _gain(n_in: int, n_out: int, settings: SignalSettings) -> NDArray[np.float64]:
    """Gain of every bin strictly below both Nyquist frequencies, with the factor that the two lengths leave."""
    n_bins = (min(n_in, n_out) + 1) // 2
    frequency_hz = np.arange(n_bins, dtype=np.float64) * (RATE_HZ / n_out)
    gain = zero_phase_gain(frequency_hz, settings) * (n_out / n_in)
    return gain * taper(frequency_hz, RATE_HZ / 2 * n_in / n_out, settings)


def _resampling_ratio(n_samples: int, rate_hz: float) -> Fraction:
    """256 Hz over a rate as a fraction, which decides a block's unit: the simplest near the rate.

    A rate like 512 / 1.000001 Hz, whose unit would be an hour, is taken as 512 Hz where that moves no sample of this
    signal by more than half of one at 256 Hz."""
    check_rate(rate_hz)
    usual = _near(rate_hz, _RATE_ROUNDING)
    if usual.denominator <= _LARGEST_UNIT:
        return usual
    even = _near(rate_hz, min(_DRIFT_S * rate_hz / max(n_samples, 1), _LARGEST_ROUNDING))
    if even.denominator <= _LARGEST_UNIT:
        return even
    return usual if 3 * usual.denominator <= _MAX_BLOCK_SAMPLES else _near(rate_hz, _MOST_ROUNDING)


def _near(rate_hz: float, rounding: float) -> Fraction:
    """256 Hz over the simplest fraction that differs from `rate_hz` by no more than the share `rounding` of it."""
    exact = Fraction(rate_hz)
    away = exact * Fraction(rounding)
    return Fraction(RATE_HZ) / _simplest(exact - away, exact + away)


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of least denominator from `low` to `high`, by their continued fractions."""
    whole = math.floor(low)
    if whole == low or whole + 1 <= high:
        return Fraction(math.ceil(low))
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))


def _blocks_of(n_samples: int, ratio: Fraction, rate_hz: float, settings: SignalSettings) -> Blocks | None:
    """Blocks for a signal; None where it is no longer than one. SignalError if it is, but the filter reaches too far."""
    blocks = _blocks(ratio, rate_hz, settings)
    if n_samples + 2 * blocks.tail_in <= blocks.n_in:
        return None
    if blocks.n_in > _MAX_BLOCK_SAMPLES:
        raise SignalError(
            f"{n_samples} samples at {rate_hz:g} Hz need blocks of {blocks.n_in} with a filter that reaches "
            f"{tail_s(settings):g} s; at most {_MAX_BLOCK_SAMPLES} are held in memory"
        )
    return blocks


def _blocks(ratio: Fraction, rate_hz: float, settings: SignalSettings) -> Blocks:
    """Blocks for a rate: eight tails long or more, or as long as may be, three tails at least."""
    unit = ratio.denominator
    tail_units = math.ceil(tail_s(settings) * rate_hz / unit)
    least = max(_TAILS_PER_BLOCK * tail_units, _BLOCK_SAMPLES // unit, 1)
    units = min(1 << (least - 1).bit_length(), max(_MAX_BLOCK_SAMPLES // unit, 3 * tail_units))
    return Blocks(ratio, units, tail_units)


def _whole(n_samples: int, ratio: Fraction, rate_hz: float, settings: SignalSettings) -> Blocks:
    """One circle that holds a whole signal and a tail's reflection of both ends."""
    tail_units = math.ceil(tail_s(settings) * rate_hz / ratio.denominator)
    least = math.ceil((n_samples + 2 * math.ceil(tail_s(settings) * rate_hz)) / ratio.denominator)
    return Blocks(ratio, fft.next_fast_len(least, real=True), tail_units)


def _fitted(blocks: Blocks, n_samples: int) -> Blocks:
    """As many blocks, so short that little more than `n_samples` is filtered, of a length that transforms quickly."""
    hop_units = blocks.units - 2 * blocks.tail_units
    n_units = -(-n_samples // blocks.ratio.denominator)
    needed = -(-n_units // -(-n_units // hop_units)) + 2 * blocks.tail_units
    return replace(blocks, units=min(blocks.units, 2 * fft.next_fast_len(-(-needed // 2), real=True)))


def _windows(read: ReadSamples, shape: tuple[int, int], blocks: Blocks, n_blocks: int) -> Iterator[NDArray[np.float32]]:
    """Yield each block's samples (C, n_in) with its tails; beyond the signal's ends lie their odd reflections.

    A level near the block's middle is taken off each channel: float32 would lose small waves on a large offset."""
    n_samples, tail, n_in = shape[1], blocks.tail_in, blocks.n_in
    x_CN = np.empty((shape[0], n_in), dtype=np.float32)
    for number in range(n_blocks):
        begin = number * (n_in - 2 * tail) - tail
        first, stop = max(begin, 0), min(begin + n_in, n_samples)
        read(first, stop, x_CN[:, first - begin : stop - begin], _levels(read, shape[0], first, stop))
        if number == 0:
            x_CN[:, :tail] = 2 * x_CN[:, tail, None] - x_CN[:, 2 * tail : tail : -1]
        if stop < begin + n_in:
            _reflect_end(x_CN, stop - begin, tail)
        yield x_CN


def _levels(read: ReadSamples, n_channels: int, first: int, stop: int) -> NDArray[np.float64]:
    """Median of five samples of every channel (C,) between `first` and `stop`: one that is wild does not matter."""
    places = np.linspace(first, stop - 1, 5).astype(int).tolist()
    samples_C5 = np.empty((n_channels, len(places)), dtype=np.float32)
    nothing = np.zeros(n_channels)
    for column, place in enumerate(places):
        read(place, place + 1, samples_C5[:, column : column + 1], nothing)
    return np.median(samples_C5, axis=1).astype(np.float64)


def _reflect_end(x_CN: NDArray[np.float32], end: int, tail: int) -> None:
    """Continue a block that holds the signal up to sample `end`: its odd reflection as far as a tail, then one value."""
    reach = min(end + tail, x_CN.shape[1])
    x_CN[:, end:reach] = 2 * x_CN[:, end - 1, None] - x_CN[:, 2 * end - 1 - reach : end - 1][:, ::-1]
    x_CN[:, reach:] = x_CN[:, reach - 1, None]


class _BlockFilter:
    """Circular filtering of blocks (C, n_in) to (C, n_out)."""

    def __init__(self, blocks: Blocks, settings: SignalSettings) -> None:
        self._gain = np.zeros(min(blocks.n_in, blocks.n_out) // 2 + 1)
        below_nyquist = _gain(blocks.n_in, blocks.n_out, settings)
        self._gain[: len(below_nyquist)] = below_nyquist
        self._n_out = blocks.n_out
        self._of_both_parts = np.repeat(self._gain, 2).astype(np.float32)
        self._is_even = blocks.ratio.denominator <= _LARGEST_UNIT

    def __call__(self, x_CN: NDArray[np.float32]) -> NDArray[np.float32]:
        """The filtered block: all channels at once in float32, or for an uneven rate one by one in float64."""
        return self._quick(x_CN) if self._is_even else self._slow(x_CN)

    def _quick(self, x_CN: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with one_thread():
            spectrum = torch.fft.rfft(torch.from_numpy(x_CN))[:, : len(self._gain)]
            spectrum.numpy().view(np.float32)[...] *= self._of_both_parts
            filtered: NDArray[np.float32] = torch.fft.irfft(spectrum, self._n_out).numpy()
        return filtered

    def _slow(self, x_CN: NDArray[np.float32]) -> NDArray[np.float32]:
        y_CN = np.empty((len(x_CN), self._n_out), dtype=np.float32)
        for x_N, y_N in zip(x_CN, y_CN, strict=True):
            y_N[:] = fft.irfft(fft.rfft(x_N.astype(np.float64))[: len(self._gain)] * self._gain, self._n_out)
        return y_CN


def _close_circle(x_CN: NDArray[Any], n_samples: int, tail: int) -> None:
    """Continue signals (C, n_samples) at the start of a circle `x_CN` (C, N) to where the circle meets their start.

    After the end comes its odd reflection, before the start (at the circle's end) that of the start, as far as `tail`
    or the data reach; a straight line joins the two."""
    n_total = x_CN.shape[1]
    reach = min(tail, n_samples - 1, (n_total - n_samples) // 2)
    signal_CT = x_CN[:, :n_samples]
    after, before = n_samples + reach, n_total - reach
    x_CN[:, n_samples:after] = 2 * signal_CT[:, -1:] - signal_CT[:, n_samples - 1 - reach : n_samples - 1][:, ::-1]
    x_CN[:, before:] = 2 * signal_CT[:, :1] - signal_CT[:, 1 : reach + 1][:, ::-1]
    ends_C2 = x_CN[:, [after - 1, before % n_total]]
    share_N = np.linspace(0, 1, before - after + 2, dtype=x_CN.dtype)[1:-1]
    x_CN[:, after:before] = ends_C2[:, :1] + (ends_C2[:, 1:] - ends_C2[:, :1]) * share_N
