"""What a run prints at its end, on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd
from rich.console import Console
from rich.table import Table

from seizure_pipeline.scoring import names

REFUSALS_SHOWN = 20
NEXT = (
    ("compare runs", "make mlflow    (or: mlflow ui --backend-store-uri sqlite:///mlflow.db --workers 1)"),
    ("browse the pipelines", "make viz       (or: kedro viz run)"),
)


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


def print_results(metrics: dict[str, Any], comparison: pd.DataFrame, folder: str) -> None:
    """Print the model beside its baselines, with the counts behind the figures; pictures lie in `folder`."""
    console = Console(width=120)
    console.print(
        f"\nSplit {metrics['split']}: {metrics['seizures']} seizures in {metrics['hours']:.2f} h, "
        f"{metrics['recordings']} recordings of {metrics['patients']} patients; run {metrics['run']}"
    )
    table = Table(title="Sensitivity within a budget of false alarms per 24 h (any overlap, first crossing)")
    for column in comparison.columns:
        table.add_column(_heading(column), justify="left" if column == "detector" else "right")
    for record in comparison.to_dict(orient="records"):
        cells = [_cell(str(column), value) for column, value in record.items()]
        table.add_row(*cells, style="bold" if record["detector"] == "model" else "")
    console.print(table)
    counts = "; ".join(
        f"{budget:g} per 24 h: {metrics[names.found_seizures_name(budget)]} found, "
        f"{metrics[names.false_alarms_name(budget)]} false alarms"
        for budget in names.FALSE_ALARM_BUDGETS_PER_24H
    )
    console.print(f"Model at {counts}")
    one = 24 / metrics["hours"]
    console.print(
        f"In {metrics['hours']:.2f} h one false alarm is {one:.1f} per 24 h: every budget below that means none at all. "
        f"Epoch and threshold were chosen on these same recordings."
    )
    console.print(
        f"Optimistic rule at 10 per 24 h: {metrics[names.optimistic_sensitivity_name(10.0)]:.3f}; "
        f"AUROC pooled at {metrics['label_rate_hz']:g} Hz; {100 * metrics['seizure_time_share']:.1f} % of the time is ictal"
    )
    for purpose, command in (("pictures and metrics", folder), *NEXT):
        console.print(f"{purpose:<22}{command}", highlight=False)


def print_refusals(index: pd.DataFrame, table: str) -> None:
    """Print the refused recordings with their reasons, the first twenty and where all stand, or that there is none."""
    console = Console(width=120)
    refused = index[index["status"] == "refused"]
    console.print(f"\n{len(index) - len(refused)} recordings accepted, {len(refused)} refused", highlight=False)
    for _, row in refused.head(REFUSALS_SHOWN).iterrows():
        console.print(f"  refused ({row['split']}): {row['reason']}", highlight=False, soft_wrap=True)
    if len(refused) > REFUSALS_SHOWN:
        console.print(f"  and {len(refused) - REFUSALS_SHOWN} more, all by reason in {table}", highlight=False, soft_wrap=True)


def print_detections(table: pd.DataFrame) -> None:
    """Print what was found in each file."""
    console = Console(width=120)
    shown = Table(title="Detections")
    table = table.fillna("")
    for column in table.columns:
        shown.add_column(column)
    for record in table.to_dict(orient="records"):
        shown.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in record.values()))
    console.print(shown)


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


def _expected(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _heading(column: str) -> str:
    budgets = {names.sensitivity_name(budget): f"{budget:g} FA" for budget in names.FALSE_ALARM_BUDGETS_PER_24H}
    return budgets.get(column, column)


def _cell(column: str, value: Any) -> str:
    if column == "detector":
        return str(value)
    return "-" if value is None or pd.isna(value) else f"{value:.3f}"
