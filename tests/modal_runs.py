"""Projects that train on the plane by `kedro run`, and what a run must be in the end, whatever befell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from far_runs import a_copy, calls_of, history, runs_of
from modal_calls import RETRIES, far_root, with_pins
from modal_plane import FAR_ROOT, VOLUME
from remote_fixtures import LOGGED_EVERY, STEPS, last_weights

TRAINING = ("run", "--env", "far", "--pipelines", "training")


@pytest.fixture
def modal_project(far_project: Path, tmp_path: Path, plane: Any) -> Path:
    """A project whose env `far` trains on the plane, with the cache on its volume."""
    machine = {"cpu": 16, "memory_mib": 16384, "timeout_s": 3600, "grace_s": 20.0, "retries": RETRIES}
    settings = {"far_root": FAR_ROOT, "volumes": {"/vol": {"name": VOLUME}}, "tags": {"gpu": machine}}
    copy = with_pins(a_copy(far_project, tmp_path / "project", backend="modal", **settings))
    far_root(plane, copy)
    return copy


def assert_as_undisturbed(plane: Any, project: Path, weights: str, epochs: int = 3) -> None:
    """One finished run with every epoch and step once; `weights` over there, and the best of them here and in MLflow."""
    assert last_weights(far_root(plane, project)) == weights
    (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    points = {name: [step for step, _ in points] for name, points in history(run).items()}
    of_epochs = [steps for name, steps in points.items() if name.startswith("epoch/")]
    of_steps = [steps for name, steps in points.items() if name.startswith("step/")]
    assert len(of_epochs) > 5
    assert all(steps == list(range(1, epochs + 1)) for steps in of_epochs), points
    assert of_steps
    assert all(steps == list(range(LOGGED_EVERY, epochs * STEPS + 1, LOGGED_EVERY)) for steps in of_steps), points
    (call,) = calls_of(project)
    assert (call.status, call.backend) == ("finished", "modal")
    assert list((project / "data/far").glob("06_models/*/best/weights.safetensors"))
