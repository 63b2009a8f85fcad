"""`kedro run` with its training on Modal: command line, runner, hooks and MLflow see the run that it would have been here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from far_runs import begun, calls_of, kedro, wait_for
from modal_plane import plane
from modal_runs import TRAINING, assert_as_undisturbed, modal_project

__all__ = ["modal_project", "plane"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]  # of the plane


def test_a_run_whose_training_is_on_modal_is_the_run_that_it_would_be_here(
    plane: Any, modal_project: Path, undisturbed: str
) -> None:
    done = kedro(modal_project, *TRAINING)
    assert done.returncode == 0, done.stderr
    assert_as_undisturbed(plane, modal_project, undisturbed)
    assert not plane.errors


def test_a_client_that_is_killed_in_the_middle_is_replaced_by_one_that_attaches(
    plane: Any, modal_project: Path, undisturbed: str
) -> None:
    first = begun(modal_project, *TRAINING)
    wait_for(lambda: any(call.epochs for call in calls_of(modal_project)))
    first.kill()
    first.communicate()
    assert calls_of(modal_project)[0].status == "running"
    attached = kedro(modal_project, "remote", "attach", "train", "--env", "far")
    assert attached.returncode == 0, attached.stderr
    assert_as_undisturbed(plane, modal_project, undisturbed)
    assert not plane.errors
