"""`kedro doctor`: what of this machine an environment needs, what is there, and what each thing that is missing costs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from seizure_pipeline.commands.cache import wanted_chain
from seizure_pipeline.commands.findings import Finding, Needs
from seizure_pipeline.commands.machine import GIB, disk, git, gpu, memory, memory_bytes, packages, python
from seizure_pipeline.commands.reach import NOT_RECORDED, Question, SeenCorpus, corpus, mlflow_store, unreached

WIDTH = 132
COLOURS = {"ok": "green", "absent": "yellow", "missing": "red"}
SECTIONS = ("parameters", "globals", "runner", "mlflow", "catalog", "credentials")
"""Of the configuration, that `Needs` holds."""


def print_findings(needs: Needs, env: str | None) -> bool:
    """Print what is found, and whether all that environment `env` needs is there."""
    findings = list(examine(needs))
    table = Table(title=f"This machine, for environment {env or 'base'}", title_justify="left")
    for name in ("", "state", "found", "what it costs"):
        table.add_column(name)
    for each in findings:
        colour = COLOURS[each.state]
        table.add_row(each.subject, f"[{colour}]{each.state}[/{colour}]", _plain(each.found), _plain(each.cost))
    Console(width=WIDTH, highlight=False).print(table)
    if unasked := needs.unasked:
        click.echo(f"not looked at, since this environment does without: {', '.join(unasked)}")
    missing = [each.subject for each in findings if each.state == "missing"]
    click.echo(f"missing: {', '.join(missing)}" if missing else "nothing is missing that this environment needs")
    return not missing


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def examine(needs: Needs) -> Iterator[Finding]:
    """Everything that is looked for, in the order of a first day; what may be far is asked first, side by side."""
    asked = Question(lambda: corpus(needs))
    store = Question(lambda: mlflow_store(needs.configuration["mlflow"], needs.project))
    yield python(sys.version_info[:3])
    yield packages()
    yield (settings := parameters(needs.configuration))
    yield memory(memory_bytes() / GIB, len(os.sched_getaffinity(0)))
    seen = asked.answer(unreached(needs))
    yield disk(needs.data_root, *(_cache(needs, seen) if settings.state == "ok" else (None, 0.0)))
    if needs.cuda_by:
        yield from gpu(needs.cuda_by)
    yield store.answer(Finding("MLflow", "missing", "no answer; is there no network?", NOT_RECORDED))
    if needs.sends_to_modal:
        yield modal_token()
    yield seen.finding
    yield git()


def _cache(needs: Needs, seen: SeenCorpus) -> tuple[float | None, float]:
    """Hours of EEG that the cache below data_root is to hold, where that is known, and the GiB that it holds already."""
    from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings

    parameters = needs.configuration["parameters"]
    if needs.sends_to_modal:
        return 0.0, 0.0
    chain = needs.path_of(needs.configuration["catalog"]["window_cache"]["filepath"]) / wanted_chain(parameters)
    cached_gib = sum(file.stat().st_size for file in chain.rglob("*.npz")) / GIB
    if seen.finding.state == "absent":
        return SyntheticSettings(**parameters["synthetic"]).expected_hours, cached_gib
    return Question(seen.hours).answer(None), cached_gib


def parameters(configuration: Mapping[str, Any]) -> Finding:
    """Whether conf/ holds settings that the code knows, with values that are possible."""
    from seizure_pipeline.hooks import ParameterError, check_mlflow, check_parameters, check_places

    try:
        check_parameters(configuration["parameters"])
        check_places(configuration["globals"])
        check_mlflow(configuration["mlflow"])
    except ParameterError as error:
        return Finding("settings", "missing", str(error), "every run of this environment stops before its first node")
    return Finding("settings", "ok", f"{len(configuration['parameters'])} sections of parameters, all known")


def modal_token() -> Finding:
    """Whether Modal's client has a token; which one is not said."""
    from seizure_pipeline.remote.modal.token import has_token

    if has_token():
        return Finding("Modal token", "ok", "there is one; whether Modal takes it is asked before each run")
    cost = "nothing runs with --env modal or modal_smoke: make an account, then `modal token new`"
    return Finding("Modal token", "missing", "none", cost)
