"""What a run of experiments is to do, from the hook that checked it to the node that does it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seizure_pipeline.configuration import fingerprint

RECORD = "record.json"
_plans: list[Plan] = []


@dataclass(frozen=True, slots=True)
class Planned:
    """One experiment: what it overrides by dotted name, all parameters that this comes to, and its cost if known."""

    name: str
    overrides: dict[str, Any]
    parameters: dict[str, Any]
    estimated_usd: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All experiments of a run, checked; `params` are the runtime parameters that they share.

    `runner` and `runner_params` are those of the command that runs them, and `each_usd` is what a run of these may cost.
    `keep_there` puts a file of data_root, called by a name, to those of far nodes, RemoteError where that fails; it is None
    where all nodes run here."""

    project: Path
    data_root: Path
    env: str | None
    params: dict[str, Any]
    at_once: int
    experiments: tuple[Planned, ...]
    runner: str
    runner_params: dict[str, Any] = field(default_factory=dict)
    each_usd: float | None = None
    keep_there: Callable[[str, Path], None] | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether experiments have nodes that run elsewhere."""
        return self.keep_there is not None

    @property
    def fingerprint(self) -> str:
        """The same for the same experiments with the same parameters."""
        return fingerprint({each.name: each.parameters for each in self.experiments})


def hand_over(plan: Plan) -> None:
    """Give the plan to the node of this process that carries it out."""
    _plans[:] = [plan]


def handed_over() -> Plan:
    """The plan of this process; RuntimeError where the hook that makes it did not run."""
    if not _plans:
        raise RuntimeError("experiments are started by `kedro run`, whose hooks check and plan them")
    return _plans[0]


def keep_record(folder: Path, plan: Plan, record: str | None) -> None:
    """Remember which record (MLflow's) the plan is carried out under."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{RECORD}.{os.getpid()}.part"
    part.write_text(json.dumps({"plan": plan.fingerprint, "record": record}))
    part.replace(folder / RECORD)


def kept_record(folder: Path, plan: Plan) -> str | None:
    """The record that the same plan was begun under; None where it is a new one."""
    path = folder / RECORD
    facts = json.loads(path.read_text()) if path.is_file() else {}
    return facts["record"] if facts.get("plan") == plan.fingerprint else None
