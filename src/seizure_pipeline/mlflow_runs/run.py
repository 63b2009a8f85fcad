"""One MLflow run, written through the client alone, so that its end is what really happened."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import mlflow
import pandas as pd
from kedro.io import DataCatalog
from mlflow.entities import Param
from mlflow.exceptions import MlflowException

from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.mlflow_runs.counts import TRAINING
from seizure_pipeline.mlflow_runs.errors import check_answers, plainly
from seizure_pipeline.mlflow_runs.numbers import MlflowNumbers
from seizure_pipeline.mlflow_runs.registry import TRAINED_ON, Registry, made_detector, training_data
from seizure_pipeline.tracking import NotRecorded, Point

log = logging.getLogger(__name__)
LONGEST_PARAMETER = 500
PARENT, NAME = "mlflow.parentRunId", "mlflow.runName"
ERROR = "error"
DETACHED = "detached"  # tag of a run whose node runs elsewhere while nobody here follows it
UI_KIND = {"mlflow.experimentKind": "custom_model_development"}
PICTURES = ("_picture", "_pages")
DEV = "dev"
FILES = ("patient_counts", "evaluation_report")
KEPT = ("metrics", "eval_metrics", *FILES, "comparison", "operating_point", "outcome")
ORDER = ("ingestion", "windowing", "training", "evaluation", "reporting", "detection")


class MlflowRun:
    """An open run; `close` ends it, and a process that dies before ends it as KILLED."""

    @plainly()
    def __init__(
        self,
        settings: Mapping[str, Any],
        run_params: Mapping[str, Any],
        parameters: Mapping[str, Any],
        continued: str | None = None,
    ) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        check_answers(settings["tracking_uri"])
        mlflow.set_tracking_uri(settings["tracking_uri"])
        self._client = mlflow.MlflowClient()
        self._model_name: str = settings["registered_model"]
        experiment = _experiment(self._client, settings["experiment"])
        _close_dead_runs(self._client, experiment)
        continued = continued or self._begun_child(experiment, run_params)
        is_old = continued is not None and self._reopen(continued)
        if not is_old:
            self._create(experiment, run_params, parameters)
        self._numbers = MlflowNumbers(self._client, self._id, in_doubt=is_old)
        self._open = True
        self._logged: set[str] = set()
        atexit.register(self._close_at_exit)
        signal.signal(signal.SIGTERM, _leave)

    @property
    def id(self) -> str:
        """MLflow's name of the run."""
        return self._id

    @plainly()
    def log_epoch(self, metrics: Mapping[str, float], epoch: int) -> None:
        """Log an epoch's numbers at once, so that curves grow while a node runs."""
        self._numbers.log([({f"epoch/{name}": value for name, value in metrics.items() if name != "epoch"}, epoch)])

    @plainly()
    def log_steps(self, points: Sequence[Point]) -> None:
        """Log numbers of steps within epochs, under the steps so far."""
        self._numbers.log([({f"step/{name}": value for name, value in metrics.items()}, step) for metrics, step in points])

    @plainly()
    def log_measures(self, metrics: Mapping[str, float], number: int) -> None:
        """Log what a machine or its bill shows, under a number that only grows."""
        self._numbers.log([(metrics, number)])

    @plainly()
    def leave_open(self) -> None:
        """Let the run be RUNNING without a process of its own, until another reopens it."""
        if self._open:
            self._open = False
            self.tag(DETACHED, "true")
            atexit.unregister(self._close_at_exit)

    @plainly()
    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
        self._client.set_tag(self._id, name, value)

    @plainly()
    def tag_data(self, name: str, table: pd.DataFrame) -> None:
        """Tag the run with the fingerprint of the corpus (table of recordings) or of the cache (its index)."""
        if name == "recordings":
            columns = ["recording_id", "split", "status", "size_bytes", "header_sha256", "seizures"]
            self.tag("corpus_fingerprint", fingerprint({"rows": table[columns].to_numpy().tolist()}))
        else:
            columns = ["recording_id", "split", "status", "fingerprint"]
            self.tag("cache_fingerprint", fingerprint({"rows": table[columns].to_numpy().tolist()}))
            self.tag(TRAINED_ON, training_data(table))

    @plainly()
    def log_kept(self, names: set[str], catalog: DataCatalog) -> None:
        """Log the datasets `names` that were there already, so that this run is as complete as the one that made them."""
        for name in sorted(names - self._logged):
            if name in KEPT:
                self.log_saved(name, catalog.load(name), catalog)
            elif name.endswith(PICTURES):
                self._log_pictures(name, catalog)

    @plainly()
    def log_saved(self, name: str, data: Any, catalog: DataCatalog) -> None:
        """Log a dataset that a node saved: metrics, pictures, the checkpoint, the model."""
        self._logged.add(name)
        if name in ("recordings", "window_index"):
            self.tag_data(name, data)
        elif name in ("metrics", "eval_metrics"):
            self._log_metrics(name, data)
        elif name in FILES:
            path: Any = catalog[name]
            self._client.log_artifact(self._id, str(path._filepath))
        elif name in ("comparison", "experiment_table"):
            self._client.log_text(self._id, data.to_csv(index=False), f"{name}.csv")
        elif name == "outcome":
            self._numbers.log([(_of_split(data["metrics"], DEV), 0)])
        elif name == "checkpoint":
            self._client.log_artifacts(self._id, str(catalog.load("models") / data["folder"]), "checkpoint")
        elif name == "operating_point":
            self._register(data, catalog)
        elif name.endswith(PICTURES):
            self._log_pictures(name, catalog)

    @plainly()
    def close(self, status: str) -> None:
        """End the run with `status`; later calls do nothing."""
        if self._open:
            self._open = False
            self._client.set_terminated(self._id, status)
            atexit.unregister(self._close_at_exit)

    def _close_at_exit(self) -> None:
        try:
            self.close("KILLED")
        except NotRecorded as error:
            log.warning("run %s stays open: %s", self._id, error)

    def _create(self, experiment: str, run_params: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        pipelines = "+".join(sorted(run_params["pipeline_names"] or [], key=_order))
        # MLflow's table shows about 22 characters: what tells runs apart comes first, to the second
        name = f"{run_params.get('env') or 'base'} {run_params['run_id'][5:19]} {pipelines}".strip()
        parent, child = _place_among_others(run_params)
        tags = _tags(run_params) | ({PARENT: parent} if parent else {})
        run = self._client.create_run(experiment, run_name=child or name, tags=tags)
        self._id = str(run.info.run_id)
        short = [Param(key, str(value)[:LONGEST_PARAMETER]) for key, value in parameters.items()]
        self._client.log_batch(self._id, params=short)

    def _begun_child(self, experiment: str, run_params: Mapping[str, Any]) -> str | None:
        """The run of this name that an earlier process began under the same parent."""
        parent, child = _place_among_others(run_params)
        if parent is None:
            return None
        found = self._client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}' and tags.`{NAME}` = '{child}'")
        return str(found[0].info.run_id) if found else None

    def _reopen(self, run_id: str) -> bool:
        """Whether run `run_id` is in this store; it is RUNNING again then, and ends with this process."""
        try:
            tags = self._client.get_run(run_id).data.tags
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            log.warning("MLflow has no run %s here; a new one is opened", run_id)
            return False
        self._id = run_id
        self._client.update_run(run_id, status="RUNNING")
        self.tag(DETACHED, "false")
        if ERROR in tags:  # what stopped an earlier process does not stop this one
            self._client.delete_tag(run_id, ERROR)
        self.tag("process", _process())
        return True

    def _log_metrics(self, name: str, metrics: Mapping[str, Any]) -> None:
        self._numbers.log([(_of_split(metrics, metrics["split"]), 0)])
        self.tag(TRAINING, metrics["run"])
        self._client.log_dict(self._id, dict(metrics), f"{name}.json")

    def _log_pictures(self, name: str, catalog: DataCatalog) -> None:
        dataset: Any = catalog[name]
        path = Path(str(dataset._filepath))
        if path.is_dir():
            self._client.log_artifacts(self._id, str(path), f"pictures/{name}")
        else:
            self._client.log_artifact(self._id, str(path), "pictures")

    def _register(self, operating_point: Mapping[str, Any], catalog: DataCatalog) -> None:
        registry = Registry(self._client, self._model_name)
        if version := registry.register(made_detector(catalog, operating_point), self._id):
            self.tag("registered_model", f"{registry.name} {version}")


