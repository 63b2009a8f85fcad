"""How a call stands: what its provider says of it now, what it took so far, and what the user can do about it."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from seizure_pipeline.remote.backend import Backend, EndedWithoutAWord
from seizure_pipeline.remote.far.call_folder import SPENT, Spent
from seizure_pipeline.remote.files.ownership import content_of
from seizure_pipeline.remote.journal import Call

UNCONFIRMED_S = 7200.0  # time to build an image, to wait for a machine and to start on it


def attach_command(call: Call) -> str:
    """The command that follows a call, or fetches what it made."""
    return f"`kedro remote attach {call.call}{_where(call)}`"


def how_to_come_back(call: Call) -> str:
    """What the user can do about a node that runs on, or may."""
    stop = f"`kedro remote stop {call.call}{_where(call)}` stops it"
    if call.call_id is None:
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(call.started_s + UNCONFIRMED_S))
        unconfirmed = f"It may run as call {call.call}, whose start was never confirmed, and counts as running until {until}"
        return f"{unconfirmed}; once it began, {attach_command(call)} follows it; {stop}"
    follow = f"{attach_command(call)} follows it, brings its results home and runs what is left"
    return f"It runs on as call {call.call}; {follow}; {stop}"


def settled(backend: Backend, call: Call) -> Call | None:
    """A call that had not ended when it was last heard of, as it ended since; None while it runs, or may.

    Raises RemoteError where its provider does not say: that is no end."""
    try:
        known = call.call_id or backend.find(call.request)
        outcome = backend.outcome(known, call.request) if known else None
    except EndedWithoutAWord:
        return replace(call, status="lost")
    if outcome is not None:
        return replace(call, status=outcome.status, attempts=outcome.attempts, hours=outcome.hours, usd=outcome.usd)
    return None if known or time.time() < call.started_s + UNCONFIRMED_S else replace(call, status="lost")


def with_spent(backend: Backend, call: Call) -> Call | None:
    """A call that runs with what it took up to now; None where its folder does not say."""
    content = content_of(backend, f"{call.request.folder}/{SPENT}")
    if content is None:
        return None
    spent = Spent(**json.loads(content))
    return replace(call, attempts=spent.attempts, hours=spent.hours, usd=spent.usd)


def _where(call: Call) -> str:
    env = f" --env {call.env}" if call.env else ""
    data_root = call.params.get("data_root")
    return f"{env} --params data_root={data_root}" if data_root else env
