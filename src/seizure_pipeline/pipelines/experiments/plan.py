"""What a run of experiments is to do, from the hook that checked it to the node that does it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizure_pipeline.configuration import fingerprint

RECORD = "record.json"
_plans: list[Plan] = []


@dataclass(frozen=True, slots=True)
class Planned:
    """One experiment: what it overrides, all parameters that this comes to, and what it is expected to cost."""

    name: str
    overrides: dict[str, Any]
    parameters: dict[str, Any]
    estimated_usd: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All experiments of a run, checked; `params` are the runtime parameters that they share."""

    project: Path
    data_root: Path
    env: str | None
    params: dict[str, Any]
    at_once: int
    experiments: tuple[Planned, ...]

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
