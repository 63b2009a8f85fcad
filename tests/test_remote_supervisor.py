"""One attempt after another at a far node: whatever cuts them short, the weights are those of an undisturbed training."""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from remote_fixtures import LOGGED_EVERY, STEPS, add_cache, last_weights, processes_of, request_for

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.far.call_folder import EVENTS, OUTCOME, CallFolder, whole_events
from seizure_pipeline.remote.far.supervisor import AttemptOver, supervise
from seizure_pipeline.remote.records import Event, Outcome, Request

Act = Callable[[], object]


@dataclass
class Ear:
    """Hears the events of a call, and does something when a step's checkpoint is announced."""

    request: Request
    heard: list[Event] = field(default_factory=list)
    heard_s: list[float] = field(default_factory=list)
    at_step: int | None = None
    act: Act | None = None

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
        self.heard_s.append(time.monotonic())
        if self.act is not None and event.kind == "checkpoint" and event.facts["step"] == self.at_step:
            act, self.act = self.act, None
            act()

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.heard if event.kind == kind]

    def signal_child(self, number: signal.Signals) -> Act:
        """Signals the process of the node."""
        return lambda: self._signal(number)

    def interrupt_self(self) -> None:
        """Interrupts this process, as a signal would, while the node waits: it is heard before the node can be done."""
        self._signal(signal.SIGSTOP)
        threading.Timer(2.0, self._signal, [signal.SIGCONT]).start()
        _thread.interrupt_main()

    def _signal(self, number: signal.Signals) -> None:
        for child in processes_of(f"remote.far.node {self.request.folder}/"):
            os.kill(child, number)


def attempt(project: Path, ear: Ear, stop_asked: Callable[[], bool] = lambda: False) -> Outcome:
    return supervise(ear.request, project, None, ear, stop_asked)


def written(request: Request) -> list[Event]:
    content = (Path(request.folder) / EVENTS).read_bytes()
    events, size = whole_events(content)
    assert size == len(content)
    return events


def assert_each_once(request: Request, heard: list[Event], epochs: int = 3) -> None:
    """Events as they were heard are those written, numbered from 1 without a gap, each epoch and each step among them once."""
    assert [event.number for event in heard] == list(range(1, len(heard) + 1))
    assert heard == written(request)
    assert [event.facts["epoch"] for event in heard if event.kind == "epoch"] == list(range(1, epochs + 1))
    steps = [event.facts["step"] for event in heard if event.kind == "step"]
    assert steps == list(range(LOGGED_EVERY, epochs * STEPS + 1, LOGGED_EVERY))


@dataclass(frozen=True)
class Plain:
    """A call that nobody disturbed, and when its first and its last step were done."""

    outcome: Outcome
    ear: Ear
    root: Path
    first_s: float
    last_s: float


