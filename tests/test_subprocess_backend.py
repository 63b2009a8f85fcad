"""Far nodes on this machine: they outlive who started them, are tried again, and can be found by anybody by their call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from remote_fixtures import add_cache, last_weights, processes_of, request_for

from seizure_pipeline.remote.backend import EndedWithoutAWord, RemoteError
from seizure_pipeline.remote.far.call_folder import EVENTS, whole_events
from seizure_pipeline.remote.records import Event, Outcome, Request
from seizure_pipeline.remote.settings import Resources, RetrySettings
from seizure_pipeline.remote.subprocess.backend import SubprocessBackend

MACHINE = Resources(retries=RetrySettings(count=2, delay_s=0.1))
LONGEST_S = 180.0


def odd(project: Path, root: Path, node: str, **changes: object) -> Request:
    return request_for(project, root, node=node, pipelines=("odd",), **changes)


def follow(
    backend: SubprocessBackend, request: Request, after: int = 0, heard: Callable[[Event], object] = lambda event: None
) -> tuple[list[Event], Outcome]:
    """All events of a call beyond number `after`, and how it ended."""
    events: list[Event] = []
    until_s = time.monotonic() + LONGEST_S
    while time.monotonic() < until_s:
        outcome = backend.outcome(request.call, request)
        new = backend.events(request.call, request, events[-1].number if events else after, 0.5)
        for event in new:
            heard(event)
        events += new
        if outcome is not None and not new:
            return events, outcome
    raise AssertionError(f"call {request.call} did not end within {LONGEST_S} s")


def wait_for(backend: SubprocessBackend, request: Request, is_it: Callable[[Event], bool]) -> list[Event]:
    """Events of a call up to the one that is waited for."""
    events: list[Event] = []
    until_s = time.monotonic() + LONGEST_S
    while not any(is_it(event) for event in events):
        assert time.monotonic() < until_s
        events += backend.events(request.call, request, events[-1].number if events else 0, 0.5)
    return events


def is_checkpoint(event: Event) -> bool:
    return event.kind == "checkpoint"


CLIENT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_subprocess_backend import MACHINE, Request, SubprocessBackend
backend, request = SubprocessBackend(Path({project!r})), Request.from_json({request!r})
call = backend.start(request, MACHINE)
after = 0
while True:
    for event in backend.events(call, request, after, 1.0):
        after = event.number
        print(after, flush=True)
"""


def test_a_client_and_a_node_that_are_killed_lose_nothing(far_project: Path, undisturbed: str, tmp_path: Path) -> None:
    root = add_cache(far_project, tmp_path / "root")
    request = request_for(far_project, root, attempts=3)
    script = CLIENT.format(tests=str(Path(__file__).parent), project=str(far_project), request=request.to_json())
    command = [sys.executable, "-W", "ignore", "-c", script]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert client.stdout is not None
    heard = [int(client.stdout.readline()) for _ in range(8)]
    os.killpg(client.pid, signal.SIGKILL)  # all that its terminal would take along
    client.communicate()
    assert heard == list(range(1, 9))
    backend, killed = SubprocessBackend(far_project), []

    def kill_in_second_epoch(event: Event) -> None:
        if is_checkpoint(event) and event.facts["step"] == 12 and not killed:
            killed.extend(processes_of(f"remote.far.node {request.folder}/"))
            os.kill(killed[0], signal.SIGKILL)

    events, outcome = follow(backend, request, heard[-1], kill_in_second_epoch)
    assert len(killed) == 1
    assert (outcome.status, outcome.attempts) == ("finished", 2)
    assert last_weights(root) == undisturbed
    assert heard + [event.number for event in events] == list(range(1, 9 + len(events)))
    assert [
        event.facts["epoch"] for event in SubprocessBackend(far_project).events("", request, 0, 0.0) if event.kind == "epoch"
    ] == [1, 2, 3]
    assert any("died of signal 9" in event.facts["message"] for event in events if event.kind == "log")
    assert any("continues at epoch 2" in line for line in backend.logs(request.call, request, follow=True))


