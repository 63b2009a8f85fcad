"""The check sum of a recording, taken while its samples are read, is that of the whole file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from edf_files import annotations, edf, signal
from hypothesis import given, settings
from hypothesis import strategies as st

from seizure_pipeline.cache.facts import Origin, PassingDigest, Source, xxh3_of_file
from seizure_pipeline.cache.fill import Job, fill
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.cache.store import Stored
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.recordings import open_recording
from seizure_pipeline.signals import SignalSettings

SECONDS = 120
SHAPES = ("plain", "scattered", "last", "uneven", "gaps", "annotated", "bdf", "long records", "long bdf records")
Pieces = list[tuple[int, int]]


def file_of(folder: Path, shape: str) -> Path:
    """Noise at 19 electrodes, in a file of one of `SHAPES`."""
    record_s = 30 if "long" in shape else 1
    rates_hz = [512 if shape == "uneven" and k % 3 else 256 for k in range(19)]
    signals = [signal(f"EEG {name.upper()}-REF", rate * record_s) for name, rate in zip(ELECTRODES, rates_hz, strict=True)]
    others = [signal(f"DC{k}", 100 * record_s) for k in range(6)]
    signals = {"scattered": [*others, *signals, *others], "last": [*others, *signals]}.get(shape, signals)
    sample_bytes = 3 if "bdf" in shape else 2
    n_bytes = sample_bytes * sum(each["samples"] for each in signals)
    numbers = np.random.default_rng(0)
    records = [numbers.bytes(n_bytes) for _ in range(SECONDS // record_s)]
    fields: dict[str, object] = {"record_s": record_s}
    if shape in ("gaps", "annotated"):
        onsets = [k + (1000 * (k // 50) if shape == "gaps" else 0) for k in range(SECONDS)]
        records = [raw + f"+{at}\x14\x14".encode().ljust(20, b"\0") for raw, at in zip(records, onsets, strict=True)]
        signals, fields["reserved"] = [*signals, annotations()], "EDF+D" if shape == "gaps" else "EDF+C"
    data = edf(signals, records, **fields)
    path = folder / f"{shape}.edf"
    path.write_bytes(b"\xffBIOSEMI" + data[8:] if sample_bytes == 3 else data)
    return path


def job_of(path: Path, signals: SignalSettings) -> Job:
    target = path.parent / "cache" / "one.npz"
    target.parent.mkdir()
    source = Source(path.name, path.stat().st_size, "", open_recording(path).header_sha256)
    return Job(path, False, target, Origin("one", "chain", source, ()), signals, MontageSettings())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block_samples", [1 << 16, 1 << 12])
def test_it_is_that_of_the_file_whatever_its_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, block_samples: int
) -> None:
    monkeypatch.setattr("seizure_pipeline.signals.resampling._BLOCK_SAMPLES", block_samples)
    path = file_of(tmp_path, shape)
    made = fill(job_of(path, SignalSettings(max_clipped_share=1.0)))
    assert isinstance(made, Stored), made
    assert made.facts.origin.source.xxh3_128 == xxh3_of_file(path)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if "long" not in shape])
def test_no_byte_of_usual_records_is_read_again_for_it(tmp_path: Path, shape: str) -> None:
    path, digest = file_of(tmp_path, shape), PassingDigest()
    whole = xxh3_of_file(path)
    with prepare(open_recording(path, digest.hear), SignalSettings(), MontageSettings()):
        os.truncate(path, 0)
        assert digest.finish(path) == whole


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 310), st.integers(0, 100)), max_size=40))
def test_it_is_that_of_the_file_whatever_passes_in_whatever_order(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, pieces: Pieces
) -> None:
    path, digest = tmp_path_factory.getbasetemp() / "any", PassingDigest()
    path.write_bytes(content)
    for at, size in pieces:
        digest.hear(at, memoryview(content)[at : at + size])
    assert digest.finish(path) == digest.finish(path) == xxh3_of_file(path)


def test_a_recording_that_is_refused_for_clipping_leaves_no_file(tmp_path: Path) -> None:
    job = job_of(file_of(tmp_path, "plain"), SignalSettings(clip_sd=0.1))
    reason = fill(job)
    assert isinstance(reason, str)
    assert "of the samples lie beyond 0.1 robust standard deviations" in reason
    assert os.listdir(job.target.parent) == []
