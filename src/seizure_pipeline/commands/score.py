"""`kedro score`: anybody's detections against anybody's annotations, by every rule, beside what a trivial detector gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from seizure_pipeline.annotations import write_whole
from seizure_pipeline.scored_files import Form, Pair, pair_files, read_pairs
from seizure_pipeline.scoring import RULES, Score, ScoredRecording, score
from seizure_pipeline.scoring.trivial import always, never

Detector = Callable[[Sequence[ScoredRecording], str], Score]
DETECTORS: dict[str, Detector] = {"hypothesis": score, "never alarms": never, "always alarms": always}
FAMILIES = {"nedc": "NEDC v6.0.0, label SEIZ", "szcore": "SzCORE, timescoring 0.0.7"}
WHAT_COUNTS = {
    "ovlp": "a seizure is found if any detection overlaps it, a detection that overlaps none is a false alarm",
    "taes": "shares of each seizure's time that detections hit, miss and exceed, in seizures",
    "epoch": "quarter seconds, not events",
    "dpalign": "events by their order alone, aligned as two strings; when they happen is ignored",
    "szcore_event": "events joined below 90 s, cut at 300 s, with 30 s before and 60 s after a seizure allowed",
    "szcore_sample": "whole seconds, not events",
}
APART = (
    "Figures compare within one rule only. SzCORE joins and cuts seizures, so that it counts other ones: its figures stand "
    "in no column with OVLP's."
)
FIGURES = ("tp", "fn", "fp", "reference_count", "sensitivity", "precision", "f1", "false_alarms_per_24h", "hours")
WIDTH = 132


def score_folders(
    reference: Path, hypothesis: Path, rules: Sequence[str], target: Path | None, missing_as_empty: bool, only: Form | None
) -> None:
    """Score two folders by `rules`, by default all; print the tables, and write everything to `target` as JSON.

    Raises ValueError for a rule that is not known, ScoredFilesError or ScoringError for what cannot be scored."""
    if unknown := [rule for rule in rules if rule not in RULES]:
        raise ValueError(f"rule {', '.join(unknown)}: not known; known rules are {', '.join(RULES)}")
    pairs = pair_files(reference, hypothesis, missing_as_empty, only)
    recordings = read_pairs(pairs)
    chosen = tuple(dict.fromkeys(rules)) or tuple(RULES)
    scores = {rule: {name: detector(recordings, rule) for name, detector in DETECTORS.items()} for rule in chosen}
    if target is not None:
        facts = _facts(pairs, recordings) | {"reference": str(reference), "hypothesis": str(hypothesis)}
        write_whole(target, [json.dumps(facts | {"rules": _figures(scores)}, indent=2, allow_nan=False)])
    _print(pairs, recordings, scores)


def _facts(pairs: Sequence[Pair], recordings: Sequence[ScoredRecording]) -> dict[str, Any]:
    return {
        "recordings": len(recordings),
        "patients": len({recording.patient_id for recording in recordings}),
        "hours": sum(recording.duration_s for recording in recordings) / 3600,
        "seizures": sum(len(recording.reference) for recording in recordings),
        "detections": sum(len(recording.detections) for recording in recordings),
        "missing_as_empty": [pair.recording_id for pair in pairs if pair.hypothesis is None],
    }


def _figures(scores: dict[str, dict[str, Score]]) -> dict[str, Any]:
    return {
        rule: {
            "counts": WHAT_COUNTS[rule],
            "pooled": {name.replace(" ", "_"): _plain(each) for name, each in by_detector.items()},
            "mean_over_patients": asdict(by_detector["hypothesis"].mean_over_patients()),
            "by_patient": {patient: _plain(each) for patient, each in by_detector["hypothesis"].by_patient().items()},
        }
        for rule, by_detector in scores.items()
    }


def _plain(figures: Score) -> dict[str, float | None]:
    return {name: getattr(figures, name) for name in FIGURES}


def _print(pairs: Sequence[Pair], recordings: Sequence[ScoredRecording], scores: dict[str, dict[str, Score]]) -> None:
    facts = _facts(pairs, recordings)
    click.echo(
        f"{facts['recordings']} recordings of {facts['patients']} patients, {facts['hours']:.2f} h, "
        f"{facts['seizures']} seizures listed, {facts['detections']} detections listed"
    )
    if missing := len(facts["missing_as_empty"]):
        click.echo(f"without a hypothesis file, counted as without detection: {missing} of these recordings")
    console = Console(width=WIDTH)
    for family, title in FAMILIES.items():
        chosen = {rule: by_detector for rule, by_detector in scores.items() if _family(rule) == family}
        if chosen:
            console.print(_table(title, chosen))
            for rule in chosen:
                console.print(f"{rule}: {WHAT_COUNTS[rule]}", highlight=False, soft_wrap=True)
    console.print(APART, highlight=False, soft_wrap=True)
    one = 24 / facts["hours"]
    console.print(f"In {facts['hours']:.2f} h one false alarm is {one:.2g} per 24 h; '-': undefined", highlight=False)


def _family(rule: str) -> str:
    return "szcore" if rule.startswith("szcore") else "nedc"


def _table(title: str, scores: dict[str, dict[str, Score]]) -> Table:
    table = Table(title=f"{title}; pooled over recordings", title_justify="left")
    for name in ("rule", "detector", "tp", "fn", "fp", "reference", "sensitivity", "precision", "F1", "fa per 24 h", "hours"):
        table.add_column(name, justify="left" if name in ("rule", "detector") else "right")
    for rule, by_detector in scores.items():
        for name, each in by_detector.items():
            table.add_row(rule, name, *_cells(each), end_section=name == "always alarms")
    return table


def _cells(pooled: Score) -> Iterator[str]:
    for count in (pooled.tp, pooled.fn, pooled.fp, pooled.reference_count):
        yield f"{count:.2f}".removesuffix(".00")
    for share in (pooled.sensitivity, pooled.precision, pooled.f1):
        yield "-" if share is None else f"{share:.4f}"
    yield "-" if pooled.false_alarms_per_24h is None else f"{pooled.false_alarms_per_24h:.2f}"
    yield f"{pooled.hours:.2f}"
