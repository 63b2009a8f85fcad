"""One recording in the cache: written atomically, mapped for reading, and sure of what it was made from."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache.npz import map_member, write_npz
from seizure_pipeline.cache.prepare import Prepared
from seizure_pipeline.windows import TOKEN_SAMPLES, Layout, Window, WindowSettings

FORMAT = 1


@dataclass(frozen=True)
class CachedSignal:
    """A mapped recording: `signal` int16 (19, T), and what one step of it is in robust standard deviations."""

    signal: NDArray[np.int16]
    layout: Layout
    step_sd: float

    def window(self, window: Window, settings: WindowSettings) -> NDArray[np.float32]:
        """Standardised samples (19, window samples) of one window, zero where it is padded."""
        samples_CT = np.zeros((self.signal.shape[0], settings.window_tokens * TOKEN_SAMPLES), dtype=np.float32)
        first = self.layout.sample_starts[window.stretch] + window.first_token * TOKEN_SAMPLES
        piece = self.signal[:, first : first + window.valid_samples]
        np.multiply(piece, np.float32(self.step_sd), out=samples_CT[:, : window.valid_samples], dtype=np.float32)
        return samples_CT


def write_signal(path: Path, prepared: Prepared, facts: dict[str, Any]) -> None:
    """Write a prepared recording; `facts` (JSON values, with its `fingerprint`) are kept beside the signal."""
    meta = {
        **facts,
        "format": FORMAT,
        "step_sd": prepared.step_sd,
        "signal_sha256": hashlib.sha256(prepared.signal.data).hexdigest(),
        "stretch_samples": list(prepared.layout.stretch_samples),
        "stretch_start_s": list(prepared.layout.stretch_start_s),
        "clipped_samples": prepared.clipped,
        "interpolated": list(prepared.interpolated),
    }
    arrays: dict[str, NDArray[Any]] = {
        "signal": prepared.signal,
        "median_uv": prepared.median_uv,
        "sd_uv": prepared.sd_uv,
        "meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
    }
    write_npz(path, arrays)


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts beside a cached signal; None where there is no whole file of this format."""
    try:
        with np.load(path, allow_pickle=False) as file:
            facts: dict[str, Any] = json.loads(bytes(file["meta"]))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, json.JSONDecodeError, ValueError, EOFError):
        return None
    return facts if facts.get("format") == FORMAT else None


def is_whole(path: Path) -> bool:
    """Whether every member of a cached file has the check sum it was written with; mapping alone would not notice."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def layout_of(facts: dict[str, Any]) -> Layout:
    """The stretches of a cached recording, from the facts beside it."""
    return Layout(tuple(facts["stretch_samples"]), tuple(facts["stretch_start_s"]))


def open_signal(path: Path) -> CachedSignal:
    """Map a cached recording; raises FileNotFoundError or ValueError for a missing or foreign file."""
    facts = read_facts(path)
    if facts is None:
        raise ValueError(f"{path}: not a cached recording of format {FORMAT}; run the windowing pipeline again")
    return CachedSignal(map_member(path, "signal"), layout_of(facts), facts["step_sd"])
