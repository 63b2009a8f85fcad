"""One EDF or BDF file on a local disk, opened by its header, samples on demand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.recordings.header import Header, Hear, RecordingError, Signal, microvolts, read_header, unheard
from seizure_pipeline.recordings.samples import StretchReader, reading
from seizure_pipeline.recordings.timeline import Stretch, stretches_of

SHORTEST_RECORDING_S = 1.0


@dataclass(frozen=True)
class Recording:
    """An opened recording: what is in the file and when, samples on demand.

    Times are the file's clock: seconds since the first record's start, gaps included. `start` is the header's start,
    to the whole second, `clock_s` its time of day alone in seconds since midnight; each is None where malformed.
    `labels`, `units` and `rates_hz` go by channel; annotation signals are no channels. `header_sha256` leaves out the
    fields that identify the patient and the recording.
    """

    path: str
    file_format: str
    start: datetime | None
    clock_s: int | None
    n_records: int
    record_s: float
    stretches: tuple[Stretch, ...]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    rates_hz: tuple[float, ...]
    header_sha256: str
    _header: Header = field(repr=False)
    _hear: Hear = field(repr=False, compare=False)

    @property
    def duration_s(self) -> float:
        """Recorded time: the sum of all stretches."""
        return sum(stretch.duration_s for stretch in self.stretches)

    @property
    def span_s(self) -> float:
        """File clock at the end of the last stretch."""
        return self.stretches[-1].start_s + self.stretches[-1].duration_s

    def read_uv(self, channels: Sequence[int], stretch: int) -> NDArray[np.float32]:
        """Samples (len(channels), n) of one stretch in microvolts; `channels` index `labels` and share one rate.

        Digital values outside the declared range are converted like the others. RecordingError for a channel in no unit
        of voltage, an impossible scaling, rates that differ, or a channel or stretch that the file lacks.
        """
        with self.reading_uv(channels, stretch) as reader:
            samples_CT = np.empty((len(channels), reader.n_samples), dtype=np.float32)
            reader.read(0, reader.n_samples, samples_CT)
        return samples_CT

    def reading_uv(self, channels: Sequence[int], stretch: int) -> AbstractContextManager[StretchReader]:
        """A context that reads any range of the samples that `read_uv` returns; the same errors."""
        signals = self._chosen(channels)
        if not 0 <= stretch < len(self.stretches):
            raise RecordingError.of(self.path, f"stretch {stretch}", f"the file has {len(self.stretches)} stretches")
        if len({signal.samples_per_record for signal in signals}) > 1:
            rates = ", ".join(f"{self.labels[k]} {self.rates_hz[k]:g} Hz" for k in channels)
            raise RecordingError.of(self.path, f"channels {rates}", "channels that are read together share one rate")
        return reading(self._header, signals, self.stretches[stretch], self._hear)

    def n_samples(self, channel: int, stretch: int) -> int:
        """Samples of a channel in a stretch."""
        return self.stretches[stretch].n_records * self._chosen([channel])[0].samples_per_record

    def channels_by_rate(self, channels: Sequence[int]) -> dict[float, tuple[int, ...]]:
        """The channels of each sampling rate, in the order in which the rates occur."""
        rates_hz = dict.fromkeys(self.rates_hz[channel] for channel in channels)
        return {rate_hz: tuple(k for k in channels if self.rates_hz[k] == rate_hz) for rate_hz in rates_hz}

    def check_channels(self, channels: Sequence[int]) -> None:
        """Raise RecordingError where one of `channels` could not be read: unit or scaling; no samples are read."""
        for signal in self._chosen(channels):
            microvolts(signal, self.path)

    def _chosen(self, channels: Sequence[int]) -> list[Signal]:
        signals = [signal for signal in self._header.signals if not signal.is_annotation]
        if not channels or not all(0 <= channel < len(signals) for channel in channels):
            rule = f"channels are chosen among 0 to {len(signals) - 1}, at least one"
            raise RecordingError.of(self.path, f"channels {list(channels)}", rule)
        return [signals[channel] for channel in channels]


def open_recording(path: str | Path, hear: Hear = unheard) -> Recording:
    """Open an EDF, EDF+, BDF or BDF+ file by its header; no samples are read.

    `hear` is told what is read of header and samples, now and later. RecordingError if it is no such file, if its
    length is not what the header says (too long is refused like too short), if it holds less than one second of data, or
    if its header is contradictory.
    """
    header = read_header(str(path), hear)
    n_records = _whole_records(header, Path(path).stat().st_size)
    stretches = stretches_of(header, n_records)
    signals = [signal for signal in header.signals if not signal.is_annotation]
    recording = Recording(
        path=header.path,
        file_format=header.file_format,
        start=header.start,
        clock_s=header.clock_s,
        n_records=n_records,
        record_s=float(header.record_s),
        stretches=stretches,
        labels=tuple(signal.label for signal in signals),
        units=tuple(signal.unit for signal in signals),
        rates_hz=tuple(float(signal.samples_per_record / header.record_s) for signal in signals),
        header_sha256=header.sha256,
        _header=header,
        _hear=hear,
    )
    if recording.duration_s < SHORTEST_RECORDING_S:
        raise RecordingError.of(header.path, f"{recording.duration_s:g} s of data", "a recording lasts at least 1 s")
    return recording


def _whole_records(header: Header, file_bytes: int) -> int:
    """Number of data records in a file of `file_bytes`, which must be what the header says (-1: whatever fits)."""
    data_bytes = file_bytes - header.n_bytes
    n_records = header.n_records
    if n_records == -1:
        n_records, rest = divmod(data_bytes, header.record_bytes)
        if rest:
            value = f"{data_bytes} bytes of data, an open number of records"
            raise RecordingError.of(header.path, value, f"the file holds whole records of {header.record_bytes} bytes")
    if n_records < 1:
        raise RecordingError.of(header.path, f"{n_records} data records", "a recording has at least one data record")
    expected = n_records * header.record_bytes
    if data_bytes != expected:
        value = f"expected {header.n_bytes + expected} bytes ({n_records} records), found {file_bytes}"
        rule = "truncated" if data_bytes < expected else "nothing follows the last record"
        raise RecordingError.of(header.path, value, rule)
    return n_records
