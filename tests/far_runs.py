"""Projects whose `gpu` nodes run in processes of their own, and what MLflow knows of their runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from remote_fixtures import KEDRO, ROOT, add_cache, dotted, last_weights, runner_settings, write

from seizure_pipeline.remote.journal import Call, Journal

HOUR_S = 3600


def a_copy(far_project: Path, target: Path, **settings: object) -> Path:
    """The project once more, with the caches of both environments and nothing else made yet."""
    ignored = shutil.ignore_patterns("data", "far_root", "mlflow.db", "__pycache__")
    shutil.copytree(far_project, target, ignore=ignored)
    for root in ("data/near", "data/far", "far_root"):
        shutil.copytree(far_project / "data/near" / ROOT, target / root / ROOT, copy_function=os.link)
    machine = {"timeout_s": HOUR_S, "grace_s": 20.0, "retries": {"count": 3, "delay_s": 0.1}}
    home = {"models": ["*/best/*"], "traces": ["**"]}
    facts = {"tags": {"gpu": machine}, "bring_home": home, "kept": ["train", "compute_traces"], **settings}
    write(target / "conf/far/runner.yml", {**runner_settings(target / "far_root"), **facts})
    return target


def kedro(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a project, with more variables in its environment."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return subprocess.run(["env", *variables, KEDRO, *arguments], cwd=project, capture_output=True, text=True, check=False)


def begun(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command in a project that goes on."""
    return subprocess.Popen(
        [KEDRO, *arguments], cwd=project, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Reference:
    """The same training here, left alone, in a data root of its own; it goes on beside what is tested."""

    def __init__(self, far_project: Path, name: str, parameters: dict[str, Any]) -> None:
        self._root = add_cache(far_project, far_project / "data" / name)
        chosen = dotted({"data_root": f"data/{name}", **parameters})
        self._run = begun(far_project, "run", "--env", "near", "--pipelines", "training", "--params", chosen)

    def weights(self) -> str:
        """SHA-256 of its last weights, once it ended."""
        _, errors = self._run.communicate()
        assert self._run.returncode == 0, errors
        return last_weights(self._root)


def calls_of(project: Path) -> list[Call]:
    """What the journal of env `far` holds."""
    return Journal(project / "data/far").calls()


def wait_for(what: Callable[[], object], patience_s: float = 90) -> None:
    """Wait until `what` is so."""
    deadline_s = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.1)


def runs_of(project: Path) -> list[Run]:
    """The runs of a project's MLflow store, the newest first."""
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    experiment = mlflow.get_experiment_by_name("seizure_detection")
    return [] if experiment is None else list(mlflow.MlflowClient().search_runs([experiment.experiment_id]))


def history(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Every metric of a run but what tells times, the machine and the bill: its steps and values, in the order of steps."""
    client = mlflow.MlflowClient()
    names = [name for name in run.data.metrics if not name.startswith(("system/", "cost/")) and "per_s" not in name]
    return {
        name: sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)) for name in names
    }
