"""Metrics of one MLflow run, each of a step once, whoever logged it first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping

import mlflow
from mlflow.entities import Metric

LARGEST_BATCH = 1000  # metrics that MLflow takes at once


class MlflowNumbers:
    """Logs metrics of run `run_id` from any thread; those that the store has of the same step are left out.

    What an earlier process logged is looked up where `in_doubt` says that there may be such."""

    def __init__(self, client: mlflow.MlflowClient, run_id: str, *, in_doubt: bool) -> None:
        self._client, self._id, self._in_doubt = client, run_id, in_doubt
        self._held: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    def log(self, points: Iterable[tuple[Mapping[str, float], int]]) -> None:
        """Log numbers by name, each with its step; raises MlflowException where the store does not take them."""
        with self._lock:
            if self._in_doubt:
                names = self._client.get_run(self._id).data.metrics
                self._held = {name: {each.step for each in self._client.get_metric_history(self._id, name)} for name in names}
            self._in_doubt = True  # until the store says so: an answer that never came may have been yes
            now_ms = int(time.time() * 1000)
            missing = {
                (name, step): Metric(name, value, now_ms, step)
                for metrics, step in points
                for name, value in metrics.items()
                if step not in self._held.get(name, ())
            }
            waiting = list(missing.values())
            for first in range(0, len(waiting), LARGEST_BATCH):
                self._client.log_batch(self._id, metrics=waiting[first : first + LARGEST_BATCH])
            for name, step in missing:
                self._held.setdefault(name, set()).add(step)
            self._in_doubt = False
