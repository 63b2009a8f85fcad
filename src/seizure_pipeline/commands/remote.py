"""`kedro remote`: what the journal knows of nodes that run elsewhere, and what their provider says of them now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.call.standing import attach_command, settled, with_spent
from seizure_pipeline.remote.journal import UNFINISHED, Call, Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.runner import backend_of, checked_settings, journal_of, settings_of
from seizure_pipeline.remote.settings import RemoteSettings
from seizure_pipeline.summary import print_bill


@dataclass(frozen=True, slots=True)
class Desk:
    """The journal of an environment's data folder; each call is asked after as it was sent, by the settings in the journal."""

    journal: Journal
    project: Path
    backend_for: Callable[[RemoteSettings, Path], Backend] = backend_of

    @classmethod
    def of(cls, runner: dict[str, Any], project: Path, data_root: Path) -> Desk:
        """From the settings in runner.yml; RemoteError where they send nothing elsewhere."""
        kind = runner.pop("type")
        if "backend" not in runner:
            raise RemoteError(f"the runner of this environment is {kind}, which sends nothing elsewhere; give --env")
        return cls(journal_of(checked_settings(runner, project), data_root), project)

    def backend(self, call: Call) -> Backend:
        """What carried a call, as it did."""
        return self.backend_for(settings_of(call, self.project), self.project)

    def patience(self, call: Call, advice: str = "") -> Patience:
        """How long to ask a call's provider."""
        return Patience(settings_of(call, self.project).patience_s, advice)


def list_calls(desk: Desk) -> None:
    """Print a line for every call, the newest last."""
    calls = desk.journal.calls()
    for each in calls:
        call = _now(desk, each)
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(call.started_s))
        spent = f"{call.hours:8.3f} h {call.usd:8.2f} USD"
        click.echo(f"{call.call:<40} {started}  {call.backend:<10} {spent}  {call.status}")
    if not calls:
        click.echo("nothing was sent elsewhere from here yet")


def print_logs(desk: Desk, name: str, follow: bool) -> None:
    """Print the lines of a call's machine."""
    call = desk.journal.find(name)
    backend = desk.backend(call)
    call_id = call.call_id or desk.patience(call).asking(lambda: backend.find(call.request))
    if call_id is None:
        raise RemoteError(f"call {call.call} was never confirmed to have started, and nothing of it has begun")
    for line in backend.logs(call_id, call.request, follow):
        click.echo(line)


def stop_call(desk: Desk, name: str) -> None:
    """Ask a call to end, unless its outcome is known: a machine that may run costs money."""
    call = desk.journal.find(name)
    if (ended := _outcome_known(desk, call)) is not None:
        click.echo(f"{call.call} ended already: {ended}")
        return
    advice = f"{call.call} was perhaps not asked to stop, and may run on; try again, or stop it at {call.backend}"
    backend = desk.backend(call)
    desk.patience(call, advice).asking(lambda: backend.stop(call.call_id or "", call.request))
    click.echo(f"{call.call} is asked to save what it has and to end; the same `kedro run` continues there")


def print_cost(desk: Desk, name: str | None) -> None:
    """Print the bill of one call or of all."""
    calls: Sequence[Call] = desk.journal.calls() if name is None else [desk.journal.find(name)]
    print_bill([_now(desk, call) for call in calls])


def _outcome_known(desk: Desk, call: Call) -> str | None:
    """How a call ended by its own word; None where it runs, where nobody says, and where it was only given up."""
    status = call.status
    if status in UNFINISHED:
        try:
            ended = settled(desk.backend(call), call)
        except RemoteError:
            return None
        status = "running" if ended is None else ended.status
    return None if status in {"running", "lost"} else status


def _now(desk: Desk, call: Call) -> Call:
    """A call with what its provider says now, in words as its status; as of when it was last heard of, where that is all."""
    if call.status not in UNFINISHED:
        return call
    unconfirmed = "" if call.call_id else ", not confirmed to have started"
    try:
        backend = desk.backend(call)
        ended = settled(backend, call)
        if ended is not None:
            fetch = f", not brought home: {attach_command(call)} does that" if ended.status == "finished" else ""
            return replace(ended, status=f"{ended.status}{unconfirmed}{fetch}")
        running = with_spent(backend, call)
        if running is not None:
            return replace(running, status=f"running{unconfirmed}")
        return replace(call, status=f"{call.status}{unconfirmed}, {_as_of(desk, call)}")
    except RemoteError as error:
        return replace(call, status=f"not known, {_as_of(desk, call)}: {error}")


def _as_of(desk: Desk, call: Call) -> str:
    return time.strftime("as of %Y-%m-%d %H:%M", time.localtime(desk.journal.written_s(call.call)))
