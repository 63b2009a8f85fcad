"""Two runs on the same recordings: each headline figure of both, and how sure their difference is.

A is the first run, B the second, and differences are B - A. Axes: P patients, K thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seizure_pipeline.evaluation.patient_counts import PatientCounts
from seizure_pipeline.evaluation.traces import DEV, SCORED
from seizure_pipeline.scoring import OperatingCurve, ScoringError, names, operating_point
from seizure_pipeline.scoring.bootstrap import (
    NAMES_SHOWN,
    BootstrapSettings,
    Difference,
    check_same_recordings,
    figures_of_all,
    paired_differences,
)
from seizure_pipeline.scoring.counts import GroupedCounts
from seizure_pipeline.scoring.evidence import Evidence

FROZEN_SENSITIVITY, FROZEN_RATE = map(names.frozen_name, ("sensitivity", "false_alarms_per_24h"))
PATIENTS_BUDGET_PER_24H = names.FALSE_ALARM_BUDGETS_PER_24H[0]
RULE = "a paired comparison takes the same patients"


@dataclass(frozen=True, slots=True)
class Side:
    """A figure of one run, None where it is undefined, and what it was counted from.

    `part` of `whole`: found of all seizures, false alarms in hours, tokens of seizure among all tokens."""

    figure: float | None
    part: int
    whole: float


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A headline figure of both runs and their difference B - A."""

    name: str
    a: Side
    b: Side
    difference: Difference


@dataclass(frozen=True, slots=True)
class PatientPair:
    """What both runs found in one patient, by any overlap."""

    patient_id: str
    hours: float
    seizures: int
    found_a: int
    found_b: int
    false_alarms_a: int
    false_alarms_b: int


@dataclass(frozen=True, slots=True)
class SplitComparison:
    """A split that both runs have; `patients` are counted at the threshold that `patients_at` tells in words."""

    split: str
    recordings: int
    hours: float
    seizures: int
    figures: tuple[ComparedFigure, ...]
    patients: tuple[PatientPair, ...]
    patients_at: str


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Found seizures and false alarms of each patient, (P,), at one threshold."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]


def compare_counts(a: PatientCounts, b: PatientCounts, settings: BootstrapSettings) -> list[SplitComparison]:
    """Every split that both runs have, dev first.

    Raises ScoringError, naming the split and what differs, for runs without a split in common, and for other patients,
    recordings, lengths or reference seizures on either side.
    """
    shared = [split for split in SCORED if split in a.splits and split in b.splits]
    if not shared:
        told = " and ".join(f"{name} has {', '.join(run.splits) or 'none'}" for name, run in (("A", a), ("B", b)))
        raise ScoringError(f"no split to compare on: {told}")
    return [_compare_split(split, a.splits[split], b.splits[split], settings) for split in shared]


def _compare_split(split: str, a: Evidence, b: Evidence, settings: BootstrapSettings) -> SplitComparison:
    _check_same(split, a, b)
    differences = paired_differences(b, a, settings)
    of_a, of_b = figures_of_all(a), figures_of_all(b)
    figures = tuple(
        ComparedFigure(shown, _side(name, of_a, a), _side(name, of_b, b), differences[name])
        for shown, name in headline(split).items()
    )
    is_dev = split == DEV
    of_patients = [_at_budget(each, PATIENTS_BUDGET_PER_24H) if is_dev else _at_frozen(each) for each in (a, b)]
    within = f"at {PATIENTS_BUDGET_PER_24H:g} false alarms per 24 h, first crossing"
    return SplitComparison(
        split=split,
        recordings=len(a.recordings),
        hours=float(a.hours.sum()),
        seizures=int(a.counts.seizures.sum()),
        figures=figures,
        patients=_pairs(a, *of_patients),
        patients_at=within if is_dev else f"at the thresholds that {DEV} gave",
    )


def figures_table(split: SplitComparison) -> pd.DataFrame:
    """A row for each figure of a comparison: of A, of B, B - A and its interval, NaN where there is none."""
    rows = {
        each.name: (each.a.figure, each.b.figure, known.figure, known.low, known.high)
        for each in split.figures
        for known in (each.difference.difference,)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["A", "B", "B - A", "low", "high"], dtype=float)


