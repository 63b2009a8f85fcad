"""Modal's client, wire and containers, with faults put into each: what is said, what is kept, and that nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cable import Cable
from grpclib import Status
from modal_calls import Call, far_root, machine, with_pins
from modal_plane import FAR_ROOT, plane, until

from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact
from seizure_pipeline.remote.records import LONGEST_TEXT

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
PLANTED = "planted-secret-9f8e7d"


@pytest.fixture(scope="module")
def odd(odd_project: Path) -> Path:
    return with_pins(odd_project)


def test_a_node_runs_in_a_container_and_its_events_come_home(plane: Any, odd: Path) -> None:
    call = Call(odd, "say")
    outcome = call.end()
    assert (outcome.status, outcome.attempts) == ("finished", 1)
    facts = {event.kind: event.facts for event in call.heard}
    assert facts["attempt"]["attempt"] == 1
    assert facts["checkpoint"] == {"path": "somewhere", "step": 7}
    assert [event.facts["metrics"] for event in call.heard if event.kind == "epoch"] == [{"loss": 0.5}, {"loss": 0.25}]
    assert "of interest" in [event.facts["message"] for event in call.heard if event.kind == "log"]
    assert call.backend.listing(FAR_ROOT)["07_model_output/operating_point.json"] > 0
    printed = list(call.backend.logs(call.id, call.request, follow=True))
    assert any("it says" in line for line in printed)
    assert not plane.errors


def test_what_a_node_raises_comes_home_with_its_class_and_traceback_and_is_not_tried_again(plane: Any, odd: Path) -> None:
    call = Call(odd, "refuse")
    outcome = call.end()
    assert (outcome.status, outcome.attempts) == ("failed", 1)
    assert outcome.failure is not None
    assert outcome.failure.kind.endswith("CorpusError")
    assert outcome.failure.message == "recording 7 is refused"
    assert "in refuse" in outcome.failure.traceback
    assert "/root/project/src" in outcome.failure.traceback, "the shipped source ran, not the one that is installed here"
    assert len(plane.tasks) == 1


def test_an_outcome_beyond_the_inline_limit_comes_home_cut_and_no_secret_with_it(plane: Any, odd: Path) -> None:
    plane.seed_secret("planted", PLANTED=PLANTED)
    secrets = {"secrets": [{"name": "planted", "keys": ["PLANTED"]}]}
    call = Call(odd, "leak", machine() | secrets, secret_keys=("PLANTED",))
    blobs = len(plane.blobs)
    outcome = call.end()
    assert outcome.status == "failed"
    assert outcome.failure is not None
    assert 8 * 1024 < len(outcome.failure.message) <= LONGEST_TEXT
    assert outcome.failure.message.startswith("***")
    assert len(plane.blobs) > blobs, "more than 8 KiB travel apart from the answer"
    told = [event.to_json() for event in call.heard] + [outcome.to_json(), plane.logs()]
    assert not [text for text in told if PLANTED in text]
    kept = [file for file in far_root(plane, odd).rglob("*") if file.is_file() and PLANTED.encode() in file.read_bytes()]
    assert kept == []


def test_a_process_that_dies_is_tried_again_as_often_as_conf_says_and_its_last_words_are_told(plane: Any, odd: Path) -> None:
    call = Call(odd, "die", machine(retries={"count": 1, "delay_s": 1.0}))
    with pytest.raises(EndedWithoutAWord, match=r"(?s)AttemptFailed.*signal 9.*its last words"):
        call.end()
    call.hear(0.0)
    assert [event.facts["attempt"] for event in call.heard if event.kind == "attempt"] == [1, 2]
    assert len(plane.tasks) == 2


def test_a_full_queue_loses_nothing(plane: Any, odd: Path) -> None:
    plane.faults["QueuePut"] = [Status.RESOURCE_EXHAUSTED] * 1000
    call = Call(odd, "say")
    assert call.end().status == "finished"
    assert len(plane.faults["QueuePut"]) < 1000
    assert {event.kind for event in call.heard} >= {"attempt", "checkpoint", "epoch", "log", "cost"}


def test_a_plane_that_does_not_answer_for_a_while_loses_nothing_and_a_failed_commit_is_made_again(
    plane: Any, odd: Path
) -> None:
    plane.faults["VolumeCommit"] = [Status.FAILED_PRECONDITION]
    plane.faults["QueuePut"] = [Status.UNAVAILABLE] * 6
    plane.faults["FunctionGetInputs"] = [Status.UNAVAILABLE]
    call = Call(odd, "say")
    plane.faults["QueueGet"] = [Status.UNAVAILABLE] * 4
    with pytest.raises(LostContact):
        call.hear()
    plane.faults["FunctionGetOutputs"] = [Status.UNAVAILABLE] * 2
    assert call.end().status == "finished"
    assert not plane.faults["VolumeCommit"]
    warned = [event.facts["message"] for event in call.heard if event.kind == "log" and event.facts["level"] == "WARNING"]
    assert any("not safe yet" in message for message in warned)


def test_a_cut_wire_is_lost_contact_and_after_it_is_mended_all_is_heard(
    plane: Any, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cable = Cable(plane.port)
    monkeypatch.setenv("MODAL_SERVER_URL", cable.url)
    call = Call(odd, "say")
    call.hear_of("attempt")
    cable.cut()
    for ask in (call.hear, lambda: call.backend.outcome(call.id, call.request), lambda: call.backend.listing(FAR_ROOT)):
        with pytest.raises(LostContact):
            ask()
    cable.mend()
    assert call.end().status == "finished"
    assert len(plane.tasks) == 1, "the node is not touched by that"
    cable.cut()


ATTACH = """
import json, sys
sys.path.insert(0, "tests")
from pathlib import Path
from modal_calls import Call
call = Call.again(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
print(json.dumps([json.loads(call.end().to_json()), [event.number for event in call.heard]]))
"""
START = """
import sys, time
sys.path.insert(0, "tests")
from pathlib import Path
from modal_calls import Call
call = Call(Path(sys.argv[1]), sys.argv[2])
print(call.id, flush=True)
while True:
    call.hear()
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process that talks to the plane."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_client_that_was_killed_is_followed_by_two_others_at_once_and_both_hear_all(plane: Any, odd: Path) -> None:
    with python(START, str(odd), "say") as first:
        assert first.stdout is not None
        call_id = first.stdout.readline().strip()
        first.send_signal(signal.SIGKILL)
    assert call_id.startswith("fc-")
    others = [python(ATTACH, str(odd), "say", call_id) for _ in range(2)]
    answers = [other.communicate(timeout=90) for other in others]
    assert [other.returncode for other in others] == [0, 0], answers
    (one, heard), (other, heard_too) = (json.loads(out) for out, _ in answers)
    assert one == other
    assert one["status"] == "finished"
    assert heard == heard_too == list(range(1, len(heard) + 1))


@pytest.mark.parametrize("change", [{"code": "of another version"}, {"python": "3.10"}])
def test_code_or_a_python_of_another_version_is_refused_by_the_far_side(plane: Any, odd: Path, change: dict[str, str]) -> None:
    outcome = Call(odd, "say", **change).end()
    assert outcome.status == "failed"
    assert outcome.failure is not None
    assert outcome.failure.kind.endswith("Mismatch")
    assert next(iter(change.values())) in outcome.failure.message


def test_a_node_that_is_asked_to_stop_does_so_and_the_call_ends(plane: Any, odd: Path) -> None:
    call = Call(odd, "wait")
    call.hear_of("checkpoint")
    call.backend.stop(call.id, call.request)
    outcome = call.end()
    assert (outcome.status, outcome.attempts) == ("stopped", 1)
    assert [event.kind for event in call.heard].count("stopping") == 1
    assert len(plane.tasks) == 1


def test_a_call_whose_start_lost_its_answer_is_found_followed_and_stopped_by_its_name(plane: Any, odd: Path) -> None:
    call = Call(odd, "wait")
    known, call.id = call.id, ""
    assert call.backend.find(call.request) is None
    assert until(lambda: call.backend.find(call.request)) == known
    call.hear_of("checkpoint")
    assert call.backend.outcome("", call.request) is None
    call.backend.stop("", call.request)
    assert call.end().status == "stopped"
