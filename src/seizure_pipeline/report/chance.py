"""Detections at random: as many and as long as a detector's own, anywhere in the recorded time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from seizure_pipeline.scoring import Score, ScoredRecording, score
from seizure_pipeline.scoring.events import Interval

DRAWS = 20
SEED = 0
FIGURES = ("tp", "fn", "fp", "sensitivity", "precision", "f1", "false_alarms_per_24h")


@dataclass(frozen=True, slots=True)
class ChanceScore:
    """Means of a score's counts and figures over draws; None where no draw has the figure."""

    tp: float
    fn: float
    fp: float
    sensitivity: float | None
    precision: float | None
    f1: float | None
    false_alarms_per_24h: float | None


def random_detections(recordings: Sequence[ScoredRecording], draws: int = DRAWS) -> list[list[ScoredRecording]]:
    """`draws` copies of `recordings`, each with all their detections moved to random recordings and times.

    A recording is drawn by its duration, a start uniformly; a detection longer than its recording covers all of it."""
    rng = np.random.default_rng(SEED)
    lengths_s = [offset_s - onset_s for recording in recordings for onset_s, offset_s in recording.detections]
    durations_s = np.asarray([recording.duration_s for recording in recordings])
    copies = []
    for _ in range(draws):
        moved: list[list[Interval]] = [[] for _ in recordings]
        places = rng.choice(len(recordings), size=len(lengths_s), p=durations_s / durations_s.sum())
        for place, length_s, start in zip(places, lengths_s, rng.random(len(lengths_s)), strict=True):
            onset_s = start * max(durations_s[place] - length_s, 0.0)
            moved[place].append((float(onset_s), float(min(onset_s + length_s, durations_s[place]))))
        copies.append([replace(each, detections=events) for each, events in zip(recordings, moved, strict=True)])
    return copies


def chance_score(copies: Sequence[Sequence[ScoredRecording]], rule: str) -> ChanceScore:
    """Mean score of `random_detections` by a rule."""
    scores = [score(copy, rule) for copy in copies]
    return ChanceScore(**{name: _mean(scores, name) for name in FIGURES})  # type: ignore[arg-type]


def _mean(scores: Sequence[Score], figure: str) -> float | None:
    defined = [value for each in scores if (value := getattr(each, figure)) is not None]
    return fmean(defined) if defined else None
