"""A far machine costs money until its end is known: nothing on this side loses it, starts it twice, or pays for it twice."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from folder_backend import FolderBackend
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from seizure_pipeline.commands.remote import Desk, list_calls, print_cost, stop_call
from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact, OutOfReach, RemoteError
from seizure_pipeline.remote.call.errand import Errand
from seizure_pipeline.remote.call.office import Office
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.files.travel import leaving_nodes
from seizure_pipeline.remote.journal import Call, Journal
from seizure_pipeline.remote.records import Outcome, Request
from seizure_pipeline.remote.settings import RemoteSettings, Resources

HOUR_S = 3600.0


def nothing() -> dict[str, int]:
    return {}


class Place(FolderBackend):
    """A provider that ends every call at once with `outcome`, or raises what is planted."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome_of_all: Outcome | None = Outcome("finished", 1, 0.5, 1.25)
        self.on_start: BaseException | None = None
        self.on_outcome: RemoteError | None = None
        self.asked: list[Request] = []

    def start(self, request: Request, machine: Resources) -> str:
        self.asked += [request] if request not in self.asked else []
        call_id = super().start(request, machine)
        if self.on_start is not None:
            raise self.on_start
        if self.outcome_of_all is not None:
            self.end(request, self.outcome_of_all)
        return call_id

    def outcome(self, call_id: str, request: Request) -> Outcome | None:
        if self.on_outcome is not None:
            raise self.on_outcome
        return super().outcome(call_id, request)

    def end(self, request: Request, outcome: Outcome) -> None:
        (Path(request.folder) / "outcome.json").write_text(outcome.to_json())
        output = Path(request.far_root) / "made.json"
        output.write_text("{}")


@dataclass
class Site:
    """Both sides below `root`, and errands of the one node between them."""

    root: Path
    backend: Place = field(default_factory=Place)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def journal(self) -> Journal:
        return Journal(self.root / "data")

    @property
    def desk(self) -> Desk:
        return Desk(self.journal, self.root, lambda settings, project: self.backend)

    def only_call(self) -> Call:
        (call,) = self.journal.calls()
        return call

    def errand(self) -> Errand:
        facts = {"far_root": str(self.root / "far"), "patience_s": 0.1, **self.settings}
        settings = RemoteSettings(backend="subprocess", tags={"gpu": Resources()}, **facts)
        data_root = self.root / "data"
        context = RunContext(project=self.root, data_root=data_root, env="far")
        catalog = DataCatalog({"made": JSONDataset(filepath=str(data_root / "made.json"))})
        pipeline = Pipeline([Node(nothing, None, "made", name="train", tags="gpu")])
        (leaving,) = leaving_nodes(pipeline, catalog, settings, data_root)
        return Errand(Office(settings, context, self.backend, self.journal), leaving, catalog, "run", ["train"])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("error", [RemoteError("the token is not valid"), LostContact("nobody answers")])
def test_what_the_provider_does_not_say_is_no_end(site: Site, error: RemoteError) -> None:
    site.backend.on_outcome = error
    with pytest.raises(OutOfReach, match=f"{error}.*kedro remote attach train-.*kedro remote stop train-"):
        site.errand().outputs()
    assert site.only_call().status == "running"
    with pytest.raises(RemoteError, match=str(error)):
        site.errand().outputs()
    assert len(site.backend.asked) == 1
    site.backend.on_outcome = None
    site.errand().outputs()
    assert [call.status for call in site.journal.calls()] == ["finished", "finished"]


def test_an_end_without_a_word_is_one(site: Site) -> None:
    site.backend.on_outcome = EndedWithoutAWord("it was killed")
    with pytest.raises(EndedWithoutAWord, match="it was killed"):
        site.errand().outputs()
    assert site.only_call().status == "lost"


