"""MLflow and kedro-viz tell their makers nothing of what is run here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
CLIENT = "import mlflow.telemetry; print(mlflow.telemetry.get_telemetry_client() is not None)"


def told(first: str) -> str:
    """Whether MLflow has a client for its telemetry after `first`, on a machine that is no test machine to it."""
    command = ["/usr/bin/env", "-i", f"PYTHONPATH={REPOSITORY / 'src'}", f"HOME={Path.home()}", sys.executable, "-c"]
    return subprocess.run([*command, f"{first}; {CLIENT}"], capture_output=True, text=True, check=True).stdout.strip()


def test_recording_a_run_switches_mlflows_telemetry_off() -> None:
    assert told("import mlflow") == "True"  # so it would be
    assert told("import seizure_pipeline.mlflow_runs.run") == "False"


def test_the_page_of_kedro_viz_has_no_telemetry_in_it() -> None:
    from kedro_viz.integrations.kedro.telemetry import get_heap_app_id

    assert get_heap_app_id(REPOSITORY) is None
