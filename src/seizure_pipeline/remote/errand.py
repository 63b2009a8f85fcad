"""One node's way to another machine and back: carry, start, write down, follow, bring home."""

from __future__ import annotations

import inspect
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from seizure_pipeline import tracking
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.remote import cost
from seizure_pipeline.remote.backend import Backend, Detached, LostContact, OutOfReach, RemoteError
from seizure_pipeline.remote.context import RunContext, remember, source_fingerprint
from seizure_pipeline.remote.failures import error_of
from seizure_pipeline.remote.following import Follower
from seizure_pipeline.remote.journal import UNFINISHED, Call, Journal, new_name
from seizure_pipeline.remote.machine import python_version
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Outcome, Request
from seizure_pipeline.remote.settings import RemoteSettings
from seizure_pipeline.remote.staging import Staging
from seizure_pipeline.remote.travel import Catalog, Dataset, Leaving
from seizure_pipeline.runner import made_from

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What all errands of a run share."""

    settings: RemoteSettings
    context: RunContext
    backend: Backend
    journal: Journal

    def staging(self, advice: str = "") -> Staging:
        """What moves files, patiently."""
        return Staging(self.backend, self.settings, self.context.data_root, self.patience(advice))

    def patience(self, advice: str) -> Patience:
        """How long a provider that does not answer is asked again."""
        return Patience(self.settings.patience_s, advice)


class Errand:
    """Has a node run elsewhere; `left` are the nodes that had not run before it, itself first."""

    def __init__(self, office: Office, leaving: Leaving, catalog: Catalog, run_id: str, left: Sequence[str]) -> None:
        self._office, self._leaving, self._catalog = office, leaving, catalog
        self._run_id, self._left = run_id, tuple(left)

    def outputs(self) -> list[Any]:
        """Run the node, or keep what it made, and return its outputs in their order; all of them are here then."""
        self._inputs = made_from(self._leaving.node.inputs, self._catalog)
        attached = self._office.settings.attach
        kept = None if attached else self._kept()
        if attached and self._left[0] == self._office.journal.find(attached).node:
            self._go_on(self._office.journal.find(attached))
        elif kept is not None:
            log.info("%s: unchanged since call %s finished; nothing is sent", self._leaving.name, kept.call)
            _report(kept)
        else:
            self._send()
        return [_loaded(dataset, self._catalog) for dataset in self._leaving.datasets if dataset.is_output]

    def _kept(self) -> Call | None:
        """The last finished call of this node, if it had the inputs of now and its outputs still are here."""
        name = self._leaving.name
        calls = [call for call in self._office.journal.calls() if call.node == name and call.status == "finished"]
        if name not in self._office.settings.kept or not calls or calls[-1].inputs != self._inputs:
            return None
        root = self._office.context.data_root
        whole = all(_size(root / path) == size for path, size in calls[-1].brought.items())
        return calls[-1] if whole and calls[-1].outputs == self._made() else None

    def _made(self) -> str:
        return made_from(self._leaving.node.outputs, self._catalog)

    def _send(self) -> None:
        self._refuse_a_second()
        staging = self._office.staging()
        carried = staging.carry([dataset for dataset in self._leaving.of_kind("file") if not dataset.is_output])
        staging.forget([dataset for dataset in self._leaving.of_kind("file") if dataset.is_output])
        call = self._prepared()
        journal = self._office.journal
        with journal.held(call.call):
            journal.write(call)
            call = self._started(call)
            log.info("%s runs elsewhere as call %s (%s carried there)", call.node, call.call, ", ".join(carried) or "nothing")
            if self._office.settings.detach:
                raise Detached(how_to_come_back(call))
            self._follow(call)

    def _refuse_a_second(self) -> None:
        """Two far processes in one folder would overwrite each other's work."""
        name, far_root = self._leaving.name, self._office.settings.far_root
        for call in self._office.journal.calls():
            if (call.node, call.request.far_root) == (name, far_root) and call.status in UNFINISHED and call.call_id:
                ended = self._office.patience("").asking(partial(settled, self._office.backend, call))
                if ended is None:
                    raise RemoteError(f"node {name} already runs over there. {how_to_come_back(call)}")
                self._office.journal.write(ended)

    def _prepared(self) -> Call:
        """The call as it will be asked for, with what it is expected to cost."""
        settings, machine = self._office.settings, self._leaving.machine
        rates = cost.rates_of(self._office.backend, settings)
        priced = rates is not None and not cost.unpriced_gpus(machine, rates)
        request = self._request(cost.usd_per_hour(machine, rates) if rates is not None and priced else 0.0)
        finished = self._office.journal.calls()
        expected = cost.estimate(request.node, request.env, request.params, machine, settings, rates, finished)
        return Call(
            request=request,
            backend=settings.backend,
            app=settings.app,
            started_s=time.time(),
            inputs=self._inputs,
            settings=fingerprint(settings),
            left=self._left,
            mlflow_run=tracking.open_run(),
            estimated_hours=None if expected is None else expected.hours,
            estimated_usd=None if expected is None else expected.usd,
            estimated_from="" if expected is None else expected.source,
        )

    def _request(self, usd_per_hour: float) -> Request:
        settings, context, machine = self._office.settings, self._office.context, self._leaving.machine
        return Request(
            call=new_name(self._leaving.name),
            node=self._leaving.name,
            env=context.env,
            pipelines=context.pipelines,
            params=context.params,
            run_id=self._run_id,
            far_root=settings.far_root,
            code=source_fingerprint(context.project),
            python=python_version(),
            attempts=cost.attempts_allowed(machine),
            timeout_s=machine.timeout_s,
            grace_s=machine.grace_s,
            usd_per_hour=usd_per_hour,
            budget_usd=settings.budget_usd,
            secret_keys=tuple(key for secret in settings.secrets for key in secret.keys),
        )

    def _started(self, call: Call) -> Call:
        journal, backend = self._office.journal, self._office.backend
        try:
            call_id = backend.start(call.request, self._leaving.machine)
        except RemoteError:
            journal.write(replace(call, status="lost"))
            raise
        call = replace(call, call_id=call_id, status="running")
        journal.write(call)
        return call

    def _go_on(self, call: Call) -> None:
        """Follow a call of an earlier process, which this one holds, from where that left it."""
        if call.call_id is None:
            raise RemoteError(f"call {call.call} was never confirmed to have started; run the pipeline again")
        log.info("%s: followed from event %d on", call.call, call.last_event + 1)
        _report(call)
        self._follow(replace(call, mlflow_run=tracking.open_run() or call.mlflow_run))

    def _follow(self, call: Call) -> None:
        advice = f"The far node is not touched by that. {how_to_come_back(call)}"
        follower = Follower(self._office.backend, self._office.journal, call, self._office.patience(advice))
        outcome = self._attended(follower)
        follower.settle(outcome)
        if outcome.status != "finished":
            remember(follower.call)
            raise error_of(outcome, follower.call)
        brought = self._office.staging(advice).bring_home(self._leaving.datasets)
        remember(follower.become(outputs=self._made(), brought=brought))

    def _attended(self, follower: Follower) -> Outcome:
        """Follow; Ctrl-C asks whether to leave the node alone or to stop it, and a second one stops it."""
        call = follower.call
        try:
            with _lost(follower):
                return follower.follow()
        except KeyboardInterrupt:
            if not _wants_stop(call):
                raise Detached(how_to_come_back(call)) from None
        except SystemExit:
            log.warning("%s", how_to_come_back(call))
            raise
        log.warning("%s is asked to save and stop; Ctrl-C once more leaves it to that", call.call)
        try:
            with _lost(follower):
                self._office.backend.stop(call.call_id or "", call.request)
                return follower.follow()
        except KeyboardInterrupt:
            raise Detached(f"{call.call} was asked to stop. {how_to_come_back(call)}") from None


