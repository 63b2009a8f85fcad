"""What an experiment came to, a JSON file each, so that a later run keeps what is finished."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULT, LOG = "result.json", "run.log"
FINISHED, FAILED, RUNS_ON, OVER_BUDGET = "finished", "failed", "runs on elsewhere", "not started: budget"


@dataclass(frozen=True, slots=True)
class Result:
    """How one experiment ended: hours and US dollars over all attempts, `error` in words where it failed.

    `made_from` is the fingerprint of parameters, data and code; `parent` names the record (MLflow's) of the run of all
    experiments that it belongs to; `overrides` are its parameters by dotted name, those of its preset included. `metrics`
    are those of its evaluation with the recalls of both classes, `counts` the tokens behind these, `baselines` the figures
    of the detectors that it is held against."""

    name: str
    status: str
    made_from: str
    parent: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    baselines: list[dict[str, Any]] = field(default_factory=list)
    weights_sha256: str = ""
    error: str = ""
    hours: float = 0.0
    usd: float = 0.0


def write_result(folder: Path, result: Result) -> None:
    """Write a result whole and to the disk into the folder of its experiment."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{RESULT}.{os.getpid()}.part"
    with open(part, "w") as file:
        json.dump(asdict(result), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / RESULT)


def read_result(folder: Path) -> Result | None:
    """The result in the folder of an experiment, None where there is none yet."""
    path = folder / RESULT
    return Result(**json.loads(path.read_text())) if path.is_file() else None
