"""An exception that was raised over there, raised here: as itself where its class is ours, by its name where it is not."""

from __future__ import annotations

import importlib

from seizure_pipeline.announcements import Stopped
from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.journal import Call
from seizure_pipeline.remote.records import Failure, Outcome

PACKAGE = __name__.partition(".")[0]


def error_of(outcome: Outcome, call: Call) -> Exception:
    """What to raise for a call that did not finish."""
    if outcome.status == "stopped":
        return Stopped(f"node {call.node} was stopped over there; what it had is saved, and the same command continues there")
    if outcome.status == "over_budget":
        budget_usd = call.spent_before_usd + (call.request.budget_usd or 0.0)
        return RemoteError(
            f"node {call.node} was stopped with a checkpoint after {outcome.hours:.2f} h: all calls with these inputs took "
            f"{call.spent_before_usd + outcome.usd:.2f} USD of budget_usd {budget_usd:g}; raise budget_usd, then the same "
            f"command continues there"
        )
    if outcome.failure is None:
        return RemoteError(f"node {call.node} failed over there and does not say how; see: kedro remote logs {call.call}")
    return raised_here(outcome.failure, call.node)


def raised_here(failure: Failure, node: str) -> Exception:
    """The far exception with its traceback as a note; nothing of it is executed but a class of this package, by its name."""
    kind = _our_exception(failure.kind)
    error: Exception | None = None
    if kind is not None:
        try:
            error = kind(failure.message)
        except TypeError:  # a class that is not made from its message
            error = None
    if error is None:
        error = RemoteError(f"node {node} failed over there with {failure.kind}: {failure.message}")
    error.add_note(f"over there:\n{failure.traceback}")
    return error


def _our_exception(kind: str) -> type[Exception] | None:
    module, _, name = kind.rpartition(".")
    if module.partition(".")[0] != PACKAGE:
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    is_ours = isinstance(found, type) and issubclass(found, Exception) and found.__module__ == module
    return found if is_ours else None
