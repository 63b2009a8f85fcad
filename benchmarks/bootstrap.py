"""Intervals over 53 patients from 10000 resamples, 1832 recordings: ours against a loop over resamples.

usage: python benchmarks/bootstrap.py

Both start from the patients' counts; making those from the traces is timed by itself. The loop sums the rows of the
patients drawn and computes the same 24 figures in plain numpy; it is timed on 300 resamples and scaled. Both are given
the same resamples and must agree to 1e-9. Median of five rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from noise_traces import made_traces

from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    BootstrapSettings,
    Evidence,
    FrozenThreshold,
    OperatingCurve,
    PostProcessingSettings,
    gather_evidence,
    names,
    operating_point,
    paired_differences,
    partial_area,
    sensitivity_at_optimistic,
    uncertainties,
)
from seizure_pipeline.scoring.bootstrap import draw_patients
from seizure_pipeline.scoring.resampled import figures_of
from seizure_pipeline.scoring.samples import ScoreHistogram, auroc, average_precision

ROUNDS, LOOPED = 5, 300
SETTINGS, POST, THRESHOLD = BootstrapSettings(), PostProcessingSettings(), FrozenThreshold(0.43)


def main() -> None:
    traces, others = made_traces(), made_traces(seed=7, quality=3.0)
    gather_evidence(traces[:60], POST, THRESHOLD)
    gathered_s, evidence = _timed(lambda: gather_evidence(traces, POST, THRESHOLD))
    other = gather_evidence(others, POST, THRESHOLD)
    found_s = statistics.median(_timed(lambda: uncertainties(evidence, SETTINGS))[0] for _ in range(ROUNDS))
    paired_s = statistics.median(_timed(lambda: paired_differences(evidence, other, SETTINGS))[0] for _ in range(ROUNDS))
    weights_BP = draw_patients(len(evidence.patient_ids), SETTINGS)
    loop_s, looped = _timed(lambda: [loop_figures(evidence, weights_P) for weights_P in weights_BP[:LOOPED]])
    _check(figures_of(evidence, weights_BP[:LOOPED]), looped)
    scaled_s = loop_s * SETTINGS.resamples / LOOPED
    patients, thresholds = evidence.counts.tp.shape
    print(f"{len(traces)} recordings, {patients} patients, {thresholds} thresholds, {len(looped[0])} figures")
    print(f"counts of patients from traces: {gathered_s:.2f} s")
    print(f"{SETTINGS.resamples} resamples: ours {found_s:.2f} s, paired difference of two models {paired_s:.2f} s")
    print(f"loop over resamples: {scaled_s:.1f} s by scaling from {LOOPED}; {scaled_s / found_s:.0f} times ours; same figures")


def loop_figures(evidence: Evidence, weights_P: np.ndarray) -> dict[str, float]:
    """The figures of one resample, patient by patient."""
    drawn = np.repeat(np.arange(len(weights_P)), weights_P)
    counts, frozen = evidence.counts, evidence.frozen
    seizures, hours = sum(counts.seizures[p] for p in drawn), sum(evidence.hours[p] for p in drawn)
    tp_K, fp_K = sum(counts.tp[p].astype(np.int64) for p in drawn), sum(counts.fp[p].astype(np.int64) for p in drawn)
    curve = OperatingCurve(counts.thresholds, tp_K, fp_K, int(seizures), float(hours))
    figures = {names.PARTIAL_AREA: partial_area(curve, names.PARTIAL_AREA_BUDGET_PER_24H)}
    for budget in FALSE_ALARM_BUDGETS_PER_24H:
        point = operating_point(curve, budget)
        at = (0.0, 0.0, 0.0) if point is None else (point.sensitivity, point.precision, point.f1)
        kinds = (names.sensitivity_name, names.precision_name, names.f1_name)
        figures |= {kind(budget): figure for kind, figure in zip(kinds, at, strict=True)}
        figures[names.optimistic_sensitivity_name(budget)] = sensitivity_at_optimistic(curve, budget)
    tp, fp = (sum(int(each[p, 0]) for p in drawn) for each in (frozen.tp, frozen.fp))
    sensitivity, precision = tp / seizures, tp / max(tp + fp, 1)
    f1 = 2 * sensitivity * precision / ((sensitivity + precision) or 1)
    at_frozen = {"sensitivity": sensitivity, "precision": precision, "f1": f1, "false_alarms_per_24h": fp / hours * 24}
    figures |= {names.frozen_name(name): figure for name, figure in at_frozen.items()}
    tokens = (sum(each[p] for p in drawn) for each in (evidence.seizure_tokens, evidence.background_tokens))
    histogram = ScoreHistogram(counts.thresholds[::-1], *tokens)
    figures |= {names.AUROC: auroc(histogram), names.AVERAGE_PRECISION: average_precision(histogram)}
    for name, sums in (
        (names.AUROC_PER_RECORDING, evidence.auroc),
        (names.AVERAGE_PRECISION_PER_RECORDING, evidence.average_precision),
    ):
        total, held = sum(sums[p] for p in drawn)
        figures[name] = total / held
    return figures


def _check(ours: dict[str, np.ndarray], looped: list[dict[str, float]]) -> None:
    for name, figure_B in ours.items():
        distance = np.max(np.abs(figure_B - [figures[name] for figures in looped]))
        if not distance < 1e-9:
            raise SystemExit(f"{name} differs from the loop by {distance}")


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    main()
