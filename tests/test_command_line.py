"""The command line: quick to start, plain about mistakes, and strict about parameters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from pydantic import BaseModel

from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.hooks import ROOMS, ParameterError, _settings_of_rooms, check_parameters, check_places
from seizure_pipeline.model.settings import ModelSettings

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
HEAVY = ("torch", "mlflow", "modal")
NUMERICS = ("numba", "pandas", "scipy")


def kedro(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KEDRO, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("command", "heavy"), [(["--version"], HEAVY + NUMERICS), (["registry", "list"], HEAVY)])
def test_start_up_imports_neither_torch_nor_mlflow_nor_modal(command: list[str], heavy: tuple[str, ...]) -> None:
    program = (
        "import atexit, json, sys; "
        f"atexit.register(lambda: sys.stderr.write(json.dumps([m for m in {heavy} if m in sys.modules]))); "
        f"sys.argv = ['kedro', *{command}]; from kedro.framework.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def test_every_command_is_listed_once() -> None:
    listed = re.findall(r"^  (\S+)  +\S", kedro("--help").stdout.partition("Options:")[2], re.MULTILINE)
    assert {"run", "package", "doctor", "registry", "viz"} < set(listed)
    assert len(listed) == len(set(listed))


def test_the_pipelines_are_the_agreed_ones() -> None:
    listed = {line.removeprefix("- ").strip() for line in kedro("registry", "list").stdout.splitlines()} - {""}
    named = {"detection", "evaluation", "experiments", "ingestion", "kernel_check", "outcome"}
    named |= {"populate_cache", "reporting", "training", "verify_cache", "windowing"}
    assert listed == {"__default__"} | named


@pytest.mark.parametrize("env", ["base", "smoke", "workstation", "modal", "modal_smoke", "real_clips", "chb_mit", "siena"])
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
    [
        ("trainnig.epochs=3", "trainnig: no such parameter; training is meant?"),
        ("training.epohcs=3", "training.epohcs: nothing reads that (value 3); training.epochs is meant?"),
        ("training.device=tpu", "tpu"),
        ("synthetic.sed=1", "synthetic.sed"),
    ],
)
def test_a_parameter_that_nothing_reads_stops_before_any_node(parameter: str, named: str, tmp_path: Path) -> None:
    done = kedro("run", "--env", "smoke", f"--params={parameter},data_root={tmp_path}")
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"training": {"sampling": {"max_partail": 3}}}, "; training.sampling.max_partial is meant?"),
        ({"epohcs": 3}, "; training.epochs is meant?"),
        ({"post_processing": {"learning_rate": 0.1}}, "; training.optimizer.learning_rate is meant?"),
        ({"training": {"sampling": {"zzz": 1}}}, "; there are background_per_partial, full_per_partial, max_partial"),
    ],
)
def test_the_nearest_parameter_is_named_in_its_own_room_in_another_or_all_that_there_are(
    given: dict[str, object], meant: str
) -> None:
    with pytest.raises(ParameterError, match=rf"{re.escape(meant)}$"):
        check_parameters(given)


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


@pytest.mark.parametrize("env", ["workstation", "modal", "modal_smoke"])
def test_the_large_environments_train_the_full_network_on_everything(env: str) -> None:
    parameters = load_parameters(env)
    assert ModelSettings(**parameters["model"]) == ModelSettings()
    assert parameters["training"]["sampling"] == {
        "full_per_partial": 0.3,
        "background_per_partial": 2.5,
        "max_partial": None,
    }


def load_parameters(env: str) -> dict[str, dict[str, object]]:
    loader = OmegaConfigLoader(str(REPOSITORY / "conf"), env=env, base_env="base", merge_strategy={"parameters": "soft"})
    return dict(loader["parameters"])


def test_every_setting_is_read_by_code() -> None:
    code = "".join(path.read_text() for path in (REPOSITORY / "src").rglob("*.py"))
    for room, settings in _settings_of_rooms().items():
        for name in leaves(settings):
            assert re.search(rf"\.{name}\b", code), f"{room}: nothing reads {name}"


def leaves(settings: type[BaseModel]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation)
        else:
            yield name


def test_an_unwritable_cache_is_one_plain_message(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    done = kedro("run", "--env", "smoke", f"--params=corpus_root={tmp_path},data_root={tmp_path / 'data'}", cwd=project)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_an_environment_that_is_not_there_is_named() -> None:
    done = kedro("run", "--env", "nosuch")
    assert done.returncode == 1
    assert "no environment 'nosuch' in conf/; there are base" in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluation_is_strict_unless_told() -> None:
    assert EvaluationSettings().allow_refused is False


def test_a_misspelt_place_stops_before_anything_is_written_elsewhere() -> None:
    with pytest.raises(ParameterError, match=r"globals\.yml: dataroot: nothing reads that; data_root is meant\?"):
        check_places({"dataroot": "data/mine", "corpus_root": "x"})
    check_places({"data_root": "data/mine", "corpus_root": "x"})
