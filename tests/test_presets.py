"""A preset of the experiments is a preset of a single run too: the same table, under what the command says itself."""

from __future__ import annotations

from typing import Any

import pytest
from kedro.framework.startup import bootstrap_project
from test_command_line import REPOSITORY, kedro

from seizure_pipeline.commands import running


@pytest.fixture(autouse=True, scope="module")
def _project() -> None:
    bootstrap_project(REPOSITORY)  # how an environment's presets are merged with those of conf/base


def with_preset(name: str, env: str | None = None, **params: Any) -> dict[str, Any]:
    return running.with_preset(name, {"env": env, "conf_source": None, "params": params})


@pytest.mark.parametrize(("env", "windows"), [(None, 60), ("workstation", 4000)])
def test_a_preset_is_that_of_the_environment(env: str | None, windows: int) -> None:
    assert with_preset("validate", env) == {"training": {"epochs": 10, "sampling": {"max_partial": windows}}}
    assert with_preset("production", env) == {}


def test_what_the_command_says_itself_goes_before_its_preset() -> None:
    found = with_preset("validate", data_root="data/x", training={"epochs": 3, "seed": 1})
    assert found == {"data_root": "data/x", "training": {"epochs": 3, "seed": 1, "sampling": {"max_partial": 60}}}


def test_a_run_takes_its_preset_and_names_those_there_are() -> None:
    done = kedro("run", "--preset", "quick")
    assert done.returncode == 1
    assert "--preset quick: no such preset in experiments.presets; there are production, validate" in done.stderr
    taken = kedro("run", "--preset", "validate", "--params", "training.sampling.max_partial=0,training.epochs=0")
    assert taken.returncode == 1
    assert "training.epochs: " in taken.stderr
    assert "training.sampling.max_partial: " in taken.stderr
