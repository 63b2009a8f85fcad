"""`kedro run` with its training on Modal: command line, runner, hooks and MLflow see the run that it would have been here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from far_runs import a_copy, begun, calls_of, history, kedro, runs_of, wait_for
from modal_calls import RETRIES, far_root, with_pins
from modal_plane import FAR_ROOT, VOLUME, plane
from remote_fixtures import last_weights

__all__ = ["plane"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # of the plane
TRAINING = ("run", "--env", "far", "--pipelines", "training")


@pytest.fixture
def project(far_project: Path, tmp_path: Path, plane: Any) -> Path:
    """A project whose env `far` trains on the plane, with the cache on its volume."""
    machine = {"cpu": 16, "memory_mib": 16384, "timeout_s": 3600, "grace_s": 20.0, "retries": RETRIES}
    settings = {"far_root": FAR_ROOT, "volumes": {"/vol": {"name": VOLUME}}, "tags": {"gpu": machine}}
    copy = with_pins(a_copy(far_project, tmp_path / "project", backend="modal", **settings))
    far_root(plane, copy)
    return copy


def assert_as_undisturbed(plane: Any, project: Path, undisturbed: str) -> None:
    """One finished run with every epoch once, its weights over there and the best of them here and in MLflow."""
    assert last_weights(far_root(plane, project)) == undisturbed
    (run,) = runs_of(project)
    assert run.info.status == "FINISHED"
    epochs = {name: [step for step, _ in points] for name, points in history(run).items() if name.startswith("epoch/")}
    assert len(epochs) > 5
    assert all(steps == [1, 2, 3] for steps in epochs.values()), epochs
    (call,) = calls_of(project)
    assert (call.status, call.backend) == ("finished", "modal")
    assert list((project / "data/far").glob("06_models/*/best/weights.safetensors"))
    assert not plane.errors


def test_a_run_whose_training_is_on_modal_is_the_run_that_it_would_be_here(plane: Any, project: Path, undisturbed: str) -> None:
    done = kedro(project, *TRAINING)
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(plane, project, undisturbed)


def test_a_client_that_is_killed_in_the_middle_is_replaced_by_one_that_attaches(
    plane: Any, project: Path, undisturbed: str
) -> None:
    first = begun(project, *TRAINING)
    wait_for(lambda: any(call.epochs for call in calls_of(project)))
    first.kill()
    first.communicate()
    assert calls_of(project)[0].status == "running"
    attached = kedro(project, "remote", "attach", "train", "--env", "far")
    assert attached.returncode == 0, attached.stderr
    assert_as_undisturbed(plane, project, undisturbed)
