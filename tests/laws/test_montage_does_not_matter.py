"""However the same potentials were recorded, the detector sees the same signal, and nobody's name."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pytest

from seizure_pipeline.cache import PreparationSettings, build_cache, open_signal
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries, table_from_rows
from seizure_pipeline.montage import ELECTRODES, MontageSettings

CHAINS = [
    "Fp1-F7 F7-T3 T3-T5 T5-O1 Fp1-F3 F3-C3 C3-P3 P3-O1 Fp2-F4 F4-C4 C4-P4 P4-O2 Fp2-F8 F8-T4 T4-T6 T6-O2",
    "Fz-Cz Cz-Pz C3-Cz Cz-C4",
]
NAME = "Planted_Name"
RATE_HZ = 256
SECONDS = 60


def write(folder: Path, name: str, signals: dict[str, np.ndarray]) -> None:
    channels = [
        edfio.EdfSignal(x_T, RATE_HZ, label=label, physical_dimension="uV", physical_range=(-600, 600))
        for label, x_T in signals.items()
    ]
    patient = edfio.Patient(code="X", name=NAME)
    edfio.Edf(channels, patient=patient).write(folder / f"{name}.edf")
    header = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
    (folder / f"{name}_events.tsv").write_text(header + f"10.0\t20.0\tsz\tn/a\tn/a\tn/a\t{SECONDS}.00\n")


def smooth_noise(shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=shape).cumsum(axis=1)
    return 30 * (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, keepdims=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    potentials = dict(zip(ELECTRODES, smooth_noise((19, SECONDS * RATE_HZ), 1), strict=True))
    ears = smooth_noise((1, SECONDS * RATE_HZ), 2)[0]
    pairs = [pair.split("-") for chain in CHAINS for pair in chain.split()]
    folder = tmp_path / "corpus"
    folder.mkdir()
    write(folder, "sub-01_referential", {f"EEG {name}-REF": x_T for name, x_T in potentials.items()})
    write(folder, "sub-01_ears", {f"EEG {name}-LE": x_T - ears for name, x_T in potentials.items()})
    write(folder, "sub-01_bipolar", {f"{a}-{b}": potentials[a] - potentials[b] for a, b in pairs})
    return folder


def test_referential_and_bipolar_recordings_of_the_same_potentials_are_cached_alike(corpus: Path, tmp_path: Path) -> None:
    settings = CorpusSettings(layout="bids", splits={"train": ("sub-01",)})
    root = Folder(str(corpus))
    rows = examine_entries(root, find_entries(root, settings), MontageSettings())
    index = build_cache(root, rows, PreparationSettings(workers=1), MontageSettings(), tmp_path / "cache")
    assert all(row.accepted for row in index), [row.reason for row in index]
    bipolar, ears, referential = (open_signal(tmp_path / "cache" / row.file) for row in index)
    for other in (bipolar, ears):
        difference = (other.signal.astype(np.float64) - referential.signal) * referential.step_sd
        assert np.sqrt(np.mean(difference**2)) < 0.01  # of a robust standard deviation: rounding to 16 bits, twice


def test_the_patients_name_reaches_neither_table_nor_cache(corpus: Path, tmp_path: Path) -> None:
    settings = CorpusSettings(layout="bids", splits={"train": ("sub-01",)})
    root = Folder(str(corpus))
    rows = examine_entries(root, find_entries(root, settings), MontageSettings())
    build_cache(root, rows, PreparationSettings(workers=1), MontageSettings(), tmp_path / "cache")
    table_from_rows(rows).to_csv(tmp_path / "cache" / "recordings.csv")
    assert NAME.encode() in (corpus / "sub-01_ears.edf").read_bytes()
    written = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert NAME.encode() not in path.read_bytes(), path
