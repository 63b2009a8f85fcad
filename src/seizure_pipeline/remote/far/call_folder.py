"""The folder of one call over there: its events, what it cost so far, how it ended. One process at a time writes it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seizure_pipeline.remote.records import Event, Outcome

ONCE = frozenset({"epoch", "step"})
REQUEST, EVENTS, OUTCOME, SPENT = "request.json", "events.jsonl", "outcome.json", "spent.json"


@dataclass(frozen=True, slots=True)
class Spent:
    """What the attempts at a call took so far, and how many were begun."""

    attempts: int = 0
    hours: float = 0.0
    usd: float = 0.0


class CallFolder:
    """Writes a call's events, numbered from 1 over all attempts, and its outcome. A torn end of an earlier attempt is cut.

    Numbers of an epoch or a step are written once: an attempt that goes on reports those of earlier ones again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        kept = _keep_whole(path / EVENTS)
        self.last = len(kept)
        self._told = {_numbered(event.kind, event.facts) for event in kept if event.kind in ONCE}
        self._stream = (path / EVENTS).open("ab")

    def close(self) -> None:
        """Write no more events."""
        self._stream.close()

    def add(self, kind: str, facts: Mapping[str, Any], at_s: float | None = None) -> Event | None:
        """Write an event; None for an epoch or a step that is written already."""
        if kind in ONCE:
            if (told := _numbered(kind, facts)) in self._told:
                return None
            self._told.add(told)
        self.last += 1
        event = Event(self.last, kind, time.time() if at_s is None else at_s, dict(facts))
        self._stream.write(f"{event.to_json()}\n".encode())
        self._stream.flush()
        return event

    def spent(self) -> Spent:
        """What earlier attempts took."""
        path = self.path / SPENT
        return Spent(**json.loads(path.read_text())) if path.exists() else Spent()

    def write_spent(self, spent: Spent) -> None:
        """Write down what the attempts took so far."""
        write_whole(self.path / SPENT, json.dumps(asdict(spent)))

    def outcome(self) -> Outcome | None:
        """How the call ended; None where it has not."""
        return outcome_in(self.path)

    def write_outcome(self, outcome: Outcome) -> None:
        """Write down how the call ended."""
        write_whole(self.path / OUTCOME, outcome.to_json())


def outcome_in(folder: Path) -> Outcome | None:
    """How the call of this folder ended; None where it has not."""
    path = folder / OUTCOME
    return Outcome.from_json(path.read_text()) if path.exists() else None


def whole_events(content: bytes, first: int = 1) -> tuple[list[Event], int]:
    """The events of a file of them from number `first` on, up to the first line that is torn, and the bytes they take."""
    events: list[Event] = []
    size = 0
    for line in content.splitlines(keepends=True):
        event = _event_of(line)
        if event is None or event.number != first + len(events):
            break
        events.append(event)
        size += len(line)
    return events, size


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def _keep_whole(path: Path) -> list[Event]:
    """The whole events of a file, from which the rest is cut off."""
    if not path.exists():
        return []
    content = path.read_bytes()
    events, size = whole_events(content)
    if size < len(content):
        os.truncate(path, size)
    return events


def _event_of(line: bytes) -> Event | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return Event.from_json(line.decode())
    except ValueError:
        return None


def _numbered(kind: str, facts: Mapping[str, Any]) -> tuple[str, int, frozenset[str]]:
    return kind, int(facts[kind]), frozenset(facts["metrics"])
