"""`python -m seizure_pipeline.mlflow_runs.registered NAME`: is there a best model of that name? `make serve` asks first."""

from __future__ import annotations

import sys

import mlflow
from mlflow.exceptions import MlflowException

from seizure_pipeline.mlflow_runs.registry import BEST

NOT_THERE = {"RESOURCE_DOES_NOT_EXIST": "no such model", "INVALID_PARAMETER_VALUE": f"no version with the alias {BEST}"}
"""MLflow's codes for a model and for an alias that it does not know."""


def what_is_missing(name: str) -> str | None:
    """Why models:/NAME@best cannot be loaded from MLflow's store, with the models that are; None if it can."""
    client = mlflow.MlflowClient()
    try:
        client.get_model_version_by_alias(name, BEST)
    except MlflowException as error:
        if error.error_code not in NOT_THERE:
            raise
        others = sorted(model.name for model in client.search_registered_models() if BEST in model.aliases)
        served = f"MODEL= takes {', '.join(others)}" if others else "make run registers one"
        return f"{name}: {NOT_THERE[error.error_code]} in MLflow's store; {served}"
    return None


if __name__ == "__main__":
    sys.exit(what_is_missing(sys.argv[1]))
