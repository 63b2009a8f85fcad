"""Resampling and filtering in one pass in the frequency domain: block by block, and the slow whole-record reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from seizure_pipeline.signals.filtering import tail_s, taper, zero_phase_gain
from seizure_pipeline.signals.mixing import one_thread
from seizure_pipeline.signals.scaling import refuse_not_finite
from seizure_pipeline.signals.settings import RATE_HZ, SignalError, SignalSettings, check_rate

ReadSamples: TypeAlias = Callable[[int, int, NDArray[np.float32], NDArray[np.float64]], None]
"""read(first, stop, out_CT, less_C) writes samples [first, stop) of every channel, less `less_C`, into `out_CT`."""
Real = TypeVar("Real", NDArray[np.float32], NDArray[np.float64])

_RATE_ROUNDING = 1e-7  # of a rate, at which it is taken as a simpler fraction: 9 ms in a day
_RATE_DENOMINATORS = (1, 10, 100, 1000, 10_000)  # the last one whatever the rounding, no more than 1e-4 Hz
_BLOCK_SAMPLES = 1 << 16  # transforms of 65,536 to 131,072 samples are the quickest (measured: benchmarks/chain.py)
_MAX_BLOCK_SAMPLES = 1 << 24
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
    return round(n_samples * _resampling_ratio(rate_hz))


def works_in_blocks(n_samples: int, rate_hz: float, settings: SignalSettings) -> bool:
    """Whether `resample_blocks` takes such a signal block by block, or whole because it is short or its rate uneven."""
    blocks = _blocks(_resampling_ratio(rate_hz), rate_hz, settings)
    return blocks is not None and n_samples + 2 * blocks.tail_in > blocks.n_in


def samples_at_once(n_samples: int, rate_hz: float, settings: SignalSettings) -> int:
    """How many samples of each channel `resample_blocks` holds in memory at a time."""
    blocks = _blocks(_resampling_ratio(rate_hz), rate_hz, settings)
    return blocks.n_in if blocks is not None and works_in_blocks(n_samples, rate_hz, settings) else n_samples


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
    SignalError for a rate below 100 Hz or an empty signal.
    """
    ratio = _resampling_ratio(rate_hz)
    n_samples = shape[1]
    if n_samples == 0:
        raise SignalError("the signal is empty: 0 samples")
    n_out = round(n_samples * ratio) if n_out is None else n_out
    blocks = _blocks(ratio, rate_hz, settings)
    if blocks is None or not works_in_blocks(n_samples, rate_hz, settings):
        x_CT = np.empty(shape, dtype=np.float32)
        read(0, n_samples, x_CT, np.zeros(len(x_CT)))
        yield 0, _whole_record(x_CT, rate_hz, settings, n_out)
        return
    blocks = _fitted(blocks, n_samples)
    transform = _BlockFilter(blocks, settings)
    hop = blocks.n_out - 2 * blocks.tail_out
    starts = range(0, min(n_out, round(n_samples * ratio)), hop)
    for first, window_CN in zip(starts, _windows(read, shape, blocks, len(starts)), strict=True):
        length = n_out - first if first == starts[-1] else hop
        yield first, transform(window_CN)[:, blocks.tail_out : blocks.tail_out + length]


def resample_and_filter_reference(x_CT: NDArray[np.float64], rate_hz: float, settings: SignalSettings) -> NDArray[np.float64]:
    """What `resample_and_filter` computes, in float64 and from the whole record at once: slow and obvious."""
    return _whole_record(x_CT, rate_hz, settings, n_resampled(x_CT.shape[1], rate_hz))


def _whole_record(x_CT: Real, rate_hz: float, settings: SignalSettings, n_kept: int) -> Real:
    """One pass per channel: a circular buffer that starts with the signal and holds both ends' odd reflections, its rFFT
    times `zero_phase_gain`, and an inverse rFFT of the length that has the new rate."""
    ratio = _resampling_ratio(rate_hz)
    pad = math.ceil(tail_s(settings) * rate_hz)
    units = fft.next_fast_len(math.ceil((x_CT.shape[1] + 2 * pad) / ratio.denominator), real=True)
    n_in, n_out = units * ratio.denominator, units * ratio.numerator
    gain = _gain(n_in, n_out, settings).astype(x_CT.dtype)
    y_CT = np.empty((len(x_CT), n_kept), dtype=x_CT.dtype)
    for x_T, y_T in zip(x_CT, y_CT, strict=True):
        spectrum = fft.rfft(_reflected(x_T, n_in, pad), overwrite_x=True, workers=1)[: len(gain)]
        spectrum *= gain
        y_T[:] = fft.irfft(spectrum, n_out, overwrite_x=True, workers=1)[:n_kept]
    return y_CT


def _gain(n_in: int, n_out: int, settings: SignalSettings) -> NDArray[np.float64]:
    """Gain of every bin strictly below both Nyquist frequencies, with the factor that the two lengths leave."""
    n_bins = (min(n_in, n_out) + 1) // 2
    frequency_hz = np.arange(n_bins, dtype=np.float64) * (RATE_HZ / n_out)
    gain = zero_phase_gain(frequency_hz, settings) * (n_out / n_in)
    return gain * taper(frequency_hz, RATE_HZ / 2 * n_in / n_out, settings)


def _resampling_ratio(rate_hz: float) -> Fraction:
    check_rate(rate_hz)
    for denominator in _RATE_DENOMINATORS:
        simple = Fraction(rate_hz).limit_denominator(denominator)
        if abs(simple - Fraction(rate_hz)) <= _RATE_ROUNDING * rate_hz:
            break
    return Fraction(RATE_HZ) / simple


def _blocks(ratio: Fraction, rate_hz: float, settings: SignalSettings) -> Blocks | None:
    """Blocks for a rate; None where the fraction is so uneven that a block would take minutes to hours."""
    tail_units = math.ceil(tail_s(settings) * rate_hz / ratio.denominator)
    least = max(_TAILS_PER_BLOCK * tail_units, _BLOCK_SAMPLES // ratio.denominator, 1)
    units = 1 << (least - 1).bit_length()
    return Blocks(ratio, units, tail_units) if units * ratio.denominator <= _MAX_BLOCK_SAMPLES else None


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


def _reflected(x_T: Real, n_total: int, pad: int) -> Real:
    """Return `x_T` less its mean at the start of a circular buffer (n_total,) that leads from its end to its start.

    After the end comes its odd reflection, before the start (at the buffer's end) that of the start, as far as `pad`
    or the data reach; a straight line joins the two. The mean goes because float32 would lose small waves on it.
    """
    buffer = np.empty(n_total, dtype=x_T.dtype)
    n_samples = len(x_T)
    reach = min(pad, n_samples - 1)
    signal = np.subtract(x_T, x_T.mean(dtype=np.float64), out=buffer[:n_samples], casting="same_kind")
    after, before = n_samples + reach, n_total - reach
    buffer[n_samples:after] = 2 * signal[-1] - signal[n_samples - 1 - reach : n_samples - 1][::-1]
    buffer[before:] = 2 * signal[0] - signal[1 : reach + 1][::-1]
    buffer[after:before] = np.linspace(buffer[after - 1], buffer[before % n_total], before - after + 2)[1:-1]
    return buffer