def test_an_error_of_this_side_leaves_the_call_running_and_says_how_to_come_back(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(Place):
        def events(self, call_id: str, request: Request, after: int, wait_s: float) -> list[Any]:
            raise OSError(28, "No space left on device")

    site.backend = Full()
    with pytest.raises(OSError, match="No space left"):
        site.errand().outputs()
    assert site.only_call().status == "running"
    assert f"`kedro remote attach {site.only_call().call} --env far` follows it" in caplog.text


@pytest.mark.parametrize("error", [LostContact("nobody answers"), KeyboardInterrupt()], ids=["contact", "Ctrl-C"])
def test_a_call_whose_start_was_not_confirmed_counts_as_running(
    site: Site, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    site.backend.on_start = error
    with pytest.raises(type(error)) as raised:
        site.errand().outputs()
    assert "kedro remote stop train-" in f"{raised.value}{caplog.text}"
    call = site.only_call()
    assert (call.status, call.call_id) == ("starting", None)
    site.backend.on_start = None
    with pytest.raises(RemoteError, match=f"may run already over there. It may run as call {call.call}"):
        site.errand().outputs()
    assert len(site.backend.asked) == 1
    stop_call(site.desk, "train")
    assert (Path(call.request.folder) / "stop").exists()
    site.backend.end(call.request, Outcome("stopped", 1, 0.1, 0.2))
    site.errand().outputs()
    assert [each.status for each in site.journal.calls()] == ["stopped", "finished"]


@pytest.mark.parametrize(("hours", "spent", "is_sent"), [(1.9, False, False), (2.1, False, True), (2.1, True, False)])
def test_an_unconfirmed_call_without_an_outcome_counts_as_running_as_long_as_it_may(
    site: Site, hours: float, spent: bool, is_sent: bool
) -> None:
    site.backend.on_start = LostContact("nobody answers")
    with pytest.raises(LostContact):
        site.errand().outputs()
    site.backend.on_start = None
    call = replace(site.only_call(), started_s=time.time() - hours * HOUR_S)
    site.journal.write(call)
    if spent:
        (Path(call.request.folder) / "spent.json").write_text('{"attempts": 1, "hours": 0.1, "usd": 0.2}')
    if is_sent:
        site.errand().outputs()
    else:
        with pytest.raises(RemoteError, match="already runs" if spent else "may run already"):
            site.errand().outputs()
    assert (len(site.backend.asked) == 2) is is_sent


def test_two_cannot_send_one_node_at_the_same_time(site: Site) -> None:
    with (
        site.journal.sending("train", str(site.root / "far")),
        pytest.raises(RemoteError, match=r"node train is being sent to .* by process"),
    ):
        site.errand().outputs()
    assert site.backend.asked == []
    site.errand().outputs()
    assert len(site.backend.asked) == 1


def test_the_same_command_again_does_not_spend_the_budget_again(site: Site) -> None:
    site.settings["budget_usd"] = 5.0
    for spent_usd, handed_usd in ((3.0, 5.0), (2.0, 2.0)):
        site.backend.outcome_of_all = Outcome("over_budget", 1, 1.0, spent_usd)
        with pytest.raises(RemoteError, match="raise budget_usd"):
            site.errand().outputs()
        assert site.backend.asked[-1].budget_usd == handed_usd
    with pytest.raises(RemoteError, match=r"took 5\.00 USD of budget_usd 5, .*raise budget_usd"):
        site.errand().outputs()
    assert len(site.backend.asked) == 2
    site.settings["budget_usd"] = 7.5
    site.backend.outcome_of_all = Outcome("finished", 1, 1.0, 1.0)
    site.errand().outputs()
    assert site.backend.asked[-1].budget_usd == 2.5


def a_running_call(site: Site) -> Call:
    site.backend.outcome_of_all, site.settings["detach"] = None, True
    with pytest.raises(RemoteError):
        site.errand().outputs()
    return site.only_call()


@pytest.mark.parametrize("error", [RemoteError("rate limit"), LostContact("no"), EndedWithoutAWord("gone?"), None])
def test_stop_sends_its_word_unless_an_outcome_was_read(site: Site, error: RemoteError | None) -> None:
    call = a_running_call(site)
    site.backend.on_outcome = error
    site.backend.silent_for = 1  # asked again
    stop_call(site.desk, "train")
    assert (Path(call.request.folder) / "stop").exists()


@pytest.mark.parametrize(("status", "is_sent"), [("lost", True), ("finished", False), ("stopped", False)])
def test_stop_trusts_the_journal_only_with_an_outcome(site: Site, status: str, is_sent: bool) -> None:
    call = replace(a_running_call(site), status=status)
    site.journal.write(call)
    stop_call(site.desk, "train")
    assert (Path(call.request.folder) / "stop").exists() is is_sent


def test_what_a_running_call_took_is_what_its_folder_says_now(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    call = a_running_call(site)
    list_calls(site.desk)
    assert "running, as of 20" in capsys.readouterr().out
    spent = {"attempts": 2, "hours": 3.25, "usd": 41.5}
    (Path(call.request.folder) / "spent.json").write_text(json.dumps(spent))
    for shown in (lambda: list_calls(site.desk), lambda: print_cost(site.desk, None)):
        shown()
        printed = capsys.readouterr().out
        assert "41.50" in printed
        assert "3.250" in printed
    site.backend.on_outcome = RemoteError("the token is not valid")
    list_calls(site.desk)
    assert "not known, as of 20" in capsys.readouterr().out
