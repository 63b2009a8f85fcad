"""`kedro remote`: what the journal knows of nodes that run elsewhere, and what their provider says of them now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from seizure_pipeline.remote.backend import Backend, LostContact, RemoteError
from seizure_pipeline.remote.errand import how_to_come_back, settled
from seizure_pipeline.remote.journal import UNFINISHED, Call, Journal
from seizure_pipeline.remote.runner import backend_of, checked_settings, journal_of
from seizure_pipeline.summary import print_bill


@dataclass(frozen=True, slots=True)
class Desk:
    """The journal of an environment's data folder and the provider that its runner.yml names."""

    journal: Journal
    backend: Backend

    @classmethod
    def of(cls, runner: dict[str, Any], project: Path, data_root: Path) -> Desk:
        """From the settings in runner.yml; RemoteError where they send nothing elsewhere."""
        kind = runner.pop("type")
        if "backend" not in runner:
            raise RemoteError(f"the runner of this environment is {kind}, which sends nothing elsewhere; give --env")
        settings = checked_settings(runner, project)
        return cls(journal_of(settings, data_root), backend_of(settings, project))


def list_calls(desk: Desk) -> None:
    """Print a line for every call, the newest last."""
    calls = desk.journal.calls()
    for call in calls:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(call.started_s))
        spent = f"{call.hours:8.3f} h {call.usd:8.2f} USD"
        click.echo(f"{call.call:<40} {started}  {call.backend:<10} {spent}  {_state(desk, call)}")
    if not calls:
        click.echo("nothing was sent elsewhere from here yet")


def print_logs(desk: Desk, name: str, follow: bool) -> None:
    """Print the lines of a call's machine."""
    call = desk.journal.find(name)
    for line in desk.backend.logs(_id(call), call.request, follow):
        click.echo(line)


def stop_call(desk: Desk, name: str) -> None:
    """Ask a call to end, unless it has."""
    call = desk.journal.find(name)
    if call.status not in UNFINISHED or (call.call_id is not None and settled(desk.backend, call) is not None):
        click.echo(f"{call.call} ended already: {_state(desk, call)}")
        return
    desk.backend.stop(_id(call), call.request)
    click.echo(f"{call.call} is asked to save what it has and to end; the same `kedro run` continues there")


def print_cost(desk: Desk, name: str | None) -> None:
    """Print the bill of one call or of all."""
    calls: Sequence[Call] = desk.journal.calls() if name is None else [desk.journal.find(name)]
    print_bill([_now(desk, call) or call for call in calls])


def _id(call: Call) -> str:
    if call.call_id is None:
        raise RemoteError(f"call {call.call} was never confirmed to have started")
    return call.call_id


def _now(desk: Desk, call: Call) -> Call | None:
    """A call that was running when it was last heard of, if it ended since."""
    if call.status not in UNFINISHED or call.call_id is None:
        return None
    try:
        return settled(desk.backend, call)
    except LostContact:
        return None


def _state(desk: Desk, call: Call) -> str:
    if call.status not in UNFINISHED:
        return call.status
    if call.call_id is None:
        return "not confirmed to have started"
    try:
        ended = settled(desk.backend, call)
    except LostContact as error:
        return f"not known: {error}"
    if ended is None:
        return "running"
    return f"{ended.status}, not brought home: {how_to_come_back(call)}" if ended.status == "finished" else ended.status
