"""What a run prints at its end, on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

import pandas as pd
from rich.console import Console
from rich.table import Table

from seizure_pipeline.evaluation import DEV, EVAL, MODEL, best_one_feature
from seizure_pipeline.evaluation.comparison import FROZEN, ON_DEV, ON_EVAL, THRESHOLD, TRIVIAL
from seizure_pipeline.scoring import names
from seizure_pipeline.scoring.rules import RULES

REFUSALS_SHOWN = 20
ON_EVAL_TITLE = f"With the thresholds that {DEV} gave, unchanged (any overlap); the one-feature detector is {DEV}'s best"
FROZEN_HEADINGS = ("sensitivity", "found", "false alarms", "per 24 h")
WHOLE = tuple(map(names.frozen_name, ("found_seizures", "false_alarms")))
SAME = "with the same --env and --params"
WITHOUT_REPORT = f"not made by this run    (kedro run --pipelines reporting, {SAME}, makes it)"
CONTINUATIONS = (
    ("checkpoint", "evaluation", "chooses its threshold on dev and says what it is worth"),
    ("window_index", "training", "trains on it"),
    ("recordings", "windowing", "puts the accepted ones into the cache"),
)
"""What a run may end with, the pipeline that goes on from there, and what that does."""
COMPARE = "make mlflow    (or: mlflow ui --backend-store-uri sqlite:///mlflow.db --workers 1)"


class Billed(Protocol):
    """A node that ran elsewhere: what it took, and what was expected before."""

    @property
    def call(self) -> str:
        """Its name."""

    @property
    def status(self) -> str:
        """How it ended."""

    @property
    def attempts(self) -> int:
        """Attempts that it took."""

    @property
    def hours(self) -> float:
        """Hours of all attempts."""

    @property
    def usd(self) -> float:
        """US dollars of all attempts."""

    @property
    def estimated_hours(self) -> float | None:
        """Hours that were expected."""

    @property
    def estimated_usd(self) -> float | None:
        """US dollars that were expected."""

    @property
    def estimated_from(self) -> str:
        """Who expected that."""


def print_results(metrics: dict[str, Any], held_out: dict[str, Any], comparison: pd.DataFrame) -> None:
    """Print the model beside its baselines on dev and on eval, with counts and intervals.

    `metrics` are dev's, `held_out` eval's."""
    console = Console(width=120)
    _print_dev(console, metrics, comparison)
    _print_eval(console, held_out, comparison)


def print_next(folder: str, report: str | None, env: str | None) -> None:
    """Print where pictures and metrics lie, and the report, which is None where the run made none; and what to open next."""
    console = Console(width=120)
    browse = f"make viz ENV={env}    (or: kedro viz run --env {env})" if env else "make viz       (or: kedro viz run)"
    shown = (("pictures and metrics", folder), ("compare runs", COMPARE), ("browse the pipelines", browse))
    for purpose, command in (("report", report or WITHOUT_REPORT), *shown):
        console.print(f"{purpose:<22}{command}", highlight=False, soft_wrap=True)


def print_trained(record: dict[str, Any], models: str) -> None:
    """Print which epoch of a training is kept, and where."""
    kept = f"run {record['run']}, epoch {record['best_epoch']} of {record['epochs']}, in {models}/{record['folder']}"
    Console(width=120).print(f"\n{'trained':<22}{kept}", highlight=False, soft_wrap=True)


def print_continuation(made: AbstractSet[str]) -> None:
    """Print which pipeline goes on from the last of what a run made."""
    for dataset, pipeline, purpose in CONTINUATIONS:
        if dataset in made:
            command = f"kedro run --pipelines {pipeline}, {SAME}    ({purpose})"
            Console(width=120).print(f"{'next':<22}{command}", highlight=False, soft_wrap=True)
            return


def _print_dev(console: Console, metrics: dict[str, Any], comparison: pd.DataFrame) -> None:
    console.print(f"\nSplit {metrics['split']}: {_size(metrics)}; run {metrics['run']}")
    title = "Sensitivity within a budget of false alarms per 24 h (any overlap, first crossing)"
    _print_table(console, title, comparison[["detector", *ON_DEV]])
    counts = "; ".join(
        f"{budget:g} per 24 h: {metrics[names.found_seizures_name(budget)]} found, "
        f"{_alarms(metrics[names.false_alarms_name(budget)])}"
        for budget in names.FALSE_ALARM_BUDGETS_PER_24H
    )
    console.print(f"Model at {counts}")
    _print_intervals(console, metrics, (names.sensitivity_name(10.0), names.AUROC, names.AVERAGE_PRECISION))
    one = 24 / metrics["hours"]
    console.print(
        f"In {metrics['hours']:.2f} h one false alarm is {one:.1f} per 24 h: every budget below that means none at all. "
        f"Epoch and threshold were chosen on these same recordings{_and_settings(metrics['settings_tried'])}."
    )
    console.print(
        f"Optimistic rule at 10 per 24 h: {metrics[names.optimistic_sensitivity_name(10.0)]:.3f}; "
        f"AUROC pooled at {metrics['label_rate_hz']:g} Hz; {100 * metrics['seizure_time_share']:.1f} % of the time is ictal"
    )


def _print_eval(console: Console, held_out: dict[str, Any], comparison: pd.DataFrame) -> None:
    if not held_out["recordings"]:
        console.print(f"\nSplit {EVAL}: no recording. Nothing is held out, and the figures above are of recordings chosen on.")
        return
    console.print(f"\nSplit {EVAL}, held out: {_size(held_out)}")
    if not held_out["seizures"]:
        console.print("It has no seizure: no sensitivity can be told, false alarms alone.")
    _print_table(console, ON_EVAL_TITLE, _on_eval(comparison))
    found, missed, false = (held_out[names.frozen_name(n)] for n in ("found_seizures", "missed_seizures", "false_alarms"))
    console.print(f"Model: {found} found, {missed} missed, {_alarms(false)} in {held_out['hours']:.2f} h")
    frozen = map(names.frozen_name, ("sensitivity", "false_alarms_per_24h"))
    _print_intervals(console, held_out, (*frozen, names.AUROC, names.AVERAGE_PRECISION))
    if held_out["seizures"]:
        _print_other_rules(console, held_out)
        own = held_out[names.own_curve_name(names.sensitivity_name(10.0))]
        console.print(f"With a threshold chosen on {EVAL} itself, which nothing uses, it would be {own:.3f} at 10 per 24 h")


def _on_eval(comparison: pd.DataFrame) -> pd.DataFrame:
    """The model, the one-feature detector that dev makes the best, and the trivial ones, as they do on eval."""
    best = best_one_feature(comparison)
    columns = {"detector": "detector", THRESHOLD: THRESHOLD, **{f"eval_{name}": name for name in ON_EVAL}}
    return comparison[comparison["detector"].isin((MODEL, best, *TRIVIAL))][[*columns]].rename(columns=columns)


def _print_other_rules(console: Console, held_out: dict[str, Any]) -> None:
    told = "; ".join(
        f"{rule} {_cell(rule, held_out[names.frozen_name('sensitivity', rule)])}, "
        f"{held_out[names.frozen_name('false_alarms_per_24h', rule)]:.3g} per 24 h"
        for rule in RULES
        if rule != "ovlp"
    )
    if told:
        console.print(f"Sensitivity and false alarms of the same detections by other rules: {told}")


def _print_table(console: Console, title: str, rows: pd.DataFrame) -> None:
    table = Table(title=title)
    for column in rows.columns:
        table.add_column(_heading(column), justify="left" if column == "detector" else "right")
    for record in rows.to_dict(orient="records"):
        cells = [_cell(str(column), value) for column, value in record.items()]
        table.add_row(*cells, style="bold" if record["detector"] == MODEL else "")
    console.print(table)


def _print_intervals(console: Console, figures: dict[str, Any], shown: Sequence[str]) -> None:
    told = [
        f"{name} {figures[name]:.3g} ({figures[names.low_name(name)]:.3g} to {figures[names.high_name(name)]:.3g})"
        for name in shown
        if figures[names.low_name(name)] is not None
    ]
    where = f"95 % intervals over {figures['patients']} patients"
    console.print(f"{where}: {'; '.join(told) or 'none'}{_why(figures)}")


def _why(figures: dict[str, Any]) -> str:
    return f" ({figures['bootstrap_reason']})" if figures["bootstrap_reason"] else ""


def _size(figures: dict[str, Any]) -> str:
    return (
        f"{figures['seizures']} seizures in {figures['hours']:.2f} h, {figures['recordings']} recordings of "
        f"{figures['patients']} patients"
    )


def _and_settings(tried: int) -> str:
    return f", and of {tried} settings of post-processing the best" if tried > 1 else ""


def print_refusals(index: pd.DataFrame, table: str) -> None:
    """Print the refused recordings with their reasons, the first twenty and where all stand, or that there is none."""
    console = Console(width=120)
    refused = index[index["status"] == "refused"]
    console.print(f"\n{len(index) - len(refused)} recordings accepted, {len(refused)} refused", highlight=False)
    for _, row in refused.head(REFUSALS_SHOWN).iterrows():
        console.print(f"  refused ({row['split']}): {row['reason']}", highlight=False, soft_wrap=True)
    if len(refused) > REFUSALS_SHOWN:
        console.print(f"  and {len(refused) - REFUSALS_SHOWN} more, all by reason in {table}", highlight=False, soft_wrap=True)


def print_detections(table: pd.DataFrame, folder: str) -> None:
    """Print what was found in each file, and where the files of each lie."""
    console = Console(width=120)
    shown = Table(title="Detections")
    table = table.fillna("")
    table = table.loc[:, (table != "").any()]
    for column in table.columns:
        shown.add_column(column, overflow="fold")  # names are told apart by their ends
    for record in table.to_dict(orient="records"):
        shown.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in record.values()))
    console.print(shown)
    console.print(f"{'annotations, pictures':<22}{folder}", highlight=False, soft_wrap=True)


def print_bill(calls: Sequence[Billed]) -> None:
    """Print what nodes that ran elsewhere took, beside what was expected."""
    shown = Table(title="Ran elsewhere")
    for column in ("call", "status", "attempts", "hours", "expected", "USD", "expected", "expected by"):
        shown.add_column(column, justify="left" if column in ("call", "status", "expected by") else "right")
    for call in calls:
        hours = (f"{call.hours:.3f}", _expected(call.estimated_hours, "{:.3f}"))
        usd = (f"{call.usd:.2f}", _expected(call.estimated_usd, "{:.2f}"))
        shown.add_row(call.call, call.status, str(call.attempts), *hours, *usd, call.estimated_from or "-")
    if len(calls) > 1:
        shown.add_row("all", "", "", f"{sum(call.hours for call in calls):.3f}", "", f"{sum(call.usd for call in calls):.2f}")
    Console(width=160).print(shown)


def _alarms(count: int) -> str:
    return f"{count} false alarm{'' if count == 1 else 's'}"


def _expected(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _heading(column: str) -> str:
    budgets = {names.sensitivity_name(budget): f"{budget:g} FA" for budget in names.FALSE_ALARM_BUDGETS_PER_24H}
    return {**budgets, **dict(zip(FROZEN, FROZEN_HEADINGS, strict=True))}.get(column, column)


def _cell(column: str, value: Any) -> str:
    if column == "detector":
        return str(value)
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.0f}" if column in WHOLE else f"{value:.3f}"
