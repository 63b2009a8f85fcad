"""Peak resident memory of preparing and writing 1, 6 and 24 hours of EEG: 32 channels, 512 samples in records of 1 s.

usage: python benchmarks/ingest_memory.py [folder] [hours]       (default: a temporary folder, all; needs 6 GB there)

A day is 2.8 GB of EDF. The last one, again of 24 hours, has records of 1.000001 s, the least even rate that a header can
hold: its blocks are long. The chain runs in a process of its own, whose highest resident size the system tells; the
scratch file lies beside the EDF in the folder.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from made_files import write_edf

from seizure_pipeline.cache.npz import NpzWriter
from seizure_pipeline.cache.prepare import prepare
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.recordings import open_recording
from seizure_pipeline.signals import SignalSettings

CHANNELS, RATE_HZ = 32, 512


def main() -> None:
    hours = [float(sys.argv[2])] if len(sys.argv) > 2 else [1.0, 6.0, 24.0]
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for length_h, record_s in [*((length_h, "1") for length_h in hours), (hours[-1], "1.000001")]:
            edf = Path(folder) / "day.edf"
            write_edf(edf, CHANNELS, RATE_HZ, round(3600 * length_h), record_s)
            peak_bytes, taken_s = _apart(edf)
            size_gb = edf.stat().st_size / 1e9
            print(
                f"{length_h:g} h in records of {record_s} s, {size_gb:.2f} GB of EDF: "
                f"peak {peak_bytes / 1e9:.2f} GB resident, {taken_s:.1f} s"
            )


def _apart(edf: Path) -> tuple[int, float]:
    receiver, sender = get_context("spawn").Pipe(duplex=False)
    child = get_context("spawn").Process(target=_prepare, args=(edf, sender))
    child.start()
    peak_bytes, taken_s = receiver.recv()
    child.join()
    return peak_bytes, taken_s


def _prepare(edf: Path, sender: Connection) -> None:
    began = time.perf_counter()
    with prepare(open_recording(edf), SignalSettings(), MontageSettings(), edf.parent) as prepared:
        shape = (19, sum(prepared.layout.stretch_samples))
        with NpzWriter(edf.with_suffix(".npz")) as writer:
            writer.add_rows("signal", shape, np.int16, prepared.pieces())
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((1024 * peak_kib, time.perf_counter() - began))


if __name__ == "__main__":
    main()
