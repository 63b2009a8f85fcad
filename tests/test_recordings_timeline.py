from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edf_files import annotations, discontinuous, edf, ramp, signal, timed

from seizure_pipeline.recordings import Recording, RecordingError, Stretch, open_recording


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes], Recording]:
    def write_and_open(data: bytes) -> Recording:
        path = tmp_path / "case.edf"
        path.write_bytes(data)
        return open_recording(path)

    return write_and_open


def test_time_0_is_the_first_records_onset_and_a_gap_begins_a_stretch(opened: Callable[[bytes], Recording]) -> None:
    recording = opened(discontinuous(["+0.25", "+1.25", "+7.75", "+8.75", "+9.75"]))
    assert recording.labels == ("EEG FP1-REF",)
    assert recording.stretches == (Stretch(0.0, 2.0, 0, 2), Stretch(7.5, 3.0, 2, 3))
    assert (recording.duration_s, recording.span_s, recording.file_format) == (5.0, 10.5, "EDF+D")
    assert np.allclose(recording.read_uv([0], 0), 0.1 * np.arange(8), atol=1e-4)
    assert np.allclose(recording.read_uv([0], 1), 0.1 * np.arange(8, 20), atol=1e-4)


def test_records_apart_by_at_most_half_a_sample_or_2_ms_follow_each_other(opened: Callable[[bytes], Recording]) -> None:
    assert len(opened(discontinuous(["+0", "+1.12", "+2.01"])).stretches) == 1  # half a sample of 4 Hz is 0.125 s
    assert len(opened(discontinuous(["+0", "+1.13", "+2.13"])).stretches) == 2
    assert len(opened(discontinuous(["+0", "+1.001", "+2"], samples=1000)).stretches) == 1
    assert len(opened(discontinuous(["+0", "+1.003", "+2.003"], samples=1000)).stretches) == 2


@pytest.mark.parametrize(
    ("onsets", "message"),
    [
        (["+0", "+0.8", "+2"], "record 0 starts at 0 s and record 1 at 0.8 s; records of 1 s neither overlap nor go"),
        (["+5", "+6", "+2"], "record 1 starts at 6 s and record 2 at 2 s; records of 1 s neither overlap nor go"),
        (["+0", "+0.9", "+1.8", "+2.95"], "record 2 starts at 1.8 s and record 3 at 2.95 s"),
        (["+0", "1", "+2"], "record 1 of 3 begins its annotations with something else"),
        (["+0", "", "+2"], "they begin with the record's onset, such as '+123.5"),
        (["+0", "+1,5", "+2"], "record 1 of 3 begins its annotations with something else"),
    ],
)
def test_records_out_of_order_or_without_onset_are_refused(
    opened: Callable[[bytes], Recording], onsets: list[str], message: str
) -> None:
    with pytest.raises(RecordingError) as error:
        opened(discontinuous(onsets))
    assert message in str(error.value)


def test_an_onset_too_large_for_a_number_is_refused(opened: Callable[[bytes], Recording]) -> None:
    stamps = [f"+{onset}\x14\x14\x00".encode().ljust(400, b"\x00") for onset in ("0", 310 * "9")]
    records = [data + stamp for data, stamp in zip(ramp(2), stamps, strict=True)]
    with pytest.raises(RecordingError, match="record 1 starts at inf s; an onset is a finite number"):
        opened(edf([signal(), annotations(200)], records, reserved="EDF+D"))


def test_a_contiguous_file_takes_no_time_from_its_annotations(opened: Callable[[bytes], Recording]) -> None:
    recording = opened(edf([signal(), annotations()], timed(["+0", "+9"]), reserved="EDF+C"))
    assert recording.stretches == (Stretch(0.0, 2.0, 0, 2),)
    assert recording.file_format == "EDF+C"
