from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from edf_files import annotations, edf, ramp, signal

from seizure_pipeline.recordings import Recording, RecordingError, Stretch, open_recording


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes], Recording]:
    def write_and_open(data: bytes) -> Recording:
        path = tmp_path / "case.edf"
        path.write_bytes(data)
        return open_recording(path)

    return write_and_open


def test_the_scaling_is_the_line_through_the_declared_ranges(opened: Callable[[bytes], Recording]) -> None:
    recording = opened(edf([signal(physical_min=-100, physical_max=300)], ramp(2)))
    expected_uv = -100 + (np.arange(8) + 2000) * 400 / 4000
    assert np.allclose(recording.read_uv([0], 0), expected_uv, atol=1e-4)


def test_digital_values_outside_the_declared_range_follow_the_same_line(opened: Callable[[bytes], Recording]) -> None:
    recording = opened(edf([signal()], [np.array([-32768, -2001, 2001, 32767], "<i2").tobytes()]))
    assert np.allclose(recording.read_uv([0], 0), [[-3276.8, -200.1, 200.1, 3276.7]], atol=1e-3)


@pytest.mark.parametrize(("unit", "uv"), [("uV", 1), ("µV", 1), ("ÂµV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_units_of_voltage_become_microvolts(opened: Callable[[bytes], Recording], unit: str, uv: float) -> None:
    recording = opened(edf([signal(unit=unit)], ramp(1)))
    assert recording.units == (unit,)
    assert np.allclose(recording.read_uv([0], 0), np.arange(4) * 0.1 * uv, rtol=1e-4, atol=1e-4 * uv)


def test_a_sound_header_is_read_as_it_stands(opened: Callable[[bytes], Recording]) -> None:
    signals = [signal("A", 4), signal("B", 3, unit="mV"), signal("A", 4)]
    recording = opened(edf(signals, [bytes(22)] * 5, record_s="0.5"))
    assert recording.labels == ("A", "B", "A")
    assert recording.units == ("uV", "mV", "uV")
    assert recording.rates_hz == (8.0, 6.0, 8.0)
    assert recording.stretches == (Stretch(0.0, 2.5, 0, 5),)
    assert (recording.n_records, recording.record_s, recording.file_format) == (5, 0.5, "EDF")
    assert (recording.duration_s, recording.span_s, recording.start) == (2.5, 2.5, datetime(2004, 3, 2, 5, 6, 7))


@pytest.mark.parametrize(
    ("record_s", "samples", "n_records", "rate_hz"),
    [
        ("0.01", 5, 100, 500),
        ("0.1", 20, 15, 200),
        ("30", 3000, 1, 100),
        ("0.078125", 20, 13, 256),
        ("3", 100, 1, 100 / 3),
    ],
)
def test_rates_are_samples_over_record_duration(
    opened: Callable[[bytes], Recording], record_s: str, samples: int, n_records: int, rate_hz: float
) -> None:
    recording = opened(edf([signal(samples=samples)], ramp(n_records, samples), record_s=record_s))
    assert recording.rates_hz == (rate_hz,)
    assert recording.duration_s == pytest.approx(n_records * float(record_s))
    assert recording.read_uv([0], 0).shape == (1, n_records * samples)


def test_an_open_number_of_records_is_what_the_file_holds(opened: Callable[[bytes], Recording]) -> None:
    assert opened(edf([signal()], ramp(7), n_records=-1)).n_records == 7
    with pytest.raises(RecordingError, match="57 bytes of data, an open number of records; the file holds whole records of 8"):
        opened(edf([signal()], [*ramp(7), b"x"], n_records=-1))


@pytest.mark.parametrize(
    "field", [{"date": "02:03:04"}, {"date": "X"}, {"date": "31.02.04"}, {"time": "25.00.00"}, {"time": ""}]
)
def test_a_malformed_start_is_none_and_no_error(opened: Callable[[bytes], Recording], field: dict[str, str]) -> None:
    assert opened(edf([signal()], ramp(1), **field)).start is None


def test_years_run_from_1985_to_2084(opened: Callable[[bytes], Recording]) -> None:
    years = [getattr(opened(edf([signal()], ramp(1), date=f"01.01.{yy}")).start, "year", None) for yy in (84, 85)]
    assert years == [2084, 1985]


def test_the_header_fingerprint_knows_nothing_of_who_was_recorded(opened: Callable[[bytes], Recording]) -> None:
    one, other = (edf([signal()], ramp(1), patient=who, recording=who) for who in ("Ann", "Bob"))
    assert opened(one).header_sha256 == opened(other).header_sha256
    assert opened(one).header_sha256 != opened(edf([signal("EEG FP2-REF")], ramp(1))).header_sha256


def test_an_unsound_channel_stops_only_who_reads_it(opened: Callable[[bytes], Recording]) -> None:
    bad = [signal("no unit", unit=""), signal("flat", physical_max=-200), signal("comma", physical_max="200,5")]
    bad += [signal("heart", unit="bpm"), signal("reversed", digital_min=2000), signal("text", digital_max="many")]
    recording = opened(edf([signal(), *bad], [np.zeros(28, "<i2").tobytes()]))
    assert np.array_equal(recording.read_uv([0], 0), np.zeros((1, 4)))
    rules = [
        "'no unit' has unit ''; a channel that is read is in nV",
        "'flat' has physical range -200 to -200; the phys",
    ]
    rules += ["'comma' is '200,5'; EDF writes numbers with a decimal point", "'heart' has unit 'bpm'; a channel that"]
    rules += [
        "'reversed' has digital range 2000 to 2000; the digital minimum lies below",
        "'text' is 'many'; the field",
    ]
    for channel, rule in enumerate(rules, start=1):
        with pytest.raises(RecordingError, match=rule):
            recording.read_uv([0, channel], 0)


def test_a_negative_physical_span_turns_the_signal_over(opened: Callable[[bytes], Recording]) -> None:
    recording = opened(edf([signal(physical_min=200, physical_max=-200)], ramp(1)))
    assert np.allclose(recording.read_uv([0], 0), -0.1 * np.arange(4), atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "stretch", "rule"),
    [
        ([0, 1], 0, "channels A 4 Hz, B 3 Hz; channels that are read together share one rate"),
        ([], 0, "chosen among 0 to 1, at least one"),
        ([2], 0, "chosen among 0 to 1"),
        ([-1], 0, "chosen among 0 to 1"),
        ([0], 1, "stretch 1; the file has 1 stretches"),
        ([0], -1, "stretch -1; the file has 1 stretches"),
    ],
)
def test_what_the_file_lacks_is_not_read(
    opened: Callable[[bytes], Recording], channels: list[int], stretch: int, rule: str
) -> None:
    recording = opened(edf([signal("A", 4), signal("B", 3)], [bytes(14)]))
    with pytest.raises(RecordingError, match=rule):
        recording.read_uv(channels, stretch)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes; not an EDF or BDF file"),
        (b"0       short", "13 bytes; not an EDF or BDF file"),
        (b"time,channel,value\n" * 100, "begins otherwise; not an EDF or BDF file"),
        (edf([signal()], ramp(3), n_signals=0), "number of signals is 0; a recording has at least one signal"),
        (edf([signal()], ramp(3), n_signals="many"), "number of signals is 'many'; the field holds a whole number"),
        (edf([signal()], ramp(3), header_bytes=768), "header length is 768; 1 signals take 256 * (1 + 1) = 512"),
        (edf([signal()], ramp(3), header_bytes=""), "header length is ''; the field holds a whole number"),
        (edf([signal()] * 3, [])[:700], "700 bytes; the header of 3 signals takes 1024 bytes: truncated"),
        (edf([signal()], ramp(3), n_records=5), "expected 552 bytes (5 records), found 536; truncated"),
        (edf([signal()], [*ramp(3), b"x"], n_records=3), "expected 536 bytes (3 records), found 537; nothing follows"),
        (edf([signal()], []), "0 data records; a recording has at least one data record"),
        (edf([signal()], [], n_records=-1), "0 data records; a recording has at least one data record"),
        (edf([signal()], ramp(3), n_records=-2), "-2 data records; a recording has at least one data record"),
        (edf([signal()], ramp(3), n_records="3.0"), "number of data records is '3.0'; the field holds a whole number"),
        (edf([signal()], ramp(3), record_s=0), "record duration is '0'; records of samples last longer than 0 s"),
        (edf([signal()], ramp(3), record_s=-1), "record duration is '-1'; records of samples last longer than 0 s"),
        (edf([signal()], ramp(3), record_s="nan"), "record duration is 'nan'; the field holds a finite number"),
        (edf([signal()], ramp(3), record_s="1e999"), "record duration is '1e999'; the field holds a finite number"),
        (edf([signal()], ramp(3), record_s="0,5"), "record duration is '0,5'; EDF writes numbers with a decimal point"),
        (edf([signal()], ramp(3), record_s="1e-300"), "'1e-300' for 4 samples; a sampling rate is finite"),
        (edf([signal()], ramp(3), record_s="1e300"), "'1e300' for 4 samples; a sampling rate is finite"),
        (edf([signal("A", 0)], [b""]), "channel 'A' has 0 samples per record; every signal has at least one"),
        (edf([signal(samples="x")], ramp(3)), "samples per record of channel 'EEG FP1-REF' is 'x'; the field holds a"),
        (edf([signal()], ramp(3), record_s="0.333"), "0.999 s of data; a recording lasts at least 1 s"),
        (
            edf([annotations()], [bytes(20)]),
            "1 signals, all annotations; a recording has at least one signal of samples",
        ),
        (edf([signal()], ramp(3), reserved="EDF+D"), "EDF+D without an annotation signal; its annotations say when"),
    ],
)
def test_a_file_is_refused_by_name_value_and_rule(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "case.edf"
    path.write_bytes(data)
    with pytest.raises(RecordingError) as error:
        open_recording(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_24_bit_samples_keep_their_sign(tmp_path: Path) -> None:
    path, digital = tmp_path / "case.bdf", [-8388608, -1, 0, 1, 255, 256, 65536, 8388607]
    data = b"".join(value.to_bytes(3, "little", signed=True) for value in digital)
    scale = {"physical_min": -8388608, "physical_max": 8388607, "digital_min": -8388608, "digital_max": 8388607}
    head = edf([signal(samples=8, **scale), signal("BDF Annotations", 1)], [data + bytes(3)], reserved="BDF+C")
    path.write_bytes(b"\xffBIOSEMI" + head[8:])
    recording = open_recording(path)
    assert (recording.file_format, recording.labels) == ("BDF+C", ("EEG FP1-REF",))
    assert recording.read_uv([0], 0).tolist() == [digital]
