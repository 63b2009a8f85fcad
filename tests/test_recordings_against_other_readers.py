from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest

from seizure_pipeline.recordings import Recording, RecordingError, open_recording

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is missing")
CASES = sorted((SHARED / "edf_cases").glob("*.[be]df"))
REAL = sorted((SHARED / "real").rglob("*.edf"))
GAPS = [path for path in REAL if path.stem.endswith("_gap")]
UV = {"uV": 1.0, "mV": 1e3, "V": 1e6}
REFUSED = {  # file's tail: rule it breaks
    "test_edfann.edf": "at least one signal of samples",
    "SC4001EC-Hypnogram.edf": "at least one signal of samples",
    "SC4001EC-Hypnogram.bdf": "at least one signal of samples",
    "cdac8c_test.edf": "found 3768833; nothing follows the last record",
}


def assert_close(found_uv: np.ndarray, expected_uv: np.ndarray) -> None:
    assert found_uv.shape == expected_uv.shape
    assert np.abs(found_uv - expected_uv).max() <= 1e-4 * np.abs(expected_uv).max()


def assert_is_no_voltage(recording: Recording, channel: int) -> None:
    assert recording.units[channel] in ("", "%", "bpm", "DegC", "Boolean")
    with pytest.raises(RecordingError, match="a channel that is read is in nV, uV, µV, mV or V"):
        recording.read_uv([channel], 0)


def assert_equals_pyedflib(recording: Recording) -> None:
    with pyedflib.EdfReader(recording.path) as reference:
        labels = [label.strip() for label in reference.getSignalLabels()]
        assert [label for label in labels if label != "EDF Annotations"] == list(recording.labels)
        for channel, unit in enumerate(recording.units):
            if unit in UV:
                assert_close(recording.read_uv([channel], 0)[0], reference.readSignal(channel) * UV[unit])
            else:
                assert_is_no_voltage(recording, channel)


def assert_equals_edfio(recording: Recording) -> None:
    read = edfio.read_bdf if recording.path.endswith(".bdf") else edfio.read_edf
    reference = read(recording.path).signals
    assert [signal.label for signal in reference] == list(recording.labels)
    for channel, unit in enumerate(recording.units):
        if unit in UV:
            assert_close(recording.read_uv([channel], 0)[0], reference[channel].data * UV[unit])
        else:
            assert_is_no_voltage(recording, channel)


@needs_shared
def test_of_17_collected_files_13_are_read_and_4_refused() -> None:
    refused = [path.name for path in CASES if any(path.name.endswith(tail) for tail in REFUSED)]
    assert (len(CASES), len(refused), len(REFUSED)) == (17, 4, 4)


@needs_shared
@pytest.mark.filterwarnings("ignore:BDF header indicates -1 data records:UserWarning")  # edfio about an open number
@pytest.mark.parametrize("path", [p for p in [*CASES, *REAL] if p not in GAPS], ids=lambda path: path.name)
def test_every_collected_file_equals_pyedflib_or_is_refused_with_a_reason(path: Path) -> None:
    reason = next((rule for tail, rule in REFUSED.items() if path.name.endswith(tail)), None)
    if reason is not None:
        with pytest.raises(RecordingError, match=reason):
            open_recording(path)
    elif path.name.endswith(("bdf_test.edf", "sccn+eeglab__test.bdf")):  # pyedflib opens neither
        assert_equals_edfio(open_recording(path))
    else:
        assert_equals_pyedflib(open_recording(path))


@needs_shared
@pytest.mark.parametrize("path", GAPS, ids=lambda path: path.name)
def test_a_file_with_a_gap_equals_its_two_pieces(path: Path) -> None:
    recording = open_recording(path)
    before = next(path.parent.glob(f"{path.name.split('-')[0]}-*_pre.edf"))
    after = next(
        p for p in path.parent.glob("*_ictal.edf") if p.stem.split("-")[-1] == path.stem.split("-")[-1].replace("gap", "ictal")
    )
    assert [(stretch.start_s, stretch.duration_s) for stretch in recording.stretches] == [(0.0, 10.0), (20.0, 10.0)]
    for stretch, piece in enumerate(map(open_recording, (before, after))):
        channels = range(len(recording.labels))
        assert piece.labels == recording.labels
        assert np.array_equal(recording.read_uv(channels, stretch), piece.read_uv(channels, 0))
