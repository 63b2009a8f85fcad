"""The chain of one recording: derivations -> 256 Hz, filtered -> electrodes -> standardised int16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache.rows import ElectrodeRows, electrode_rows
from seizure_pipeline.montage import ELECTRODES, ElectrodeMap, MontageSettings, electrode_map
from seizure_pipeline.recordings import Recording, RecordingError
from seizure_pipeline.signals import (
    INT16_MAX,
    ReadSamples,
    SignalError,
    SignalSettings,
    check_rate,
    mix,
    n_resampled,
    quantise,
    resample_blocks,
    robust_scale,
    samples_at_once,
)
from seizure_pipeline.windows import Layout

SAMPLES_AT_ONCE = 1 << 24  # 64 MiB of float32; usual blocks of 32 channels are 16 MiB
PIECE_SAMPLES = 1 << 16  # in float32 and as int16 they stay in the processor's cache together
SAMPLES_PER_WRITE = 1 << 16  # of each electrode: blocks at an uneven rate are longer, and 19 electrodes of them large


@dataclass
class Prepared:
    """A recording as the detector sees it, as long as the context of `prepare` lasts.

    Electrodes are average-referenced and standardised, stretches end to end; one step of the int16 signal is `step_sd`
    robust standard deviations. `median_uv`, `sd_uv` (19,) undo the standardisation; `clipped` counts clipped samples
    once all were asked for.
    """

    layout: Layout
    step_sd: float
    median_uv: NDArray[np.float64]
    sd_uv: NDArray[np.float64]
    interpolated: tuple[str, ...]
    _rows: ElectrodeRows
    _path: str
    _signals: SignalSettings
    clipped: int = 0

    def pieces(self) -> Iterator[NDArray[np.int16]]:
        """The 19 electrodes one after the other, in pieces that stay in the processor's cache until they are written.

        Raises SignalError for a value that is not finite; RecordingError at the end if too many samples were clipped."""
        n_samples = sum(self.layout.stretch_samples)
        self.clipped = 0
        for number, electrode in enumerate(ELECTRODES):
            one = slice(number, number + 1)
            for first in range(0, n_samples, PIECE_SAMPLES):
                piece_1T = self._rows.row(number, first, min(first + PIECE_SAMPLES, n_samples))[None]
                try:
                    steps_1T, clipped = quantise(piece_1T, self.median_uv[one], self.sd_uv[one], self._signals.clip_sd)
                except SignalError as error:
                    raise SignalError(f"electrode {electrode} from sample {first} on: {error}") from error
                self.clipped += clipped
                yield steps_1T[0]
        self._refuse_clipping()

    def signal(self) -> NDArray[np.int16]:
        """All electrodes (19, T) in memory; raises as `pieces`."""
        signal_CT = np.empty((len(self.sd_uv), sum(self.layout.stretch_samples)), dtype=np.int16)
        rest = signal_CT.reshape(-1)
        for piece in self.pieces():
            rest[: len(piece)] = piece
            rest = rest[len(piece) :]
        return signal_CT

    def _refuse_clipping(self) -> None:
        share = self.clipped / (len(self.sd_uv) * sum(self.layout.stretch_samples))
        if share > self._signals.max_clipped_share:
            raise RecordingError(
                f"{self._path}: {100 * share:.1f} % of the samples lie beyond {self._signals.clip_sd:g} robust "
                f"standard deviations; at most {100 * self._signals.max_clipped_share:g} % may (long flat pieces do this)"
            )


@contextmanager
def prepare(
    recording: Recording, signals: SignalSettings, montage: MontageSettings, scratch: Path | None = None
) -> Iterator[Prepared]:
    """Run the chain over every stretch of `recording`; the rows are there as long as the context lasts.

    Memory stays below 1 GB however long the recording is (1.5 GB at the most uneven rates): rows that are too
    large lie in a nameless file in the folder `scratch`, by default the system's for temporary files. Entering raises
    RecordingError for a flat channel or an empty stretch, MontageError for too few derivations, SignalError for an
    impossible rate, OSError for a full disk."""
    mapped = electrode_map(recording.labels, montage)
    layout = _layout(recording, mapped)
    with electrode_rows(len(mapped.matrix), sum(layout.stretch_samples), scratch) as rows:
        _fill(rows, recording, mapped, layout, signals)
        median_uv, sd_uv = _scales(rows, len(mapped.matrix), sum(layout.stretch_samples))
        step_sd = signals.clip_sd / INT16_MAX
        yield Prepared(layout, step_sd, median_uv, sd_uv, mapped.interpolated, rows, recording.path, signals)


def _layout(recording: Recording, mapped: ElectrodeMap) -> Layout:
    """Stretches at 256 Hz, their lengths by the rate of the first channel.

    SignalError for any rate that is too low, RecordingError for a stretch that has no sample at 256 Hz."""
    for rate_hz in recording.channels_by_rate(mapped.channels):
        check_rate(rate_hz)
    first = mapped.channels[0]
    rate_hz = recording.rates_hz[first]
    samples = tuple(n_resampled(recording.n_samples(first, stretch), rate_hz) for stretch in range(len(recording.stretches)))
    for n_samples, stretch in zip(samples, recording.stretches, strict=True):
        if n_samples == 0:
            value = f"the stretch at {stretch.start_s:g} s lasts {1000 * stretch.duration_s:g} ms"
            raise RecordingError.of(recording.path, value, "a stretch has at least one sample at 256 Hz")
    return Layout(samples, tuple(stretch.start_s for stretch in recording.stretches))


def _fill(rows: ElectrodeRows, recording: Recording, mapped: ElectrodeMap, layout: Layout, signals: SignalSettings) -> None:
    """Electrode potentials in microvolts at 256 Hz, stretch by stretch.

    Filtering and the electrode map are linear and commute, so channels of each rate are filtered by themselves, and
    their shares of the electrodes add up.
    """
    flat = set(mapped.channels)
    for stretch, first in enumerate(layout.sample_starts):
        write = rows.put
        for rate_hz, channels in _parts(recording, mapped, stretch, signals):
            matrix = mapped.matrix[:, np.searchsorted(mapped.channels, channels)].astype(np.float32)
            with recording.reading_uv(channels, stretch) as reader:
                watched = FlatnessWatch(reader.read, len(channels))
                shape, n_out = (len(channels), reader.n_samples), layout.stretch_samples[stretch]
                for at, block_CT in resample_blocks(watched, shape, rate_hz, signals, n_out):
                    for begin in range(0, block_CT.shape[1], SAMPLES_PER_WRITE):
                        piece_CT = block_CT[:, begin : begin + SAMPLES_PER_WRITE]
                        write(first + at + begin, piece_CT.shape[1], partial(mix, matrix, piece_CT))
            write = rows.add
            flat -= {channel for channel, varies in zip(channels, watched.varies, strict=True) if varies}
    if flat:
        names = [recording.labels[channel] for channel in mapped.channels if channel in flat]
        raise RecordingError(f"{recording.path}: channels {names} are flat throughout; an EEG channel must vary")


def _parts(
    recording: Recording, mapped: ElectrodeMap, stretch: int, signals: SignalSettings
) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Channels that are filtered together, with their rate: of one rate, and as many as fit in `SAMPLES_AT_ONCE`, which
    is all of them unless the rate is an uneven fraction."""
    for rate_hz, channels in recording.channels_by_rate(mapped.channels).items():
        each = samples_at_once(recording.n_samples(channels[0], stretch), rate_hz, signals)
        size = max(1, SAMPLES_AT_ONCE // each)
        for first in range(0, len(channels), size):
            yield rate_hz, channels[first : first + size]


class FlatnessWatch:
    """Reads through `read` and notes which channels vary (C,): pieces overlap, so one that varies does so within one."""

    def __init__(self, read: ReadSamples, n_channels: int) -> None:
        self._read = read
        self.varies = np.zeros(n_channels, dtype=np.bool_)

    def __call__(self, first: int, stop: int, out_CT: NDArray[np.float32], less_C: NDArray[np.float64]) -> None:
        """Read samples [first, stop), less `less_C`, into `out_CT`."""
        self._read(first, stop, out_CT, less_C)
        for channel in np.flatnonzero(~self.varies):
            self.varies[channel] = (out_CT[channel] != out_CT[channel, 0]).any()


def _scales(rows: ElectrodeRows, n_rows: int, n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and robust standard deviation of every row."""
    median_uv, sd_uv = np.empty(n_rows), np.empty(n_rows)
    for number in range(n_rows):
        one = slice(number, number + 1)
        try:
            median_uv[one], sd_uv[one] = robust_scale(rows.row(number, 0, n_samples)[None])
        except SignalError as error:
            raise SignalError(f"electrode {ELECTRODES[number]}: {error}") from error
    return median_uv, sd_uv
