"""One node's way to another machine and back: carry, start, write down, follow, bring home."""

from __future__ import annotations

import inspect
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from seizure_pipeline import tracking
from seizure_pipeline.remote import cost
from seizure_pipeline.remote.backend import Detached, EndedWithoutAWord, LostContact, OutOfReach, RemoteError
from seizure_pipeline.remote.call.failures import error_of
from seizure_pipeline.remote.call.following import Follower
from seizure_pipeline.remote.call.office import Office
from seizure_pipeline.remote.call.place import Place
from seizure_pipeline.remote.call.standing import attach_command, how_to_come_back
from seizure_pipeline.remote.context import remember, source_fingerprint
from seizure_pipeline.remote.far.machine import python_version
from seizure_pipeline.remote.files.travel import Catalog, Dataset, Leaving
from seizure_pipeline.remote.journal import Call, new_name
from seizure_pipeline.remote.records import Outcome, Request
from seizure_pipeline.remote.settings import ONE_COMMAND_ONLY
from seizure_pipeline.runner import made_from

log = logging.getLogger(__name__)
RESULTS = "results"  # runtime parameter: the folder below data_root of what a run makes


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
            _report(kept, self._office.journal.steps(kept.call))
        else:
            self._send()
        return [_loaded(dataset, self._catalog) for dataset in self._leaving.datasets if dataset.is_output]

    def _kept(self) -> Call | None:
        """The last finished call of this node, if it had the inputs of now and its outputs still are here."""
        name = self._leaving.name
        calls = [call for call in self._calls() if call.status == "finished"]
        if name not in self._office.settings.kept or not calls or calls[-1].inputs != self._inputs:
            return None
        root = self._office.context.data_root
        whole = all(_size(root / path) == size for path, size in calls[-1].brought.items())
        return calls[-1] if whole and calls[-1].outputs == self._made() else None

    def _calls(self) -> list[Call]:
        """The calls of this node whose results lie where those of this run will."""
        results = self._office.context.params.get(RESULTS)
        calls = [call for call in self._office.journal.calls() if call.params.get(RESULTS) == results]
        return [call for call in calls if call.node == self._leaving.name]

    def _made(self) -> str:
        return made_from(self._leaving.node.outputs, self._catalog)

    def _send(self) -> None:
        journal, name = self._office.journal, self._leaving.name
        place = Place(self._office, name, str(self._office.context.params.get(RESULTS, "")))
        with ExitStack() as held:
            with journal.sending(name, place.path):
                self._office.staging().claim()
                last = place.look(self._calls())
                call = self._prepared()
                journal.write(replace(call, status="unsent"))  # so that its place is free where this process dies before
                with place.given_to(call, last) as confirm:
                    carried = self._carried()
                    held.enter_context(journal.held(call.call))
                    call = replace(call, started_s=time.time())  # carrying may have taken hours
                    journal.write(call)
                    call = self._started(call)
                    confirm(call)
            log.info("%s runs elsewhere as call %s (%s carried there)", call.node, call.call, ", ".join(carried) or "nothing")
            if self._office.settings.detach:
                raise Detached(how_to_come_back(call))
            self._follow(call)

    def _carried(self) -> list[str]:
        """The names of those of its files that had to be carried there."""
        staging, files = self._office.staging(), self._leaving.of_kind("file")
        carried = staging.carry([dataset for dataset in files if not dataset.is_output])
        staging.forget([dataset for dataset in files if dataset.is_output])
        return carried

    def _prepared(self) -> Call:
        """The call as it will be asked for, with what it is expected to cost."""
        settings, machine = self._office.settings, self._leaving.machine
        rates = cost.rates_of(self._office.backend, settings)
        priced = rates is not None and not cost.unpriced_gpus(machine, rates)
        spent_usd = sum(call.usd for call in self._calls() if call.inputs == self._inputs)
        request = self._request(cost.usd_per_hour(machine, rates) if rates is not None and priced else 0.0, spent_usd)
        finished = self._office.journal.calls()
        expected = cost.estimate(request.node, request.env, request.params, machine, settings, rates, finished)
        return Call(
            request=request,
            backend=settings.backend,
            app=settings.app,
            started_s=time.time(),
            inputs=self._inputs,
            settings=settings.model_dump(mode="json", exclude_unset=True, exclude=set(ONE_COMMAND_ONLY)),
            left=self._left,
            mlflow_run=tracking.open_run(),
            estimated_hours=None if expected is None else expected.hours,
            estimated_usd=None if expected is None else expected.usd,
            estimated_from="" if expected is None else expected.source,
            spent_before_usd=spent_usd,
            runner_params=self._office.context.runner_params,
        )

    def _budget_left_usd(self, usd_per_hour: float, spent_usd: float) -> float | None:
        """What earlier calls with the same inputs left of the budget: the same command again does not spend it again."""
        budget_usd = self._office.settings.budget_usd
        if budget_usd is None:
            return None
        if spent_usd and budget_usd - spent_usd <= usd_per_hour * self._leaving.machine.grace_s / 3600:
            raise RemoteError(
                f"node {self._leaving.name}: calls with these inputs took {spent_usd:.2f} USD of budget_usd {budget_usd:g}, "
                f"and what is left pays for no more than a checkpoint; raise budget_usd, and it continues where it was"
            )
        return budget_usd - spent_usd

    def _request(self, usd_per_hour: float, spent_usd: float) -> Request:
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
            budget_usd=self._budget_left_usd(usd_per_hour, spent_usd),
            secret_keys=tuple(key for secret in settings.secrets for key in secret.keys),
            gpu=machine.gpu,
        )

    def _started(self, call: Call) -> Call:
        journal, start = self._office.journal, partial(self._office.backend.start, call.request, self._leaving.machine)
        try:
            call_id = self._office.patience(how_to_come_back(call)).asking(start)
            started = replace(call, call_id=call_id, status="running")
            journal.write(started)
        except LostContact as error:  # it may have started
            raise OutOfReach(str(error)) from error
        except RemoteError:
            journal.write(replace(call, status="lost"))
            self._office.give_back(call)
            raise
        except BaseException:
            log.warning("%s", how_to_come_back(call))
            raise
        return started

    def _go_on(self, call: Call) -> None:
        """Follow a call of an earlier process, which this one holds, from where that left it."""
        if call.call_id is None:
            call_id = self._office.patience(how_to_come_back(call)).asking(partial(self._office.backend.find, call.request))
            if call_id is None:
                raise OutOfReach(f"nothing of call {call.call} has begun over there. {how_to_come_back(call)}")
            call = replace(call, call_id=call_id, status="running")
            self._office.journal.write(call)
        log.info("%s: followed from event %d on", call.call, call.last_event + 1)
        self._follow(replace(call, mlflow_run=tracking.open_run() or call.mlflow_run), again=True)

    def _follow(self, call: Call, *, again: bool = False) -> None:
        advice = f"The far node is not touched by that. {how_to_come_back(call)}"
        follower = Follower(self._office.backend, self._office.journal, call, self._office.patience(advice))
        try:
            with _watched(follower), follower.alone():
                if again:
                    follower.replay()
                outcome = self._attended(follower, advice)
                follower.settle(outcome)
        except EndedWithoutAWord:
            self._office.give_back(call)
            raise
        self._office.give_back(call)
        if outcome.status != "finished":
            remember(follower.call)
            raise error_of(outcome, follower.call)
        try:
            brought = self._office.staging(advice).bring_home(self._leaving.datasets)
            remember(follower.become(outputs=self._made(), brought=brought))
            follower.complete()
        except (RemoteError, OSError, tracking.NotRecorded):
            log.warning("%s ended well, and what it made is over there; %s fetches it again", call.call, attach_command(call))
            raise

    def _attended(self, follower: Follower, advice: str) -> Outcome:
        """Follow; Ctrl-C asks whether to leave the node alone or to stop it, and a second one stops it."""
        call = follower.call
        try:
            return follower.follow()
        except KeyboardInterrupt:
            if not _wants_stop(call):
                raise Detached(how_to_come_back(call)) from None
        log.warning("%s is asked to save and stop; Ctrl-C once more leaves it to that", call.call)
        try:
            self._office.patience(advice).asking(lambda: self._office.backend.stop(call.call_id or "", call.request))
            return follower.follow()
        except KeyboardInterrupt:
            raise Detached(f"{call.call} was asked to stop. {how_to_come_back(call)}") from None


@contextmanager
def _watched(follower: Follower) -> Iterator[None]:
    """No error on this side ends a paid machine over there: only its own end without a word counts as one."""
    try:
        yield
    except Detached:
        raise
    except EndedWithoutAWord:
        remember(follower.become(status="lost"))
        raise
    except LostContact as error:  # with its advice
        raise OutOfReach(str(error)) from error
    except RemoteError as error:
        raise OutOfReach(f"{error}. {how_to_come_back(follower.call)}") from error
    except BaseException:
        log.warning("%s", how_to_come_back(follower.call))
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


def _report(call: Call, steps: Sequence[tracking.Point]) -> None:
    tracking.report_steps(steps)
    for epoch, metrics in call.epochs:
        tracking.report(metrics, epoch)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _loaded(dataset: Dataset, catalog: Catalog) -> Any:
    """An output from its file here; of what can only be written, its path."""
    told = inspect.signature(type(catalog[dataset.name]).load).return_annotation
    return Path(dataset.here) if told in ("NoReturn", NoReturn) else catalog.load(dataset.name)
