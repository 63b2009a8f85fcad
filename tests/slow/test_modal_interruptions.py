"""Trainings in Modal's containers that are interrupted again and again end with the weights of one that was left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from modal_calls import Call, far_root, has_saved, machine, with_pins, written
from modal_plane import plane, until
from remote_fixtures import LONGER, LONGER_EPOCHS, last_weights

from seizure_pipeline.remote.backend import EndedWithoutAWord

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane


def attempts(call: Call) -> list[int]:
    return [event.facts["attempt"] for event in call.heard if event.kind == "attempt"]


def test_a_training_preempted_three_times_goes_on_in_the_middle_without_using_up_a_retry(
    plane: Any, far_project: Path, longer_undisturbed: str
) -> None:
    root = far_root(plane, far_project)
    call = Call(with_pins(far_project), "train", machine(retries={"count": 0, "delay_s": 1.0}), params=LONGER)
    for number in (1, 2, 3):
        until(partial(has_saved, plane, call, number), 120.0)
        plane.preempt()
    outcome = call.end(180.0)
    assert (outcome.status, outcome.attempts) == ("finished", 4)
    assert attempts(call) == [1, 2, 3, 4]
    assert [event.facts["epoch"] for event in call.heard if event.kind == "epoch"] == list(range(1, LONGER_EPOCHS + 1))
    assert last_weights(root) == longer_undisturbed


def test_an_attempt_that_the_provider_ends_at_its_time_is_tried_again_and_then_said_to_have_timed_out(
    plane: Any, odd_project: Path
) -> None:
    conf = machine(timeout_s=240, retries={"count": 1, "delay_s": 1.0})  # 12 s of the plane's
    call = Call(with_pins(odd_project), "hang", conf)
    with pytest.raises(EndedWithoutAWord, match="FunctionTimeoutError"):
        call.end()
    assert len(plane.tasks) == 2


def test_a_node_that_does_not_heed_is_killed_after_its_grace(plane: Any, odd_project: Path) -> None:
    call = Call(with_pins(odd_project), "hang", grace_s=3.0)
    call.hear_of("checkpoint")
    call.backend.stop(call.id, call.request)
    assert call.end().status == "stopped"


def test_asking_to_stop_twice_is_asking_once(plane: Any, odd_project: Path) -> None:
    call = Call(with_pins(odd_project), "hang", grace_s=3.0)
    call.hear_of("attempt")
    for _ in range(2):
        call.backend.stop(call.id, call.request)
    assert call.end().status == "stopped"
    assert not plane.all("FunctionCallCancel")


def test_a_machine_that_dies_and_one_that_is_taken_back_cost_no_weight(
    plane: Any, far_project: Path, longer_undisturbed: str
) -> None:
    """The first loses what it had not committed; the second saves itself in its grace."""
    root = far_root(plane, far_project)
    call = Call(with_pins(far_project), "train", params=LONGER)
    until(lambda: has_saved(plane, call, 1), 120.0)
    task, events = written(plane, call)
    task.kill()
    until(lambda: not task.alive)
    lost = events.read_bytes()
    until(lambda: has_saved(plane, call, 2), 120.0)
    plane.preempt()
    outcome = call.end(180.0)
    assert (outcome.status, outcome.attempts) == ("finished", 3)
    assert last_weights(root) == longer_undisturbed
    kept = root / events.relative_to(events.parents[2])
    assert not kept.read_bytes().startswith(lost), "what was not committed is really gone"
    epochs = [event.facts["epoch"] for event in call.heard if event.kind == "epoch"]
    assert epochs == list(range(1, LONGER_EPOCHS + 1)), "each once"
