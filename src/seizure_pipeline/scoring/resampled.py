"""Every headline figure of resamples of patients, many at once: a resample is how often it holds each patient.

Axes: B resamples, P patients, K thresholds, S scores. All counts of a resample are its row of weights times the
patients' counts, so that a block of resamples is a few matrix products. A figure is NaN where it is undefined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from seizure_pipeline.scoring import names
from seizure_pipeline.scoring.evidence import Evidence
from seizure_pipeline.scoring.rules import HOURS_PER_DAY

Numbers = NDArray[np.float64]
BLOCK = 200  # resamples: an array of (200, 769) numbers takes 1.2 MB and stays near the processor


def figures_of(evidence: Evidence, weights_BP: NDArray[np.integer]) -> dict[str, Numbers]:
    """(B,) of each figure by name. Every threshold but the frozen one is chosen anew in each resample.

    Undefined without a seizure in the resample: sensitivities, precisions, F1 and partial area. AUROC needs a token of
    either kind, average precision one of a seizure, and the means over recordings a recording that has the figure.
    """
    with threadpool_limits(1, user_api="blas"):  # products this small wait longer for a second thread than they take
        blocks = [_of_block(evidence, weights_BP[first : first + BLOCK]) for first in range(0, len(weights_BP), BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _of_block(evidence: Evidence, weights_BP: NDArray[np.integer]) -> dict[str, Numbers]:
    weights = weights_BP.astype(np.float64)
    return _over_events(evidence, weights) | _frozen(evidence, weights) | _over_tokens(evidence, weights)


def _over_events(evidence: Evidence, weights_BP: Numbers) -> dict[str, Numbers]:
    counts = evidence.counts
    tp_BK, fp_BK = weights_BP @ counts.tp, weights_BP @ counts.fp
    seizures_B = weights_BP @ counts.seizures
    rate_BK = fp_BK / (weights_BP @ evidence.hours)[:, None] * HOURS_PER_DAY
    highest_rate_BK = np.maximum.accumulate(rate_BK, axis=1)
    found = {names.PARTIAL_AREA: _partial_area(tp_BK, highest_rate_BK, seizures_B)}
    for budget in names.FALSE_ALARM_BUDGETS_PER_24H:
        within_BK = rate_BK <= budget
        optimistic_B = np.max(np.where(within_BK, tp_BK, 0.0), axis=1)
        branch_B = np.count_nonzero(highest_rate_BK <= budget, axis=1)
        tp_B, fp_B = _at_branch(tp_BK, fp_BK, branch_B)
        found[names.optimistic_sensitivity_name(budget)] = _ratio(optimistic_B, seizures_B, np.nan)
        found[names.sensitivity_name(budget)] = sensitivity_B = _ratio(tp_B, seizures_B, np.nan)
        found[names.precision_name(budget)] = _precision(tp_B, fp_B, seizures_B)
        found[names.f1_name(budget)] = _f1(sensitivity_B, found[names.precision_name(budget)])
    return found


def _at_branch(tp_BK: Numbers, fp_BK: Numbers, branch_B: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """Counts at the highest threshold that finds the most among the first `branch_B`; zeros where there is none.

    Found seizures never become fewer down the thresholds, so the most are found at the branch's end."""
    rows_B = np.arange(len(branch_B))
    tp_B = np.where(branch_B > 0, tp_BK[rows_B, branch_B - 1], 0.0)
    chosen_B = np.argmax(tp_BK >= tp_B[:, None], axis=1)
    return tp_B, np.where(branch_B > 0, fp_BK[rows_B, chosen_B], 0.0)


def _partial_area(tp_BK: Numbers, highest_rate_BK: Numbers, seizures_B: Numbers) -> Numbers:
    budget = names.PARTIAL_AREA_BUDGET_PER_24H
    gain_BK = np.diff(tp_BK, axis=1, prepend=0.0)
    area_B = np.einsum("bk,bk->b", gain_BK, np.maximum(budget - highest_rate_BK, 0.0))
    return _ratio(area_B / budget, seizures_B, np.nan)


def _frozen(evidence: Evidence, weights_BP: Numbers) -> dict[str, Numbers]:
    if evidence.frozen is None:
        return {}
    tp_B, fp_B = weights_BP @ evidence.frozen.tp[:, 0], weights_BP @ evidence.frozen.fp[:, 0]
    seizures_B = weights_BP @ evidence.frozen.seizures
    sensitivity_B, precision_B = _ratio(tp_B, seizures_B, np.nan), _precision(tp_B, fp_B, seizures_B)
    figures = {
        "sensitivity": sensitivity_B,
        "precision": precision_B,
        "f1": _f1(sensitivity_B, precision_B),
        "false_alarms_per_24h": fp_B / (weights_BP @ evidence.hours) * HOURS_PER_DAY,
    }
    return {names.frozen_name(name): figure_B for name, figure_B in figures.items()}


def _over_tokens(evidence: Evidence, weights_BP: Numbers) -> dict[str, Numbers]:
    return {
        names.AUROC: _auroc(evidence, weights_BP),
        names.AVERAGE_PRECISION: _average_precision(evidence, weights_BP),
        names.AUROC_PER_RECORDING: _mean(evidence.auroc, weights_BP),
        names.AVERAGE_PRECISION_PER_RECORDING: _mean(evidence.average_precision, weights_BP),
    }


def _auroc(evidence: Evidence, weights_BP: Numbers) -> Numbers:
    """Wins of seizure tokens of patient p over background tokens of patient q are a matrix; a resample weighs it twice."""
    seizure_PS, background_PS = evidence.seizure_tokens, evidence.background_tokens
    below_PS = np.cumsum(background_PS, axis=1) - background_PS / 2.0
    wins_PP = seizure_PS @ below_PS.T
    wins_B = np.einsum("bp,bp->b", weights_BP @ wins_PP, weights_BP)
    pairs_B = (weights_BP @ seizure_PS.sum(axis=1)) * (weights_BP @ background_PS.sum(axis=1))
    return _ratio(wins_B, pairs_B, np.nan)


def _average_precision(evidence: Evidence, weights_BP: Numbers) -> Numbers:
    seizure_PS = evidence.seizure_tokens[:, ::-1]
    reached_PS = np.cumsum(seizure_PS + evidence.background_tokens[:, ::-1], axis=1)
    seizure_BS = weights_BP @ seizure_PS
    precision_BS = np.cumsum(seizure_BS, axis=1) / np.maximum(weights_BP @ reached_PS, 1.0)
    return _ratio(np.einsum("bs,bs->b", precision_BS, seizure_BS), seizure_BS.sum(axis=1), np.nan)


def _mean(sums_P2: Numbers, weights_BP: Numbers) -> Numbers:
    sums_B2 = weights_BP @ sums_P2
    return _ratio(sums_B2[:, 0], sums_B2[:, 1], np.nan)


def _precision(tp_B: Numbers, fp_B: Numbers, seizures_B: Numbers) -> Numbers:
    return np.where(seizures_B > 0, _ratio(tp_B, tp_B + fp_B, 0.0), np.nan)


def _f1(sensitivity_B: Numbers, precision_B: Numbers) -> Numbers:
    return np.where(np.isnan(sensitivity_B), np.nan, _ratio(2 * sensitivity_B * precision_B, sensitivity_B + precision_B, 0.0))


def _ratio(part_B: Numbers, whole_B: Numbers, of_nothing: float) -> Numbers:
    ratio_B: Numbers = np.divide(part_B, whole_B, out=np.full(len(part_B), of_nothing), where=whole_B > 0)
    return ratio_B
