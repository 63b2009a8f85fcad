"""What MLflow keeps: `run` one run, `numbers` its metrics, `counts` its counts, `registry` and `model` its detector."""

from __future__ import annotations

from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
from mlflow.telemetry import set_telemetry_client

MLFLOW_DISABLE_TELEMETRY.set(True)  # MLflow tells its makers of every run unless it is told not to
set_telemetry_client()
