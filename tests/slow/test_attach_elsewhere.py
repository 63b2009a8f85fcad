"""A call is left by one machine and gone on with by another, which has a clone of the project and a copy of the journal."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from far_runs import a_copy, begun, calls_of, history, kedro, wait_for
from remote_fixtures import ROOT, write

from seizure_pipeline.remote.call.lease import MARK
from seizure_pipeline.remote.files.ownership import claim
from seizure_pipeline.remote.journal import Journal
from seizure_pipeline.remote.subprocess.backend import SubprocessBackend

EPOCHS = 8
LONG = f"--params=training.epochs={EPOCHS},training.patience_epochs={EPOCHS}"
WHOLE = ("run", "--env", "far", "--pipelines", "training,evaluation", LONG)
TRAINING = ("run", "--env", "far", "--pipelines", "training", LONG, "--runner-params", "detach=true")
MACHINE = {"timeout_s": 3600, "grace_s": 20.0, "retries": {"count": 3, "delay_s": 0.1}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server that both machines know."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["env", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    with open(folder / "log", "wb") as log:
        serving = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(f"{url}/health"))
        yield url
    finally:
        serving.terminate()
        serving.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture
def first(far_project: Path, tmp_path: Path, server: str) -> Path:
    """A machine with a project whose far side, like the record of its runs, is elsewhere: a folder, a server."""
    tags = {"gpu": MACHINE, "data": MACHINE}
    home = {"models": ["*/best/*"], "traces": ["**"], "baseline_traces": ["**"]}
    project = a_copy(far_project, tmp_path / "first", tags=tags, bring_home=home, far_root=str(tmp_path / "far"))
    shutil.move(project / "far_root", tmp_path / "far")
    write(project / "conf/far/mlflow.yml", {"tracking_uri": server, "experiment": tmp_path.name})
    mlflow.set_tracking_uri(server)
    return project


def clone(first: Path, name: str = "second") -> Path:
    """Another machine: the project without anything that was made, but for the journal."""
    second = first.with_name(name)
    shutil.copytree(first, second, ignore=shutil.ignore_patterns("data", "__pycache__"))
    shutil.copytree(first / "data/far/remote", second / "data/far/remote")
    return second


@contextmanager
def followed_elsewhere(first: Path) -> Iterator[None]:
    """The first machine's one call is followed by yet another machine, which says so all the time."""
    (folder,) = (first.parent / "far/remote").glob("train-*")
    over = threading.Event()

    def follow() -> None:
        for renewed in itertools.count():
            part = folder / "part"
            part.write_text(json.dumps({"host": "another_machine", "data_root": "/there", "process": 7, "renewed": renewed}))
            part.replace(folder / MARK)
            if over.wait(0.5):
                return

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()
        (folder / MARK).unlink()


def only_run(first: Path) -> mlflow.entities.Run:
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name(first.parent.name).experiment_id])
    return run


def test_another_machine_replays_fetches_and_runs_what_was_left(first: Path) -> None:
    client = begun(first, *WHOLE)
    wait_for(lambda: any(len(call.epochs) > 1 for call in calls_of(first)))
    client.kill()
    client.communicate()
    run = only_run(first)
    second = clone(first)
    shutil.rmtree(first / "data")  # nothing that the first machine keeps is needed
    with followed_elsewhere(first):
        refused = kedro(second, "remote", "attach", "train", "--env", "far")
    assert refused.returncode == 1
    assert "is followed by process 7 on another_machine (data_root /there); one at a time" in refused.stderr, refused.stderr
    assert only_run(first).info.status == "RUNNING"
    attached = kedro(second, "remote", "attach", "train", "--env", "far")
    assert attached.returncode == 0, attached.stderr
    assert re.search(r"window_index.*: fetched from", attached.stderr), attached.stderr
    again = only_run(first)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    steps = {name: [step for step, _ in points] for name, points in history(again).items() if name.startswith("epoch/")}
    assert len(steps) > 5
    assert all(each == list(range(1, EPOCHS + 1)) for each in steps.values()), steps
    assert "sensitivity_at_10fa" in again.data.metrics
    assert "Sensitivity within a budget" in attached.stdout
    assert list((second / "data/far").glob("06_models/*/best/weights.safetensors"))
    assert {each.status for each in calls_of(second)} == {"finished"}
    listed = kedro(second, "remote", "list", "--env", "far")
    assert listed.stdout.count("finished") == len(calls_of(second))
    assert "copy of <data_root>/remote" in " ".join(kedro(second, "remote", "list", "--help").stdout.split())


