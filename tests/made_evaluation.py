"""An evaluation small enough to know by heart: seven patients with a recording of 40 s and a seizure from 14 to 18 s each.

The model finds the seizures of the first five, alarms for nothing from 25 to 32 s in the sixth, and misses the seizures of
the last two.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from edf_files import edf, signal
from noise_corpus import build, write_annotation, write_recording

from seizure_pipeline.cache import IndexRow
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.montage import ELECTRODES
from seizure_pipeline.report.page import Provenance, render
from seizure_pipeline.report.split import Detector, SplitSource, report_of
from seizure_pipeline.scoring import PostProcessingSettings, Trace
from seizure_pipeline.scoring.bootstrap import BootstrapSettings
from seizure_pipeline.windows import TOKEN_RATE_HZ

PATIENTS, DURATION_S, SEIZURE_S, FALSE_ALARM_S = 7, 40, (14.0, 18.0), (25.0, 32.0)
FOUND, ALARMING = range(5), 5
THRESHOLD, HIGH, LOW = 0.5, 0.9, 0.02
IN_THE_PATIENT_FIELD = "MRN-4711 F 02-MAR-1950 Doe_Jane"
PULSE_S, PULSE_ELECTRODE = 16.0, 10
POST_PROCESSING = PostProcessingSettings()
BOOTSTRAP = BootstrapSettings(resamples=200)


def cached(root: Path) -> list[IndexRow]:
    """Write the corpus and its cache below `root`; the first recording has a pulse of one sample on one electrode."""
    for number in range(PATIENTS):
        path = write_recording(root / "corpus", f"p{number}", number, DURATION_S)
        noise = np.random.default_rng(number).integers(-1000, 1000, (DURATION_S, 19, 256), dtype="<i2")
        if number == 0:
            noise[int(PULSE_S), PULSE_ELECTRODE, 0] = 20_000
        scale = {"physical_min": -3276.8, "physical_max": 3276.7, "digital_min": -32768, "digital_max": 32767}
        signals = [signal(label, 256, **scale) for label in ELECTRODES]
        path.write_bytes(edf(signals, [record.tobytes() for record in noise], patient=IN_THE_PATIENT_FIELD))
        write_annotation(path, DURATION_S)
    rows = build(root / "corpus", root / "cache")
    assert all(row.accepted for row in rows), [row.reason for row in rows]
    return [replace(row, split="dev") for row in sorted(rows, key=lambda row: row.recording_id)]


def traces_of(rows: list[IndexRow]) -> list[Trace]:
    """The model's traces."""
    traces = []
    for number, row in enumerate(rows):
        probability_L = np.full(row.layout.tokens, LOW, np.float32)
        for onset_s, offset_s in (SEIZURE_S,) if number in FOUND else (FALSE_ALARM_S,) if number == ALARMING else ():
            probability_L[round(onset_s * TOKEN_RATE_HZ) : round(offset_s * TOKEN_RATE_HZ)] = HIGH
        traces.append(trace_of(row, probability_L))
    return traces


def source(root: Path, rows: list[IndexRow], traces: list[Trace], split: str = "dev", layout: str = "synthetic") -> SplitSource:
    """A split as the report takes it; its one-feature detector always says 0.3."""
    flat = [trace_of(row, np.full(row.layout.tokens, 0.3, np.float32)) for row in rows]
    return SplitSource(
        split=split,
        rows=rows,
        refused=[],
        model=Detector("model", traces, THRESHOLD),
        one_feature=Detector("line_length_mean", flat, None),
        post_processing=POST_PROCESSING,
        bootstrap=BOOTSTRAP,
        temperature=None,
        layout=layout,
        cache=root / "cache",
    )


def page(*sources: SplitSource) -> str:
    """The HTML of splits."""
    point = {
        "threshold": sources[0].model.threshold,
        "budget_per_24h": 10.0,
        "split": "dev",
        "sensitivity": 5 / 7,
        "false_alarms_per_24h": 0.0,
        "post_processing": POST_PROCESSING.model_dump(mode="json"),
        "settings_tried": 1,
    }
    checkpoint = {"run": "0123456789abcdef", "weights_sha256": "ab" * 32, "cache": "fedcba9876543210"}
    checkpoint |= {"epochs": 3, "best_epoch": 2}
    provenance = Provenance(checkpoint, point, "synthetic", "0.5 to 120 Hz", BOOTSTRAP, date(2026, 1, 2))
    return render(provenance, [report_of(each) for each in sources])
