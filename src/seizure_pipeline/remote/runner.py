"""The runner that sends nodes elsewhere, by their tags; all others run here as without it, hooks and all."""

from __future__ import annotations

import functools
import logging
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner.task import Task
from omegaconf import OmegaConf
from pluggy import PluginManager
from pydantic import ValidationError

from seizure_pipeline import tracking
from seizure_pipeline.remote import context as run_context
from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.call.errand import Errand
from seizure_pipeline.remote.call.lease import Lease
from seizure_pipeline.remote.call.office import Office
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.files.travel import Catalog, Leaving, leaving_nodes, placed
from seizure_pipeline.remote.journal import Call, Journal
from seizure_pipeline.remote.plan.sight import fillers_of
from seizure_pipeline.remote.settings import ONE_COMMAND_ONLY, RemoteSettings
from seizure_pipeline.runner import Inline, UnchangedNodesRunner

log = logging.getLogger(__name__)
_offices: list[Office] = []


def office_of_this_run() -> Office | None:
    """What the run of this process sends its nodes with; None where all of them run here."""
    return _offices[-1] if _offices else None


class RemoteRunner(UnchangedNodesRunner):
    """Runs the nodes of some tags on other machines, one after the other with those that run here.

    `parameters` are the fields of RemoteSettings; `context` says which run this is, and `kedro run` puts it in."""

    def __init__(self, is_async: bool = False, context: dict[str, Any] | None = None, **parameters: Any) -> None:
        super().__init__(is_async=is_async)
        self._context = _checked_context(context)
        self._settings = self._of_attached(checked_settings(parameters, self._context.project))
        run_context.send_away(frozenset(self._settings.tags), self._refuse)
        if self._settings.dry_run:
            tracking.keep_elsewhere()
        self._office = Office(
            self._settings,
            self._context,
            backend_of(self._settings, self._context.project),
            journal_of(self._settings, self._context.data_root),
        )
        _offices.append(self._office)
        self._holding = ExitStack()
        if self._settings.attach:
            call = self._office.journal.find(self._settings.attach)
            if call.mlflow_run is not None:
                tracking.go_on_with(call.mlflow_run)

    def _of_attached(self, settings: RemoteSettings) -> RemoteSettings:
        """Settings as given; to attach to a call, those that it was sent with, but for what this command says."""
        if settings.attach is None:
            return settings
        call = journal_of(settings, self._context.data_root).find(settings.attach)
        sent_with = settings_of(call, self._context.project, self._context.runner_params)
        return sent_with.model_copy(update={name: getattr(settings, name) for name in ONE_COMMAND_ONLY})

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("seizure_pipeline.runner")  # what Kedro says there is of no interest

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        if self._settings.dry_run:
            self._print_plan(pipeline, catalog)
            return
        self._leaving = self._found(pipeline, catalog)
        self._pipeline, self._catalog, self._run_id = pipeline, catalog, run_id or ""
        with self._holding:
            super()._run(pipeline, catalog, hook_manager, run_id)

    def _get_executor(self, max_workers: int) -> Executor:  # type: ignore[override]
        return _Routing(self)

    def errand(self, node: str, done: set[str]) -> Errand | None:
        """The errand of a node, None for one that runs here; `done` are the nodes that ran before it."""
        if node not in self._leaving:
            return None
        left = [node, *(other.name for other in self._pipeline.nodes if other.name not in {node, *done})]
        return Errand(self._office, self._leaving[node], self._catalog, self._run_id, left)

    def _found(self, pipeline: Pipeline, catalog: Catalog) -> dict[str, Leaving]:
        return {left.name: left for left in leaving_nodes(pipeline, catalog, self._settings, self._context.data_root)}

    def _refuse(self, pipeline: Pipeline, catalog: Catalog) -> None:
        """All that stands against the run at once; a node that already runs over there was looked at when it was sent."""
        if self._settings.dry_run:
            return
        from seizure_pipeline.remote.plan.preflight import problems

        attached = ""
        if self._settings.attach:
            call = self._office.journal.find(self._settings.attach)
            attached = call.node
            leaving = self._found(pipeline, catalog).keys()
            if call.node not in leaving:
                raise RemoteError(f"call {call.call} is of node {call.node}, which this run does not send")
            if (there := call.request.far_root) != self._settings.far_root:
                raise RemoteError(f"call {call.call} works in {there}; this command names far_root {self._settings.far_root}")
            self._holding.enter_context(self._office.journal.held(call.call))  # before its record in MLflow is touched
            Lease(self._office.backend, call.request, self._office.journal, self._office.patience()).take()
            self._fetch_missing(pipeline, catalog)
            if leaving == {call.node}:
                return
        office = self._office
        calls = office.journal.calls()
        found = problems(pipeline, catalog, self._settings, office.backend, self._context, calls, attached)
        if found:
            lines = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(found, 1))
            raise RemoteError(f"nothing was started; {len(found)} things stand against it:\n{lines}")

    def _fetch_missing(self, pipeline: Pipeline, catalog: Catalog) -> None:
        """Have here what the machine that sent the call had here when it did, and the nodes that are left read.

        Raises RemoteError for what nodes that run here read, and that is neither here nor over there."""
        leaving = self._found(pipeline, catalog).keys()
        names = [name for name in sorted(pipeline.inputs()) if not fillers_of(name, pipeline, catalog)]
        read = [placed(name, False, catalog, self._settings, self._context.data_root) for name in names]
        came = self._office.staging().fetch_missing(read)
        if came:
            log.info("%s: fetched from %s", ", ".join(came), self._settings.far_root)
        here = {name for node in pipeline.nodes if node.name not in leaving for name in node.inputs}
        gone = [each for each in read if each.name in here and each.kind == "file" and not Path(each.here).is_file()]
        if gone:
            lines = ", ".join(f"{each.name} ({each.here})" for each in gone)
            raise RemoteError(f"nodes that are left here read what is neither here nor over there; copy it here: {lines}")

    def _print_plan(self, pipeline: Pipeline, catalog: Catalog) -> None:
        from seizure_pipeline.remote.plan.printing import print_plan

        print_plan(pipeline, catalog, self._settings, self._office.backend, self._context, self._office.journal.calls())


