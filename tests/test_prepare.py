"""Rules of the chain of one recording: rates may differ, memory is bounded, and what is wrong is said by name."""

from __future__ import annotations

import errno
import importlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edf_files import annotations, edf, signal

from seizure_pipeline.cache import rows
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.recordings import Recording, RecordingError, open_recording
from seizure_pipeline.signals import SignalError, SignalSettings

PREPARE = importlib.import_module("seizure_pipeline.cache.prepare")  # the package's name `prepare` is the function
SIGNALS, MONTAGE = SignalSettings(), MontageSettings()
STEPS_UV = 0.35  # two steps of int16 at the strongest electrode, about 300 uV
Samples = Callable[[int, np.ndarray], np.ndarray]


def waves(electrode: int, time_s: np.ndarray) -> np.ndarray:
    """Two tones in the band, in tenths of a microvolt, of another phase and strength at each electrode."""
    strength = 300 + 100 * electrode
    return strength * (np.sin(2 * np.pi * 10 * time_s + electrode) + 0.5 * np.sin(2 * np.pi * 3.3 * time_s - electrode))


def noise(electrode: int, time_s: np.ndarray) -> np.ndarray:
    return np.random.default_rng(electrode).normal(0, 500, len(time_s))


def recording_of(
    path: Path,
    rates_hz: list[int],
    seconds: int,
    samples: Samples = waves,
    onsets: list[int] | None = None,
    record_s: int = 1,
) -> Recording:
    """A file of the 19 electrodes, each of its own rate; with `onsets`, EDF+D."""
    signals: list[dict[str, Any]] = []
    columns = []
    for electrode, (name, rate_hz) in enumerate(zip(ELECTRODES, rates_hz, strict=True)):
        signals.append(signal(f"EEG {name.upper()}-REF", rate_hz * record_s))
        time_s = np.arange(rate_hz * seconds) / rate_hz
        columns.append(samples(electrode, time_s).round().astype("<i2").reshape(seconds // record_s, -1))
    records = [b"".join(column[k].tobytes() for column in columns) for k in range(seconds // record_s)]
    if onsets is None:
        path.write_bytes(edf(signals, records, record_s=record_s))
    else:
        stamped = [
            record + f"+{onset}\x14\x14\x00".encode().ljust(20, b"\x00") for record, onset in zip(records, onsets, strict=True)
        ]
        path.write_bytes(edf([*signals, annotations()], stamped, reserved="EDF+D"))
    return open_recording(path)


def signal_uv(recording: Recording, **settings: Any) -> np.ndarray:
    with prepare(recording, SIGNALS, MONTAGE, **settings) as prepared:
        return prepared.signal() * (prepared.step_sd * prepared.sd_uv[:, None]) + prepared.median_uv[:, None]


def interior(x_CT: np.ndarray) -> np.ndarray:
    """All but 10 s at both ends: the last sample's moment, about which a signal is reflected, depends on the rate."""
    return x_CT[:, 2560:-2560]


def test_a_tone_recorded_at_two_rates_is_one_tone(tmp_path: Path) -> None:
    uneven = [512 if electrode % 3 else 256 for electrode in range(19)]
    mixed = signal_uv(recording_of(tmp_path / "mixed.edf", uneven, 40))
    for rate_hz in (256, 512):
        even = signal_uv(recording_of(tmp_path / f"{rate_hz}.edf", [rate_hz] * 19, 40))
        assert mixed.shape == even.shape == (19, 40 * 256)
        np.testing.assert_allclose(interior(mixed), interior(even), atol=STEPS_UV)


def test_the_electrodes_are_average_referenced_tones(tmp_path: Path) -> None:
    time_s = np.arange(40 * 256) / 256
    expected = 0.1 * np.stack([waves(electrode, time_s) for electrode in range(19)])
    expected -= expected.mean(axis=0)
    found = signal_uv(recording_of(tmp_path / "one.edf", [200] * 19, 40))
    np.testing.assert_allclose(interior(found), interior(expected), atol=STEPS_UV)


@pytest.mark.parametrize("rates_hz", [[400] * 19, [200] * 10 + [250] * 9])
def test_a_long_recording_in_a_scratch_file_is_the_same_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rates_hz: list[int]
) -> None:
    recording = recording_of(tmp_path / "one.edf", rates_hz, 600, noise)
    with prepare(recording, SIGNALS, MONTAGE) as prepared:
        expected = prepared.signal()
    monkeypatch.setattr(rows, "MEMORY_BYTES", 0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with prepare(recording, SIGNALS, MONTAGE, scratch) as prepared:
        assert prepared.layout.stretch_samples == (600 * 256,)
        np.testing.assert_array_equal(prepared.signal(), expected)
        np.testing.assert_array_equal(np.concatenate(list(prepared.pieces())).reshape(19, -1), expected)
    assert os.listdir(scratch) == []


def test_signal_takes_little_more_than_its_own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MEMORY_BYTES", 0)
    monkeypatch.setattr(PREPARE, "PIECE_SAMPLES", 1000)
    with prepare(recording_of(tmp_path / "one.edf", [256] * 19, 60, noise), SIGNALS, MONTAGE, tmp_path) as prepared:
        tracemalloc.start()
        size = prepared.signal().nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1.1 * size


def test_a_record_of_1000001_us_is_a_second_for_20_s_and_rows_are_filled_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    even = recording_of(tmp_path / "even.edf", [512] * 19, 20)
    content = bytearray(Path(even.path).read_bytes())
    content[244:252] = b"1.000001"
    (tmp_path / "uneven.edf").write_bytes(content)
    expected = signal_uv(even)
    pieces: list[int] = []
    put = rows.RowsInMemory.put

    def counted(self: rows.RowsInMemory, first: int, n_samples: int, compute: rows.Compute) -> None:
        pieces.append(n_samples)
        put(self, first, n_samples, compute)

    monkeypatch.setattr(rows.RowsInMemory, "put", counted)
    monkeypatch.setattr(PREPARE, "SAMPLES_PER_WRITE", 1000)
    np.testing.assert_allclose(signal_uv(open_recording(tmp_path / "uneven.edf")), expected, atol=STEPS_UV)
    assert pieces == [1000] * 5 + [120]


def test_a_stretch_without_a_sample_at_256_hz_is_refused_by_name(tmp_path: Path) -> None:
    signals = [signal(f"EEG {name.upper()}-REF", 1) for name in ELECTRODES]
    onsets = [*(f"{k / 1000:g}" for k in range(1100)), "100"]
    records = [bytes([k % 7, 0] * 19) + f"+{onset}\x14\x14\x00".encode().ljust(20, b"\x00") for k, onset in enumerate(onsets)]
    (tmp_path / "cut.edf").write_bytes(edf([*signals, annotations()], records, reserved="EDF+D", record_s="0.001"))
    with pytest.raises(RecordingError, match=r"cut\.edf: the stretch at 100 s lasts 1 ms; a stretch has at least one sample"):
        signal_uv(open_recording(tmp_path / "cut.edf"))


def test_channels_that_are_filtered_one_by_one_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 19, 30)
    expected = signal_uv(recording)
    monkeypatch.setattr(PREPARE, "SAMPLES_AT_ONCE", 2 * 30 * 256)
    np.testing.assert_allclose(signal_uv(recording), expected, atol=STEPS_UV)


def test_a_full_disk_names_the_scratch_folder_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    recording = recording_of(tmp_path / "one.edf", [256] * 19, 30)
    monkeypatch.setattr(rows, "MEMORY_BYTES", 0)
    monkeypatch.setattr(os, "pwrite", no_room)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(OSError, match=rf"No space left on device, while writing the scratch file.*: '{scratch}'"):
        signal_uv(recording, scratch=scratch)
    assert os.listdir(scratch) == []


def test_every_stretch_is_filtered_by_itself(tmp_path: Path) -> None:
    onsets = [*range(20), *range(50, 70)]
    whole = recording_of(tmp_path / "gap.edf", [250] * 19, 40, noise, onsets)
    with prepare(whole, SIGNALS, MONTAGE) as prepared:
        assert prepared.layout.stretch_samples == (20 * 256, 20 * 256)
        assert prepared.layout.stretch_start_s == (0.0, 50.0)
    halves = []
    for half in range(2):
        cut = recording_of(
            tmp_path / f"{half}.edf",
            [250] * 19,
            20,
            lambda electrode, _, h=half: noise(electrode, np.empty(10_000))[5000 * h :][:5000],
        )
        halves.append(signal_uv(cut))
    np.testing.assert_allclose(signal_uv(whole), np.concatenate(halves, axis=1), atol=STEPS_UV)


def test_a_channel_that_never_varies_is_refused_by_name(tmp_path: Path) -> None:
    def one_flat(electrode: int, time_s: np.ndarray) -> np.ndarray:
        return np.full(len(time_s), 77.0) if ELECTRODES[electrode] == "Cz" else waves(electrode, time_s)

    recording = recording_of(tmp_path / "one.edf", [256] * 19, 300, one_flat)
    with pytest.raises(RecordingError, match=r"one\.edf: channels \['EEG CZ-REF'\] are flat throughout"):
        signal_uv(recording)


def test_a_channel_that_varies_once_is_not_flat(tmp_path: Path) -> None:
    def nearly_flat(electrode: int, time_s: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(time_s)) == len(time_s) - 1, 5.0, 0.0) if electrode == 4 else waves(electrode, time_s)

    assert np.isfinite(signal_uv(recording_of(tmp_path / "one.edf", [256] * 19, 300, nearly_flat))).all()


def test_one_channel_of_too_low_a_rate_is_refused(tmp_path: Path) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 18 + [64], 20)
    with pytest.raises(SignalError, match="64 Hz is below 100 Hz"):
        signal_uv(recording)


def test_too_much_clipping_is_refused_after_the_last_piece(tmp_path: Path) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 19, 20, noise)
    with prepare(recording, SignalSettings(clip_sd=1.0), MONTAGE) as prepared:
        for ask in (prepared.signal, lambda: list(prepared.pieces())):
            with pytest.raises(RecordingError, match=r"% of the samples lie beyond 1 robust standard deviations"):
                ask()


