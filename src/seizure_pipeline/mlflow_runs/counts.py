"""The counts by patient that MLflow keeps of a run, found by the run's name or id."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from seizure_pipeline.cache.facts import UNREADABLE
from seizure_pipeline.evaluation import PatientCounts, counted

COUNTS = "patient_counts.npz"
CORPUS = "corpus_fingerprint"
SQLITE = "sqlite:///"
TRAINING = "training"
"""Tag: the training whose figures a run holds, by its fingerprint."""
BEGINNING = re.compile("[0-9a-f]{4,}")
RUNS_SHOWN = 10


class RunNotFound(ValueError):
    """No run, or no single one, by a name or id; or a run without what is asked of it."""


@dataclass(frozen=True, slots=True)
class CountedRun:
    """A run with its counts; `corpus` is the fingerprint of its table of recordings, where it read that table.

    `parameters` are as MLflow holds them: dotted names, and values as text."""

    run_id: str
    name: str
    corpus: str | None
    counts: PatientCounts
    parameters: dict[str, str]


class CountedRuns:
    """The runs of one MLflow store; RunNotFound where there is no such store."""

    def __init__(self, tracking_uri: str) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._uri = tracking_uri
        if tracking_uri.startswith(SQLITE) and not Path(tracking_uri.removeprefix(SQLITE)).is_file():
            raise RunNotFound(f"{tracking_uri} (tracking_uri in mlflow.yml): no such file here; `kedro run` makes it")
        with self._reading():
            self._client = MlflowClient(tracking_uri)

    def find(self, wanted: str) -> CountedRun:
        """The run whose id or name is `wanted`, or whose id begins so, or the newest of the training whose id, as `kedro run`
        prints it, begins so.

        RunNotFound for none, for several, and for one without counts."""
        with self._reading():
            return self._counted(self._by_id(wanted) or self._by_name(wanted))

    def newest_pair(self) -> tuple[CountedRun, CountedRun]:
        """The newest run that has counts, second, and the newest before it on the same table of recordings, first.

        RunNotFound where there are no two such runs."""
        with self._reading():
            found: list[Run] = []
            for run in self._search(f"tags.{CORPUS} != ''"):
                if (not found or run.data.tags[CORPUS] == found[0].data.tags[CORPUS]) and self._has_counts(run):
                    found.append(run)
                if len(found) == 2:
                    return self._counted(found[1]), self._counted(found[0])
        raise RunNotFound(
            f"{self._uri} holds {len(found)} of two runs with {COUNTS} on the same recordings; run once more with other "
            "parameters, for instance `kedro run --params training.seed=43`"
        )

    def _by_id(self, wanted: str) -> Run | None:
        try:
            return self._client.get_run(wanted)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None

    def _by_name(self, wanted: str) -> Run:
        quote = '"' if "'" in wanted else "'"
        if quote in wanted:
            raise RunNotFound(f"{wanted}: MLflow cannot look for a name with both quotes in it; give the run's id")
        found = self._search(f"attributes.run_name = {quote}{wanted}{quote}") or self._by_beginning(wanted)
        if not found:
            newest = ", ".join(run.info.run_name for run in self._search("")[:RUNS_SHOWN])
            raise RunNotFound(
                f"no run in {self._uri} has the name {wanted!r}, or an id that begins so; the newest are {newest or 'none'}"
            )
        if len(found) > 1:
            ids = ", ".join(run.info.run_id for run in found[:RUNS_SHOWN])
            more = f" and {len(found) - RUNS_SHOWN} more" if len(found) > RUNS_SHOWN else ""
            raise RunNotFound(
                f"{len(found)} runs in {self._uri} are named {wanted!r} or have ids that begin so; their ids: {ids}{more}"
            )
        return found[0]

    def _by_beginning(self, wanted: str) -> list[Run]:
        """The runs whose own id begins as `wanted`, and the newest of each training whose id does; none for other words."""
        if not BEGINNING.fullmatch(wanted):
            return []
        trained = {run.data.tags[TRAINING]: run for run in reversed(self._search(f"tags.{TRAINING} LIKE '{wanted}%'"))}
        found = [*self._search(f"attributes.run_id LIKE '{wanted}%'"), *trained.values()]
        return list({run.info.run_id: run for run in found}.values())

    def _search(self, condition: str) -> list[Run]:
        """Runs of all experiments, the newest first."""
        experiments = [each.experiment_id for each in self._client.search_experiments()]
        return list(self._client.search_runs(experiments, condition, order_by=["attributes.start_time DESC"]))

    def _has_counts(self, run: Run) -> bool:
        return COUNTS in {item.path for item in self._client.list_artifacts(run.info.run_id)}

    def _counted(self, run: Run) -> CountedRun:
        counts = self._counts(run)
        return CountedRun(run.info.run_id, run.info.run_name, run.data.tags.get(CORPUS), counts, dict(run.data.params))

    def _counts(self, run: Run) -> PatientCounts:
        run_id, where = run.info.run_id, f"run {run.info.run_name} ({run.info.run_id}, {run.info.status})"
        if not self._has_counts(run):
            how = "`kedro run`, or `kedro run --pipeline=evaluation` where a model is trained, logs a run that has it"
            raise RunNotFound(f"{where} has no artifact {COUNTS}; {how}")
        with tempfile.TemporaryDirectory() as folder:
            return _read(Path(self._client.download_artifacts(run_id, COUNTS, folder)), where)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            reason = (str(error).splitlines() or ["no reason given"])[0]
            raise RuntimeError(f"MLflow's store {self._uri} (tracking_uri in mlflow.yml) is not read: {reason}") from error


def _read(path: Path, where: str) -> PatientCounts:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:  # numpy leaves a torn file open
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
        return counted(arrays)
    except UNREADABLE as error:
        raise RunNotFound(f"{where}: its artifact {COUNTS} is not read, {type(error).__name__}: {error}") from error
