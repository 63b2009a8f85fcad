"""Experiments side by side are the single runs that they would have been, each for itself, compared at the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from far_runs import a_copy, begun, calls_of, history, kedro, runs_of, wait_for
from mlflow.entities import Run
from modal_calls import RETRIES, far_root, with_pins
from modal_plane import FAR_ROOT, VOLUME, plane
from remote_fixtures import processes_of, write

from seizure_pipeline.experiments import BASELINE

__all__ = ["plane"]
COMMAND = ("run", "--env", "near", "--pipelines", "experiments")
RATE = "training.optimizer.learning_rate"
RUNS = {
    "slow": None,
    "fast": None,
    "careful": {"preset": "plain", "overrides": {RATE: 1.0e-4}},
    "usual": {"preset": "plain", "overrides": {"training.epochs": 2}},
    "absurd": {"preset": "plain", "overrides": {RATE: 1.0e25}},
}


def with_experiments(project: Path, env: str = "near", **settings: object) -> Path:
    facts = {"at_once": 2, "presets": {"plain": {}}, "runs": RUNS, **settings}
    write(project / f"conf/{env}/parameters_experiments.yml", {"experiments": facts})
    return project


def result(project: Path, name: str, env: str = "near") -> dict[str, object]:
    return dict(json.loads((project / f"data/{env}/experiments/{name}/result.json").read_text()))


def table(project: Path, env: str = "near") -> pd.DataFrame:
    return pd.read_csv(project / f"data/{env}/08_reporting/experiments.csv").set_index("experiment")


def children(project: Path) -> tuple[Run, dict[str, Run]]:
    """The run of all experiments, and the runs below it by their names."""
    runs = runs_of(project)
    (parent,) = [run for run in runs if run.data.tags.get("kedro.pipeline_names") == "['experiments']"]
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len({run.info.run_name for run in below}) == len(below)
    return parent, {str(run.info.run_name): run for run in below}


@pytest.fixture(scope="module")
def three(far_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project in which three experiments ran, one of them in vain, and what that printed."""
    project = with_experiments(a_copy(far_project, tmp_path_factory.mktemp("three") / "project"))
    done = kedro(project, *COMMAND)
    assert done.returncode == 1, done.stderr
    assert "Error: ExperimentsFailed: 1 of 3 did not finish: absurd (failed: " in done.stderr
    assert "Traceback" not in done.stderr
    return project, done.stdout


@pytest.mark.slow
def test_one_that_diverges_leaves_the_others_alone_and_stays_in_the_table_with_its_error(three: tuple[Path, str]) -> None:
    project, printed = three
    assert table(project)["status"].to_dict() | {BASELINE: ""} == {
        "careful": "finished",
        "usual": "finished",
        "absurd": "failed",
        BASELINE: "",
    }
    error = table(project).loc["absurd", "error"]
    assert "Error: " in error or "Diverged: " in error
    assert f"absurd: {error}" in printed
    assert result(project, "absurd")["metrics"] == {}
    assert (project / "data/near/08_reporting/experiments.png").stat().st_size > 0


@pytest.mark.slow
def test_a_result_holds_what_was_overridden_the_counts_behind_its_recalls_and_the_baselines(three: tuple[Path, str]) -> None:
    project, _ = three
    kept: dict[str, Any] = result(project, "usual")
    assert kept["overrides"] == {"training.epochs": 2}
    counts, metrics = kept["counts"], kept["metrics"]
    assert metrics["recall_background"] == counts["background_tokens_found"] / counts["background_tokens"]
    tokens = counts["ictal_tokens"] + counts["background_tokens"]
    assert counts["ictal_tokens"] / tokens == pytest.approx(metrics["seizure_time_share"])
    beside = pd.read_csv(project / "data/near/experiments/usual/08_reporting/comparison.csv")
    assert [row["detector"] for row in kept["baselines"]] == beside["detector"].tolist()[1:]


@pytest.mark.slow
def test_the_same_command_repeats_what_failed_alone_and_one_feature_traces_are_shared(three: tuple[Path, str]) -> None:
    project, _ = three
    assert [path.relative_to(project / "data/near").as_posix() for path in project.glob("data/near/**/baseline_traces")] == [
        "07_model_output/baseline_traces"
    ]
    done = kedro(project, *COMMAND)
    assert done.returncode == 1
    assert {name for name in ("careful", "usual", "absurd") if f"{name}: started" in done.stderr} == {"absurd"}
    assert table(project).loc["careful", "status"] == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["careful", "usual"])
