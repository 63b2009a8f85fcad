"""A call is followed by one process of all machines: who follows says so over there, again and again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from folder_backend import FolderBackend
from test_journal import a_call

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.call import lease as leases
from seizure_pipeline.remote.call.lease import Lease
from seizure_pipeline.remote.journal import Journal
from seizure_pipeline.remote.patience import Patience
from seizure_pipeline.remote.records import Request

GONE_S = 0.5


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FolderBackend:
    """A place where marks are renewed within moments."""
    monkeypatch.setattr(leases, "RENEW_S", 0.0)
    monkeypatch.setattr(leases, "GONE_S", GONE_S)
    return FolderBackend()


@pytest.fixture
def request_there(tmp_path: Path) -> Request:
    return replace(a_call().request, far_root=str(tmp_path / "far"))


def machine(backend: FolderBackend, request: Request, data_root: Path) -> Lease:
    """A machine with a data_root of its own."""
    return Lease(backend, request, Journal(data_root), Patience(5.0))


class Other(FolderBackend):
    """The way to the same place, on which another follower renews its mark whenever somebody looks at it."""

    def __init__(self, other: Lease) -> None:
        super().__init__()
        self._other = other

    def get(self, far: str, local: Path) -> None:
        super().get(far, local)
        self._other.renew()


def test_while_one_machine_follows_another_is_refused_and_told_which(
    backend: FolderBackend, request_there: Request, tmp_path: Path
) -> None:
    one = machine(backend, request_there, tmp_path / "one")
    two = machine(Other(one), request_there, tmp_path / "two")
    with one.held():
        with pytest.raises(RemoteError, match=rf"is followed by process \d+ on .* \(data_root {tmp_path}/one\); one at a time"):
            two.take()
        one.renew()
    began_s = time.monotonic()
    with two.held():
        assert time.monotonic() - began_s < GONE_S, "who leaves says so, and nobody has to wait"


def test_who_is_gone_without_a_word_is_replaced_and_leaves_it_at_that_when_it_comes_back(
    backend: FolderBackend, request_there: Request, tmp_path: Path
) -> None:
    one, two = (machine(backend, request_there, tmp_path / name) for name in ("one", "two"))
    one.take()
    began_s = time.monotonic()
    two.take()
    assert time.monotonic() - began_s >= GONE_S
    with pytest.raises(RemoteError, match=f"is followed by process .*{tmp_path}/two.* by now"):
        one.renew()
    two.renew()


def test_a_later_process_of_the_same_data_root_does_not_wait(
    backend: FolderBackend, request_there: Request, tmp_path: Path
) -> None:
    machine(backend, request_there, tmp_path / "one").take()
    began_s = time.monotonic()
    machine(backend, request_there, tmp_path / "one").take()
    assert time.monotonic() - began_s < GONE_S


def test_a_place_that_does_not_answer_ends_no_following_and_a_torn_mark_is_nobodys(
    backend: FolderBackend, request_there: Request, tmp_path: Path
) -> None:
    one = machine(backend, request_there, tmp_path / "one")
    one.take()
    backend.silent_for = 1
    one.renew()
    (Path(request_there.folder) / leases.MARK).write_text('{"host"')
    machine(backend, request_there, tmp_path / "two").take()