def _experiment(client: mlflow.MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(name, tags=UI_KIND))


def _order(pipeline: str) -> int:
    return ORDER.index(pipeline) if pipeline in ORDER else len(ORDER)


def _tags(run_params: Mapping[str, Any]) -> dict[str, str]:
    chosen = {key: run_params[key] for key in ("run_id", "env", "pipeline_names", "node_names") if run_params.get(key)}
    tags = {f"kedro.{key}": str(value) for key, value in chosen.items()}
    return {**tags, "git_commit": _git_commit(), "process": _process()}


def _place_among_others(run_params: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The run of experiments that this run belongs to, and its name among them, which is that of its folder of results."""
    params = run_params.get("runtime_params") or {}
    parent = params.get("mlflow_parent")
    return (str(parent), Path(params["results"]).name) if parent else (None, None)


def _of_split(metrics: Mapping[str, Any], split: str) -> dict[str, float]:
    """The numbers of a split: those of dev under their own names, those of another below its name."""
    room = "" if split == DEV else f"{split}/"
    return {f"{room}{name}": float(value) for name, value in metrics.items() if isinstance(value, int | float)}


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _git_commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def _close_dead_runs(client: mlflow.MlflowClient, experiment: str) -> None:
    """End runs of this machine whose process is gone without a word (SIGKILL, power) as KILLED, but for detached ones."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        host, _, process = run.data.tags.get("process", "").partition(":")
        if run.data.tags.get(DETACHED) == "true":
            continue
        if host == socket.gethostname() and not Path(f"/proc/{process}").exists() and Path("/proc").exists():
            client.set_terminated(run.info.run_id, "KILLED")


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
