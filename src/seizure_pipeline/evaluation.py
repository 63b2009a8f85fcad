"""Probability traces of a split, made once and kept, and what they are worth beside one-feature detectors."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from seizure_pipeline.baselines import one_feature_traces
from seizure_pipeline.cache import IndexRow, open_signal
from seizure_pipeline.cache.index import accepted_of_split
from seizure_pipeline.cache.npz import write_npz
from seizure_pipeline.configuration import Settings, fingerprint
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import check_device, probability_trace, trace_of
from seizure_pipeline.model.checkpoint import load_checkpoint
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    PostProcessingSettings,
    ScoringError,
    Summary,
    Trace,
    evaluate,
    operating_curve,
    operating_point,
)
from seizure_pipeline.windows import WindowSettings

log = logging.getLogger(__name__)
BASELINES_VERSION = 1
MODEL = "model"


class EvaluationSettings(Settings):
    """What is scored and shown.

    `operating_budget_per_24h` is the false-alarm budget whose threshold is kept for detection; `allow_refused` scores a
    split that lost recordings; `pages` is how many recordings get a picture.
    """

    split: str = Field("dev", pattern="^(train|dev|eval)$")
    allow_refused: bool = False
    operating_budget_per_24h: float = Field(10.0, gt=0)
    pages: int = Field(8, ge=0)


def scored_rows(rows: list[IndexRow], settings: EvaluationSettings) -> list[IndexRow]:
    """The recordings of the scored split; raises ScoringError if it lost any, unless that is allowed."""
    lost = [row for row in rows if row.split == settings.split and not row.accepted]
    if lost and not settings.allow_refused:
        reasons = "; ".join(row.reason for row in lost)
        raise ScoringError(
            f"split {settings.split} lost {len(lost)} recordings, so its figures would not be those of the corpus "
            f"(evaluation.allow_refused: true scores the rest): {reasons}"
        )
    return accepted_of_split(rows, settings.split)


def model_traces(
    cache: Path, rows: list[IndexRow], checkpoint: Path, settings: InferenceSettings, folder: Path
) -> list[Path]:
    """Write the probability trace of every row below `folder`; a trace of the same weights and signal is kept."""
    check_device(settings.device)
    model, facts = load_checkpoint(checkpoint)
    windows = WindowSettings(**facts["windows"])
    model = model.to(settings.device)
    weights = json.loads((checkpoint / "config.json").read_text())["weights_sha256"]

    def trace(row: IndexRow) -> dict[str, NDArray[np.float32]]:
        return {MODEL: probability_trace(model, open_signal(cache / row.file), windows, settings)}

    made_from = {"weights": weights, "stride_s": settings.stride_s, "windows": windows}
    return _make_traces(rows, folder, trace, made_from, "probability traces")


def baseline_traces(cache: Path, rows: list[IndexRow], folder: Path) -> list[Path]:
    """Write the traces of the one-feature detectors of every row below `folder`; unchanged ones are kept."""

    def trace(row: IndexRow) -> dict[str, NDArray[np.float32]]:
        cached = open_signal(cache / row.file)
        signal_CT = cached.signal.astype(np.float32) * np.float32(cached.step_sd)
        return one_feature_traces(signal_CT, cached.layout.stretch_samples)

    return _make_traces(rows, folder, trace, {"baselines": BASELINES_VERSION}, "one-feature traces")


def _make_traces(
    rows: list[IndexRow],
    folder: Path,
    trace: Callable[[IndexRow], dict[str, NDArray[np.float32]]],
    made_from: dict[str, Any],
    title: str,
) -> list[Path]:
    paths, kept = [], 0
    with ProgressMeter(title, len(rows), "recordings") as meter:
        for row in rows:
            path = folder / f"{row.recording_id}.npz"
            wanted = fingerprint({**made_from, "signal": row.fingerprint})
            if _fingerprint_of(path) == wanted:
                kept += 1
            else:
                mark = np.frombuffer(wanted.encode(), dtype=np.uint8)
                write_npz(path, {**trace(row), "fingerprint": mark})
            paths.append(path)
            meter.advance(note=row.recording_id)
    log.info("%s: %d unchanged and kept, %d made", title, kept, len(rows) - kept)
    return paths


def _fingerprint_of(path: Path) -> str | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return bytes(file["fingerprint"]).decode()
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None


def load_traces(folder: Path, rows: list[IndexRow]) -> dict[str, list[Trace]]:
    """Traces of `rows` by detector name, as `model_traces` or `baseline_traces` left them."""
    found: dict[str, list[Trace]] = {}
    for row in rows:
        with np.load(folder / f"{row.recording_id}.npz", allow_pickle=False) as file:
            for name in file.files:
                if name != "fingerprint":
                    found.setdefault(name, []).append(trace_of(row, file[name]))
    return found


def operating_record(
    traces: list[Trace], settings: EvaluationSettings, post_processing: PostProcessingSettings
) -> dict[str, Any]:
    """The threshold for the operating budget with what it gave; raises ScoringError if no threshold meets it."""
    budget = settings.operating_budget_per_24h
    point = operating_point(operating_curve(traces, post_processing), budget)
    if point is None:
        raise ScoringError(f"no threshold meets {budget} false alarms per 24 h on split {settings.split}")
    return {
        "threshold": point.threshold,
        "budget_per_24h": budget,
        "split": settings.split,
        "sensitivity": point.sensitivity,
        "false_alarms_per_24h": point.false_alarms_per_24h,
        "post_processing": post_processing.model_dump(mode="json"),
    }


def comparison(
    summary: Summary, baselines: dict[str, list[Trace]], post_processing: PostProcessingSettings
) -> pd.DataFrame:
    """The model, the one-feature detectors and the trivial ones, a row each, by the same rules."""
    columns = ["auroc", "average_precision", *(f"sensitivity_at_{b:g}fa" for b in FALSE_ALARM_BUDGETS_PER_24H)]
    rows = [{"detector": MODEL, **{name: summary[name] for name in columns}}]
    for name, traces in baselines.items():
        figures = evaluate(traces, post_processing)
        rows.append({"detector": name, **{column: figures[column] for column in columns}})
    chance = {f"sensitivity_at_{b:g}fa": summary[f"chance_sensitivity_at_{b:g}fa"] for b in FALSE_ALARM_BUDGETS_PER_24H}
    share = summary["seizure_time_share"]
    rows.append({"detector": "chance by duration", "auroc": 0.5, "average_precision": share, **chance})
    for name in ("never", "always"):
        rows.append({"detector": name, "auroc": 0.5, "average_precision": share, **_trivial(summary, name)})
    return pd.DataFrame(rows, columns=["detector", *columns])


def _trivial(summary: Summary, name: str) -> dict[str, float]:
    """Sensitivity of a detector with one operating point, at each budget that this point meets."""
    rate, sensitivity = (float(summary[f"{name}_{what}"] or 0) for what in ("false_alarms_per_24h", "sensitivity"))
    return {f"sensitivity_at_{b:g}fa": sensitivity if rate <= b else 0.0 for b in FALSE_ALARM_BUDGETS_PER_24H}
