"""The near side's record of its far nodes: a file each below data_root/remote, written before anything is waited for.

From it any later process comes back to a call: it knows the call's id at the provider, what was asked, what was heard so
far, and where its metrics go."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.redaction import Redactor
from seizure_pipeline.tracking import Point

log = logging.getLogger(__name__)
FOLDER = "remote"
UNFINISHED = frozenset({"starting", "running"})
Epoch = tuple[int, dict[str, float | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One node that was sent elsewhere; `status` is unsent, starting, running, or how it ended (an outcome's, or `lost`).

    inputs: fingerprint of what it was made from; settings: those of the runner that sent it, as far as they are not defaults,
    by which any process comes back to it; left: the nodes that had not run when it started, itself
    first; last_event: all events up to this number were heard; outputs: fingerprint of what came home, and `brought`
    the files of folders, path below data_root -> bytes; spent_before_usd: what earlier calls with these inputs took;
    runner_params: those of the command that sent it."""

    request: Request
    backend: str
    app: str
    started_s: float
    inputs: str
    settings: dict[str, Any]
    left: tuple[str, ...]
    call_id: str | None = None
    mlflow_run: str | None = None
    estimated_hours: float | None = None
    estimated_usd: float | None = None
    estimated_from: str = ""
    status: str = "starting"
    attempts: int = 0
    hours: float = 0.0
    usd: float = 0.0
    last_event: int = 0
    epochs: tuple[Epoch, ...] = ()
    outputs: str | None = None
    brought: dict[str, int] = field(default_factory=dict)
    spent_before_usd: float = 0.0
    runner_params: dict[str, Any] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """Its name, here and over there."""
        return self.request.call

    @property
    def node(self) -> str:
        """The node that was sent."""
        return self.request.node

    @property
    def env(self) -> str | None:
        """The environment that it runs with."""
        return self.request.env

    @property
    def params(self) -> Mapping[str, Any]:
        """The runtime parameters of the run that sent it."""
        return self.request.params

    @classmethod
    def from_json(cls, text: str) -> Call:
        """Read what `Journal.write` wrote; ValueError, KeyError or TypeError for anything else."""
        facts = json.loads(text)
        request = Request.from_json(json.dumps(facts.pop("request")))
        epochs = tuple((int(epoch), metrics) for epoch, metrics in facts.pop("epochs"))
        if not isinstance(facts["settings"], dict):
            raise TypeError(f"settings are {facts['settings']!r}")
        return cls(**{**facts, "left": tuple(facts["left"]), "request": request, "epochs": epochs})


def new_name(node: str) -> str:
    """A name for a call: the node, the time, and what tells apart two of the same second."""
    return f"{node}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


class Journal:
    """The calls of one data_root; values of the environment variables `secret_keys` are never written."""

    def __init__(self, data_root: Path, secret_keys: Sequence[str] = ()) -> None:
        self.data_root = data_root
        self._folder = data_root / FOLDER
        self._redactor = Redactor.of_environment(secret_keys)

    def write(self, call: Call) -> None:
        """Write the call whole and to the disk; a process killed meanwhile leaves what was there before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(call.call)
        part = path.with_suffix(f".{os.getpid()}.part")
        with open(part, "w") as file:
            file.write(self.text(call))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def add_steps(self, call: str, steps: Sequence[Point]) -> None:
        """Write numbers of steps, (numbers by name, steps so far), to a file beside the call, and to the disk: a long run has
        too many to write them all again whenever one comes."""
        if not steps:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._steps_path(call), "ab") as file:
            lines = [json.dumps(self._redactor.plain({"step": step, "metrics": dict(metrics)})) for metrics, step in steps]
            file.write("".join(f"\n{line}" for line in lines).encode())  # a line that a kill cut stays alone
            file.flush()
            os.fsync(file.fileno())

    def steps(self, call: str) -> list[Point]:
        """The numbers of steps that were written beside a call; a line that a kill cut, whose step comes again, is left out."""
        path = self._steps_path(call)
        lines = path.read_text().splitlines() if path.exists() else []
        return [point for line in lines if (point := _point_of(line)) is not None]

    def text(self, call: Call) -> str:
        """A call's record as JSON, without secrets."""
        return json.dumps(self._redactor.plain(asdict(call)))

    def calls(self) -> list[Call]:
        """All calls, the oldest first; a file that is not one is named and left out."""
        found = [self._read(path) for path in sorted(self._folder.glob("*.json"))]
        return sorted((call for call in found if call is not None), key=lambda call: call.started_s)

    def find(self, name: str) -> Call:
        """The call of this name, or whose name alone begins so; RemoteError where there is none or several."""
        calls = self.calls()
        found = [call for call in calls if call.call == name] or [call for call in calls if call.call.startswith(name)]
        if len(found) == 1:
            return found[0]
        among = found or calls
        known = ", ".join(call.call for call in among) or "none"
        raise RemoteError(f"{'several calls begin with' if found else 'no call'} {name} in {self._folder}; there are {known}")

    @contextmanager
    def held(self, call: str) -> Iterator[None]:
        """Follow a call alone; RemoteError, naming the other process, where one follows it already."""
        with self._locked(call, f"call {call} is followed by", "one at a time: end that one, the far node runs on"):
            yield

    @contextmanager
    def sending(self, node: str, place: str) -> Iterator[None]:
        """Look whether a node runs in a place, and send it, alone; RemoteError, naming the other process, where one does."""
        name = f"sending-{node}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
        with self._locked(name, f"node {node} is being sent to {place} by", "see `kedro remote list` once it was"):
            yield

    def written_s(self, call: str) -> float:
        """When a call's record was written last, in seconds since 1970."""
        return self._path(call).stat().st_mtime

    @contextmanager
    def _locked(self, name: str, taken_by: str, advice: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{name}.lock", "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise RemoteError(f"{taken_by} {file.read().strip() or 'another process'}; {advice}") from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield

    def _steps_path(self, name: str) -> Path:
        return self._folder / f"{name}.steps.jsonl"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> Call | None:
        try:
            return Call.from_json(path.read_text())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: not a record of a call (%s); what it was of is not known here", path, error)
            return None


def _point_of(line: str) -> Point | None:
    try:
        facts = json.loads(line)
        return facts["metrics"], int(facts["step"])
    except (ValueError, KeyError, TypeError):
        return None
