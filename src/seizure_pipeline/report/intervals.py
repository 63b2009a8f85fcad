"""Intervals that the summary of a split does not hold: of the whole curve, and of figures by every rule.

Resamples of patients are those of `scoring.bootstrap`: the same seed draws the same patients. Axes: B resamples,
P patients, K thresholds, X budgets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.figures import Band
from seizure_pipeline.scoring import Score
from seizure_pipeline.scoring.bootstrap import LEAST_PATIENTS, BootstrapSettings, draw_patients
from seizure_pipeline.scoring.evidence import Evidence
from seizure_pipeline.scoring.rules import HOURS_PER_DAY, RULES, S_PER_HOUR

Numbers = NDArray[np.float64]
Intervals = dict[str, tuple[float, float]]
BUDGETS_SHOWN = 120
BLOCK = 500  # resamples


def curve_band(evidence: Evidence, settings: BootstrapSettings) -> Band | None:
    """The interval of the first-crossing sensitivity at many budgets; None with too few patients for one.

    Resamples without a seizure have no say."""
    if len(evidence.patient_ids) < LEAST_PATIENTS:
        return None
    budgets_X = _budgets(evidence)
    weights_BP = draw_patients(len(evidence.patient_ids), settings)
    blocks = [
        first_crossing_sensitivities(evidence, weights_BP[at : at + BLOCK], budgets_X)
        for at in range(0, len(weights_BP), BLOCK)
    ]
    sensitivity_BX = np.concatenate(blocks)
    low_X, high_X = np.nanquantile(sensitivity_BX, _ends(settings), axis=0)
    return Band(budgets_X, low_X, high_X, settings.level)


def rule_intervals(score: Score, settings: BootstrapSettings) -> Intervals:
    """Intervals of a score's figures by their names; empty with too few patients for one.

    A resample in which a figure divides by nothing has no say in it."""
    counts = [score.counts_by_patient[patient] for patient in sorted(score.counts_by_patient)]
    if len(counts) < LEAST_PATIENTS:
        return {}
    sums_P4 = np.asarray([(each.tp, each.fn, each.fp, each.duration_s) for each in counts], dtype=np.float64)
    tp_B, fn_B, fp_B, duration_s_B = (draw_patients(len(counts), settings) @ sums_P4).T
    weight = RULES[score.rule].false_alarm_weight
    figures = {
        "sensitivity": _ratio(tp_B, tp_B + fn_B),
        "precision": _ratio(tp_B, tp_B + fp_B),
        "f1": _ratio(2 * tp_B, 2 * tp_B + fp_B + fn_B),
        "false_alarms_per_24h": _ratio(fp_B * weight * HOURS_PER_DAY * S_PER_HOUR, duration_s_B),
    }
    defined = {name: figure_B[~np.isnan(figure_B)] for name, figure_B in figures.items()}
    ends = {name: np.quantile(figure_B, _ends(settings)) for name, figure_B in defined.items() if len(figure_B)}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def _budgets(evidence: Evidence) -> Numbers:
    hours = float(evidence.hours.sum())
    most = float(evidence.counts.fp.sum(axis=0).max()) / hours * HOURS_PER_DAY
    spread = np.geomspace(HOURS_PER_DAY / hours / 4, max(most, 10.0) * 1.3, BUDGETS_SHOWN)
    return np.concatenate([[0.0], spread])


def first_crossing_sensitivities(evidence: Evidence, weights_BP: NDArray[np.int64], budgets_X: Numbers) -> Numbers:
    """(B, X) at each budget, by first crossing; NaN for a resample without a seizure."""
    weights = weights_BP.astype(np.float64)
    tp_BK, fp_BK = weights @ evidence.counts.tp, weights @ evidence.counts.fp
    rate_BK = fp_BK / (weights @ evidence.hours)[:, None] * HOURS_PER_DAY
    highest_rate_BK = np.maximum.accumulate(rate_BK, axis=1)
    tp_BK1 = np.pad(np.maximum.accumulate(tp_BK, axis=1), ((0, 0), (1, 0)))
    found_BX = np.stack(
        [tp_K1[np.searchsorted(rate_K, budgets_X, side="right")] for tp_K1, rate_K in zip(tp_BK1, highest_rate_BK, strict=True)]
    )
    seizures_B1 = (weights @ evidence.counts.seizures)[:, None]
    share_BX: Numbers = np.divide(found_BX, seizures_B1, out=np.full(found_BX.shape, np.nan), where=seizures_B1 > 0)
    return share_BX


def _ends(settings: BootstrapSettings) -> tuple[float, float]:
    beyond = (1 - settings.level) / 2
    return beyond, 1 - beyond


def _ratio(part_B: Numbers, whole_B: Numbers) -> Numbers:
    ratio_B: Numbers = np.divide(part_B, whole_B, out=np.full(len(part_B), np.nan), where=whole_B > 0)
    return ratio_B
