"""What carries a node elsewhere: the one interface that the rest of the project knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from seizure_pipeline.remote.records import Event, Outcome, Request
from seizure_pipeline.remote.settings import Rates, Resources


class RemoteError(RuntimeError):
    """A far node, or the way to it, failed; the message says which and what to do."""


class LostContact(RemoteError):
    """The provider does not answer at the moment; the far node is not touched by that."""


class EndedWithoutAWord(RemoteError):
    """The call ended over there and left no outcome: killed, no retries left."""


class OutOfReach(LostContact):
    """Patience with the provider is at its end while a node runs on; the message says how to come back to it."""


class Detached(RemoteError):
    """Not a failure: the node runs on over there, and the message says how to come back to it."""


class Backend(Protocol):
    """Starts far nodes, hears from them, and moves files. Far paths are absolute, below `far_root`.

    Every method raises LostContact where the provider cannot be reached for now, RemoteError where asking again is vain."""

    name: str

    def problems(self, machines: Sequence[Resources]) -> list[str]:
        """What the provider would refuse or lacks (limits, secrets, buckets, token), a line each; asks, changes nothing."""

    def rates(self) -> Rates | None:
        """The provider's prices of now; None where it does not tell."""

    def put(self, local: Path, far: str) -> None:
        """Copy a file there, whole or not at all, over what is there."""

    def put_new(self, local: Path, far: str) -> bool:
        """Copy a file there unless there is one; whether it was copied. Of several that try at once, one does.

        Where the answer to it was lost on the way, it may say False of a file that it copied."""

    def get(self, far: str, local: Path) -> None:
        """Copy a file here, whole or not at all; FileNotFoundError where there is none."""

    def listing(self, far: str) -> dict[str, int]:
        """Files below a folder there: path relative to it -> bytes; empty where there is no folder."""

    def start(self, request: Request, machine: Resources) -> str:
        """Start a node and return the call's id, by which any process can come back to it.

        After LostContact it may run, or not; asked again, nothing runs beside what began before."""

    def find(self, request: Request) -> str | None:
        """The id of a call whose start lost its answer, as told by what began over there; None before that."""

    def events(self, call_id: str, request: Request, after: int, wait_s: float) -> list[Event]:
        """Events with numbers beyond `after` in their order, as soon as there are any; after `wait_s` none.

        Numbers may be left out as long as the call runs; once it ended, all are there."""

    def outcome(self, call_id: str, request: Request) -> Outcome | None:
        """How the call ended, None while it runs; EndedWithoutAWord where there will be none."""

    def stop(self, call_id: str, request: Request) -> None:
        """Ask the node to write a checkpoint and end; returns at once.

        `call_id` is empty for a call that was never confirmed to have started: all that tells it then is its request."""

    def give_back(self, request: Request) -> None:
        """Take away what was set up for a call that ended, at the provider; its files stay. Again, it does nothing."""

    def logs(self, call_id: str, request: Request, follow: bool) -> Iterator[str]:
        """What the far machine printed, a line at a time; with `follow` until the call ends."""
