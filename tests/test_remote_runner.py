"""A run whose training happens in another process is the run that it would have been here."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import pytest
from far_runs import a_copy, calls_of, history, kedro, runs_of

from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.runner import RemoteRunner

ALL = ("--pipelines", "training,evaluation")
BILL = "Ran elsewhere"


@pytest.fixture(scope="module")
def both(far_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A project in which training and evaluation ran, here and with their `gpu` nodes elsewhere, and what was printed."""
    project = a_copy(far_project, tmp_path_factory.mktemp("both") / "project")
    near = kedro(project, "run", "--env", "near", *ALL)
    assert near.returncode == 0, near.stderr
    far = kedro(project, "run", "--env", "far", *ALL)
    assert far.returncode == 0, far.stderr
    return project, near.stdout, far.stdout


def files_below(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_what_comes_home_is_what_a_local_run_makes(both: tuple[Path, str, str]) -> None:
    project, _, _ = both
    near, far = (files_below(project / "data" / env) for env in ("near", "far"))
    assert {name for name in far if not name.startswith("remote/")} == {
        name for name in near if not name.startswith("06_models/") or "/best/" in name or name.endswith("checkpoint.json")
    }
    times = (
        "training_history",
        ".png",
        "operating_curve.json",
        "unchanged.json",
        "node_seconds.json",
    )  # of what ran, and of what drew it
    same = [name for name in far if not name.startswith("remote/") and not any(part in name for part in times)]
    assert [name for name in same if far[name] != near[name]] == []
    assert {"06_models/checkpoint.json", "08_reporting/metrics.json"} < set(same)
    assert sum(name.endswith("best/weights.safetensors") for name in same) == 1


@pytest.mark.slow
def test_mlflow_holds_the_same_run(both: tuple[Path, str, str]) -> None:
    far, near = runs_of(both[0])
    assert (far.data.tags["kedro.env"], near.data.tags["kedro.env"]) == ("far", "near")
    assert history(far) == history(near)
    assert [step for step, _ in history(far)["epoch/train_loss"]] == [1, 2, 3]
    assert [step for step, _ in history(far)["step/train_loss"]] == list(range(4, 28, 4))
    assert far.data.params == near.data.params
    assert far.info.status == near.info.status == "FINISHED"
    client = mlflow.MlflowClient()
    kept = [{item.path for item in client.list_artifacts(run.info.run_id, "checkpoint")} for run in (far, near)]
    assert kept[0] == kept[1] != set()


@pytest.mark.slow
def test_the_same_is_printed_and_the_bill_beneath(both: tuple[Path, str, str]) -> None:
    _, near, far = both
    results, _, bill = far.partition(BILL)
    for place in ("data/{}", "ENV={}", "--env {}"):
        results = results.replace(place.format("far"), place.format("near"))
    assert results.strip() == near.strip()
    assert bill.count("finished") == 2


@pytest.mark.slow
def test_unchanged_nodes_are_not_sent_again_and_mlflow_is_as_complete(both: tuple[Path, str, str]) -> None:
    project, _, _ = both
    before = [call.call for call in calls_of(project)]
    again = kedro(project, "run", "--env", "far", *ALL)
    assert again.returncode == 0, again.stderr
    assert [call.call for call in calls_of(project)] == before
    assert again.stderr.count("nothing is sent") == 2
    newest, _, near = runs_of(project)
    assert history(newest) == history(near)
    assert {item.path for item in mlflow.MlflowClient().list_artifacts(newest.info.run_id, "checkpoint")} != set()


@pytest.mark.slow
def test_an_output_that_is_gone_is_fetched_by_a_call_that_finds_its_work_done(
    both: tuple[Path, str, str], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(both[0], project)
    settings = (project / "conf/far/runner.yml").read_text().replace(str(both[0]), str(project))
    (project / "conf/far/runner.yml").write_text(settings)
    (weights,) = (project / "data/far").glob("06_models/*/best/weights.safetensors")
    content = weights.read_bytes()
    weights.unlink()
    done = kedro(project, "run", "--env", "far", "--pipelines", "training")
    assert done.returncode == 0, done.stderr
    assert weights.read_bytes() == content
    assert "is finished and unchanged" in done.stderr
    assert history(runs_of(project)[0])["epoch/auroc"] == history(runs_of(project)[-1])["epoch/auroc"]


@pytest.fixture(scope="module")
def blank(far_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing ran, with a secret."""
    secrets = [{"name": "a secret", "keys": ["FAR_TOKEN"]}]
    return a_copy(far_project, tmp_path_factory.mktemp("blank") / "project", secrets=secrets)


@pytest.mark.slow
def test_an_exception_of_ours_arrives_as_itself_without_a_secret_its_traceback_only_on_request(blank: Path) -> None:
    damaged = sorted((blank / "far_root").rglob("*.npz"))[0]
    size = damaged.stat().st_size
    damaged.unlink()  # it is a link to what others read
    damaged.write_bytes(b"\0" * size)
    planted = damaged.stem  # the message names the file
    arguments = ("run", "--env", "far", "--pipelines", "training")
    done = kedro(blank, *arguments, FAR_TOKEN=planted)
    assert done.returncode == 1
    assert "Error: CacheError: " in done.stderr
    assert "***.npz" in done.stderr
    assert "Traceback" not in done.stderr
    (run, *_), (call, *_) = runs_of(blank), calls_of(blank)
    assert (run.info.status, call.status) == ("FAILED", "failed")
    assert run.data.tags["error"].startswith("CacheError: ")
    told = kedro(blank, *arguments, "--verbose", FAR_TOKEN=planted)
    assert "over there:\nTraceback" in told.stderr
    assert "in train_detector" in told.stderr.partition("over there:")[2]
    written = [*(blank / "far_root/remote").rglob("*"), *(blank / "data/far/remote").rglob("*"), blank / "mlflow.db"]
    told_to = [
        done.stdout,
        done.stderr,
        told.stdout,
        told.stderr,
        *(f.read_bytes().decode("latin1") for f in written if f.is_file()),
    ]
    assert len(told_to) > 10
    assert not [text for text in told_to if planted in text]


@pytest.mark.slow
def test_a_dry_run_and_a_refused_run_leave_nothing_behind(blank: Path) -> None:
    before = len(runs_of(blank)), len(calls_of(blank))
    planned = kedro(blank, "run", "--env", "far", *ALL, "--runner-params", "dry_run=true")
    assert planned.returncode == 0, planned.stderr
    assert "train  runs on subprocess (tag gpu)" in planned.stdout
    assert BILL not in planned.stdout
    asked = ("--pipelines", "training", "--runner-params", "tags.gpu.gpu=H999,tags.gpu.cpu=1")
    refused = kedro(blank, "run", "--env", "far", *asked)
    assert refused.returncode == 1
    assert "nothing was started; 2 things stand against it" in refused.stderr
    assert "runner.yml asks for 1 x H999; backend subprocess runs here, and here is " in refused.stderr
    assert refused.stderr.count("takes this machine as it is: tags.gpu.cpu of runner.yml change nothing") == 1
    assert (len(runs_of(blank)), len(calls_of(blank))) == before
    assert not list(blank.glob("data/far/0[78]*"))


@pytest.mark.slow
def test_the_runner_is_found_by_name_and_by_the_environment_variable_of_kedro(blank: Path) -> None:
    named = ("--runner", "seizure_pipeline.remote.runner.RemoteRunner", "--runner-params", "dry_run=true")
    for arguments in (named, named[2:]):
        done = kedro(blank, "run", "--pipelines", "training", *arguments, KEDRO_ENV="far")
        assert done.returncode == 0, done.stderr
        assert "train  runs on subprocess (tag gpu)" in done.stdout
    plain = kedro(blank, "run", "--env", "near", "--pipelines", "training", *named)
    assert plain.returncode == 1
    assert "RemoteError: runner.yml or --runner-params: backend: Field required" in plain.stderr


CONTEXT = {"project": "/project", "data_root": "/project/data"}


def test_a_setting_that_nothing_reads_is_named() -> None:
    with pytest.raises(RemoteError, match=r"tags\.gpu\.gpus: Extra inputs.*; detatch: Extra inputs"):
        RemoteRunner(context=CONTEXT, backend="subprocess", far_root="far", tags={"gpu": {"gpus": 1}}, detatch=True)


def test_without_its_run_or_with_a_configuration_of_its_own_it_is_refused() -> None:
    with pytest.raises(RemoteError, match="start it by `kedro run`"):
        RemoteRunner(backend="subprocess", far_root="far", tags={})
    with pytest.raises(RemoteError, match="--conf-source names a configuration that the far side does not have"):
        RemoteRunner(context={**CONTEXT, "conf_source": "/x"}, backend="subprocess", far_root="far", tags={})


@pytest.mark.slow
def test_isolated_trains_in_a_process_of_its_own_on_the_data_of_this_one(far_project: Path, tmp_path: Path) -> None:
    project = a_copy(far_project, tmp_path / "project")
    shutil.copytree(project / "conf/isolated", project / "conf/far", dirs_exist_ok=True)
    done = kedro(project, "run", "--env", "far", "--pipelines", "training")
    assert done.returncode == 0, done.stderr
    assert "change nothing" not in done.stderr
    names = {path.name for path in (project / "data/far/06_models").rglob("*") if path.is_file()}
    states = {"state.safetensors", "state_before.safetensors"}
    told = {"checkpoint.json", "config.json", "recipe.json", "validation_baselines.json"}
    assert names == {"weights.safetensors"} | states | told
    again = kedro(project, "run", "--env", "far", "--pipelines", "training")
    assert again.returncode == 0, again.stderr
    assert "nothing is sent" in again.stderr
