"""MLflow as `make mlflow` serves it: both runs, their comparison, their curves, the registered detector; nothing goes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from window import Window

from seizure_pipeline.mlflow_runs.registry import BEST

MODEL = "seizure_detector_smoke"
CURVES = """return [...document.querySelectorAll('.js-plotly-plot')].filter(plot =>
            [...plot.querySelectorAll('.trace path.js-line')].filter(line => line.getTotalLength() > 10).length >= 2).length"""

ALIAS = rf"return /@\s*{BEST}\b/.test(document.body.innerText)"


@pytest.fixture(scope="module")
def store(finished: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{finished}/mlflow.db")


@pytest.fixture(scope="module")
def runs(store: MlflowClient) -> list[Run]:
    found = store.search_runs([experiment.experiment_id for experiment in store.search_experiments()])
    assert len(found) == 2
    return list(found)


@pytest.fixture(autouse=True)
def stays_here(window: Window) -> Iterator[None]:
    """No page asks anything of another machine."""
    window.hosts()
    yield
    assert window.hosts() == {"127.0.0.1"}


def test_the_experiment_lists_both_runs(window: Window, mlflow_ui: str, runs: list[Run]) -> None:
    window.open(f"{mlflow_ui}#/experiments/{runs[0].info.experiment_id}/runs")
    for run in runs:
        window.until("return document.body.innerText.includes(arguments[0])", run.info.run_name)
    window.keep("mlflow_experiment")


def test_the_curves_of_both_runs_are_drawn_over_each_other(window: Window, mlflow_ui: str, runs: list[Run]) -> None:
    window.open(f"{mlflow_ui}#/experiments/{runs[0].info.experiment_id}/runs?compareRunsMode=CHART")
    assert window.until(CURVES) >= 3
    window.keep("mlflow_curves")


def test_two_runs_are_compared(window: Window, mlflow_ui: str, runs: list[Run]) -> None:
    ids = json.dumps([run.info.run_id for run in runs]).replace('"', "%22")
    window.open(f"{mlflow_ui}#/compare-runs?runs={ids}&experiments=%5B%22{runs[0].info.experiment_id}%22%5D")
    window.until("return document.body.innerText.includes('Comparing 2 Runs')")
    for run in runs:
        window.until("return document.body.innerText.includes(arguments[0])", run.info.run_id)
    window.until("return document.body.innerText.includes('training.optimizer.learning_rate')")
    window.keep("mlflow_compare")


def test_a_run_has_its_pictures(window: Window, mlflow_ui: str, runs: list[Run]) -> None:
    where = f"experiments/{runs[0].info.experiment_id}/runs/{runs[0].info.run_id}/artifacts/pictures/training_history.png"
    window.open(f"{mlflow_ui}#/{where}")
    window.until("return [...document.images].some(image => image.naturalWidth > 300)")
    window.keep("mlflow_picture")


def test_the_registered_detector_shows_its_alias_and_its_threshold(window: Window, mlflow_ui: str, store: MlflowClient) -> None:
    best = store.get_model_version_by_alias(MODEL, BEST)
    window.open(f"{mlflow_ui}#/models/{MODEL}")
    window.until("return document.body.innerText.includes(arguments[0])", f"Version {best.version}")
    window.until(ALIAS)
    window.until("return document.body.textContent.includes(arguments[0])", best.tags["threshold"])
    window.keep("mlflow_model")
    window.open(f"{mlflow_ui}#/models/{MODEL}/versions/{best.version}")
    window.until(ALIAS)
    window.keep("mlflow_model_version")