def test_an_experiment_is_the_single_run_with_its_parameters(
    three: tuple[Path, str], far_project: Path, tmp_path: Path, name: str
) -> None:
    alone = a_copy(far_project, tmp_path / "alone")
    overrides = ",".join(f"{key}={value}" for key, value in RUNS[name]["overrides"].items())  # type: ignore[index]
    done = kedro(alone, "run", "--env", "near", "--pipelines", "training,evaluation", f"--params={overrides}")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((alone / "data/near/08_reporting/metrics.json").read_text())
    kept = result(three[0], name)
    assert {key: kept["metrics"][key] for key in metrics} == metrics  # type: ignore[index]
    assert kept["weights_sha256"] == json.loads((alone / "data/near/06_models/checkpoint.json").read_text())["weights_sha256"]
    below, single = history(children(three[0])[1][name]), history(runs_of(alone)[0])
    assert {metric: steps for metric, steps in below.items() if metric in single} == single


@pytest.mark.slow
def test_mlflow_holds_each_below_one_run_of_all_with_the_table_and_its_picture(three: tuple[Path, str]) -> None:
    parent, below = children(three[0])
    assert {name: run.info.status for name, run in below.items()} == {
        "careful": "FINISHED",
        "usual": "FINISHED",
        "absurd": "FAILED",
    }
    assert result(three[0], "absurd")["error"] in below["absurd"].data.tags["error"]
    assert below["careful"].data.params[RATE] == "0.0001"
    assert below["careful"].data.metrics["recall_background"] == result(three[0], "careful")["metrics"]["recall_background"]  # type: ignore[index]
    client = mlflow.MlflowClient()
    kept = {item.path for folder in ("", "pictures") for item in client.list_artifacts(parent.info.run_id, folder or None)}
    assert {"experiment_table.csv", "pictures/experiments.png"} <= kept
    assert parent.info.status == "FINISHED"


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_keeps_what_is_finished(
    three: tuple[Path, str], far_project: Path, tmp_path: Path
) -> None:
    runs = {"usual": RUNS["usual"], "xcareful": RUNS["careful"], "slow": None, "fast": None}
    project = with_experiments(a_copy(far_project, tmp_path / "project"), at_once=1, runs=runs)
    folder = project / "data/near/experiments"
    first = begun(project, *COMMAND)
    wait_for(lambda: list(folder.glob("xcareful/06_models/*/state.safetensors")))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    kept = (folder / "usual/result.json").stat().st_mtime_ns
    assert not (folder / "xcareful/result.json").exists()
    assert processes_of(str(folder / "xcareful/run.yml"))  # it lives on, and is waited for
    done = kedro(project, *COMMAND)
    assert done.returncode == 0, done.stderr
    assert "usual: finished and unchanged, kept" in done.stderr
    assert (folder / "usual/result.json").stat().st_mtime_ns == kept
    whole, again = result(three[0], "careful"), result(project, "xcareful")
    assert (again["weights_sha256"], again["metrics"]) == (whole["weights_sha256"], whole["metrics"])
    parent, below = children(project)
    assert {run.info.status for run in (parent, *below.values())} == {"FINISHED"}
    assert set(below) == {"usual", "xcareful"}
    assert history(below["xcareful"]) == history(children(three[0])[1]["careful"])


@pytest.mark.slow
def test_an_interrupted_run_leaves_far_nodes_alone_and_the_same_command_brings_them_home(
    three: tuple[Path, str], far_project: Path, tmp_path: Path
) -> None:
    runs = {"careful": RUNS["careful"], "usual": RUNS["usual"], "slow": None, "fast": None}
    project = with_experiments(a_copy(far_project, tmp_path / "project"), "far", runs=runs)
    command = ("run", "--env", "far", "--pipelines", "experiments")
    first = begun(project, *command)
    wait_for(lambda: len([call for call in calls_of(project) if call.call_id and call.node == "train"]) == 2)
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=90)
    assert first.returncode == 1
    assert "interrupted; the same command continues where it was" in told
    sent = [call.call for call in calls_of(project) if call.node == "train"]
    done = kedro(project, *command)
    assert done.returncode == 0, done.stderr
    assert [call.call for call in calls_of(project) if call.node == "train"] == sent
    for name in ("careful", "usual"):
        assert result(project, name, "far")["metrics"] == result(three[0], name)["metrics"]
        there = project / f"far_root/experiments/{name}/result.json"
        assert there.read_bytes() == (project / f"data/far/experiments/{name}/result.json").read_bytes()
    parent, below = children(project)
    assert {run.info.status for run in (parent, *below.values())} == {"FINISHED"}
    assert history(below["careful"])["epoch/train_loss"] == history(children(three[0])[1]["careful"])["epoch/train_loss"]


