"""Calls to containers of the plane, as the side that asks goes through them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from modal_plane import FAR_ROOT, VOLUME, request, settings, until
from remote_fixtures import REPOSITORY, ROOT

from seizure_pipeline.remote.modal.backend import ModalBackend
from seizure_pipeline.remote.modal.events import lines_of
from seizure_pipeline.remote.records import Event, Outcome

RETRIES = {"count": 3, "delay_s": 1.0}


def with_pins(project: Path) -> Path:
    """A project whose image can be described."""
    shutil.copytree(REPOSITORY / "requirements", project / "requirements", dirs_exist_ok=True)
    return project


def machine(**changes: Any) -> dict[str, Any]:
    """Settings with these changes of the one machine."""
    return {"tags": {"gpu": {"cpu": 2, "memory_mib": 4096, "timeout_s": 1200, "retries": RETRIES, **changes}}}


def far_root(plane: Any, project: Path) -> Path:
    """The data root on the volume, which holds the cache of `project`."""
    root: Path = plane.seed_volume(VOLUME) / Path(FAR_ROOT).relative_to("/vol")
    if not root.exists():
        shutil.copytree(project / "data/near" / ROOT, root / ROOT)
    return root


def begun(plane: Any) -> list[Any]:
    """The containers that run, but for one that is being made."""
    return [task for task in plane.running() if hasattr(task, "proc")]


def written(plane: Any, call: Call) -> tuple[Any, Path]:
    """The one container that runs, and the call's file of events as it is in there, committed or not."""
    (task,) = until(lambda: begun(plane))
    (mounted,) = task.vols.values()
    return task, mounted / Path(str(call.request.folder)).relative_to("/vol") / "events.jsonl"


def has_saved(plane: Any, call: Call, attempt: int) -> bool:
    """Whether the container of this attempt has written a checkpoint or two of its own."""
    if len(begun(plane)) != 1 or not (file := written(plane, call)[1]).exists():
        return False
    events = lines_of(file.read_text())
    starts = [index for index, event in enumerate(events) if event.kind == "attempt"]
    return len(starts) == attempt and sum(event.kind == "checkpoint" for event in events[starts[-1] :]) >= 2


class Call:
    """A call, as the side that asks goes through it: started, followed from number to number, ended."""

    def __init__(self, project: Path, node: str, conf: dict[str, Any] | None = None, **changes: Any) -> None:
        pipelines = ("training",) if node == "train" else ("odd",)
        self.request = request(project, node, **{"pipelines": pipelines, "env": "far", **changes})
        self.settings = settings(**(conf or machine()))
        self.backend = ModalBackend(self.settings, project)
        self.heard: list[Event] = []
        self.id = self._id()

    @classmethod
    def again(cls, project: Path, node: str, call_id: str) -> Call:
        """The same call, in a process that did not start it."""
        return _Again(project, node, call_id)

    def _id(self) -> str:
        return self.backend.start(self.request, self.settings.tags["gpu"])

    def hear(self, wait_s: float = 1.0) -> list[Event]:
        """What is new."""
        after = self.heard[-1].number if self.heard else 0
        found = self.backend.events(self.id, self.request, after, wait_s)
        self.heard += found
        return found

    def hear_of(self, kind: str) -> Event:
        """Follow until an event of this kind comes."""
        until(lambda: self.hear() and [event for event in self.heard if event.kind == kind])
        return next(event for event in self.heard if event.kind == kind)

    def end(self, within_s: float = 90.0) -> Outcome:
        """Follow to the end."""
        outcome: Outcome = until(lambda: None if self.hear() else self.backend.outcome(self.id, self.request), within_s)
        while self.hear(0.0):
            pass
        assert [event.number for event in self.heard] == list(range(1, len(self.heard) + 1)), (
            "each once, in order, none left out"
        )
        return outcome


class _Again(Call):
    def __init__(self, project: Path, node: str, call_id: str) -> None:
        self._known = call_id
        super().__init__(project, node)

    def _id(self) -> str:
        return self._known
