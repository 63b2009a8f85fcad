"""`kedro compare`: two MLflow runs on the same recordings, patient by patient, as table, picture and JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from seizure_pipeline.annotations import write_whole
from seizure_pipeline.cache.parts import write_whole as write_bytes
from seizure_pipeline.evaluation.paired import FROZEN_RATE, ComparedFigure, Side, SplitComparison, compare_counts
from seizure_pipeline.scoring import ScoringError, names
from seizure_pipeline.scoring.bootstrap import BootstrapSettings

if TYPE_CHECKING:
    from seizure_pipeline.mlflow_runs.counts import CountedRun

WIDTH = 150
ID_SHOWN = 8
SETTINGS = BootstrapSettings()
TOKENS = (names.AUROC, names.AVERAGE_PRECISION)


def compare_runs(run_a: str, run_b: str, tracking_uri: str, folder: Path, picture: Path | None, target: Path | None) -> None:
    """Compare two runs of an MLflow store, each given by name or id; print the tables and write the picture.

    The picture goes to `picture`, in the form that its ending names, by default as PNG into `folder`; everything as JSON
    to `target`, where that is given. Raises RunNotFound for a run that is not there or has no counts, ScoringError for
    runs on other recordings."""
    from seizure_pipeline.figures.paired import paired_figure
    from seizure_pipeline.mlflow_runs.counts import CountedRuns

    runs = CountedRuns(tracking_uri)
    a, b = runs.find(run_a), runs.find(run_b)
    splits = _compared(a, b)
    label_a, label_b = _labels(a, b)
    picture = picture or folder / f"compare_{_in_a_path(label_a)}_{_in_a_path(label_b)}.png"
    figure = paired_figure(splits, f"A: {label_a}    B: {label_b}    lines: {100 * SETTINGS.level:g} % intervals")
    drawn = io.BytesIO()
    figure.savefig(drawn, format=picture.suffix.removeprefix(".") or "png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(picture, drawn.getvalue())
    if target is not None:
        write_whole(target, [json.dumps(_as_json(a, b, splits), indent=2, allow_nan=False)])
    _print(a, b, splits)
    Console().print(f"picture: {picture}", highlight=False, soft_wrap=True, markup=False)


def _compared(a: CountedRun, b: CountedRun) -> list[SplitComparison]:
    try:
        return compare_counts(a.counts, b.counts, SETTINGS)
    except ScoringError as error:
        raise ScoringError(f"A is {_named(a)}, B is {_named(b)}: {error}{_on_corpora(a, b)}") from None


def _on_corpora(a: CountedRun, b: CountedRun) -> str:
    if a.corpus is None or b.corpus is None or a.corpus == b.corpus:
        return ""
    return f"; their tables of recordings differ too, corpus_fingerprint {a.corpus} and {b.corpus}"


def _named(run: CountedRun) -> str:
    return f"run {run.name} ({run.run_id})"


def _labels(a: CountedRun, b: CountedRun) -> tuple[str, str]:
    """The runs' names; with the beginning of their ids where those alone tell them apart."""
    if a.name != b.name:
        return a.name, b.name
    return f"{a.name} {a.run_id[:ID_SHOWN]}", f"{b.name} {b.run_id[:ID_SHOWN]}"


