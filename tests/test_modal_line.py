"""The line between a container and who follows it: whatever breaks, the word to stop comes through and no event is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import aiohttp
import modal
import pytest
from grpclib.exceptions import StreamTerminatedError
from modal_plane import FAR_ROOT, REPOSITORY, VOLUME, plane, request, settings

from seizure_pipeline.remote.far.supervisor import AttemptFailed, AttemptOver
from seizure_pipeline.remote.modal import function
from seizure_pipeline.remote.modal.backend import ModalBackend
from seizure_pipeline.remote.modal.errors import is_result
from seizure_pipeline.remote.modal.events import QUIET_S, Heard, lines_of
from seizure_pipeline.remote.modal.function import LineHome, events_of, word_for
from seizure_pipeline.remote.records import Event

__all__ = ["plane"]
CALL = "call-line"
BREAKS = [
    StreamTerminatedError("reset"),
    aiohttp.ClientConnectionError("gone"),
    asyncio.CancelledError(),
    modal.exception.ServiceError("unavailable"),
    OSError("no route"),
]


class Queue:
    """A queue of Modal's whose next calls raise, and that takes no more than `most` characters at once."""

    def __init__(self, breaks: Sequence[BaseException] = (), most: int = 10**6) -> None:
        self.taken: list[Event] = []
        self.word = False
        self._breaks, self._most = list(breaks), most

    def put_many(self, lines: list[str], block: bool, partition: str) -> None:
        assert (block, partition) == (False, events_of(CALL))
        if self._breaks:
            raise self._breaks.pop()
        if sum(map(len, lines)) > self._most:
            raise modal.exception.RequestSizeError("too large")
        self.taken += [event for line in lines for event in lines_of(line)]

    def len(self, partition: str) -> int:
        assert partition == word_for(CALL)
        if self._breaks:
            raise self._breaks.pop()
        return int(self.word)


def event(number: int, size: int = 1) -> Event:
    return Event(number, "log", 0.0, {"message": size * "x"})


def until_heard(line: LineHome, at: Queue, numbers: list[int]) -> None:
    end_s = time.monotonic() + 20
    while [event.number for event in at.taken] != numbers or line.stop_asked() != at.word:
        assert time.monotonic() < end_s, [event.number for event in at.taken]
        time.sleep(0.01)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("broken", BREAKS, ids=lambda error: type(error).__name__)
def test_whatever_breaks_on_the_line_events_and_the_word_to_stop_come_through(
    broken: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "LOOK_S", 0.02)
    at = Queue([broken] * 5)
    with LineHome(cast("Any", at), CALL) as line:
        line.send(event(1))
        until_heard(line, at, [1])
        at.word = True
        line.send(event(2))
        until_heard(line, at, [1, 2])


def test_what_is_too_large_at_once_goes_in_parts_and_what_is_too_large_alone_is_left_to_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(function, "LOOK_S", 0.02)
    at = Queue(most=2000)
    line = LineHome(cast("Any", at), CALL)
    for number in range(1, 60):
        line.send(event(number, 5000 if number == 30 else 100))
    with line:
        until_heard(line, at, [number for number in range(1, 60) if number != 30])


def test_a_line_that_is_quiet_has_the_file_looked_at_and_one_that_is_not_does_not() -> None:
    heard = Heard()
    assert heard.is_quiet(), "whoever comes later finds what was told before in the file"
    heard.add([event(1)])
    assert not heard.is_quiet()
    heard._live_s -= QUIET_S + 1
    assert heard.is_quiet()
    heard.read([event(1)])
    assert not heard.is_quiet()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
def test_events_that_never_came_by_the_queue_are_read_from_the_volume(plane: Any) -> None:
    asked = request(REPOSITORY, "train")
    folder = plane.seed_volume(VOLUME) / FAR_ROOT.removeprefix("/vol/") / "remote" / asked.call
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(f"{event(number).to_json()}\n" for number in (1, 2, 3)))
    heard = ModalBackend(settings(), REPOSITORY).events("fc-1", asked, 1, 5.0)
    assert [event.number for event in heard] == [2, 3]


@pytest.mark.parametrize("error", [
    modal.exception.FunctionTimeoutError(), modal.exception.RemoteError(), modal.exception.InternalFailure(),
    modal.exception.InputCancellation(), modal.exception.OutputExpiredError(), modal.exception.ExecutionError(),
    KeyboardInterrupt(), AttemptFailed(), AttemptOver(), ImportError(),
])  # fmt: skip
def test_what_a_call_returned_as_an_error_is_its_end(error: BaseException) -> None:
    assert is_result(error)


def test_a_reload_that_open_files_hinder_is_no_failed_commit_and_any_other_error_is() -> None:
    class Volume:
        def __init__(self, said: str) -> None:
            self.said = said

        def commit(self) -> None:
            raise RuntimeError(self.said)

    function._commit(cast("Any", Volume("there are open files preventing the operation: /data/events.jsonl")))
    with pytest.raises(RuntimeError, match="conflict"):
        function._commit(cast("Any", Volume("conflict")))