def test_a_call_whose_start_lost_its_answer_is_followed_from_another_machine_with_another_data_root(first: Path) -> None:
    sent = kedro(first, *TRAINING)
    assert sent.returncode == 0, sent.stderr
    second = clone(first)
    (second / "data/far").rename(second / "moved")
    there = ("--env", "far", "--params", "data_root=moved")
    (record,) = (second / "moved/remote").glob("train-*.json")
    text = record.read_text().replace(f'"call_id": "{record.stem}"', '"call_id": null')
    record.write_text(text.replace('"running"', '"starting"'))
    assert Journal(second / "moved").find("train").call_id is None
    logs = kedro(second, "remote", "logs", "train", *there, "--follow")
    assert f"epoch {EPOCHS}" in logs.stdout, logs.stderr
    attached = kedro(second, "remote", "attach", "train", *there)
    assert attached.returncode == 0, attached.stderr
    assert only_run(first).info.status == "FINISHED"
    assert Journal(second / "moved").find("train").call_id == record.stem
    assert list((second / "moved").glob("06_models/*/best/weights.safetensors"))
    assert not (second / "data").exists() or not list((second / "data").rglob("*.safetensors"))


def test_of_two_machines_that_send_at_once_one_does_and_the_other_is_told_which(first: Path) -> None:
    claim(SubprocessBackend(first), str(first.parent / "far"), first / "data/far")
    second = clone(first)
    shutil.copytree(first / "data/far" / ROOT, second / "data/far" / ROOT)
    runs = [begun(project, *TRAINING) for project in (first, second)]
    said = [run.communicate(timeout=120) for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], said
    refused = next(errors for run, (_, errors) in zip(runs, said, strict=True) if run.returncode == 1)
    (folder,) = (first.parent / "far/remote").glob("train-*")
    assert folder.name in refused, said
    loser = second if runs[1].returncode == 1 else first
    wait_for(lambda: (folder / "watcher.lock").exists())
    again = kedro(loser, *TRAINING)
    assert again.returncode == 1
    assert f"kedro remote attach {folder.name} --env far" in again.stderr
    stopped = kedro(loser, "remote", "stop", folder.name, "--env", "far")
    assert "is asked to save" in stopped.stdout, stopped.stderr


def test_settings_of_the_command_that_sent_a_call_go_on_though_the_file_says_others_now(first: Path) -> None:
    other = first.parent / "other"
    shutil.copytree(first / "data/near" / ROOT, other / ROOT)
    sent = kedro(first, *TRAINING[:-1], f"detach=true,far_root={other},patience_s=77.0")
    assert sent.returncode == 0, sent.stderr
    (call,) = calls_of(first)
    assert (call.settings["far_root"], call.settings["patience_s"]) == (str(other), 77.0)
    assert "detach" not in call.settings
    listed = kedro(first, "remote", "list", "--env", "far")
    assert "running" in listed.stdout, listed.stderr
    stopped = kedro(first, "remote", "stop", "train", "--env", "far")
    assert "is asked to save" in stopped.stdout, stopped.stderr
    assert (other / "remote" / call.call / "stop").exists()
    wait_for(lambda: "stopped" in kedro(first, "remote", "list", "--env", "far").stdout)
    assert call.call in kedro(first, "remote", "cost", "--env", "far").stdout
    attached = kedro(first, "remote", "attach", "train", "--env", "far")
    assert "Error: Stopped: node train was stopped over there" in attached.stderr