@pytest.fixture(scope="module")
def plain(far_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Plain:
    root = add_cache(far_project, tmp_path_factory.mktemp("plain") / "root")
    ear = Ear(request_for(far_project, root, usd_per_hour=3.6))
    began_s = time.monotonic()
    outcome = attempt(far_project, ear)
    times = [at_s - began_s for event, at_s in zip(ear.heard, ear.heard_s, strict=True) if event.kind == "checkpoint"]
    return Plain(outcome, ear, root, times[0], times[-1])


def test_a_far_training_gives_the_weights_of_a_local_one(plain: Plain, undisturbed: str) -> None:
    assert (plain.outcome.status, plain.outcome.attempts, plain.outcome.failure) == ("finished", 1, None)
    assert last_weights(plain.root) == undisturbed
    assert_each_once(plain.ear.request, plain.ear.heard)
    (begun,) = plain.ear.of_kind("attempt")
    assert begun.facts["attempt"] == 1
    assert begun.facts["torch"].startswith("2.")
    assert plain.outcome.usd == pytest.approx(3.6 * plain.outcome.hours)
    assert plain.outcome.hours * 3600 >= plain.last_s
    assert plain.ear.of_kind("cost")[-1].facts["hours"] == pytest.approx(plain.outcome.hours, rel=0.05)


def test_a_call_that_ended_is_not_run_again(plain: Plain, far_project: Path) -> None:
    ear = Ear(plain.ear.request)
    assert attempt(far_project, ear) == plain.outcome
    assert ear.heard == []


def test_a_budget_that_is_spent_leaves_a_checkpoint_from_which_another_start_goes_on(
    far_project: Path, undisturbed: str, plain: Plain, tmp_path: Path
) -> None:
    root = add_cache(far_project, tmp_path / "root")
    budget_usd = plain.first_s  # at a US dollar a second; what a start takes today shows below
    outcome, request = None, request_for(far_project, root)
    while outcome is None or not list(root.glob("06_models/*/state.safetensors")):
        assert outcome is None or outcome.status == "over_budget"
        budget_usd *= 1.25
        facts = {"call": f"poor-{budget_usd:.0f}", "usd_per_hour": 3600.0, "budget_usd": budget_usd, "grace_s": 1.0}
        request = request_for(far_project, root, **facts)
        outcome = attempt(far_project, Ear(request))
    assert outcome.status == "over_budget"
    assert budget_usd - 2 <= outcome.usd <= budget_usd + 5
    assert attempt(far_project, Ear(request)) == outcome
    rich = Ear(request_for(far_project, root, call="rich"))
    assert attempt(far_project, rich).status == "finished"
    assert last_weights(root) == undisturbed
    assert_each_once(rich.request, rich.heard)


def test_attempts_that_are_over_within_an_epoch_add_up_to_the_same_weights(
    far_project: Path, undisturbed: str, plain: Plain, tmp_path: Path
) -> None:
    root = add_cache(far_project, tmp_path / "root")
    ear = Ear(request_for(far_project, root))
    limit_s, outcome, overs = 1.25 * plain.first_s, None, 0
    while outcome is None:
        ear.request = request_for(far_project, root, timeout_s=limit_s / 0.95 + 2, grace_s=2.0)
        try:
            outcome = attempt(far_project, ear)
        except AttemptOver as error:
            over = str(error)
            limit_s *= 1.25  # what a start takes today shows by this
            overs += 1
    assert over.endswith("the time of an attempt is over; the next one goes on there")
    assert any("continues at epoch" in event.facts["message"] for event in ear.of_kind("log"))
    assert (outcome.status, outcome.attempts) == ("finished", overs + 1)
    assert last_weights(root) == undisturbed
    assert_each_once(ear.request, ear.heard)


def odd(project: Path, root: Path, node: str, **changes: object) -> Ear:
    return Ear(request_for(project, root, node=node, pipelines=("odd",), **changes))


def test_what_a_node_raises_arrives_with_class_message_and_traceback(odd_project: Path, tmp_path: Path) -> None:
    outcome = attempt(odd_project, odd(odd_project, tmp_path, "refuse"))
    assert outcome.status == "failed"
    assert outcome.failure is not None
    assert outcome.failure.kind.split(".")[-1] == "CorpusError"
    assert outcome.failure.message == "recording 7 is refused"
    assert outcome.failure.traceback.startswith("Traceback (most recent call last)")
    assert "in refuse" in outcome.failure.traceback


def test_secrets_stand_nowhere_and_long_texts_are_cut(
    odd_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = 'tok/en+with "quotes"'
    monkeypatch.setenv("PLANTED", secret)
    ear = odd(odd_project, tmp_path, "leak", secret_keys=("PLANTED", "NOT_SET"))
    outcome = attempt(odd_project, ear)
    assert outcome.failure is not None
    told = outcome.to_json() + "".join(event.to_json() for event in ear.heard) + "".join(capfd.readouterr())
    told += "".join(path.read_text() for path in Path(ear.request.folder).iterdir())
    for piece in (secret, json.dumps(secret)[1:-1], "tok/en", "tok%2Fen"):
        assert piece not in told
    for shown in ("printed ***", "with ***", "s3://***@bucket"):
        assert shown in told
    assert outcome.failure.message.startswith("***xxx")
    assert outcome.failure.message.endswith("xxx***")
    assert "4,980,056 characters" in outcome.failure.message
    assert len(told) < 12 * 20_000


@pytest.mark.parametrize(("changes", "message"), [
    ({"code": "0123456789abcdef"}, "asked with source and configuration 0123456789abcdef, .* start it again"),
    ({"python": "3.9"}, "asked from Python 3.9, this machine has 3"),
])  # fmt: skip
def test_other_code_or_another_python_is_refused(
    changes: dict[str, str], message: str, odd_project: Path, tmp_path: Path
) -> None:
    failure = attempt(odd_project, odd(odd_project, tmp_path, "say", **changes)).failure
    assert failure is not None
    assert failure.kind == "seizure_pipeline.remote.far.machine.Mismatch"
    with pytest.raises(RemoteError, match=message):
        raise RemoteError(failure.message)


def test_a_node_that_does_not_stop_is_killed_after_its_grace(odd_project: Path, tmp_path: Path) -> None:
    ear = odd(odd_project, tmp_path, "hang", grace_s=1.0)
    outcome = attempt(odd_project, ear, lambda: bool(ear.of_kind("checkpoint")))
    assert outcome.status == "stopped"
    assert [event.facts["why"] for event in ear.of_kind("stopping")] == ["it was asked to"]
    assert any("did not stop within 1 s and was killed" in event.facts["message"] for event in ear.of_kind("log"))
    assert processes_of(f"remote.far.node {ear.request.folder}/") == []


SMALL_MACHINE = """
import sys
from pathlib import Path
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.far.supervisor import supervise
Path({group!r}, "cgroup.procs").write_text("0")
supervise(Request.from_json({request!r}), Path({project!r}), None, lambda event: None, lambda: False)
"""


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group whose processes may take 600 MB together."""
    version_1, version_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root, limit = (version_1, "memory.limit_in_bytes") if version_1.is_dir() else (version_2, "memory.max")
    group = root / f"small-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text("600000000")
    except OSError as error:
        pytest.skip(f"no control group of memory can be made here: {error}")
    yield group
    group.rmdir()


def test_a_node_that_is_killed_for_lack_of_memory_is_said_to_be(odd_project: Path, tmp_path: Path, small_memory: Path) -> None:
    ear = odd(odd_project, tmp_path, "devour")
    script = SMALL_MACHINE.format(group=str(small_memory), request=ear.request.to_json(), project=str(odd_project))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("seizure_pipeline.remote.far.supervisor.AttemptFailed: attempt 1 at devour")
    assert "died of signal 9 (Killed): out of memory" in done.stderr


def test_a_budget_that_earlier_attempts_spent_starts_nothing(odd_project: Path, tmp_path: Path) -> None:
    ear = odd(odd_project, tmp_path, "say", usd_per_hour=1.0, budget_usd=1.0)
    with_spent = CallFolder(Path(ear.request.folder))
    with_spent.write_spent(with_spent.spent().__class__(attempts=3, hours=2.0, usd=1.5))
    with_spent.close()
    outcome = attempt(odd_project, ear)
    assert (outcome.status, outcome.attempts) == ("over_budget", 4)
    assert outcome.usd == pytest.approx(1.5, abs=0.01)
    assert ear.of_kind("attempt") == []
    assert (Path(ear.request.folder) / OUTCOME).exists()
