"""Every reader of files from outside, fed with wrong inputs: a refusal of the project's own, or a result; nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edf_files import annotations, discontinuous, edf, ramp, signal
from hypothesis import strategies as st
from mutations import mutated, no_hang

from seizure_pipeline.annotations import (
    AnnotationError,
    parse_chb_mit_summary,
    parse_csv_bi,
    parse_events_tsv,
    parse_siena_list,
    parse_tusz_csv,
)
from seizure_pipeline.cache import prepare
from seizure_pipeline.montage import MontageError, MontageSettings
from seizure_pipeline.recordings import RecordingError, open_recording
from seizure_pipeline.signals import SignalError, SignalSettings

SHARED = Path(__file__).resolve().parents[2] / "shared"
OWN_ERRORS = (RecordingError, AnnotationError, MontageError, SignalError)
GROWTH_MIB = 400  # of resident memory over all inputs of a reader; the largest input is under 4 MB
PREPARED_EVERY = 20  # accepted recordings also go through the whole chain, which costs a hundred times more


@dataclass(frozen=True)
class Reader:
    """A reader under attack: right inputs, how far into them mutations reach, and what is done with a file."""

    name: str
    suffix: str
    originals: tuple[bytes, ...]
    reach: int
    read: Callable[[Path, int], None]


def attack(reader: Reader, inputs: int, folder: Path, seed: int = 0) -> Counter[str]:
    """Feed `inputs` mutants to a reader; counts by outcome. Any error but the project's own comes through."""
    generator = np.random.default_rng([seed, inputs])
    outcomes: Counter[str] = Counter()
    Path("/proc/self/clear_refs").write_text("5")  # the peak of what was resident starts anew
    before_mib = _peak_mib()
    for number in range(inputs):
        original = reader.originals[number % len(reader.originals)]
        path = folder / f"input{reader.suffix}"
        path.write_bytes(mutated(original, generator, reader.reach))
        try:
            with no_hang(f"{reader.name}, seed {seed}, input {number} of {inputs}"):
                reader.read(path, number)
            outcomes["read"] += 1
        except OWN_ERRORS as refusal:
            outcomes[type(refusal).__name__ if str(refusal) else "refused without a word"] += 1
        except Exception as error:
            error.add_note(f"{reader.name}, seed {seed}, input {number} of {inputs}")
            raise
    grown_mib = _peak_mib() - before_mib
    assert grown_mib < GROWTH_MIB, f"{reader.name}: resident memory grew by {grown_mib:.0f} MiB"
    return outcomes


def readers() -> list[Reader]:
    """Every reader with its right inputs, real ones where ../shared is there."""
    return [
        Reader("EDF and BDF", ".edf", (*_own_edf(), *_real_edf()), 8192, _read_edf),
        Reader("csv_bi", ".csv_bi", (CSV_BI,), 4096, _parsing(parse_csv_bi)),
        Reader("TUSZ csv", ".csv", (TUSZ_CSV,), 4096, _parsing(parse_tusz_csv)),
        Reader("events TSV", ".tsv", (TSV, *_files("annotations/seizeit2", "*.tsv", 4096)), 4096, _read_tsv),
        Reader(
            "CHB-MIT summary", ".txt", (SUMMARY, *_files("annotations/chb_mit", "*-summary.txt", 20_000)), 3000, _read_summary
        ),
        Reader("Siena list", ".txt", (SIENA, *_files("annotations/siena", "*.txt", 20_000)), 4096, _read_siena),
    ]


CSV_BI = b"""# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 301.0000 secs
# montage_file = n/a
#
channel,start_time,stop_time,label,confidence
TERM,0.0000,36.8868,bckg,1.0000
TERM,36.8868,183.3055,seiz,1.0000
TERM,183.3055,301.0000,bckg,1.0000
"""
TUSZ_CSV = b"""# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 301.0000 secs
# montage_file = 01_tcp_ar_montage.txt
#
channel,start_time,stop_time,label,confidence
FP1-F7,0.0000,36.8868,bckg,1.0000
FP1-F7,36.8868,183.3055,fnsz,1.0000
F7-T3,40.5000,190.1000,gnsz,1.0000
"""
SUMMARY = b"""Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7
Channel 2: F7-T7

File Name: chb01_03.edf
File Start Time: 13:43:04
File End Time: 14:43:04
Number of Seizures in File: 2
Seizure 1 Start Time: 996 seconds
Seizure 1 End Time: 1036 seconds
Seizure 2 Start Time: 2996 seconds
Seizure 2 End Time: 3036 seconds
"""
SIENA = b"""PN00

Data Sampling Rate: 512 Hz

Seizure n 1
File name: PN00-1.edf
Registration start time: 19.39.33
Registration end time:  20.22.58
Seizure start time: 19.58.36
Seizure end time: 19.59.46
"""
TSV = b"""onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration
10.0\t20.5\tsz_foc_ia\tn/a\tn/a\t2016-11-06 13:43:04\t3600.00
100.0\t3.25\tsz\t0.5\tn/a\t2016-11-06 13:43:04\t3600.00
"""


