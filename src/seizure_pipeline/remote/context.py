"""What a run that sends nodes elsewhere is, by names, and what the hooks around it must know of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from seizure_pipeline.configuration import SOURCE, Settings

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from seizure_pipeline.remote.journal import Call

Check = Callable[["Pipeline", "CatalogProtocol[Any, Any]"], None]
_leaving: list[frozenset[str]] = []
_checks: list[Check] = []
_calls: list[Call] = []


class RunContext(Settings):
    """One `kedro run`: what a session elsewhere needs to be the same one, and where this side keeps its data."""

    project: Path
    data_root: Path
    env: str | None = None
    pipelines: tuple[str, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)
    conf_source: str | None = None
    runner_params: dict[str, Any] = Field(default_factory=dict)


def send_away(tags: frozenset[str], check: Check) -> None:
    """Say that nodes with one of `tags` leave this machine, and what is to be asked before a run begins."""
    _leaving[:], _checks[:] = [tags], [check]


def check(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Raise RemoteError for a run whose nodes elsewhere would fail, or cost more than they may."""
    for each in _checks:
        each(pipeline, catalog)


def leaves(tags: set[str]) -> bool:
    """Whether a node with these tags runs on another machine."""
    return any(leaving & tags for leaving in _leaving)


def remember(call: Call) -> None:
    """Keep a call that ended for the summary of the run."""
    _calls.append(call)


def ended_calls() -> list[Call]:
    """The calls of this run that ended, in their order."""
    return list(_calls)


def source_fingerprint(project: Path) -> str:
    """Fingerprint of the package's source and of the configuration, as they travel; what is private stays out of it."""
    hashed = hashlib.sha256()
    for file in _travelling(project):
        hashed.update(f"{file.relative_to(project)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return hashed.hexdigest()[:16]


def _travelling(project: Path) -> list[Path]:
    source = (file for file in (project / "src").rglob("*") if file.suffix in SOURCE)
    settings = (file for file in (project / "conf").rglob("*.yml") if not _is_private(file.relative_to(project / "conf")))
    return sorted([*source, *settings])


def _is_private(file: Path) -> bool:
    return file.parts[0] == "local" or any("credentials" in part for part in file.parts)
