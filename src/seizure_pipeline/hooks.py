"""What happens around every run: misspelt parameters stop it, MLflow follows it, and its results are printed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from pydantic import BaseModel, ValidationError

from seizure_pipeline import tracking
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.configuration import flatten, keys, nearest, nearest_key
from seizure_pipeline.remote.backend import Detached, OutOfReach

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from seizure_pipeline.mlflow_runs.run import MlflowRun

log = logging.getLogger(__name__)
LONGEST_TAG = 500
ROOMS = frozenset(
    {
        "corpus",
        "montage",
        "windowing",
        "model",
        "training",
        "inference",
        "post_processing",
        "detection",
        "evaluation",
        "experiments",
        "populate",
        "synthetic",
        "verify",
    }
)
PATHS = frozenset(
    {"corpus_root", "corpus_anonymous", "own_recordings", "own_recordings_anonymous", "data_root"}
    | {"copy_from", "copy_from_anonymous", "copy_to", "results"}
)
MLFLOW = frozenset({"enabled", "tracking_uri", "experiment", "registered_model"})
RECORD = frozenset({"mlflow_parent"})
"""What a run of experiments tells those that it starts."""


TRACKED = frozenset({"checkpoint", "metrics", "detection_table", "evaluation_report", "experiment_table"})
"""A run that makes one of these goes to MLflow. Importing MLflow takes as long as looking through 6,500 recordings."""


class ParameterError(ValueError):
    """A parameter that nothing reads, or a value that is not possible."""


class ParameterKeys:
    """Stops a run whose parameters hold a key that nothing reads or a value that is not possible, in any room."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Raise ParameterError, naming every wrong key with its value and rule."""
        check_parameters(context.config_loader["parameters"])
        check_places(context.config_loader["globals"])
        check_mlflow(context.config_loader["mlflow"])


def check_parameters(parameters: dict[str, Any]) -> dict[str, BaseModel]:
    """Settings by room; raises ParameterError naming every parameter that is wrong or that nothing reads."""
    checked: dict[str, BaseModel] = {}
    rooms = _settings_of_rooms()
    known = {*ROOMS, *PATHS, *(key for room, settings in rooms.items() for key in keys(settings, room))}
    unknown = sorted(set(parameters) - ROOMS - PATHS - RECORD)
    wrong = [f"{key}: no such parameter{nearest_key(key, known)}" for key in unknown]
    for room, settings in rooms.items():
        try:
            checked[room] = settings.model_validate(parameters.get(room, {}))
        except ValidationError as error:
            for each in error.errors():
                where = ".".join(str(part) for part in (room, *each["loc"]))
                is_unknown = each["type"] == "extra_forbidden"
                rule, hint = ("nothing reads that", nearest_key(where, known)) if is_unknown else (each["msg"], "")
                wrong.append(f"{where}: {rule} (value {each['input']!r}){hint}")
    if wrong:
        raise ParameterError("; ".join(wrong))
    return checked


def check_places(places: dict[str, Any]) -> None:
    """Raise ParameterError for a key of globals.yml that nothing reads: a misspelt data_root would fall back to data/."""
    _check_keys("globals.yml", places, PATHS)


def check_mlflow(settings: dict[str, Any]) -> None:
    """Raise ParameterError for a key of mlflow.yml that nothing reads: a misspelt tracking_uri would fall back to base's."""
    _check_keys("mlflow.yml", settings, MLFLOW)


