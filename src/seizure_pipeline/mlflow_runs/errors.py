"""What MLflow's store does not take, told plainly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from seizure_pipeline.tracking import NotRecorded


@contextmanager
def plainly() -> Iterator[None]:
    """Raise NotRecorded, with the store's reason, where MLflow raises an exception of its own."""
    try:
        yield
    except MlflowException as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise NotRecorded(f"MLflow's store (tracking_uri in mlflow.yml) does not take what it is told: {reason}") from error
