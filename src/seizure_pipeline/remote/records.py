"""What travels between here and there: a request, events, an outcome; all plain JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

Status = Literal["finished", "failed", "stopped", "over_budget"]
LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Request:
    """One node to run over there, by names; `call` names its folder there, and `attempts` what one call may use.

    `code` fingerprints source and configuration of the side that asks; another is refused. `secret_keys` are environment
    variables whose values are struck out of all that is reported. `gpu` are the GPUs any of which it was sent to, None where
    that was not written down."""

    call: str
    node: str
    env: str | None
    pipelines: tuple[str, ...]
    params: dict[str, Any]
    run_id: str
    far_root: str
    code: str
    python: str
    attempts: int = 1
    timeout_s: float = 86_400
    grace_s: float = 25.0
    usd_per_hour: float = 0.0
    budget_usd: float | None = None
    secret_keys: tuple[str, ...] = ()
    gpu: tuple[str, ...] | None = None

    @property
    def folder(self) -> PurePosixPath:
        """Where its events, its outcome and what it cost are kept, over there."""
        return PurePosixPath(self.far_root) / "remote" / self.call

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Undo `to_json`."""
        facts = json.loads(text)
        lists = {name: tuple(facts[name]) for name in ("pipelines", "secret_keys", "gpu") if facts.get(name) is not None}
        return cls(**{**facts, **lists})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a far node did: number from 1 in its call, over all attempts; `kind` says what `facts` hold.

    attempt: attempt, host, python, torch, gpu; progress: as it is announced; epoch: epoch, metrics; step: step, metrics;
    checkpoint: path, step; log: level, logger, message; system: metrics; cost: usd, hours; stopping: why."""

    number: int
    kind: str
    at_s: float
    facts: dict[str, Any]

    def to_json(self) -> str:
        """As one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Event:
        """Undo `to_json`; ValueError for a line that was cut."""
        facts = json.loads(line)
        if not isinstance(facts, dict) or set(facts) != {"number", "kind", "at_s", "facts"}:
            raise ValueError(f"not an event: {line[:200]!r}")
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception over there: its class as module.Name, its message, its traceback; long texts are cut."""

    kind: str
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, after how many attempts, with the hours and US dollars that all of them took."""

    status: Status
    attempts: int
    hours: float
    usd: float
    failure: Failure | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Undo `to_json`."""
        facts = json.loads(text)
        failure = facts.pop("failure")
        return cls(**facts, failure=None if failure is None else Failure(**failure))
