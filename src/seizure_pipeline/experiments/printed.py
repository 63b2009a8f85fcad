"""What a run of experiments prints, on standard output, and how it says which of them did not finish."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from seizure_pipeline.experiments.comparison import BASELINE, COLLAPSED, FIGURES, NO_THRESHOLD
from seizure_pipeline.experiments.results import FINISHED, LOG, RUNS_ON
from seizure_pipeline.experiments.settings import ExperimentsSettings
from seizure_pipeline.scoring import sensitivity_name

WIDTH = 150
HEADINGS = {sensitivity_name(10.0): "10 FA"}
LONGEST_REASON = 200
LISTED, LIST = 3, re.compile(r"\[('[^\]]*')\]")
MEANINGS = {
    COLLAPSED: "finds one class alone, or both no better than the majority baseline",
    NO_THRESHOLD: "tells the classes apart, but at no threshold with so few false alarms; it would detect nothing",
}


def print_table(table: pd.DataFrame, picture: str, folder: str) -> None:
    """Print `compare`'s table, why some did not finish, and where the picture and the logs lie."""
    shown = Table(title="Experiments on split dev: sensitivity at 10 false alarms per 24 h, recall of tokens at that threshold")
    for column in ("experiment", "status", *FIGURES, "seizures", "hours", "usd"):
        title = HEADINGS.get(column, column.replace("_", " "))
        shown.add_column(title, justify="left" if column in ("experiment", "status") else "right")
    rows = _rows(table)
    for row in rows:
        status = ", ".join(row[name] for name in ("status", "mark") if row[name])
        numbers = [*(_cell(row[name], "{:.3f}") for name in FIGURES), _cell(row["seizures"], "{:.0f}")]
        shown.add_row(row["experiment"], status, *numbers, _cell(row["hours"], "{:.3f}"), _cell(row["usd"], "{:.2f}"))
    console = Console(width=WIDTH)
    console.print(shown)
    for row in rows:
        for told in filter(None, (row["overrides"], _few(row["error"] or ""))):
            console.print(f"{row['experiment']}: {told}", highlight=False, soft_wrap=True, markup=False)
    for name, meaning in MEANINGS.items():
        if any(row["mark"] == name for row in rows):
            console.print(f"{name}: {meaning}", highlight=False, soft_wrap=True)
    console.print(f"picture: {picture}", highlight=False, soft_wrap=True)
    console.print(f"logs: {folder}/NAME/{LOG}", highlight=False, soft_wrap=True)


def print_plan(settings: ExperimentsSettings, expected_usd: Mapping[str, float | None], at_once: int) -> None:
    """Print the experiments that would run, what each overrides, and what its far nodes are expected to cost."""
    shown = Table(title=f"Experiments, {at_once} at once; nothing was sent")
    for column in ("experiment", "preset", "overrides", "expected usd"):
        shown.add_column(column, justify="right" if column == "expected usd" else "left")
    for name, overrides in settings.chosen().items():
        changes = "\n".join(f"{key}={value}" for key, value in overrides.items()) or "nothing"
        shown.add_row(name, settings.preset_of(name), changes, _cell(expected_usd[name], "{:,.2f}"))
    console = Console(width=WIDTH, highlight=False)
    console.print(shown)
    known = [usd for usd in expected_usd.values() if usd is not None]
    unknown = (
        f", {len(expected_usd) - len(known)} of them at a price that nobody tells" if len(known) < len(expected_usd) else ""
    )
    budget = "none is set" if settings.budget_usd is None else f"${settings.budget_usd:,.2f}"
    console.print(f"In all: ${sum(known):,.2f}{unknown}; experiments.budget_usd: {budget}")


def unfinished(table: pd.DataFrame, is_detached: bool) -> str:
    """One line that names the experiments of `compare`'s table that did not finish, each with its reason; empty without any.

    Of those whose command detached, the ones that run on are well."""
    rows = [row for row in _rows(table) if row["experiment"] != BASELINE]
    well = {FINISHED, RUNS_ON} if is_detached else {FINISHED}
    left = [f"{row['experiment']} ({row['status']}: {_short(_few(row['error']))})" for row in rows if row["status"] not in well]
    if not left:
        return ""
    return (
        f"{len(left)} of {len(rows)} did not finish: {'; '.join(left)}. Table and picture are written; the same command keeps "
        f"what finished and goes on with the rest"
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    whole = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in whole.to_dict(orient="records")]


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _few(reason: str) -> str:
    """A reason whose lists of recordings are cut to three and a count; `result.json` keeps the whole."""

    def cut(found: re.Match[str]) -> str:
        names = found[1].split(", ")
        left = len(names) - LISTED
        return f"[{', '.join(names[:LISTED])} and {left} more]" if left > 0 else found[0]

    return LIST.sub(cut, reason)


def _short(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"
