"""The model beside its baselines, each with its threshold chosen on dev and applied to eval as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from seizure_pipeline.evaluation.held_out import frozen_figures
from seizure_pipeline.evaluation.operating import post_processing_of
from seizure_pipeline.evaluation.traces import DEV, EVAL, MODEL
from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    PostProcessingSettings,
    Summary,
    Trace,
    detected,
    names,
    operating_curve,
    operating_point,
    score,
    summarise,
)
from seizure_pipeline.scoring.samples import auroc, average_precision, score_histogram

THRESHOLD = "threshold"
TRIVIAL = CHANCE, NEVER, ALWAYS = "chance by duration", "never", "always"
ON_DEV = (names.AUROC, names.AVERAGE_PRECISION, *map(names.sensitivity_name, FALSE_ALARM_BUDGETS_PER_24H))
FROZEN = tuple(map(names.frozen_name, ("sensitivity", "found_seizures", "false_alarms", "false_alarms_per_24h")))
ON_EVAL = (names.AUROC, names.AVERAGE_PRECISION, *FROZEN)
COLUMNS = ("detector", *ON_DEV, THRESHOLD, *(f"eval_{name}" for name in ON_EVAL))

Traces = Mapping[str, Sequence[Trace]]


def comparison(
    metrics: Summary, held_out: Mapping[str, Any], point: Mapping[str, Any], baselines: Mapping[str, Traces]
) -> pd.DataFrame:
    """A row (COLUMNS) for the model, each one-feature detector and the trivial ones, by the same rules.

    `metrics` are dev's, `held_out` eval's, and `baselines` the traces of each split by detector.

    Columns without prefix are of dev; `eval_*` are empty where there is nothing held out. `threshold` is what dev gives for
    the operating budget, post-processed as the model's traces are."""
    budget, settings = point["budget_per_24h"], post_processing_of(point)
    rows = [_row(MODEL, metrics, point["threshold"], held_out)]
    for name, traces in baselines[DEV].items():
        curve = operating_curve(traces, settings)
        chosen = operating_point(curve, budget)
        threshold = None if chosen is None else chosen.threshold
        frozen = _frozen(baselines[EVAL][name], threshold, settings) if name in baselines[EVAL] else {}
        rows.append(_row(name, summarise(traces, curve, settings), threshold, frozen))
    return pd.DataFrame([*rows, *_trivial_rows(metrics, held_out)], columns=list(COLUMNS))


def best_one_feature(table: pd.DataFrame) -> str:
    """The name of the one-feature detector that finds most within the budgets on dev, the widest first, then by AUROC."""
    one_feature = table[~table["detector"].isin((MODEL, *TRIVIAL))]
    order = [*map(names.sensitivity_name, FALSE_ALARM_BUDGETS_PER_24H), names.AUROC]
    return str(one_feature.sort_values(order, ascending=False, kind="stable")["detector"].iloc[0])


def _row(detector: str, on_dev: Mapping[str, Any], threshold: float | None, on_eval: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "detector": detector,
        **{name: on_dev[name] for name in ON_DEV},
        THRESHOLD: threshold,
        **{f"eval_{name}": on_eval.get(name) for name in ON_EVAL},
    }


def _frozen(traces: Sequence[Trace], threshold: float | None, settings: PostProcessingSettings) -> dict[str, Any]:
    histogram = score_histogram(traces)
    over_tokens = {names.AUROC: auroc(histogram), names.AVERAGE_PRECISION: average_precision(histogram)}
    return over_tokens | frozen_figures(score(detected(traces, threshold, settings)))


def _trivial_rows(metrics: Summary, held_out: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Random alarms, silence and one endless alarm; on eval random alarms come as often as the model's."""
    undecided = _undecided(metrics)
    undecided_on_eval = _undecided(held_out) if held_out.get("seizures") else {}
    sensitivity, rate = names.frozen_name("sensitivity"), names.frozen_name("false_alarms_per_24h")
    chance = {names.sensitivity_name(b): metrics[names.chance_sensitivity_name(b)] for b in FALSE_ALARM_BUDGETS_PER_24H}
    chance_on_eval = {sensitivity: held_out.get(names.frozen_name("chance_sensitivity"))}
    rows = [_row(CHANCE, undecided | chance, None, undecided_on_eval | chance_on_eval)]
    for name in (NEVER, ALWAYS):
        on_eval = {sensitivity: held_out.get(f"{name}_sensitivity"), rate: held_out.get(f"{name}_false_alarms_per_24h")}
        rows.append(_row(name, undecided | _within_budgets(metrics, name), None, undecided_on_eval | on_eval))
    return rows


def _undecided(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Figures over tokens of a detector that gives all the same score."""
    return {names.AUROC: 0.5, names.AVERAGE_PRECISION: summary["seizure_time_share"]}


def _within_budgets(summary: Summary, name: str) -> dict[str, float]:
    """Sensitivity of a detector with one operating point, at each budget that this point meets."""
    rate, sensitivity = (float(summary[f"{name}_{what}"] or 0) for what in ("false_alarms_per_24h", "sensitivity"))
    return {names.sensitivity_name(b): sensitivity if rate <= b else 0.0 for b in FALSE_ALARM_BUDGETS_PER_24H}
