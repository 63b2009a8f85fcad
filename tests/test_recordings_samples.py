"""Any range of samples is the same range of the whole, whatever the length of the records and the width of a sample."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
from edf_files import annotations, edf, signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seizure_pipeline.compiled import compiled
from seizure_pipeline.recordings import RecordingError, open_recording, samples

RATE_HZ, SECONDS = 200, 60
UNIT = {"physical_min": -32768, "physical_max": 32767, "digital_min": -32768, "digital_max": 32767}


def file_of(folder: Path, record_s: str, sample_bytes: int) -> tuple[Path, np.ndarray]:
    """Three signals and annotations in records of `record_s`; returns the digital values too, one step a microvolt."""
    per_record = round(float(record_s) * RATE_HZ)
    n_records = RATE_HZ * SECONDS // per_record
    values = np.random.default_rng(per_record).integers(-32768, 32768, (3, n_records, per_record)).astype("<i4")
    raw = values.view(np.uint8).reshape(3, n_records, per_record, 4)[..., :sample_bytes]
    records = [raw[:, k].tobytes() + bytes(10 * sample_bytes) for k in range(n_records)]
    marks = annotations() if sample_bytes == 2 else signal("BDF Annotations", 10)
    data = edf([*(signal(f"S{k}", per_record, **UNIT) for k in range(3)), marks], records, record_s=record_s)
    path = folder / f"{record_s}-{sample_bytes}.edf"
    path.write_bytes(data if sample_bytes == 2 else b"\xffBIOSEMI" + data[8:])
    return path, values.reshape(3, -1)


@pytest.mark.parametrize("sample_bytes", [2, 3])
@pytest.mark.parametrize("record_s", ["0.01", "0.1", "1", "7.5", "30"])
def test_records_of_any_length_hold_the_same_samples(tmp_path: Path, record_s: str, sample_bytes: int) -> None:
    path, values = file_of(tmp_path, record_s, sample_bytes)
    recording = open_recording(path)
    assert (recording.duration_s, recording.rates_hz) == (SECONDS, (200.0,) * 3)
    np.testing.assert_allclose(recording.read_uv([2, 0], 0), values[[2, 0]], atol=0.01)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 11_999), st.integers(0, 11_999), st.sampled_from(["0.01", "1", "30"]), st.sampled_from([2, 3]))
def test_any_range_is_that_range_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, one: int, other: int, record_s: str, sample_bytes: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path, values = file_of(folder, record_s, sample_bytes)
    first, stop = min(one, other), max(one, other) + 1
    with open_recording(path).reading_uv([0, 1], 0) as reader:
        room = np.full((3, stop - first + 7), np.nan, np.float32)
        reader.read(first, stop, room[:2, 3:-4])
    np.testing.assert_allclose(room[:2, 3:-4], values[:2, first:stop], atol=0.01)
    assert np.isnan(room[2]).all()
    assert np.isnan(room[:, :3]).all()
    assert np.isnan(room[:, -4:]).all()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 11_999), st.integers(0, 11_999), st.integers(0, 20), st.sampled_from(["0.01", "0.1", "1", "30"]))
def test_past_the_processors_caches_go_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, one: int, other: int, shift: int, record_s: str
) -> None:
    path, _ = file_of(tmp_path_factory.getbasetemp(), record_s, 2)
    first, stop = min(one, other), max(one, other) + 1
    rooms = [np.full((2, shift + stop - first + 5), np.nan, np.float32) for _ in range(2)]
    with open_recording(path).reading_uv([0, 2], 0) as reader, pytest.MonkeyPatch.context() as patch:
        for cached_bytes, room in zip([1 << 40, 0], rooms, strict=True):
            patch.setattr(samples, "CACHED_BYTES", cached_bytes)
            reader.read(first, stop, room[:, shift:-5])
    np.testing.assert_array_equal(rooms[0].view(np.int32), rooms[1].view(np.int32))


def test_a_record_longer_than_the_buffer_is_read_channel_by_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "BUFFER_BYTES", 1000)
    for sample_bytes in (2, 3):
        path, values = file_of(tmp_path, "30", sample_bytes)
        np.testing.assert_allclose(open_recording(path).read_uv([1, 2], 0), values[1:], atol=0.01)


def test_room_that_is_not_rows_of_float32_is_refused(tmp_path: Path) -> None:
    path, _ = file_of(tmp_path, "1", 2)
    with open_recording(path).reading_uv([0], 0) as reader:
        for room in (np.empty((1, 100)), np.empty((100, 2), np.float32)[:, :1].T):
            with pytest.raises(ValueError, match="rows of contiguous float32"):
                reader.read(0, 100, room)


def test_a_physical_range_beyond_any_potential_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.edf"
    path.write_bytes(edf([signal(physical_max="1e30", unit="V")], [bytes(8)]))
    with pytest.raises(RecordingError, match="physical range -200 to 1e30 V; potentials lie within 1e"):
        open_recording(path).read_uv([0], 0)


def test_loops_work_where_nothing_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def no_folder(*args: object, cache: bool = False, **settings: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **settings)

    monkeypatch.setattr(numba, "njit", no_folder)
    assert compiled(lambda x: x + 1)(2) == 3