def test_a_call_that_is_stopped_leaves_a_checkpoint_where_the_next_one_goes_on(
    far_project: Path, undisturbed: str, tmp_path: Path
) -> None:
    root = add_cache(far_project, tmp_path / "root")
    request, backend = request_for(far_project, root), SubprocessBackend(far_project)
    backend.start(request, MACHINE)
    wait_for(backend, request, is_checkpoint)
    backend.stop(request.call, request)
    events, outcome = follow(backend, request)
    assert outcome.status == "stopped"
    assert [event.facts["why"] for event in events if event.kind == "stopping"] == ["it was asked to"]
    again = request_for(far_project, root, call="call-2")
    backend.start(again, MACHINE)
    assert follow(backend, again)[1].status == "finished"
    assert last_weights(root) == undisturbed


def test_what_a_node_raises_is_not_tried_again(odd_project: Path, tmp_path: Path) -> None:
    request, backend = odd(odd_project, tmp_path, "refuse", attempts=3), SubprocessBackend(odd_project)
    backend.start(request, MACHINE)
    outcome = follow(backend, request)[1]
    assert (outcome.status, outcome.attempts) == ("failed", 1)
    assert outcome.failure is not None
    assert outcome.failure.message == "recording 7 is refused"


def test_a_node_that_dies_every_time_is_tried_as_often_as_it_may_be(odd_project: Path, tmp_path: Path) -> None:
    request, backend = odd(odd_project, tmp_path, "die", attempts=2), SubprocessBackend(odd_project)
    backend.start(request, MACHINE)
    events, outcome = follow(backend, request)
    assert (outcome.status, outcome.attempts) == ("failed", 2)
    assert outcome.failure is not None
    assert outcome.failure.kind == "seizure_pipeline.remote.far.supervisor.AttemptFailed"
    assert "signal 9 (Killed), for lack of memory most often" in outcome.failure.message
    assert "its last words" in outcome.failure.message
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert list(backend.logs(request.call, request, follow=False)).count("its last words") == 2


def test_without_its_watcher_a_node_ends_and_the_call_says_so(odd_project: Path, tmp_path: Path) -> None:
    request, backend = odd(odd_project, tmp_path, "wait"), SubprocessBackend(odd_project)
    backend.start(request, MACHINE)
    wait_for(backend, request, is_checkpoint)
    assert backend.outcome(request.call, request) is None
    (watcher,) = processes_of(f"remote.subprocess.watcher {request.folder} ")
    os.kill(watcher, signal.SIGKILL)
    until_s = time.monotonic() + LONGEST_S
    while processes_of(f"remote.far.node {request.folder}/"):
        assert time.monotonic() < until_s
        time.sleep(0.1)
    with pytest.raises(EndedWithoutAWord, match="the process that watched over it is gone"):
        backend.outcome(request.call, request)


def test_a_machine_that_goes_down_stops_its_calls(odd_project: Path, tmp_path: Path) -> None:
    request, backend = odd(odd_project, tmp_path, "wait"), SubprocessBackend(odd_project)
    backend.start(request, MACHINE)
    wait_for(backend, request, is_checkpoint)
    os.kill(processes_of(f"remote.subprocess.watcher {request.folder} ")[0], signal.SIGTERM)
    assert follow(backend, request)[1].status == "stopped"


def test_a_call_is_started_once_and_one_that_is_not_there_is_named(odd_project: Path, tmp_path: Path) -> None:
    request, backend = odd(odd_project, tmp_path, "say"), SubprocessBackend(odd_project)
    with pytest.raises(RemoteError, match="there is no call call-1 below") as refusal:
        backend.outcome(request.call, request)
    assert not isinstance(refusal.value, EndedWithoutAWord), "what never began did not end"
    backend.start(request, MACHINE)
    with pytest.raises(RemoteError, match="call call-1 was started already"):
        backend.start(request, MACHINE)
    assert follow(backend, request)[1].status == "finished"
    assert sorted(backend.listing(str(tmp_path / "remote"))) == [
        f"call-1/{name}"
        for name in ("events.jsonl", "outcome.json", "output.log", "request.json", "retries.json", "spent.json", "watcher.lock")
    ]


