"""What happens around a run of experiments: all are checked and planned before any starts, and printed at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.utils import load_obj

from seizure_pipeline import tracking
from seizure_pipeline.experiments import ExperimentsSettings, merged, nested
from seizure_pipeline.hooks import ParameterError, check_parameters

if TYPE_CHECKING:
    import pandas as pd
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from seizure_pipeline.remote.journal import Call
    from seizure_pipeline.remote.settings import RemoteSettings

NODE, TABLE = "run_experiments", "experiment_table"


class Experiments:
    """Plans the experiments of a run, and prints what they came to."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the configuration."""
        self._configuration = context.config_loader

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Hand the plan to the node; ParameterError, naming experiment and parameter, for one that cannot be run."""
        if NODE not in {node.name for node in pipeline.nodes}:
            return
        from seizure_pipeline.pipelines.experiments.plan import Plan, Planned, hand_over, kept_record

        parameters = self._configuration["parameters"]
        settings = ExperimentsSettings.model_validate(parameters["experiments"])
        folder, project = catalog.load("experiments_folder"), Path(run_params["project_path"])
        usd, is_elsewhere = self._expected_usd(project, folder.parent, run_params["env"], settings.budget_usd is not None)
        shared = {name: value for name, value in (run_params["runtime_params"] or {}).items() if name != "experiments"}
        planned = []
        for name, overrides in settings.chosen().items():
            changes = nested(overrides)
            planned.append(Planned(name, merged(shared, changes), _checked(name, parameters, changes), usd))
        if not planned:
            raise ParameterError("experiments.runs names no experiment")
        at_once = settings.at_once or (len(planned) if is_elsewhere else 1)
        plan = Plan(project, folder.parent, run_params["env"], shared, at_once, tuple(planned))
        hand_over(plan)
        if (record := kept_record(folder, plan)) is not None:
            tracking.go_on_with(record)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print the table."""
        if TABLE in pipeline.all_outputs() and not tracking.kept_elsewhere():
            picture: Any = catalog["experiments_picture"]
            _print(catalog.load(TABLE), str(picture._filepath))

    def _expected_usd(self, project: Path, data_root: Path, env: str | None, has_budget: bool) -> tuple[float, bool]:
        """What one experiment is expected to cost, and whether a provider has a machine for each."""
        from seizure_pipeline.remote.runner import RemoteRunner, checked_settings, journal_of

        runner = dict(self._configuration["runner"])
        if not issubclass(load_obj(runner.pop("type"), "kedro.runner"), RemoteRunner):
            return 0.0, False
        settings = checked_settings(runner, project)
        calls = journal_of(settings, data_root).calls() if has_budget else []
        return _sum_usd(settings, env, calls) if has_budget else 0.0, settings.backend != "subprocess"


def _sum_usd(settings: RemoteSettings, env: str | None, calls: Sequence[Call]) -> float:
    """What the far nodes of an experiment cost, by earlier calls or as runner.yml guesses."""
    from seizure_pipeline.pipelines import evaluation, outcome, training
    from seizure_pipeline.remote.cost import estimate

    total = 0.0
    for node in (training.create_pipeline() + evaluation.create_pipeline() + outcome.create_pipeline()).nodes:
        machine = settings.resources(node.name, set(node.tags))
        if machine is None:
            continue
        expected = estimate(node.name, env, {}, machine, settings, settings.rates, calls)
        if expected is None or expected.usd is None:
            raise ParameterError(
                f"experiments.budget_usd: nothing tells what node {node.name} costs; add it to expected_hours and its "
                f"machine to rates in runner.yml"
            )
        total += expected.usd
    return total


def _checked(name: str, parameters: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """All parameters of an experiment, but for the table of experiments and what only this side knows."""
    try:
        rooms = check_parameters(merged(parameters, changes))
    except ParameterError as error:
        raise ParameterError(f"experiments.runs.{name}: {error}") from None
    return {room: settings.model_dump(mode="json") for room, settings in rooms.items() if room != "experiments"}


def _print(table: pd.DataFrame, picture: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from seizure_pipeline.experiments.comparison import FIGURES

    shown = Table(title="Experiments on split dev: sensitivity at 10 false alarms per 24 h, recall of tokens at that threshold")
    for column in ("experiment", "status", *FIGURES, "hours", "usd"):
        shown.add_column(column.replace("_", " "), justify="left" if column in ("experiment", "status") else "right")
    for row in table.to_dict(orient="records"):
        status = " and ".join(str(row[name]) for name in ("status", "collapsed") if isinstance(row[name], str) and row[name])
        numbers = [_cell(row[name], "{:.3f}") for name in (*FIGURES, "hours")]
        shown.add_row(str(row["experiment"]), status, *numbers, _cell(row["usd"], "{:.2f}"))
    console = Console(width=150)
    console.print(shown)
    for row in table.to_dict(orient="records"):
        if isinstance(row["error"], str) and row["error"]:
            console.print(f"{row['experiment']}: {row['error']}", highlight=False, soft_wrap=True)
    console.print(f"picture: {picture}", highlight=False, soft_wrap=True)


def _cell(value: Any, form: str) -> str:
    return form.format(value) if isinstance(value, int | float) and value == value else "-"
