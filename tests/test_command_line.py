"""The command line: quick to start, plain about mistakes, and strict about parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.hooks import ROOMS

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
HEAVY = ("torch", "mlflow", "modal")


def kedro(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KEDRO, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [["--version"], ["registry", "list"]])
def test_start_up_imports_neither_torch_nor_mlflow_nor_modal(command: list[str]) -> None:
    program = (
        "import atexit, json, sys; "
        f"atexit.register(lambda: sys.stderr.write(json.dumps([m for m in {HEAVY} if m in sys.modules]))); "
        f"sys.argv = ['kedro', *{command}]; from kedro.framework.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_the_pipelines_are_the_agreed_ones() -> None:
    listed = {line.removeprefix("- ").strip() for line in kedro("registry", "list").stdout.splitlines()} - {""}
    assert listed == {"__default__", "detection", "evaluation", "ingestion", "training", "windowing"}


@pytest.mark.parametrize("env", ["base", "smoke", "workstation", "modal", "modal_smoke", "real_clips"])
def test_every_environment_loads_and_its_settings_are_valid(env: str) -> None:
    program = f"""
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path({str(REPOSITORY)!r}))
with KedroSession.create(project_path={str(REPOSITORY)!r}, env={env!r}) as session:
    context = session.load_context()
    assert context.params["training"].epochs >= 1, context.params
    assert context.catalog.keys()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(
    ("parameter", "named"),
    [("trainnig.epochs=3", "trainnig"), ("training.epoch=3", "epoch"), ("training.device=tpu", "tpu")],
)
def test_a_parameter_that_nothing_reads_stops_before_any_node(parameter: str, named: str, tmp_path: Path) -> None:
    done = kedro("run", "--env", "smoke", f"--params={parameter},data_root={tmp_path}")
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_every_room_of_the_parameter_files_is_read() -> None:
    found: set[str] = set()
    for file in (REPOSITORY / "conf" / "base").glob("parameters*.yml"):
        found |= set(yaml.safe_load(file.read_text()))
    assert found == ROOMS


def test_no_path_of_data_stands_in_code() -> None:
    for file in (REPOSITORY / "src").rglob("*.py"):
        text = file.read_text()
        assert "01_raw" not in text, file
        assert "05_model_input" not in text, file


def test_evaluation_is_strict_unless_told() -> None:
    assert EvaluationSettings().allow_refused is False
