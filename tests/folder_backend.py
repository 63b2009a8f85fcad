"""A place on this disk that keeps to the interface of a backend, and can be told to answer badly."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from seizure_pipeline.remote.backend import EndedWithoutAWord, LostContact
from seizure_pipeline.remote.records import Event, Outcome, Request
from seizure_pipeline.remote.settings import Rates, Resources


class FolderBackend:
    """Calls are folders with events.jsonl and outcome.json, which tests write; files are files.

    `silent_for` questions are not answered; with a `seed` events come in gaps, twice and in any order while the call runs."""

    name = "folder"

    def __init__(self, seed: int | None = None, silent_for: int = 0) -> None:
        self._chance = None if seed is None else random.Random(seed)
        self.silent_for = silent_for
        self.moved: list[str] = []
        self.given_back: list[str] = []

    def problems(self, machines: Sequence[Resources]) -> list[str]:
        return []

    def rates(self) -> Rates | None:
        return None

    def put(self, local: Path, far: str) -> None:
        self._answer()
        self._copy(local, Path(far))

    def put_new(self, local: Path, far: str) -> bool:
        self._answer()
        if is_new := not Path(far).exists():
            self._copy(local, Path(far))
        return is_new

    def get(self, far: str, local: Path) -> None:
        self._answer()
        self._copy(Path(far), local)

    def listing(self, far: str) -> dict[str, int]:
        self._answer()
        return {str(file.relative_to(far)): file.stat().st_size for file in Path(far).rglob("*") if file.is_file()}

    def start(self, request: Request, machine: Resources) -> str:
        Path(request.folder).mkdir(parents=True, exist_ok=True)
        return request.call

    def find(self, request: Request) -> str | None:
        self._answer()
        begun = any((Path(request.folder) / name).exists() for name in ("spent.json", "outcome.json"))
        return request.call if begun else None

    def events(self, call_id: str, request: Request, after: int, wait_s: float) -> list[Event]:
        self._answer()
        path = Path(request.folder) / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [event for event in map(Event.from_json, lines) if event.number > after]
        if self._chance is None or wait_s == 0:
            return found
        chosen = [event for event in found if self._chance.random() < 0.5]
        return self._chance.sample(chosen * 2, len(chosen) * 2)

    def outcome(self, call_id: str, request: Request) -> Outcome | None:
        self._answer()
        path = Path(request.folder) / "outcome.json"
        if path.exists() and path.read_text() == "killed":
            raise EndedWithoutAWord("it ended without a word")
        return Outcome.from_json(path.read_text()) if path.exists() else None

    def stop(self, call_id: str, request: Request) -> None:
        self._answer()
        (Path(request.folder) / "stop").touch()

    def give_back(self, request: Request) -> None:
        self._answer()
        self.given_back.append(request.call)

    def logs(self, call_id: str, request: Request, follow: bool) -> Iterator[str]:
        yield from ()

    def _answer(self) -> None:
        if self.silent_for:
            self.silent_for -= 1
            raise LostContact("nobody answers")

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.copyfile(source, part)
        part.replace(target)
        self.moved.append(target.name)