def test_clipped_samples_are_counted_the_same_however_often_and_in_what_pieces_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 19, 20, noise)
    with prepare(recording, SignalSettings(clip_sd=3.0), MONTAGE) as prepared:
        whole = prepared.signal()
        clipped = prepared.clipped
        monkeypatch.setattr(PREPARE, "PIECE_SAMPLES", 1000)
        pieces = list(prepared.pieces())
    assert [len(piece) for piece in pieces] == [1000, 1000, 1000, 1000, 1000, 120] * 19
    np.testing.assert_array_equal(np.concatenate(pieces).reshape(19, -1), whole)
    assert prepared.clipped == clipped > 0
    assert np.count_nonzero(np.abs(whole) == 32767) >= clipped


def test_a_value_that_is_not_finite_is_refused_with_its_electrode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 19, 600, noise)
    put = rows.RowsInMemory.put

    def with_a_hole(self: rows.RowsInMemory, first: int, n_samples: int, compute: rows.Compute) -> None:
        put(self, first, n_samples, compute)
        self.row(3, 70_001, 70_002)[:] = np.nan

    monkeypatch.setattr(rows.RowsInMemory, "put", with_a_hole)
    place = rf"electrode {ELECTRODES[3]} from sample {1 << 16} on: channel 0 is not finite: nan at sample {70_001 - (1 << 16)}"
    with pytest.raises(SignalError, match=place):
        signal_uv(recording)


def test_a_file_that_is_truncated_while_it_is_read_is_an_error_and_no_signal(tmp_path: Path) -> None:
    recording = recording_of(tmp_path / "one.edf", [256] * 19, 20)
    os.truncate(recording.path, os.path.getsize(recording.path) - 1000)
    with pytest.raises(RecordingError, match=r"one\.edf: ends at byte .*; the file was truncated after it was opened"):
        signal_uv(recording)


def test_records_too_long_for_the_buffer_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = recording_of(tmp_path / "short.edf", [256] * 19, 30)
    long = recording_of(tmp_path / "long.edf", [256] * 19, 30, record_s=15)
    expected = short.read_uv(range(19), 0)
    np.testing.assert_array_equal(long.read_uv(range(19), 0), expected)
    monkeypatch.setattr("seizure_pipeline.recordings.samples.BUFFER_BYTES", 1 << 12)
    for recording in (short, long):
        np.testing.assert_array_equal(recording.read_uv(range(19), 0), expected)
        with recording.reading_uv([3, 5], 0) as reader:
            piece = np.empty((2, 3001), np.float32)
            reader.read(2222, 2222 + 3001, piece)
            np.testing.assert_array_equal(piece, expected[[3, 5], 2222 : 2222 + 3001])
