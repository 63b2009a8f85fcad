"""One far training, broken off by a signal, a kill and an interrupt, each with epochs left to do."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from remote_fixtures import LONGER, LONGER_EPOCHS, STEPS, add_cache, last_weights, request_for
from test_remote_supervisor import Ear, assert_each_once, attempt

from seizure_pipeline.remote.far.call_folder import EVENTS
from seizure_pipeline.remote.far.supervisor import AttemptFailed, AttemptOver

BROKEN_OFF_AT = (3, 4 * STEPS + 3, 8 * STEPS + 3)


def test_after_three_interruptions_the_weights_are_the_same_and_events_told_once(
    far_project: Path, longer_undisturbed: str, tmp_path: Path
) -> None:
    root = add_cache(far_project, tmp_path / "root")
    ear = Ear(request_for(far_project, root, params=LONGER))
    ear.at_step, ear.act = BROKEN_OFF_AT[0], ear.signal_child(signal.SIGTERM)
    with pytest.raises(AttemptOver, match="attempt 1 at train is over: a signal from elsewhere"):
        attempt(far_project, ear)
    with (Path(ear.request.folder) / EVENTS).open("ab") as stream:
        stream.write(b'{"number": 99, "kind": "log", "at_')  # what a machine leaves that is gone within a line
    ear.at_step, ear.act = BROKEN_OFF_AT[1], ear.signal_child(signal.SIGKILL)
    with pytest.raises(AttemptFailed, match=r"attempt 2 at train: without a word, its process died of signal 9 \(Killed\)"):
        attempt(far_project, ear)
    ear.at_step, ear.act = BROKEN_OFF_AT[2], ear.interrupt_self
    with pytest.raises(KeyboardInterrupt):
        attempt(far_project, ear)
    outcome = attempt(far_project, ear)
    assert (outcome.status, outcome.attempts) == ("finished", 4)
    assert last_weights(root) == longer_undisturbed
    assert_each_once(ear.request, ear.heard, LONGER_EPOCHS)
    assert [event.facts["attempt"] for event in ear.of_kind("attempt")] == [1, 2, 3, 4]
    assert [event.facts["why"] for event in ear.of_kind("stopping")] == ["the machine is taken back"]
    said = "\n".join(event.facts["message"] for event in ear.of_kind("log"))  # what a killed attempt said last is quoted, too
    places = re.findall(r"^run \w+ continues at epoch (\d+), step (\d+)", said, re.MULTILINE)
    continued = [(int(epoch) - 1) * STEPS + int(step) for epoch, step in places]
    later = (*BROKEN_OFF_AT[1:], LONGER_EPOCHS * STEPS)
    assert all(at <= step < end for at, step, end in zip(BROKEN_OFF_AT, continued, later, strict=True)), continued
    assert any(step % STEPS for step in continued), "in the middle of an epoch"