def _discard(result: object) -> None:
    assert result is not None


def _parsing(parse: Callable[[bytes, str], object]) -> Callable[[Path, int], None]:
    return lambda path, _: _discard(parse(path.read_bytes(), str(path)))


def _read_tsv(path: Path, number: int) -> None:
    said = parse_events_tsv(path.read_bytes(), str(path))
    said.seizures.checked(3600.0 if said.duration_s is None else said.duration_s, str(path))


def _read_summary(path: Path, number: int) -> None:
    names = re.findall(r"File Name: (\S+)", path.read_text("latin-1")) or ["chb01_03.edf"]
    _discard(parse_chb_mit_summary(path.read_bytes(), str(path), names[number % len(names)]))


def _read_siena(path: Path, number: int) -> None:
    names = f"PN00-{1 + number % 5}.edf", f"PN16-{1 + number % 2}.edf"
    _discard(parse_siena_list(path.read_bytes(), str(path), *names))


def _read_edf(path: Path, number: int) -> None:
    recording = open_recording(path)
    for stretch in range(min(len(recording.stretches), 3)):
        recording.read_uv([0], stretch)
    if number % PREPARED_EVERY == 0:
        with prepare(recording, SignalSettings(), MontageSettings()) as prepared:
            _discard(prepared.signal())


def _own_edf() -> tuple[bytes, ...]:
    electrodes = (
        "FP1",
        "FP2",
        "F3",
        "F4",
        "C3",
        "C4",
        "P3",
        "P4",
        "O1",
        "O2",
        "F7",
        "F8",
        "T3",
        "T4",
        "T5",
        "T6",
        "FZ",
        "CZ",
        "PZ",
    )
    noise = np.random.default_rng(0).integers(-2000, 2000, (3, len(electrodes) * 250)).astype("<i2")
    whole = edf([signal(f"EEG {name}-REF", 250) for name in electrodes], [record.tobytes() for record in noise])
    return (
        whole,
        discontinuous(["+0", "+1", "+10.5", "+11.5"]),
        edf([signal(), annotations()], [r + bytes(20) for r in ramp(5)]),
    )


def _real_edf() -> tuple[bytes, ...]:
    return _files("edf_cases", "*.[be]df", 400_000) + _files("real", "*_gap.edf", 400_000)


def _files(folder: str, pattern: str, most_bytes: int) -> tuple[bytes, ...]:
    found = sorted((SHARED / folder).rglob(pattern))
    return tuple(path.read_bytes() for path in found if path.stat().st_size <= most_bytes)


def _peak_mib() -> float:
    """Most that was resident since the peak was last cleared."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


@dataclass(frozen=True)
class Parser:
    """What understands a text, and a right text whose lines wrong ones are made of."""

    name: str
    original: str
    parse: Callable[[str], object]


def parsers() -> list[Parser]:
    """Everything that understands the text of an annotation file."""
    return [
        Parser("csv_bi", CSV_BI.decode(), lambda text: parse_csv_bi(text.encode(), "here")),
        Parser("TUSZ csv", TUSZ_CSV.decode(), lambda text: parse_tusz_csv(text.encode(), "here")),
        Parser("events TSV", TSV.decode(), lambda text: parse_events_tsv(text.encode(), "here")),
        Parser("CHB-MIT summary", SUMMARY.decode(), lambda text: parse_chb_mit_summary(text.encode(), "here", "chb01_03.edf")),
        Parser("Siena list", SIENA.decode(), lambda text: parse_siena_list(text.encode(), "here", "PN00-1.edf")),
    ]


def texts(parser: Parser) -> st.SearchStrategy[str]:
    """Lines of the right text in any order, some with a piece replaced, among lines of anything."""
    right = st.sampled_from(parser.original.split("\n"))
    piece = st.one_of(st.text(max_size=8), st.floats().map(str), st.integers().map(str))
    changed = st.tuples(right, st.integers(0, 40), st.integers(0, 10), piece).map(
        lambda t: t[0][: t[1]] + t[3] + t[0][t[1] + t[2] :]
    )
    shuffled = st.lists(st.one_of(right, changed, st.text(max_size=40)), max_size=30)
    patched = st.tuples(st.integers(0, len(parser.original)), st.integers(0, 12), piece).map(
        lambda t: parser.original[: t[0]] + t[2] + parser.original[t[0] + t[1] :]
    )
    return st.one_of(shuffled.map("\n".join), patched)


def parse_or_refuse(parser: Parser, text: str) -> None:
    """Parse, or be refused with a message; anything else comes through."""
    try:
        with no_hang(parser.name):
            parser.parse(text)
    except OWN_ERRORS as refusal:
        if not str(refusal):
            raise
