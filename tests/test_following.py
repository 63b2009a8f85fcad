"""What a far node reports is heard here once, however its events come, and exceptions are what they were."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folder_backend import FolderBackend
from test_journal import a_call

from seizure_pipeline import tracking
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.cache import CacheError
from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact, RemoteError
from seizure_pipeline.remote.call import following
from seizure_pipeline.remote.call.failures import error_of
from seizure_pipeline.remote.call.following import Follower, Numbers
from seizure_pipeline.remote.journal import Call, Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Event, Failure, Outcome

FINISHED = Outcome("finished", 1, 0.5, 1.25)


@pytest.fixture
def reports() -> Iterator[list[tuple[int, Mapping[str, float]]]]:
    """The epochs that were reported, in their order."""
    heard: list[tuple[int, Mapping[str, float]]] = []
    tracking.forget()
    tracking.listen(lambda metrics, epoch: heard.append((epoch, metrics)))
    yield heard
    tracking.forget()


@pytest.fixture
def call(tmp_path: Path) -> Call:
    blank = a_call()
    return replace(blank, request=replace(blank.request, far_root=str(tmp_path / "far")), call_id="id", epochs=())


def happened(call: Call, *events: tuple[str, dict[str, Any]], outcome: Outcome | None = FINISHED) -> None:
    """Write down over there what happened, and how it ended."""
    folder = Path(call.request.folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [Event(number, kind, 0.0, facts).to_json() for number, (kind, facts) in enumerate(events, 1)]
    part = folder / "events.part"
    part.write_text("".join(f"{line}\n" for line in lines))
    part.replace(folder / "events.jsonl")
    if outcome is not None:
        part.write_text(outcome.to_json())
        part.replace(folder / "outcome.json")


def epochs(*numbers: int) -> list[tuple[str, dict[str, Any]]]:
    return [("epoch", {"epoch": number, "metrics": {"loss": 1 / number, "auroc": None}}) for number in numbers]


def steps(*numbers: int) -> list[tuple[str, dict[str, Any]]]:
    return [("step", {"step": number, "metrics": {"loss": 1 / number}}) for number in numbers]


def a_follower(backend: FolderBackend, tmp_path: Path, call: Call, patience_s: float = 60) -> Follower:
    return Follower(backend, Journal(tmp_path), call, Patience(patience_s, "It runs on."))


def test_numbers_are_counted_as_heard_in_whatever_order() -> None:
    numbers = Numbers(2)
    events = {number: Event(number, "log", 0.0, {}) for number in range(1, 8)}
    for _ in range(2):  # what is only looked at is not heard
        assert [event.number for event in numbers.unheard([events[5], events[2], events[3], events[5]])] == [3, 5]
    assert (numbers.upto, numbers.highest, numbers.has_gap) == (2, 2, False)
    numbers.mark(5)
    numbers.mark(3)
    assert (numbers.upto, numbers.highest, numbers.has_gap) == (3, 5, True)
    assert [event.number for event in numbers.unheard([events[5], events[4]])] == [4]
    numbers.mark(4)
    assert (numbers.upto, numbers.has_gap) == (5, False)
    assert numbers.unheard(list(events.values())[:5]) == []


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4, 5])
def test_every_epoch_is_reported_once_with_gaps_doubles_and_any_order(
    seed: int | None, call: Call, tmp_path: Path, reports: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "GAP_S", 0.0)
    again = epochs(*range(1, 21)) + epochs(*range(1, 41))  # the second attempt reports what the first one did
    happened(call, *again, outcome=None)
    done = threading.Timer(0.2, lambda: happened(call, *again))
    done.start()
    follower = a_follower(FolderBackend(seed), tmp_path, call)
    outcome = follower.follow()
    assert outcome == FINISHED
    assert Counter(epoch for epoch, _ in reports) == dict.fromkeys(range(1, 41), 1)
    assert all(metrics == {"loss": 1 / epoch} for epoch, metrics in reports)
    (kept,) = Journal(tmp_path).calls()
    assert kept.last_event == 60
    assert {epoch for epoch, _ in kept.epochs} == set(range(1, 41))


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4, 5])
def test_every_step_is_reported_once_and_kept_beside_the_call(
    seed: int | None, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "GAP_S", 0.0)
    told: list[tuple[int, float]] = []
    tracking.forget()
    tracking.listen(lambda metrics, epoch: None, steps=lambda points: told.extend((n, each["loss"]) for each, n in points))
    happened(call, *steps(*range(1, 21)), *steps(*range(1, 41)))
    a_follower(FolderBackend(seed), tmp_path, call).follow()
    assert sorted(told) == [(number, 1 / number) for number in range(1, 41)]
    assert {number: metrics["loss"] for metrics, number in Journal(tmp_path).steps(call.call)} == dict(told)
    follower = a_follower(FolderBackend(seed), tmp_path, Journal(tmp_path).find(call.call))
    follower.follow()
    assert len(told) == 40, "a later process hears nothing anew"
    follower.replay()
    tracking.forget()
    assert sorted(told[40:]) == sorted(told[:40])


def test_a_later_process_goes_on_where_the_journal_stands(call: Call, tmp_path: Path, reports: list[Any]) -> None:
    happened(call, *epochs(1, 2, 3, 4, 5))
    told = tuple((epoch, {"loss": 1 / epoch}) for epoch in (1, 2, 3))
    a_follower(FolderBackend(), tmp_path, replace(call, last_event=2, epochs=told)).follow()
    assert [epoch for epoch, _ in reports] == [4, 5]


def test_what_the_far_machine_says_carries_its_name(call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    happened(
        call,
        ("attempt", {"attempt": 2, "host": "gpu-7", "python": "3.11.9", "torch": "2.13.0", "gpu": ""}),
        ("log", {"level": "WARNING", "logger": "seizure_pipeline.x", "message": "half of it is gone"}),
        ("stopping", {"why": "budget"}),
        ("something new", {}),
    )
    with caplog.at_level(logging.INFO):
        a_follower(FolderBackend(), tmp_path, call).follow()
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert ("INFO", "[gpu-7] attempt 2: python 3.11.9, torch 2.13.0") in said
    assert ("WARNING", "[gpu-7] half of it is gone") in said
    assert ("WARNING", "[gpu-7] stops: budget") in said


def test_cost_and_machine_are_measured_and_shown_beside_progress(
    call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizure_pipeline.progress.HEARTBEAT_S", 0.0)
    measured: list[tuple[Mapping[str, float], int]] = []
    tracking.listen(lambda metrics, epoch: None, lambda metrics, number: measured.append((metrics, number)))
    epoch = {"title": "epoch 1 of 1", "total": 4, "unit": "steps", "done_before": 0, "later": 0}
    steps = [{**epoch, "done": done, "note": f"loss {done}", "spent_s": 20.0 * done} for done in (1, 3, 4)]
    happened(
        call,
        ("progress", steps[0]),
        ("system", {"metrics": {"cpu_utilization_percentage": 50.0, "gpu_0_power_usage_watts": None}}),
        ("cost", {"hours": 0.25, "usd": 1.5}),
        *(("progress", step) for step in steps[1:]),
    )
    with caplog.at_level(logging.INFO):
        follower = a_follower(FolderBackend(), tmp_path, call)
        follower.follow()
    tracking.forget()
    assert measured == [({"system/cpu_utilization_percentage": 50.0}, 2), ({"cost/hours": 0.25, "cost/usd": 1.5}, 3)]
    assert (follower.call.hours, follower.call.usd) == (0.25, 1.5)
    lines = [record.getMessage() for record in caplog.records]
    assert "epoch 1 of 1: 3 of 4 steps, 0.05 steps/s, 20 s left, loss 3, 1.50 USD" in lines
    assert "epoch 1 of 1: 4 steps in 80.0 s" in lines


def test_a_provider_silent_for_a_while_costs_no_event(
    call: Call, tmp_path: Path, reports: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    happened(call, *epochs(1, 2))
    a_follower(FolderBackend(silent_for=2), tmp_path, call).follow()
    assert [epoch for epoch, _ in reports] == [1, 2]
    told = [record.getMessage() for record in caplog.records if "contact" in record.getMessage()]
    assert len(told) == 2
    assert re.match(r"no contact \(nobody answers\); asked again and again for \d+ s", told[0])
    assert told[1].startswith("contact again after")


def test_out_of_patience_says_what_to_do_and_leaves_the_call_running(call: Call, tmp_path: Path) -> None:
    happened(call, *epochs(1))
    call = replace(call, status="running")
    with pytest.raises(LostContact, match=r"no contact for 1 s \(nobody answers\)\. It runs on\."):
        a_follower(FolderBackend(silent_for=10**6), tmp_path, call, patience_s=1).follow()
    assert Journal(tmp_path).find(call.call).status == "running"


def test_of_a_call_that_ended_without_a_word_all_events_are_heard(call: Call, tmp_path: Path, reports: list[Any]) -> None:
    happened(call, *epochs(1, 2, 3), outcome=None)
    (Path(call.request.folder) / "outcome.json").write_text("killed")
    with pytest.raises(EndedWithoutAWord, match="ended without a word"):
        a_follower(FolderBackend(seed=1), tmp_path, call).follow()
    assert sorted(epoch for epoch, _ in reports) == [1, 2, 3]


def failed(kind: str, message: str = "told so") -> Outcome:
    return Outcome("failed", 1, 0.1, 0.2, Failure(kind, message, "Traceback: line 7"))


def test_our_exceptions_are_themselves(call: Call) -> None:
    known = error_of(failed(f"{CacheError.__module__}.CacheError"), call)
    assert type(known) is CacheError
    assert str(known) == "told so"
    assert "Traceback: line 7" not in str(known)
    assert known.__notes__ == ["over there:\nTraceback: line 7"]


@pytest.mark.parametrize(
    "kind",
    [
        "builtins.MemoryError",
        "os.system",
        "subprocess.Popen",
        "seizure_pipeline.cli.run",
        "seizure_pipeline.cli.click.exceptions.Exit",
        "seizure_pipeline.nowhere.Error",
        "seizure_pipeline_of_others.Error",
        "seizure_pipeline.remote.records.Request",
        "seizure_pipeline.remote.backend.Path",
        "seizure_pipeline.mlflow_runs.run.MlflowException",
        "Error",
        "",
    ],
)
def test_nothing_but_exceptions_of_this_package_is_looked_up(kind: str, call: Call) -> None:
    error = error_of(failed(kind, "a message; rm -rf"), call)
    assert type(error) is RemoteError
    assert str(error) == f"node train failed over there with {kind}: a message; rm -rf"


def test_a_stop_a_budget_and_a_silent_failure_say_what_to_do(call: Call) -> None:
    stopped = error_of(Outcome("stopped", 1, 0.1, 0.2), call)
    assert isinstance(stopped, Stopped)
    assert "the same command continues" in str(stopped)
    spent = replace(call, request=replace(call.request, budget_usd=2.0), spent_before_usd=3.0)
    over = str(error_of(Outcome("over_budget", 1, 0.1, 1.9), spent))
    assert "took 4.90 USD of budget_usd 5; raise budget_usd" in over
    assert "kedro remote logs train-1" in str(error_of(Outcome("failed", 1, 0.1, 0.2), call))


def test_a_call_that_does_nothing_is_said_to_with_what_it_costs_though_its_machine_is_measured(
    call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    measured = [("system", {"metrics": {"cpu": 1.0}}), ("cost", {"hours": 1.5, "usd": 6.25})]
    monkeypatch.setattr(following, "QUIET_S", 0.05)
    monkeypatch.setattr(following, "WAIT_S", 0.05)
    done = threading.Event()

    def measure() -> None:
        for count in range(1, 30):
            happened(call, *measured * count, outcome=FINISHED if count == 29 else None)
            done.wait(0.02)

    threading.Thread(target=measure).start()
    began_s = time.monotonic()
    with caplog.at_level(logging.INFO):
        a_follower(FolderBackend(), tmp_path, call).follow()
    assert re.search(r"train-1: nothing new for \d+ s; 1\.50 h and 6\.25 USD so far", caplog.text)
    assert time.monotonic() - began_s < 5
