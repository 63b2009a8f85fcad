"""EDF files of 1/f noise for the benchmarks, written record by record so that a day of EEG needs no memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seizure_pipeline.montage import ELECTRODES

TILE_S = 60


def write_edf(path: Path, channels: int = 32, rate_hz: int = 400, seconds: int = 3600, record_s: str = "1") -> None:
    """Write an EDF of the 19 electrodes against a common reference and other channels, a minute repeated.

    Records hold `rate_hz` samples; `record_s` is how long the header says that they last."""
    labels = [f"EEG {name.upper()}-REF" for name in ELECTRODES] + [f"X{k}" for k in range(channels - len(ELECTRODES))]
    minute = _records(channels, rate_hz)
    with path.open("wb") as file:
        file.write(_header(labels, rate_hz, seconds, record_s))
        for first in range(0, seconds, TILE_S):
            file.write(minute[: min(TILE_S, seconds - first)].tobytes())


def _records(channels: int, rate_hz: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal((channels, rate_hz * TILE_S)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(1, spectrum.shape[1] + 1)), rate_hz * TILE_S)
    digital = (noise * (1200 / noise.std())).round().clip(-32768, 32767).astype("<i2")  # 30 uV in steps of 0.025
    return np.ascontiguousarray(digital.reshape(channels, TILE_S, rate_hz).transpose(1, 0, 2))


def _header(labels: list[str], rate_hz: int, seconds: int, record_s: str) -> bytes:
    n = len(labels)
    fixed = ["0", "X X X X", "Startdate X X X X", "01.01.20", "00.00.00", 256 * (1 + n), "", seconds, record_s, n]
    columns = [labels, [""] * n, ["uV"] * n, [-819.2] * n, [819.175] * n, [-32768] * n, [32767] * n, [""] * n, [rate_hz] * n]
    text = "".join(str(value).ljust(width) for value, width in zip(fixed, (8, 80, 80, 8, 8, 8, 44, 8, 8, 4), strict=True))
    for column, width in zip([*columns, [""] * n], (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True):
        text += "".join(str(value).ljust(width) for value in column)
    return text.encode("ascii")
