"""A provider that is busy, full or slow is asked again, and told of once; what it says no to is said at once."""

from __future__ import annotations

import logging
import queue
from pathlib import Path
from typing import Any

import modal
import pytest
from grpclib import Status
from modal_calls import Call, with_pins
from modal_plane import FAR_ROOT, REPOSITORY, plane, request, settings
from modal_proto import api_pb2

from seizure_pipeline.remote.backend import LostContact, RemoteError
from seizure_pipeline.remote.modal.backend import ModalBackend
from seizure_pipeline.remote.modal.errors import plainly
from seizure_pipeline.remote.modal.function import LineHome
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Event

__all__ = ["plane"]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
PASSING = [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.RESOURCE_EXHAUSTED, Status.ABORTED]
LASTING = [Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT, Status.PERMISSION_DENIED]


def backend() -> ModalBackend:
    return ModalBackend(settings(), REPOSITORY)


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("rpc", ["QueueGet", "FunctionGetOutputs", "VolumeListFiles2"])
def test_what_passes_while_a_call_is_followed_is_waited_out_and_told_once(
    plane: Any, status: Status, rpc: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizure_pipeline.remote.patience.FIRST_PAUSE_S", 0.01)
    asked, known = request(REPOSITORY, "train"), backend()
    call = known.start(asked, settings().tags["gpu"])
    ask = {
        "QueueGet": lambda: known.events(call, asked, 0, 0),
        "FunctionGetOutputs": lambda: known.outcome(call, asked),
        "VolumeListFiles2": lambda: known.listing(FAR_ROOT),
    }[rpc]
    plane.faults[rpc] = [status] * 5
    with caplog.at_level(logging.WARNING, logger="seizure_pipeline"):
        Patience(60).asking(ask)
    assert not plane.faults[rpc]
    told = [record.getMessage() for record in caplog.records if record.name.endswith("patience")]
    assert [message.split(" (")[0].split(" after")[0] for message in told] == ["no contact", "contact again"]


@pytest.mark.parametrize("status", PASSING)
@pytest.mark.parametrize("rpc", ["FunctionMap", "FunctionCreate", "AppPublish"])
def test_a_start_is_tried_again_and_makes_one_call(
    plane: Any, status: Status, rpc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seizure_pipeline.remote.patience.FIRST_PAUSE_S", 0.01)
    asked, known = request(REPOSITORY, "train"), backend()
    plane.faults[rpc] = [status] * 5
    call = Patience(60).asking(lambda: known.start(asked, settings().tags["gpu"]))
    assert list(plane.fcalls) == [call]
    assert [app["state"] for app in plane.apps.values()].count(api_pb2.APP_STATE_DEPLOYED) == 1


@pytest.mark.parametrize("status", LASTING)
def test_a_start_that_is_refused_for_good_is_not_tried_again(plane: Any, status: Status) -> None:
    plane.faults["FunctionCreate"] = [status]
    with pytest.raises(RemoteError) as refusal:
        Patience(60).asking(lambda: backend().start(request(REPOSITORY, "train"), settings().tags["gpu"]))
    assert not isinstance(refusal.value, LostContact)
    assert not plane.fcalls


def test_a_call_that_was_started_twice_since_an_answer_was_lost_runs_once(plane: Any, odd_project: Path) -> None:
    call = Call(with_pins(odd_project), "say")
    second = call.backend.start(call.request, call.settings.tags["gpu"])
    assert second != call.id
    assert call.end().status == "finished"
    call.id = second
    assert (call.end().status, call.end().attempts) == ("finished", 1)
    assert [event.kind for event in call.heard].count("attempt") == 1


def test_a_full_queue_of_calls_is_asked_again_with_the_reason(plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Exception("Could not create function call - the input queue seems to be full")

    def spawn(*_: object) -> None:
        raise full

    known = backend()
    monkeypatch.setattr(known, "_deploy", lambda *_: type("Function", (), {"spawn": staticmethod(spawn)}))
    with pytest.raises(LostContact, match=r"starting train in .*the input queue seems to be full"):
        known.start(request(REPOSITORY, "train"), settings().tags["gpu"])


def test_a_word_to_stop_that_finds_its_queue_full_says_so_instead_of_waiting_for_ever(plane: Any) -> None:
    plane.faults["QueuePut"] = [Status.RESOURCE_EXHAUSTED]
    with pytest.raises(LostContact, match=r"stopping call-train: Modal has no room for it now \(a queue is full"):
        backend().stop("fc-1", request(REPOSITORY, "train"))


def test_a_far_machine_tells_once_that_the_queue_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Line:
        takes = False

        def put_many(self, batch: list[str], **_: object) -> None:
            if not self.takes:
                raise queue.Full("5000 items")

    line: Any = Line()
    home = LineHome(line, "call")
    for number in (1, 2, 3):
        home.send(Event(number, "log", 0.0, {}))
        assert not home._sent()
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == "the queue home takes nothing now (Full: 5000 items); events come by the volume, up to a minute later"
    line.takes = True
    assert home._sent()


@pytest.mark.parametrize("version", [1, 2])
def test_of_two_new_files_at_one_place_the_first_stays(plane: Any, tmp_path: Path, version: int) -> None:
    place = f"{FAR_ROOT}/remote/owner"
    known = ModalBackend(settings(volumes={"/vol": {"name": "volume", "version": version}}), REPOSITORY)
    for content, is_new in (("first", True), ("second", False)):
        (tmp_path / "mark").write_text(content)
        assert known.put_new(tmp_path / "mark", place) is is_new
    known.get(place, tmp_path / "home")
    assert (tmp_path / "home").read_text() == "first"


def test_a_call_that_the_provider_forgot_ended_as_its_folder_says(plane: Any, odd_project: Path) -> None:
    call = Call(with_pins(odd_project), "say")
    outcome = call.end()
    call.backend.give_back(call.request)
    plane.fcalls.clear()
    assert call.backend.outcome(call.id, call.request) == outcome
    assert call.backend.events(call.id, call.request, 0, 0.0) == call.heard


def test_an_error_of_this_disk_is_no_error_of_the_way() -> None:
    with pytest.raises(OSError, match="No space left"), plainly("reading"):
        raise OSError(28, "No space left on device")
    with pytest.raises(LostContact, match="reset"), plainly("reading"):
        raise ConnectionResetError(104, "reset by peer")
    with pytest.raises(LostContact, match="no room"), plainly("asking"):
        raise modal.exception.ResourceExhaustedError("rate limit")


@pytest.mark.parametrize("told", ["Token missing. If you are a new user, run `modal token new`.", "Token ID is malformed"])
def test_a_refused_token_is_told_with_one_mention_of_how_to_make_another(told: str) -> None:
    with pytest.raises(RemoteError) as refused, plainly("asking"):
        raise modal.exception.AuthError(told)
    assert str(refused.value).count("modal token new") == 1
    assert "`modal profile` picks" in str(refused.value)
