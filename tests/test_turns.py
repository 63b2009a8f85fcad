"""Two machines with one far_root, by a copy of the journal: one sends a node at a time, the other is told which call runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_errand import Site
from test_journal import a_call

from seizure_pipeline.remote.backend import Detached, LostContact, RemoteError
from seizure_pipeline.remote.call.errand import Errand
from seizure_pipeline.remote.call.turns import Turns
from seizure_pipeline.remote.journal import Journal
from seizure_pipeline.remote.records import Outcome
from seizure_pipeline.remote.subprocess.backend import SubprocessBackend

PROCESSES = 6


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A machine whose node runs on and on."""
    site = Site(tmp_path / "one")
    site.settings |= {"far_root": str(tmp_path / "far"), "detach": True}
    site.backend.outcome_of_all = None
    return site


def another(site: Site) -> Site:
    """A machine with a copy of the journal of now, and the same provider."""
    copy = Site(site.root.with_name("two"), site.backend, dict(site.settings))
    shutil.copytree(site.root / "data/remote", copy.root / "data/remote", ignore=shutil.ignore_patterns("*.lock"))
    return copy


def forget_calls(site: Site) -> None:
    """As if the journal was copied before anything was sent."""
    for record in (site.root / "data/remote").glob("*.json"):
        record.unlink()


def begins(site: Site) -> None:
    with pytest.raises(Detached):
        site.errand().outputs()


def test_another_machine_does_not_send_what_runs_and_comes_back_to_it_instead(site: Site) -> None:
    begins(site)
    other = another(site)
    forget_calls(other)
    call = site.only_call()
    with pytest.raises(
        RemoteError, match=f"node train already runs over there, sent by .*kedro remote attach {call.call} --env far"
    ):
        other.errand().outputs()
    assert other.only_call() == replace(call, call_id=call.call_id, status="running")
    site.backend.end(call.request, Outcome("finished", 1, 0.5, 1.25))
    other.settings["attach"] = call.call
    other.errand().outputs()
    assert (other.only_call().status, other.only_call().usd) == ("finished", 1.25)
    assert len(site.backend.asked) == 1


def test_what_ended_on_another_machine_is_known_here_and_the_next_may_be_sent(site: Site) -> None:
    begins(site)
    other = another(site)
    forget_calls(other)
    site.backend.end(site.only_call().request, Outcome("stopped", 1, 0.5, 1.25))
    begins(other)
    assert sorted(call.status for call in other.journal.calls()) == ["running", "stopped"]
    assert site.backend.given_back == [site.only_call().call]


@pytest.mark.parametrize("error", [RemoteError("no such GPU"), LostContact("nobody answers")])
def test_what_surely_was_not_started_keeps_nobody_out(site: Site, error: RemoteError) -> None:
    site.backend.on_start = error
    with pytest.raises(RemoteError, match=str(error)):
        site.errand().outputs()
    other = another(site)
    forget_calls(other)
    site.backend.on_start = None
    if isinstance(error, LostContact):
        with pytest.raises(RemoteError, match="may run already"):
            other.errand().outputs()
    else:
        begins(other)


@pytest.mark.parametrize("died", [OSError("no space"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_a_call_that_was_not_started_since_its_files_did_not_travel_keeps_nobody_out(
    site: Site, died: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def carried(errand: Errand) -> list[str]:
        raise died

    monkeypatch.setattr(Errand, "_carried", carried)
    with pytest.raises(type(died)):
        site.errand().outputs()
    assert site.only_call().status == "unsent"
    monkeypatch.undo()
    other = another(site)
    forget_calls(other)
    begins(other)


def test_a_process_killed_before_it_started_its_call_keeps_the_same_machine_not_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, it says nothing: here the journal knows; another machine waits as long as a start may take."""
    monkeypatch.setattr(Errand, "_carried", lambda errand: 1 / 0)
    monkeypatch.setattr(Turns, "end", lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        site.errand().outputs()
    monkeypatch.undo()
    other = another(site)
    forget_calls(other)
    with pytest.raises(RemoteError, match="may run already"):
        other.errand().outputs()
    begins(site)


def test_a_call_that_waits_for_a_machine_is_asked_after_by_its_id_on_another_one_too(site: Site) -> None:
    begins(site)
    other = another(site)
    forget_calls(other)
    with pytest.raises(RemoteError, match=r"already runs over there, sent by process .*; `kedro remote stop"):
        other.errand().outputs()
    assert other.only_call().call_id == site.only_call().call_id


RACER = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests")
from test_journal import a_call
from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.call.errand import Errand
from seizure_pipeline.remote.journal import Journal
from seizure_pipeline.remote.files.ownership import claim
from seizure_pipeline.remote.subprocess.backend import SubprocessBackend
from seizure_pipeline.remote.call.turns import Turns
what, root, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
backend = SubprocessBackend(root)
call = a_call(name)
record = Journal(root).text(call)
print("ready", flush=True)
sys.stdin.readline()
try:
    if what == "turn":
        Turns(backend, str(root / "turns")).take(call, record, 0)
    else:
        claim(backend, str(root / "far"), root / name)
    print("won")
except RemoteError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["turn", "claim"])
@pytest.mark.parametrize("time", range(3))
def test_of_processes_that_try_at_once_one_wins_and_the_others_name_it(tmp_path: Path, what: str, time: int) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, what, str(tmp_path), f"racer-{number}"],
            cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate()[0].strip() for racer in racers]
    assert said.count("won") == 1, said
    winner = f"racer-{said.index('won')}"
    assert all(winner in each for each in said if each != "won"), said


def test_a_turn_is_given_only_after_the_one_that_was_looked_at(tmp_path: Path) -> None:
    turns = Turns(SubprocessBackend(tmp_path), str(tmp_path / "turns"))
    assert turns.last() == (0, None)
    journal = Journal(tmp_path)
    one, two = a_call("one"), a_call("two")
    turn = turns.take(one, journal.text(one), 0)
    assert turns.last() == (1, turn)
    with pytest.raises(RemoteError, match="was sent a moment ago as call one"):
        turns.take(two, journal.text(two), 0)
    assert turns.take(one, journal.text(one), 0) == turn, "asked again, since the answer was lost"
    turns.end(turn)
    assert turns.last() == (1, None)
    assert turns.take(two, journal.text(two), 1).call.call == "two"