def _in_a_path(label: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", label)


def _as_json(a: CountedRun, b: CountedRun, splits: Sequence[SplitComparison]) -> dict[str, Any]:
    return {
        **{
            side: {
                "run_id": run.run_id,
                "name": run.name,
                "corpus_fingerprint": run.corpus,
                "operating_point": run.counts.point,
            }
            for side, run in (("a", a), ("b", b))
        },
        "difference": "b - a",
        "bootstrap": SETTINGS.model_dump(mode="json"),
        "only_in_a": sorted(a.counts.splits.keys() - b.counts.splits.keys()),
        "only_in_b": sorted(b.counts.splits.keys() - a.counts.splits.keys()),
        "splits": {split.split: _split_as_json(split) for split in splits},
    }


def _split_as_json(split: SplitComparison) -> dict[str, Any]:
    return {
        "recordings": split.recordings,
        "hours": split.hours,
        "seizures": split.seizures,
        "figures": {each.name: _figure_as_json(each) for each in split.figures},
        "patients_at": split.patients_at,
        "patients": [asdict(patient) for patient in split.patients],
    }


def _figure_as_json(each: ComparedFigure) -> dict[str, Any]:
    known = asdict(each.difference.difference)
    known["difference"] = known.pop("figure")
    shares = {"share_of_resamples_above": each.difference.share_above, "share_of_resamples_equal": each.difference.share_equal}
    return {"a": asdict(each.a), "b": asdict(each.b), **known, **shares}


def _print(a: CountedRun, b: CountedRun, splits: Sequence[SplitComparison]) -> None:
    console = Console(width=WIDTH, highlight=False, markup=False, soft_wrap=True)
    for side, run in (("A", a), ("B", b)):
        console.print(f"{side}: {_named(run)}; {_on_threshold(run.counts.point)}")
    for note in _notes(a, b):
        console.print(note)
    for split in splits:
        console.print(_table(split), soft_wrap=False)
        for note in _notes_on(split):
            console.print(note)


def _on_threshold(point: Mapping[str, Any]) -> str:
    budget = f"{point['budget_per_24h']:g} false alarms per 24 h on {point['split']}"
    return f"no threshold meets {budget}" if point["threshold"] is None else f"threshold {point['threshold']:.4f} for {budget}"


def _notes(a: CountedRun, b: CountedRun) -> Iterator[str]:
    for split in sorted(a.counts.splits.keys() ^ b.counts.splits.keys()):
        yield f"Split {split} is not compared: only {'A' if split in a.counts.splits else 'B'} has it"
    if told := _on_corpora(a, b):
        yield f"The recordings compared are the same{told}"
    if a.counts.point["budget_per_24h"] != b.counts.point["budget_per_24h"]:
        yield "Frozen figures are at thresholds that were chosen for other budgets of false alarms: read both of them together"


def _table(split: SplitComparison) -> Table:
    size = f"{split.seizures} seizures in {split.hours:.2f} h, {split.recordings} recordings of {len(split.patients)} patients"
    table = Table(title=f"Split {split.split}: {size}", title_justify="left")
    for heading in ("figure", "A", "counted", "B", "counted", "B - A", f"{100 * SETTINGS.level:g} % interval"):
        table.add_column(heading, justify="left" if heading == "figure" else "right", no_wrap=True)
    for each in split.figures:
        known = each.difference.difference
        interval = "-" if known.low is None or known.high is None else f"{known.low:+.3f} to {known.high:+.3f}"
        sides = (cell for side in (each.a, each.b) for cell in (_cell(side.figure), _counts(each.name, side)))
        table.add_row(each.name, *sides, "-" if known.figure is None else f"{known.figure:+.3f}", interval)
    return table


def _cell(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _counts(name: str, side: Side) -> str:
    if name == FROZEN_RATE:
        return f"{side.part} in {side.whole:.2f} h"
    return f"{side.part:,} of {side.whole:,.0f}{' tokens' if name in TOKENS else ''}"


def _notes_on(split: SplitComparison) -> Iterator[str]:
    patients = len(split.patients)
    reasons = {each.difference.difference.reason for each in split.figures} - {None}
    if any(each.difference.difference.low is not None for each in split.figures):
        yield (
            f"Intervals: paired bootstrap, {SETTINGS.resamples:,} resamples of the {patients} patients, each the same for A "
            f"and B (seed {SETTINGS.seed})"
        )
    for reason in sorted(map(str, reasons)):
        yield f"No interval: {reason}"
    most = max(each.difference.difference.undefined_resamples for each in split.figures)
    if most and not reasons:
        yield f"Resamples where a figure is undefined have no say in its interval: at most {most:,} of {SETTINGS.resamples:,}"
