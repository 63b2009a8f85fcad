"""Kedro's settings of this project."""

from __future__ import annotations

from seizure_pipeline.hooks import DeviceCheck, MlflowTracking, ParameterKeys, Preflight, RunSummary
from seizure_pipeline.hooks_course import Course, InputsCheck
from seizure_pipeline.hooks_experiments import Experiments

DISABLE_HOOKS_FOR_PLUGINS = (
    "kedro-telemetry",
)  # outside a project folder, where no .telemetry says so, nothing is sent either
HOOKS = (  # of each kind (first, plain, last) pluggy calls the last first, but of `trylast` the last one last
    *(ParameterKeys(), DeviceCheck(), Preflight(), RunSummary(), Experiments(), MlflowTracking()),
    *(Course(), InputsCheck()),
)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"runner": ["runner*"], "mlflow": ["mlflow*"]},
    "merge_strategy": {"parameters": "soft", "runner": "soft", "mlflow": "soft"},
}
