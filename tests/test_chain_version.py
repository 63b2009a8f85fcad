"""Whoever changes what the chain computes is told to raise CHAIN_VERSION, so that no old signal is read as a new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edf_files import edf, signal

from seizure_pipeline.cache import chains, prepare
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.recordings import open_recording
from seizure_pipeline.signals import SignalSettings

RATE_HZ, DURATION_S = 250, 20
PINNED = {
    1: {
        "sd_uv": [23.432, 23.132, 22.889, 22.324, 21.626, 20.775, 20.910, 20.342, 19.053, 19.364],
        "median_uv": [0.102, -0.538, 0.515, 0.596, -0.181, 0.071, 0.702, -0.980, -0.004, 1.113],
        "signal_sd": [
            [-0.752, 1.635, -0.870, 0.557],
            [-0.205, -0.760, -1.703, 1.375],
            [-0.214, 1.489, -1.045, -1.310],
            [0.679, -0.776, 0.933, -0.102],
        ],
    }
}
"""By CHAIN_VERSION: what the chain makes of `write_tones`, every second electrode; samples of every sixth."""


def write_tones(path: Path) -> Path:
    """19 electrodes, each with three tones of its own, a drift and mains."""
    t_s = np.arange(RATE_HZ * DURATION_S) / RATE_HZ
    channels = []
    for n in range(len(ELECTRODES)):
        tones = sum((300 - 4 * n) / k * np.sin(2 * np.pi * (k * (1.3 + 0.7 * n)) * t_s + n * k) for k in (1, 2, 3))
        channels.append(tones + 100 * t_s / DURATION_S + 50 * np.sin(2 * np.pi * 60 * t_s))
    steps_CT = np.round(np.array(channels)).astype("<i2")
    records = [steps_CT[:, k * RATE_HZ : (k + 1) * RATE_HZ].tobytes() for k in range(DURATION_S)]
    path.write_bytes(edf([signal(label, RATE_HZ) for label in ELECTRODES], records))
    return path


def test_the_chain_computes_what_its_version_stands_for(tmp_path: Path) -> None:
    with prepare(open_recording(write_tones(tmp_path / "tones.edf")), SignalSettings(), MontageSettings()) as prepared:
        found = {
            "sd_uv": prepared.sd_uv[::2],
            "median_uv": prepared.median_uv[::2],
            "signal_sd": prepared.signal()[::6, 300:5000:1500] * prepared.step_sd,
        }
    told = "the chain computes something else: raise cache.chains.CHAIN_VERSION and pin the new figures here"
    assert chains.CHAIN_VERSION in PINNED, told
    for name, values in PINNED[chains.CHAIN_VERSION].items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=0.01, err_msg=f"{name}: {told}")


def test_another_version_of_the_chain_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = chains.chain_fingerprint(SignalSettings(), MontageSettings())
    monkeypatch.setattr(chains, "CHAIN_VERSION", chains.CHAIN_VERSION + 1)
    assert chains.chain_fingerprint(SignalSettings(), MontageSettings()) != before
