"""`kedro run` with its training on Modal, and a fault on the way: the run in MLflow and the weights are those without it."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from cable import Cable
from far_runs import Reference, begun, calls_of, wait_for
from grpclib import Status
from modal_calls import begun as running
from modal_calls import far_root, has_saved
from modal_plane import plane, until
from modal_runs import TRAINING, assert_as_undisturbed, modal_project
from remote_fixtures import dotted

from seizure_pipeline.remote.modal.events import lines_of

__all__ = ["modal_project", "plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
CUT_S = 60.0
CUT_EPOCHS = 30
FAULTS = {
    "a commit of the volume fails once": ({"VolumeCommit": [Status.FAILED_PRECONDITION]}, "not safe yet"),
    "the queue home is full": ({"QueuePut": [Status.RESOURCE_EXHAUSTED] * 1000}, "the queue home takes nothing"),
    "the stream of events is cut and resumed": ({"QueuePut": [Status.UNAVAILABLE] * 12}, "the queue home takes nothing"),
    "Modal does not answer": (
        {"QueueGet": [Status.UNAVAILABLE] * 8, "FunctionGetOutputs": [Status.UNAVAILABLE] * 8}, "contact again after"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_way_home_leaves_the_run_as_it_would_be(
    plane: Any, modal_project: Path, undisturbed: str, fault: str
) -> None:
    faults, told = FAULTS[fault]
    client = begun(modal_project, *TRAINING)
    until(lambda: running(plane), 120.0)
    planted = {rpc: len(answers) for rpc, answers in faults.items()}
    plane.faults.update({rpc: list(answers) for rpc, answers in faults.items()})
    _, errors = client.communicate(timeout=200)
    assert client.returncode == 0, errors
    assert all(len(plane.faults[rpc]) < number for rpc, number in planted.items()), "it did not befall"
    assert told in errors + plane.logs()
    assert_as_undisturbed(plane, modal_project, undisturbed)


def test_a_container_that_is_killed_loses_no_step_of_the_run(plane: Any, modal_project: Path, undisturbed: str) -> None:
    client = begun(modal_project, *TRAINING)
    wait_for(lambda: calls_of(modal_project))
    until(lambda: has_saved(plane, calls_of(modal_project)[0], 1), 120.0)
    running(plane)[0].kill()
    _, errors = client.communicate(timeout=200)
    assert client.returncode == 0, errors
    assert len(plane.tasks) == 2
    assert_as_undisturbed(plane, modal_project, undisturbed)


def test_a_line_that_is_cut_for_60_s_of_a_training_costs_nothing(
    plane: Any, far_project: Path, modal_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node trains on, on a fast machine to its end; this side says so once, and hears afterwards what it missed."""
    longer = {"training": {"epochs": CUT_EPOCHS, "patience_epochs": CUT_EPOCHS}}
    reference = Reference(far_project, "cut", longer)
    cable = Cable(plane.port)
    monkeypatch.setenv("MODAL_SERVER_URL", cable.url)
    client = begun(modal_project, *TRAINING, "--params", dotted(longer))
    wait_for(lambda: any(call.epochs for call in calls_of(modal_project)))
    cut_s = time.time()
    cable.cut()
    time.sleep(CUT_S)
    mended_s = time.time()
    cable.mend()
    _, errors = client.communicate(timeout=240)
    assert client.returncode == 0, errors + plane.logs()
    said = re.findall(r"contact again after (\d+) s", errors)
    assert len(said) == 1, errors
    assert int(said[0]) >= CUT_S - 10
    assert "no contact (" in errors
    (call,) = calls_of(modal_project)
    (file,) = far_root(plane, modal_project).glob(f"remote/{call.call}/events.jsonl")
    meanwhile = [event for event in lines_of(file.read_text()) if cut_s < event.at_s < mended_s]
    assert [event for event in meanwhile if event.kind == "epoch"], "the node was not touched by that"
    assert len(plane.tasks) == 1, errors + plane.logs()
    assert_as_undisturbed(plane, modal_project, reference.weights(), CUT_EPOCHS)
    cable.cut()
