"""Files of the generated corpus: EDF and csv_bi beside it, each there whole or not at all."""

from __future__ import annotations

import datetime
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from edfio import Edf, EdfSignal, Recording
from numpy.typing import NDArray

from seizure_pipeline.corpora.synthetic.channels import Channel

PHYSICAL_RANGE_UV = (-3276.8, 3276.7)  # one step of the 16 bits is 0.1 microvolt
DIGITAL_RANGE = (-32768, 32767)
PARTS = ".*.part"
START = datetime.datetime(2015, 1, 1, 9, 0, 0)


def write_edf(path: Path, channels: Sequence[Channel], rate_hz: int) -> None:
    """Write the channels as 16-bit EDF with an anonymous header and a fixed start, records of one second."""
    signals = [
        EdfSignal.from_digital(
            _digital(channel),
            rate_hz,
            label=channel.label,
            physical_dimension="uV",
            physical_range=PHYSICAL_RANGE_UV,
            digital_range=DIGITAL_RANGE,
        )
        for channel in channels
    ]
    edf = Edf(signals, recording=Recording(startdate=START.date()), starttime=START.time(), data_record_duration=1)
    part = part_of(path)
    edf.write(part)
    os.replace(part, path)


def write_annotation(path: Path, seizures: Sequence[tuple[float, float]], duration_s: float) -> None:
    """Write csv_bi: rows of seizure and background in turn that fill the recording."""
    lines = [
        "# version = csv_v1.0.0",
        f"# bname = {path.stem}",
        f"# duration = {duration_s:.4f} secs",
        "# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt",
        "#",
        "channel,start_time,stop_time,label,confidence",
    ]
    edges_s = [0.0, *(edge for span in seizures for edge in span), float(duration_s)]
    for nth, (start_s, stop_s) in enumerate(itertools.pairwise(edges_s)):
        if stop_s > start_s:
            lines.append(f"TERM,{start_s:.4f},{stop_s:.4f},{'seiz' if nth % 2 else 'bckg'},1.0000")
    part = part_of(path)
    part.write_text("\n".join(lines) + "\n", encoding="ascii")
    os.replace(part, path)


def _digital(channel: Channel) -> NDArray[np.int16]:
    steps = np.rint(channel.samples_uv * 10)
    return np.clip(steps, *DIGITAL_RANGE).astype(np.int16)  # the recorder's own saturation


def remove_parts(root: Path) -> None:
    """Remove what a killed run had not finished."""
    for part in root.rglob(PARTS):
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is written before it is moved to its place; each process has its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")
