"""Rules of the NPZ files: numpy and zipfile read them, data are aligned, and a file is there whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seizure_pipeline.cache import npz
from seizure_pipeline.cache.npz import ALIGNMENT_BYTES, NpzWriter, locate_member, map_member, write_npz

SIGNAL = np.arange(3 * 70_001, dtype=np.int16).reshape(3, 70_001)


def write_in_rows(path: Path) -> None:
    with NpzWriter(path) as writer:
        writer.add_rows("signal", SIGNAL.shape, np.int16, iter(SIGNAL))
        writer.add("scale", np.array([0.5, 2.0]))
        writer.add("leer", np.empty((0, 4), np.float32))
        writer.add("größe", np.arange(5))


def assert_reads_back(path: Path) -> None:
    with np.load(path, allow_pickle=False) as loaded:
        np.testing.assert_array_equal(loaded["signal"], SIGNAL)
        np.testing.assert_array_equal(loaded["scale"], [0.5, 2.0])
        assert loaded["leer"].shape == (0, 4)
    assert subprocess.run([sys.executable, "-m", "zipfile", "-t", path], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("zip64_from", [npz.ZIP64_FROM_BYTES, 0])
def test_rows_make_the_same_aligned_file_as_whole_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zip64_from: int
) -> None:
    monkeypatch.setattr(npz, "ZIP64_FROM_BYTES", zip64_from)
    rows, whole = tmp_path / "rows.npz", tmp_path / "whole.npz"
    write_in_rows(rows)
    write_npz(whole, {"signal": SIGNAL, "scale": np.array([0.5, 2.0]), "leer": np.empty((0, 4), "f4"), "größe": np.arange(5)})
    assert rows.read_bytes() == whole.read_bytes()
    assert_reads_back(rows)
    for name in ("signal", "scale", "größe"):
        assert locate_member(rows, name).offset % ALIGNMENT_BYTES == 0


def test_the_disk_begins_to_write_before_the_file_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, first, size, advice: begun.append((first, first + size)))
    write_in_rows(tmp_path / "late.npz")
    assert begun == []
    monkeypatch.setattr(npz, "FLUSHED_BYTES", 2 * 70_001)
    write_in_rows(tmp_path / "early.npz")
    first, second, third = begun
    assert (first[0], first[1], second[1]) == (0, second[0], third[0])
    assert third[1] >= SIGNAL.nbytes
    assert (tmp_path / "early.npz").read_bytes() == (tmp_path / "late.npz").read_bytes()


def test_the_data_lie_where_the_member_says(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_in_rows(path)
    member = locate_member(path, "signal")
    assert (member.shape, member.dtype) == (SIGNAL.shape, np.int16)
    raw = path.read_bytes()[member.offset : member.offset + SIGNAL.nbytes]
    np.testing.assert_array_equal(np.frombuffer(raw, member.dtype).reshape(member.shape), SIGNAL)
    np.testing.assert_array_equal(map_member(path, "signal"), SIGNAL)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([SIGNAL[0]], r"after 140002 bytes its rows went on with int16 \(0,\)"),
        ([*SIGNAL, SIGNAL[0]], r"after 420006 bytes its rows went on with int16 \(70001,\)"),
        ([SIGNAL[0].astype(np.int32)], r"after 0 bytes its rows went on with int32"),
    ],
)
def test_rows_that_do_not_make_up_the_shape_are_refused(tmp_path: Path, rows: list[np.ndarray], found: str) -> None:
    with pytest.raises(ValueError, match=found), NpzWriter(tmp_path / "one.npz") as writer:
        writer.add_rows("signal", SIGNAL.shape, np.int16, rows)
    assert os.listdir(tmp_path) == []


def broken_rows(error: BaseException) -> Iterator[np.ndarray]:
    yield SIGNAL[0]
    raise error


def test_a_write_that_fails_half_way_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_in_rows(path)
    with pytest.raises(OSError, match=r"No space left on device, while writing: '.*one\.npz'"), NpzWriter(path) as writer:
        writer.add_rows("signal", SIGNAL.shape, np.int16, broken_rows(OSError(errno.ENOSPC, "No space left on device")))
    assert_reads_back(path)
    assert os.listdir(tmp_path) == ["one.npz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    write_in_rows(path)
    with pytest.raises(KeyboardInterrupt), NpzWriter(path) as writer:
        writer.add_rows("signal", SIGNAL.shape, np.int16, broken_rows(KeyboardInterrupt()))
    assert_reads_back(path)
    assert os.listdir(tmp_path) == ["one.npz"]


def test_a_disk_that_fills_up_at_the_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match=r"while writing: '.*one\.npz'"):
        write_in_rows(tmp_path / "one.npz")
    assert os.listdir(tmp_path) == []


def test_compressed_and_fortran_members_are_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez_compressed(path, signal=SIGNAL)
    with pytest.raises(ValueError, match="member signal is compressed"):
        map_member(path, "signal")
    np.savez(path, signal=np.asfortranarray(SIGNAL))
    with pytest.raises(ValueError, match="Fortran order"):
        map_member(path, "signal")