def how_to_come_back(call: Call) -> str:
    """What the user can do about a node that runs on."""
    env = f" --env {call.env}" if call.env else ""
    data_root = call.params.get("data_root")
    where = f"{env} --params data_root={data_root}" if data_root else env
    return (
        f"It runs on as call {call.call}; `kedro remote attach {call.call}{where}` follows it, brings its results home and "
        f"runs what is left; `kedro remote stop {call.call}{where}` stops it"
    )


def settled(backend: Backend, call: Call) -> Call | None:
    """A call that had not ended when it was last heard of, as it ended since; None while it runs."""
    try:
        outcome = backend.outcome(call.call_id or "", call.request)
    except LostContact:
        raise
    except RemoteError:
        return replace(call, status="lost")
    if outcome is None:
        return None
    return replace(call, status=outcome.status, attempts=outcome.attempts, hours=outcome.hours, usd=outcome.usd)


@contextmanager
def _lost(follower: Follower) -> Iterator[None]:
    """Write down that a call ended without a word; being out of contact is no such end."""
    try:
        yield
    except LostContact as error:
        raise OutOfReach(str(error)) from error
    except RemoteError:
        remember(follower.become(status="lost"))
        raise


def _wants_stop(call: Call) -> bool:
    """Ask on a terminal; without one, and where the terminal goes away, the node is left alone."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"\n{call.call} runs elsewhere. [d]etach and let it run on, or [s]top it? (Ctrl-C stops it) ")
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip().lower().startswith("s")
    except KeyboardInterrupt:
        return True


def _report(call: Call) -> None:
    for epoch, metrics in call.epochs:
        tracking.report(metrics, epoch)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _loaded(dataset: Dataset, catalog: Catalog) -> Any:
    """An output from its file here; of what can only be written, its path."""
    told = inspect.signature(type(catalog[dataset.name]).load).return_annotation
    return Path(dataset.here) if told in ("NoReturn", NoReturn) else catalog.load(dataset.name)