def test_a_node_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    empty = tmp_path / "src/seizure_pipeline"
    empty.mkdir()
    (empty / "__init__.py").touch()
    request = Request("call-1", "train", None, (), {}, "", str(tmp_path / "root"), "", "")
    with pytest.raises(RemoteError, match=r"call call-1 was not started:\n.*No module named"):
        SubprocessBackend(tmp_path).start(request, MACHINE)


def test_files_travel_whole_or_not_at_all(tmp_path: Path) -> None:
    backend, here, there = SubprocessBackend(tmp_path), tmp_path / "a.bin", tmp_path / "far/folder/a.bin"
    here.write_bytes(b"first")
    backend.put(here, str(there))
    assert backend.listing(str(tmp_path / "far")) == {"folder/a.bin": 5}
    there.write_bytes(b"changed over there")
    backend.get(str(there), here)
    assert here.read_bytes() == b"changed over there"
    with pytest.raises(FileNotFoundError):
        backend.get(str(tmp_path / "nothing"), here)
    assert here.read_bytes() == b"changed over there"
    assert backend.listing(str(tmp_path / "nowhere")) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "far"]


def test_events_are_heard_from_any_number_on_and_a_line_under_way_only_when_it_is_whole(tmp_path: Path) -> None:
    request = Request("call-1", "train", None, (), {}, "", str(tmp_path), "", "")
    backend, path = SubprocessBackend(tmp_path), Path(request.folder) / EVENTS
    path.parent.mkdir(parents=True)
    lines = [f"{Event(number, 'log', 0.0, {}).to_json()}\n".encode() for number in (1, 2, 3)]
    path.write_bytes(lines[0] + lines[1][:10])
    assert [event.number for event in backend.events("call-1", request, 0, 0.0)] == [1]
    path.write_bytes(b"".join(lines))
    assert [event.number for event in backend.events("call-1", request, 1, 0.0)] == [2, 3]
    assert backend.events("call-1", request, 3, 0.0) == []
    assert [event.number for event in backend.events("call-1", request, 1, 0.0)] == [2, 3]
    assert whole_events(path.read_bytes()) == (backend.events("call-1", request, 0, 0.0), len(path.read_bytes()))


def test_a_gpu_that_is_not_here_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    backend = SubprocessBackend(tmp_path)
    assert backend.problems([MACHINE]) == []
    (problem,) = backend.problems([MACHINE, Resources(gpu=("A100-80GB",))])
    assert problem.endswith("asks for 1 x A100-80GB; backend subprocess runs here, and here is no GPU")


@pytest.mark.parametrize(
    ("gpu", "count", "is_here"),
    [
        (("A100-80GB",), 2, True),
        (("A100-80GB",), 3, False),
        (("A100-40GB",), 1, False),
        (("A100",), 1, True),
        (("H100!", "L40S"), 1, True),
        (("H100",), 1, False),
        (("L4",), 1, False),
        (("RTX-PRO-6000",), 1, True),
    ],
)
def test_a_gpu_of_another_kind_is_not_the_one_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: tuple[str, ...], count: int, is_here: bool
) -> None:
    here = ["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe", "NVIDIA L40S", "NVIDIA RTX PRO 6000 Blackwell"]
    monkeypatch.setattr("seizure_pipeline.remote.subprocess.backend.gpu_names", lambda: here)
    problems = SubprocessBackend(tmp_path).problems([Resources(gpu=gpu, gpu_count=count)])
    assert (problems == []) is is_here
    assert all(f"{count} x {' or '.join(gpu)}" in problem for problem in problems)
