"""Attempts whose time is up: one ends itself before, one is killed by the provider shortly before an epoch is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from far_runs import Reference
from modal_calls import Call, far_root, machine, with_pins, written
from modal_plane import plane, until
from remote_fixtures import LONGER, last_weights

from seizure_pipeline.remote.modal.events import lines_of

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
RETRIES = {"count": 10, "delay_s": 1.0}
GRACE_S = 8.0
LONG_EPOCH = 24  # steps: all partial windows, one in a batch


def test_a_training_longer_than_an_attempt_may_take_goes_on_in_the_next_one(
    plane: Any, far_project: Path, longer_undisturbed: str
) -> None:
    """The attempt ends itself, with a checkpoint, before the provider would: it has as long again as a start takes today."""
    root = far_root(plane, far_project)
    project = with_pins(far_project)
    began_s = time.monotonic()
    first = Call(project, "train", call="call-first", params=LONGER)
    first.hear_of("checkpoint")
    attempt_s = 2 * (time.monotonic() - began_s)
    first.backend.stop(first.id, first.request)
    assert first.end().status == "stopped"
    call = Call(project, "train", machine(retries=RETRIES), timeout_s=attempt_s + GRACE_S, grace_s=GRACE_S, params=LONGER)
    outcome = call.end(240.0)
    assert outcome.status == "finished"
    assert outcome.attempts > 1
    stops = [event.facts["why"] for event in call.heard if event.kind == "stopping"]
    assert set(stops) == {"the time of an attempt is over"}
    assert len(stops) >= outcome.attempts - 1
    assert last_weights(root) == longer_undisturbed


def test_an_attempt_that_the_provider_kills_at_nine_tenths_of_an_epoch_costs_no_weight(plane: Any, far_project: Path) -> None:
    """As at the end of its time: nobody over there is asked. What was committed stands, and the next attempt goes on there."""
    epochs = 6
    training = {"epochs": epochs, "patience_epochs": epochs, "batch_size": 1, "sampling": {"max_partial": 1000}}
    reference = Reference(far_project, "nine_tenths", {"training": training})
    root = far_root(plane, far_project)
    call = Call(with_pins(far_project), "train", machine(retries=RETRIES), params={"training": training})
    until(lambda: list(root.glob("06_models/*/state.safetensors")), 120.0)
    task, events = written(plane, call)
    until(lambda: _last_step(events) % LONG_EPOCH >= 0.9 * LONG_EPOCH, 120.0)
    plane.loop.call_soon_threadsafe(task._timeout)
    until(lambda: not task.alive)
    assert _last_step(events) % LONG_EPOCH >= 0.9 * LONG_EPOCH, "it was not done with the epoch"
    outcome = call.end(200.0)
    assert (outcome.status, outcome.attempts) == ("finished", 2)
    assert [event.facts["epoch"] for event in call.heard if event.kind == "epoch"] == list(range(1, epochs + 1))
    assert any("continues at epoch" in event.facts["message"] for event in call.heard if event.kind == "log")
    assert last_weights(root) == reference.weights()


def _last_step(events: Path) -> int:
    """The step of the last checkpoint that an attempt wrote, committed or not."""
    return max((event.facts["step"] for event in lines_of(events.read_text()) if event.kind == "checkpoint"), default=0)
