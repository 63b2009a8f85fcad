"""Events of a call: written whole, numbered without a gap, told in their order and only once they are safe."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_remote_supervisor import odd, written

from seizure_pipeline.remote.far.call_folder import EVENTS, CallFolder, whole_events
from seizure_pipeline.remote.far.supervisor import AttemptFailed, supervise
from seizure_pipeline.remote.far.telling import Telling
from seizure_pipeline.remote.records import Event


def test_a_commit_that_fails_once_is_tried_again_and_nothing_is_told_before_it(odd_project: Path, tmp_path: Path) -> None:
    ear = odd(odd_project, tmp_path, "say")
    safe: list[int] = []
    tries = 0

    def commit() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError("the volume is busy")
        safe.append(len(written(ear.request)))

    def emit(event: Event) -> None:
        assert event.number <= safe[-1]
        ear(event)

    outcome = supervise(ear.request, odd_project, commit, emit, lambda: False)
    assert outcome.status == "finished"
    assert [event.facts for event in ear.of_kind("epoch")] == [
        {"epoch": 1, "metrics": {"loss": 0.5}},
        {"epoch": 2, "metrics": {"loss": 0.25}},
    ]
    assert ear.heard == written(ear.request)
    (warning,) = [event for event in ear.of_kind("log") if event.facts["logger"].endswith("supervisor")]
    assert "OSError: the volume is busy" in warning.facts["message"]


def test_what_cannot_be_made_safe_fails_the_attempt(odd_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizure_pipeline.remote.far.telling.LAST_TRIES_S", (0.0, 0.1))
    ear = odd(odd_project, tmp_path, "say")

    def commit() -> None:
        raise OSError("the volume is gone")

    with pytest.raises(AttemptFailed, match="could not be made safe"):
        supervise(ear.request, odd_project, commit, ear, lambda: False)
    assert ear.heard == []


def test_a_commit_that_hangs_is_given_up_with_a_warning_and_fails_the_attempt(
    odd_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizure_pipeline.remote.far.supervisor.COMMIT_S", 1.0)
    ear = odd(odd_project, tmp_path, "say", grace_s=1.0)
    let_go = threading.Event()
    with pytest.raises(AttemptFailed, match="could not be made safe"):
        supervise(ear.request, odd_project, lambda: let_go.wait(60), ear, lambda: False)
    assert not let_go.is_set()
    let_go.set()
    assert ear.heard == []
    warnings = [event.facts["message"] for event in written(ear.request) if event.kind == "log"]
    assert any("has not ended within 1 s and was given up" in message for message in warnings)


@pytest.mark.parametrize("node", ["wait", "hang"])
def test_a_commit_that_hangs_while_the_node_runs_keeps_it_from_neither_stopping_nor_being_told(
    odd_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str
) -> None:
    """The first never ends, all later ones are well. A node that heeds saves itself, one that does not is killed."""
    monkeypatch.setattr("seizure_pipeline.remote.far.supervisor.COMMIT_S", 1.0)
    monkeypatch.setattr("seizure_pipeline.remote.far.telling.PAUSE_S", 0.1)
    ear = odd(odd_project, tmp_path, node, grace_s=2.0)
    let_go, tries = threading.Event(), []

    def commit() -> None:
        tries.append(1)
        if len(tries) == 1:
            let_go.wait(60)

    began_s = time.monotonic()
    outcome = supervise(ear.request, odd_project, commit, ear, lambda: bool(ear.of_kind("checkpoint")))
    let_go.set()
    assert outcome.status == "stopped"
    assert ear.heard == written(ear.request), "what the commit that hung was of is told by the next"
    assert time.monotonic() - began_s < 40


HANGING = """
import sys, threading, time
from seizure_pipeline.remote.records import Event
from seizure_pipeline.remote.far.telling import Telling
telling = Telling(lambda: threading.Event().wait(), print, print, 0.1)
telling.add(Event(1, "log", 0.0, {}))
telling.go_on()
try:
    telling.finish(0.1)
except RuntimeError as error:
    print("given up", flush=True)
"""


def test_a_commit_that_never_ends_keeps_no_process_alive() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines()[-1] == "given up"


def test_commits_are_seldom_and_never_two_at_once() -> None:
    told: list[int] = []
    under_way: list[int] = []

    def commit() -> None:
        under_way.append(1)
        assert len(under_way) == 1
        time.sleep(0.05)
        under_way.pop()
        commits.append(time.monotonic())

    commits: list[float] = []
    failures: list[str] = []
    telling = Telling(commit, lambda event: told.append(event.number), failures.append, 10.0)
    for number in range(1, 41):
        telling.add(Event(number, "log", 0.0, {}))
        telling.go_on()
        time.sleep(0.005)
    telling.finish(10.0)
    assert told == list(range(1, 41))
    assert len(commits) == 2  # the first at once, then the last; a pause lies between any other two
    assert failures == []


@pytest.mark.parametrize(
    "torn", [b"", b'{"number": 4, "ki', b"\0\0\0\0\n", b'{"number": 9, "kind": "log", "at_s": 0, "facts": {}}\n']
)
def test_events_are_numbered_on_after_what_is_whole(torn: bytes, tmp_path: Path) -> None:
    folder = CallFolder(tmp_path)
    for number in (1, 2, 3):
        folder.add("epoch" if number < 3 else "step", {"epoch": number, "step": number, "metrics": {"loss": 1.0}})
    folder.close()
    with (tmp_path / EVENTS).open("ab") as stream:
        stream.write(torn)
    again = CallFolder(tmp_path)
    assert again.add("epoch", {"epoch": 2, "metrics": {"loss": 1.5}}) is None
    assert again.add("step", {"step": 3, "metrics": {"loss": 1.5}}) is None
    again.add("epoch", {"epoch": 4, "metrics": {"loss": 0.5}})
    again.close()
    events, size = whole_events((tmp_path / EVENTS).read_bytes())
    assert size == (tmp_path / EVENTS).stat().st_size
    assert [(event.number, event.facts["epoch"]) for event in events] == [(1, 1), (2, 2), (3, 3), (4, 4)]
