"""One far training, broken off by a signal, a kill and an interrupt: on a machine that is idle, for the steps are short."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from remote_fixtures import add_cache, last_weights, request_for
from test_remote_supervisor import STEPS, Ear, assert_each_once, attempt

from seizure_pipeline.remote.call_folder import EVENTS
from seizure_pipeline.remote.supervisor import AttemptFailed, AttemptOver


def test_after_three_interruptions_the_weights_are_the_same_and_events_told_once(
    far_project: Path, undisturbed: str, tmp_path: Path
) -> None:
    root = add_cache(far_project, tmp_path / "root")
    ear = Ear(request_for(far_project, root))
    ear.at_step, ear.act = 3, ear.signal_child(signal.SIGTERM)
    with pytest.raises(AttemptOver, match="attempt 1 at train is over: a signal from elsewhere"):
        attempt(far_project, ear)
    with (Path(ear.request.folder) / EVENTS).open("ab") as stream:
        stream.write(b'{"number": 99, "kind": "log", "at_')  # what a machine leaves that is gone within a line
    ear.at_step, ear.act = STEPS + 3, ear.signal_child(signal.SIGKILL)
    with pytest.raises(AttemptFailed, match=r"attempt 2 at train: without a word, its process died of signal 9 \(Killed\)"):
        attempt(far_project, ear)
    ear.at_step, ear.act = 2 * STEPS + 3, ear.interrupt_self
    with pytest.raises(KeyboardInterrupt):
        attempt(far_project, ear)
    outcome = attempt(far_project, ear)
    assert (outcome.status, outcome.attempts) == ("finished", 4)
    assert last_weights(root) == undisturbed
    assert_each_once(ear.request, ear.heard)
    assert [event.facts["attempt"] for event in ear.of_kind("attempt")] == [1, 2, 3, 4]
    assert [event.facts["why"] for event in ear.of_kind("stopping")] == ["the machine is taken back"]
    loop = [event.facts["message"] for event in ear.of_kind("log") if event.facts["logger"].endswith("training.loop")]
    continued = [message.split(" continues at ")[1] for message in loop if " continues at " in message]
    assert [place.split(", ")[0] for place in continued] == ["epoch 1", "epoch 2", "epoch 3"]
    assert not any(place.endswith("step 0") for place in continued)
