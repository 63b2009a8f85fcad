"""What MLflow's store does not take, told plainly."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from seizure_pipeline.mlflow_server import ask_health
from seizure_pipeline.tracking import NotRecorded

STORE = "MLflow's store (tracking_uri in mlflow.yml)"


@contextmanager
def plainly() -> Iterator[None]:
    """Raise NotRecorded, with the store's reason, where MLflow or its database raises an exception of its own."""
    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise NotRecorded(f"{STORE} does not take what it is told: {reason}") from error


def check_answers(uri: str) -> None:
    """Raise NotRecorded for a server that does not answer: MLflow's own client would ask it seven times, for minutes."""
    if uri.startswith(("http://", "https://")):
        try:
            ask_health(uri)
        except OSError as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLError):
                return  # it is there; whom MLflow's client trusts is for that client's own settings
            raise NotRecorded(f"{STORE} does not answer: {error}; `kedro doctor` looks at it again") from error
