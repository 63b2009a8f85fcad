"""What happens around a run of experiments: all are checked and planned before any starts, and printed at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from seizure_pipeline import tracking
from seizure_pipeline.hooks import ParameterError, check_parameters

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from seizure_pipeline.pipelines.experiments.plan import Plan
    from seizure_pipeline.remote.call.office import Office

NODE, TABLE = "run_experiments", "experiment_table"


class ExperimentsFailed(RuntimeError):
    """Experiments that did not finish; what the others came to is written and printed."""


class Experiments:
    """Plans the experiments of a run, prints what they came to, and has it fail at its end if one of them did."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the configuration."""
        self._configuration = context.config_loader

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Hand the plan to the node; ParameterError, naming experiment and parameter, for one that cannot be run."""
        if NODE not in {node.name for node in pipeline.nodes}:
            return
        from seizure_pipeline.pipelines.experiments.plan import hand_over, kept_record
        from seizure_pipeline.remote.runner import office_of_this_run

        self._office = office_of_this_run()
        folder = catalog.load("experiments_folder")
        self._plan = self._planned(run_params, folder.parent, self._office)
        hand_over(self._plan)
        if (record := kept_record(folder, self._plan)) is not None:
            tracking.go_on_with(record)

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print the table, or what a dry run would do; ExperimentsFailed, naming each, where some did not finish."""
        if TABLE not in pipeline.all_outputs():
            return
        from seizure_pipeline.experiments.printed import print_plan, print_table, unfinished

        if tracking.kept_elsewhere():
            usd = {each.name: each.estimated_usd for each in self._plan.experiments}
            print_plan(self._settings, usd, self._plan.at_once)
            return
        table = catalog.load(TABLE)
        picture: Any = catalog["experiments_picture"]
        print_table(table, str(picture._filepath), str(catalog.load("experiments_folder")))
        is_detached = self._office is not None and self._office.settings.detach
        if failures := unfinished(table, is_detached):
            raise ExperimentsFailed(failures)

    def _planned(self, run_params: Mapping[str, Any], data_root: Path, office: Office | None) -> Plan:
        from seizure_pipeline.experiments import ExperimentsSettings, merged, nested
        from seizure_pipeline.pipelines.experiments.plan import Plan, Planned

        parameters, env = self._configuration["parameters"], run_params["env"]
        self._settings = settings = ExperimentsSettings.model_validate(parameters["experiments"])
        shared = {name: value for name, value in (run_params["runtime_params"] or {}).items() if name != "experiments"}
        planned = []
        for name, overrides in settings.chosen().items():
            checked = _checked(name, parameters, nested(overrides))
            params = merged(shared, nested(overrides))
            planned.append(Planned(name, overrides, checked, _expected_usd(office, env, params, settings.budget_usd)))
        if not planned:
            raise ParameterError("experiments.runs names no experiment")
        at_once = settings.at_once or (1 if office is None or office.settings.backend == "subprocess" else len(planned))
        place = {"project": Path(run_params["project_path"]), "data_root": data_root, "env": env, "params": shared}
        return Plan(**place, at_once=at_once, experiments=tuple(planned), **_sending(office, at_once, len(planned)))


def _sending(office: Office | None, at_once: int, experiments: int) -> dict[str, Any]:
    """Fields of a plan: how the nodes of its experiments leave, as those of the run of all would."""
    if office is None:
        from seizure_pipeline.runner import UnchangedNodesRunner

        return {"runner": _path(UnchangedNodesRunner)}
    from seizure_pipeline.remote.runner import RemoteRunner

    settings, runner_params = office.settings, dict(office.context.runner_params)
    if settings.detach:
        if at_once < experiments:
            raise ParameterError(
                f"experiments.at_once {at_once}: of {experiments} experiments, those that wait begin only while this command "
                f"lives; leave detach=true out, or set experiments.at_once={experiments}"
            )
        runner_params["detach"] = True
    sending = {"runner": _path(RemoteRunner), "runner_params": runner_params, "each_usd": settings.budget_usd}
    return {**sending, "keep_there": office.keep_there}


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _expected_usd(office: Office | None, env: str | None, params: Mapping[str, Any], budget_usd: float | None) -> float | None:
    """What the far nodes of an experiment cost, by earlier calls or as runner.yml guesses; None where nobody asks or tells.

    Raises ParameterError where nobody tells and there is a budget to hold."""
    if office is None or (budget_usd is None and not office.settings.dry_run):
        return None
    from seizure_pipeline.pipelines import evaluation, outcome, training
    from seizure_pipeline.remote.cost import estimate, rates_of

    settings, total_usd = office.settings, 0.0
    rates, calls = rates_of(office.backend, settings), office.journal.calls()
    for node in (training.create_pipeline() + evaluation.create_pipeline() + outcome.create_pipeline()).nodes:
        machine = settings.resources(node.name, set(node.tags))
        if machine is None:
            continue
        expected = estimate(node.name, env, params, machine, settings, rates, calls)
        if (expected is None or expected.usd is None) and budget_usd is None:
            return None
        if expected is None or expected.usd is None:
            raise ParameterError(
                f"experiments.budget_usd: nothing tells what node {node.name} costs; add it to expected_hours and its "
                f"machine to rates in runner.yml"
            )
        total_usd += expected.usd
    return total_usd


def _checked(name: str, parameters: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """All parameters of an experiment, but for the table of experiments and what only this side knows."""
    from seizure_pipeline.experiments import merged

    try:
        rooms = check_parameters(merged(parameters, changes))
    except ParameterError as error:
        raise ParameterError(f"experiments.runs.{name}: {error}") from None
    return {room: settings.model_dump(mode="json") for room, settings in rooms.items() if room != "experiments"}