def _check_keys(file: str, found: dict[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(set(found) - known):
        raise ParameterError("; ".join(f"{file}: {key}: nothing reads that{nearest(key, known)}" for key in unknown))


def _settings_of_rooms() -> dict[str, type[BaseModel]]:
    from seizure_pipeline.cache import PreparationSettings, VerifySettings
    from seizure_pipeline.copying import PopulateSettings
    from seizure_pipeline.corpora import CorpusSettings
    from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
    from seizure_pipeline.evaluation import EvaluationSettings
    from seizure_pipeline.experiments import ExperimentsSettings
    from seizure_pipeline.exports import DetectionSettings
    from seizure_pipeline.inference.settings import InferenceSettings
    from seizure_pipeline.model.settings import ModelSettings
    from seizure_pipeline.montage import MontageSettings
    from seizure_pipeline.scoring import PostProcessingSettings
    from seizure_pipeline.training.settings import TrainingSettings

    return {
        "corpus": CorpusSettings,
        "montage": MontageSettings,
        "windowing": PreparationSettings,
        "model": ModelSettings,
        "training": TrainingSettings,
        "inference": InferenceSettings,
        "post_processing": PostProcessingSettings,
        "detection": DetectionSettings,
        "evaluation": EvaluationSettings,
        "experiments": ExperimentsSettings,
        "populate": PopulateSettings,
        "synthetic": SyntheticSettings,
        "verify": VerifySettings,
    }


class DeviceCheck:
    """Stops a run before its first node if a node that runs here would ask for a device or kernel that is not here."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember which rooms ask for CUDA."""
        parameters = context.config_loader["parameters"]
        self._rooms = [room for room in ("training", "inference") if parameters[room].get("device") == "cuda"]

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Raise RuntimeError naming the parameter, where this machine lacks what it asks for."""
        from seizure_pipeline.remote.context import leaves

        read = {name for node in pipeline.nodes if not leaves(node.tags) for name in node.inputs}
        for room in self._rooms:
            if f"params:{room}" in read:
                from seizure_pipeline.inference.traces import check_device

                check_device("cuda", f"{room}.device")


class Preflight:
    """Stops a run before its first node, and before MLflow knows of it, if its nodes elsewhere would fail or cost too much."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Raise RemoteError with all that stands against the run."""
        from seizure_pipeline.remote.context import check

        check(pipeline, catalog)


class MlflowTracking:
    """One MLflow run per `kedro run` that trains, scores or detects.

    It holds parameters, live metrics, pictures, the checkpoint and the registered model."""

    def __init__(self) -> None:
        self._settings: dict[str, Any] = {}
        self._parameters: dict[str, BaseModel] = {}
        self._run: MlflowRun | None = None
        self._catalog: DataCatalog | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where MLflow's store is, and all parameters: runs of different pipelines stay comparable."""
        self._settings = dict(context.config_loader["mlflow"])
        self._parameters = check_parameters(context.config_loader["parameters"])

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the run and listen to the nodes, unless there is nothing to compare: data are only prepared or checked."""
        if not self._settings["enabled"] or tracking.kept_elsewhere() or pipeline.all_outputs().isdisjoint(TRACKED):
            return
        from seizure_pipeline.mlflow_runs.run import MlflowRun

        self._catalog = catalog
        parameters = dict(leaf for room, settings in self._parameters.items() for leaf in flatten(settings, room))
        self._run = MlflowRun(self._settings, run_params, parameters, tracking.continued())
        tracking.forget()
        tracking.opened(self._run.id)
        tracking.listen(self._run.log_epoch, self._run.log_measures, self._run.log_steps)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Tag the run with what it reads, also where another run made it."""
        if self._run is not None and dataset_name in ("recordings", "window_index"):
            self._run.tag_data(dataset_name, data)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log what a node saved, if MLflow is the place for it."""
        if self._run is not None and self._catalog is not None:
            self._run.log_saved(dataset_name, data, self._catalog)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Close the run as FINISHED, with what was kept from earlier runs beside what was made."""
        if self._run is not None and self._catalog is not None:
            self._run.log_kept(pipeline.all_outputs(), self._catalog)
        self._close("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the run as FAILED, with the error's first line; KILLED if it was stopped, not at all if its node runs on."""
        try:
            if self._run is not None:
                if isinstance(error, Detached | OutOfReach):
                    self._run.leave_open()
                else:
                    self._run.tag("error", f"{type(error).__name__}: {error}".splitlines()[0][:LONGEST_TAG])
            self._close("KILLED" if isinstance(error, Stopped) else "FAILED")
        except tracking.NotRecorded as untold:  # what ended the run is the news
            log.warning("%s", untold)

    def _close(self, status: str) -> None:
        if self._run is not None:
            self._run.close(status)
            self._run = None
        tracking.forget()


def _folder_of(dataset: Any) -> str:
    return str(dataset._filepath.parent)


class RunSummary:
    """Prints what a run came to: the table of results with its baselines, refusals, and what to open next."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print the results that this run made."""
        if tracking.kept_elsewhere():
            return
        from seizure_pipeline import summary
        from seizure_pipeline.remote.context import ended_calls

        made = pipeline.all_outputs()
        for index in ("window_index", "recordings"):
            if index in made:
                table: Any = catalog[index]
                summary.print_refusals(catalog.load(index), str(table._filepath))
                break
        if "comparison" in made:
            metrics, held_out, comparison = (catalog.load(name) for name in ("metrics", "eval_metrics", "comparison"))
            summary.print_results(metrics, held_out, comparison)
        elif "checkpoint" in made:
            summary.print_trained(catalog.load("checkpoint"), str(catalog.load("models")))
        if made & {"comparison", "evaluation_report"}:
            report: Any = catalog["evaluation_report"] if "evaluation_report" in made else None
            summary.print_next(_folder_of(catalog["metrics"]), report and str(report._filepath), run_params.get("env"))
        else:
            summary.print_continuation(made)
        if "detection_table" in made:
            summary.print_detections(catalog.load("detection_table"), str(catalog.load("detections")))
        if calls := ended_calls():
            summary.print_bill(calls)