class _Routing(Inline):
    """Runs the tasks of nodes that leave through their errands; whatever runs around a task stays here."""

    def __init__(self, runner: RemoteRunner) -> None:
        self._runner = runner
        self._done: set[str] = set()

    def perform(self, task: Task) -> Node:
        """Run a task here, or have its node run elsewhere and take over what it made."""
        errand = self._runner.errand(task.node.name, self._done)
        if errand is None:
            task()
        else:
            _far_task(task, errand)()
        self._done.add(task.node.name)
        return task.node


class _BroughtHome:
    """A catalog in which a far node's outputs lie already, so that saving them again writes nothing."""

    def __init__(self, catalog: Catalog, outputs: list[str]) -> None:
        self._catalog, self._outputs = catalog, outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def save(self, name: str, data: Any) -> None:
        """Save anything but those outputs."""
        if name not in self._outputs:
            self._catalog.save(name, data)


def _far_task(task: Task, errand: Errand) -> Task:
    @functools.wraps(task.node.func)
    def elsewhere(*_: Any, **__: Any) -> list[Any] | None:
        return errand.outputs() or None

    node = task.node._copy(func=elsewhere, outputs=task.node.outputs or None)
    catalog: Any = _BroughtHome(task.catalog, task.node.outputs)
    return Task(node=node, catalog=catalog, is_async=task.is_async, hook_manager=task.hook_manager, run_id=task.run_id)


def checked_settings(parameters: dict[str, Any], project: Path, where: str = "runner.yml or --runner-params") -> RemoteSettings:
    """Settings of runner.yml; RemoteError naming every key that is wrong or that nothing reads.

    A far_root that is a folder of this machine may be given relative to the project."""
    try:
        settings = RemoteSettings.model_validate(parameters)
    except ValidationError as error:
        wrong = (f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        raise RemoteError(f"{where}: {'; '.join(wrong)}") from None
    if settings.backend == "subprocess":
        return settings.model_copy(update={"far_root": str((project / settings.far_root).resolve())})
    return settings


def settings_of(call: Call, project: Path, given: dict[str, Any] | None = None) -> RemoteSettings:
    """The settings that a call was sent with, whatever runner.yml says now, with those that are given laid over them."""
    merged: Any = OmegaConf.to_container(OmegaConf.merge(call.settings, given or {}))
    return checked_settings(merged, project, f"settings of call {call.call} in the journal, or --runner-params")


def backend_of(settings: RemoteSettings, project: Path) -> Backend:
    """The backend that the settings name."""
    if settings.backend == "modal":
        from seizure_pipeline.remote.modal.backend import ModalBackend

        return ModalBackend(settings, project)
    from seizure_pipeline.remote.subprocess.backend import SubprocessBackend

    return SubprocessBackend(project)


def journal_of(settings: RemoteSettings, data_root: Path) -> Journal:
    """The journal of a data_root, in which no value of the settings' secrets is written."""
    return Journal(data_root, [key for secret in settings.secrets for key in secret.keys])


def _checked_context(context: dict[str, Any] | None) -> RunContext:
    if context is None:
        raise RemoteError("this runner needs to know which run it serves; start it by `kedro run`, which says so")
    checked = RunContext.model_validate(context)
    if checked.conf_source is not None:
        raise RemoteError("--conf-source names a configuration that the far side does not have; use an environment in conf/")
    return checked