def headline(split: str) -> dict[str, str]:
    """The figures that are compared on a split, in their order: the name to show, and that of `scoring.resampled`.

    Of a held-out split the frozen ones come first, and those with a threshold of its own say so."""
    within = list(map(names.sensitivity_name, names.FALSE_ALARM_BUDGETS_PER_24H))
    over_tokens = {name: name for name in (names.AUROC, names.AVERAGE_PRECISION)}
    if split == DEV:
        return {name: name for name in within} | over_tokens
    frozen = {name: name for name in (FROZEN_SENSITIVITY, FROZEN_RATE)}
    return frozen | over_tokens | {names.own_curve_name(name): name for name in within}


def _check_same(split: str, a: Evidence, b: Evidence) -> None:
    alone = [
        f"{side} alone has {_listed(mine - others)}"
        for side, mine, others in (
            ("A", set(a.patient_ids), set(b.patient_ids)),
            ("B", set(b.patient_ids), set(a.patient_ids)),
        )
        if mine - others
    ]
    if alone:
        raise ScoringError(f"split {split}: {RULE}; {'; '.join(alone)}")
    try:
        check_same_recordings(a, b)
    except ScoringError as error:
        raise ScoringError(f"split {split}, A first and B second: {error}") from None


def _listed(patients: set[str]) -> str:
    shown = sorted(patients)[:NAMES_SHOWN]
    return ", ".join(shown) + (f" and {len(patients) - len(shown)} more" if len(patients) > len(shown) else "")


def _side(name: str, figures: Mapping[str, float], evidence: Evidence) -> Side:
    figure = None if math.isnan(figures[name]) else figures[name]
    if name in (names.AUROC, names.AVERAGE_PRECISION):
        ictal = evidence.seizure_tokens.sum()
        return Side(figure, int(ictal), int(ictal + evidence.background_tokens.sum()))
    if name == FROZEN_RATE:
        return Side(figure, int(_at_frozen(evidence).fp.sum()), float(evidence.hours.sum()))
    budgets = {names.sensitivity_name(budget): budget for budget in names.FALSE_ALARM_BUDGETS_PER_24H}
    counted = _at_frozen(evidence) if name == FROZEN_SENSITIVITY else _at_budget(evidence, budgets[name])
    return Side(figure, int(counted.tp.sum()), int(evidence.counts.seizures.sum()))


def _at_frozen(evidence: Evidence) -> _Counted:
    if evidence.frozen is None:
        raise ScoringError("these counts by patient hold none at a frozen threshold; a held-out split has them")
    return _at(evidence.frozen, 0)


def _at_budget(evidence: Evidence, budget_per_24h: float) -> _Counted:
    """At the threshold that `operating_point` chooses on all patients; zeros without a seizure, or where none meets it."""
    counts, seizures = evidence.counts, int(evidence.counts.seizures.sum())
    tp_K, fp_K = (table_PK.sum(axis=0, dtype=np.int64) for table_PK in (counts.tp, counts.fp))
    curve = OperatingCurve(counts.thresholds, tp_K, fp_K, seizures, float(evidence.hours.sum()))
    point = operating_point(curve, budget_per_24h) if seizures else None
    if point is None:
        return _Counted(*np.zeros((2, len(evidence.patient_ids)), np.int64))
    return _at(counts, int(np.flatnonzero(counts.thresholds == point.threshold)[0]))


def _at(counts: GroupedCounts, k: int) -> _Counted:
    return _Counted(counts.tp[:, k].astype(np.int64), counts.fp[:, k].astype(np.int64))


def _pairs(evidence: Evidence, a: _Counted, b: _Counted) -> tuple[PatientPair, ...]:
    columns = (evidence.hours, evidence.counts.seizures, a.tp, b.tp, a.fp, b.fp)
    rows = zip(evidence.patient_ids, *(column.tolist() for column in columns), strict=True)
    return tuple(PatientPair(*row) for row in rows)
