"""Kedro's settings of this project."""

from __future__ import annotations

from seizure_pipeline.hooks import DeviceCheck, MlflowTracking, ParameterKeys, Preflight, RunSummary
from seizure_pipeline.hooks_experiments import Experiments

DISABLE_HOOKS_FOR_PLUGINS = (
    "kedro-telemetry",
)  # outside a project folder, where no .telemetry says so, nothing is sent either
HOOKS = (ParameterKeys(), DeviceCheck(), Preflight(), Experiments(), MlflowTracking(), RunSummary())
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"runner": ["runner*"], "mlflow": ["mlflow*"]},
    "merge_strategy": {"parameters": "soft", "runner": "soft", "mlflow": "soft"},
}