@pytest.mark.slow
def test_what_would_pass_the_common_budget_is_not_started(far_project: Path, tmp_path: Path) -> None:
    prices = {"rates": {"as_of": "2026-01", "gpu": {}, "core": 0.5, "memory_gib": 0.0}}
    hours = {"expected_hours": {"train": 1.5, "compute_traces": 0.5}}
    project = with_experiments(a_copy(far_project, tmp_path / "project", **prices, **hours), "far", budget_usd=1.5)
    done = kedro(project, "run", "--env", "far", "--pipelines", "experiments")
    assert done.returncode == 1, done.stderr
    assert set(table(project, "far")["status"].dropna()) == {"not started: budget"}
    assert "2.00 USD more than the 0.00 USD of the others would pass experiments.budget_usd 1.5" in done.stdout
    assert not list(project.glob("data/far/experiments/*/run.log"))


@pytest.mark.slow
def test_runner_params_reach_estimate_and_experiments_and_detached_ones_are_gone_on_with(
    far_project: Path, tmp_path: Path
) -> None:
    prices = {"rates": {"as_of": "2026-01", "gpu": {}, "core": 0.5, "memory_gib": 0.0}}
    hours = {"expected_hours": {"train": 1.5, "compute_traces": 0.5}}
    runs = {"usual": RUNS["usual"], "slow": None, "fast": None}
    project = a_copy(far_project, tmp_path / "project", **prices, **hours)
    with_experiments(project, "far", budget_usd=1.5, runs=runs)
    command = ("run", "--env", "far", "--pipelines", "experiments")
    params = "--runner-params=expected_hours.train=0.5"
    planned = kedro(project, *command, f"{params},dry_run=true")
    assert "In all: $1.00; experiments.budget_usd: $1.50" in planned.stdout
    assert not runs_of(project)
    done = kedro(project, *command, f"{params},detach=true")
    assert done.returncode == 0, done.stderr
    assert table(project, "far").loc["usual", "status"] == "runs on elsewhere"
    (call,) = calls_of(project)
    assert call.estimated_hours == 0.5
    assert call.request.budget_usd == pytest.approx(1.5)
    done = kedro(project, *command, params)
    assert done.returncode == 0, done.stderr
    assert [each.call for each in calls_of(project) if each.node == "train"] == [call.call]
    assert table(project, "far").loc["usual", "status"] == "finished"


@pytest.mark.slow
def test_a_parameter_that_nothing_reads_is_named_before_any_starts(far_project: Path, tmp_path: Path) -> None:
    runs = {**RUNS, "usual": {"preset": "plain", "overrides": {"training.epoch": 2}}}
    project = with_experiments(a_copy(far_project, tmp_path / "project"), runs=runs)
    done = kedro(project, *COMMAND)
    assert done.returncode == 1
    assert "experiments.runs.usual: training.epoch: nothing reads that" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "data/near/experiments").exists()
    assert not runs_of(project)


def copied_unless_older(source: str, target: str) -> str:
    """Copy a file over one that is not newer."""
    is_stale = os.path.exists(target) and os.stat(target).st_mtime_ns >= os.stat(source).st_mtime_ns
    return target if is_stale else str(shutil.copy2(source, target))


@pytest.fixture
def volume_of_many(plane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers commit what they changed; the plane by itself takes all of a container's copy, of others' files too."""

    def commit(task: Any, volume: str) -> None:
        shutil.copytree(task.vols[volume], task.fake._vol(volume), dirs_exist_ok=True, copy_function=copied_unless_older)

    monkeypatch.setattr(sys.modules["fakemodal"].Task, "commit", commit)


@pytest.mark.slow
@pytest.mark.usefixtures("volume_of_many")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the plane
def test_on_modal_three_side_by_side_leave_their_results_on_the_volume_and_the_failed_one_its_reason(
    plane: Any, three: tuple[Path, str], far_project: Path, tmp_path: Path
) -> None:
    machine = {"cpu": 16, "memory_mib": 16384, "timeout_s": 3600, "grace_s": 20.0, "retries": RETRIES}
    settings = {"far_root": FAR_ROOT, "volumes": {"/vol": {"name": VOLUME}}, "tags": {"gpu": machine}}
    project = with_pins(a_copy(far_project, tmp_path / "project", backend="modal", **settings))
    there = far_root(plane, project)
    done = kedro(with_experiments(project, "far", at_once=None), "run", "--env", "far", "--pipelines", "experiments")
    assert done.returncode == 1
    assert "1 of 3 did not finish: absurd (failed: " in done.stderr
    assert done.stderr.index("absurd: started") < done.stderr.index("careful: finished")
    for name in ("careful", "usual", "absurd"):
        at_home = project / f"data/far/experiments/{name}/result.json"
        assert (there / f"experiments/{name}/result.json").read_bytes() == at_home.read_bytes()
        assert result(project, name, "far")["metrics"] == result(three[0], name)["metrics"]
    assert {name: run.info.status for name, run in children(project)[1].items()}["absurd"] == "FAILED"
