"""`kedro remote`: a far node outlives the process that started it, and any other comes back to it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from pathlib import Path

import mlflow
import pytest
from far_runs import a_copy, begun, calls_of, history, kedro, runs_of, wait_for
from remote_fixtures import KEDRO
from test_journal import a_call

from seizure_pipeline.mlflow_runs.run import _close_dead_runs
from seizure_pipeline.remote.journal import Journal

EPOCHS = 12
LONG = f"--params=training.epochs={EPOCHS},training.patience_epochs={EPOCHS}"
FAR = ("--env", "far")


@pytest.fixture
def project(far_project: Path, tmp_path: Path) -> Path:
    """A project in which nothing ran."""
    return a_copy(far_project, tmp_path / "project")


def has_epoch(project: Path) -> bool:
    return any(call.epochs for call in calls_of(project))


def every_epoch_once(project: Path) -> bool:
    (run,) = runs_of(project)
    held = history(run)
    steps = [[step for step, _ in points] for name, points in held.items() if name.startswith("epoch/")]
    return len(steps) > 5 and all(each == list(range(1, EPOCHS + 1)) for each in steps)


@pytest.mark.slow
def test_a_killed_client_is_replaced_by_one_that_attaches_and_by_one_only(project: Path) -> None:
    first = begun(project, "run", *FAR, "--pipelines", "training", LONG)
    wait_for(lambda: has_epoch(project))
    (call,) = calls_of(project)
    second = kedro(project, "remote", "attach", "train", *FAR)
    assert second.returncode == 1
    assert f"call {call.call} is followed by process {first.pid} on " in second.stderr
    first.kill()
    first.communicate()
    _close_dead_runs(mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db"), runs_of(project)[0].info.experiment_id)
    assert runs_of(project)[0].info.status == "KILLED"
    third = kedro(project, "remote", "attach", "train", *FAR)
    assert third.returncode == 0, third.stderr
    assert every_epoch_once(project)
    assert runs_of(project)[0].info.status == "FINISHED"
    assert calls_of(project)[0].status == "finished"
    assert (project / "data/far/06_models/checkpoint.json").exists()
    again = kedro(project, "remote", "attach", "train", *FAR)  # there is nothing left, and nothing is doubled
    assert again.returncode == 0, again.stderr
    assert every_epoch_once(project)


@pytest.mark.slow
def test_a_detached_run_is_closed_by_nobody_until_attach_brings_it_home_and_runs_what_was_left(project: Path) -> None:
    arguments = ("run", *FAR, "--pipelines", "training,evaluation", LONG)
    done = kedro(project, *arguments, "--runner-params", "detach=true,tags.gpu.grace_s=21")
    assert done.returncode == 0, done.stderr
    (call,) = calls_of(project)
    assert f"kedro remote attach {call.call} --env far" in done.stdout
    (run,) = runs_of(project)
    assert (run.info.status, run.data.tags["detached"]) == ("RUNNING", "true")
    _close_dead_runs(mlflow.MlflowClient(), run.info.experiment_id)
    assert runs_of(project)[0].info.status == "RUNNING"
    second = kedro(project, *arguments)  # it may not start the same node again beside it
    assert second.returncode == 1
    assert f"node train already runs over there. It runs on as call {call.call}" in second.stderr
    elsewhere = kedro(project, *arguments, "--runner-params", f"attach={call.call},far_root=elsewhere")
    assert elsewhere.returncode == 1
    assert f"works in {project}/far_root; this command names far_root {project}/elsewhere" in elsewhere.stderr
    attached = kedro(project, "remote", "attach", call.call, *FAR)
    assert attached.returncode == 0, attached.stderr
    assert [each.request.grace_s for each in calls_of(project)] == [21.0, 21.0]  # what was asked of the run goes on
    (run,) = [each for each in runs_of(project) if each.info.run_id == run.info.run_id]
    assert (run.info.status, run.data.tags["detached"]) == ("FINISHED", "false")
    assert [step for step, _ in history(run)["epoch/auroc"]] == list(range(1, EPOCHS + 1))
    assert "sensitivity_at_10fa" in run.data.metrics
    assert "Sensitivity within a budget" in attached.stdout


@pytest.mark.slow
def test_ctrl_c_without_a_terminal_detaches_and_stop_ends_the_node_with_what_it_has(project: Path) -> None:
    client = begun(project, "run", *FAR, "--pipelines", "training", LONG)
    wait_for(lambda: has_epoch(project))
    client.send_signal(signal.SIGINT)
    said, errors = client.communicate(timeout=30)
    assert client.returncode == 0, errors
    assert "It runs on as call train-" in said
    assert runs_of(project)[0].info.status == "RUNNING"
    listed = kedro(project, "remote", "list", *FAR)
    assert "running" in listed.stdout
    stopped = kedro(project, "remote", "stop", "train", *FAR)
    assert "is asked to save what it has and to end" in stopped.stdout, stopped.stderr
    wait_for(lambda: "stopped" in kedro(project, "remote", "list", *FAR).stdout)
    attached = kedro(project, "remote", "attach", "train", *FAR)
    assert attached.returncode == 75
    assert "Error: node train was stopped over there" in attached.stderr
    assert runs_of(project)[0].info.status == "KILLED"
    assert "asked" not in kedro(project, "remote", "stop", "train", *FAR).stdout
    logs = kedro(project, "remote", "logs", "train", *FAR)
    assert "epoch 1" in logs.stdout, logs.stderr
    assert "train-" in kedro(project, "remote", "cost", *FAR).stdout
    rest = kedro(project, "run", *FAR, "--pipelines", "training", LONG)
    assert rest.returncode == 0, rest.stderr
    assert "continues at epoch" in rest.stderr
    assert len(calls_of(project)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"s\n", None], ids=["answered", "second Ctrl-C"])
def test_ctrl_c_on_a_terminal_asks_and_stop_waits_for_the_checkpoint(project: Path, answer: bytes | None) -> None:
    terminal, theirs = pty.openpty()
    command = [KEDRO, "run", *FAR, "--pipelines", "training", LONG]
    client = subprocess.Popen(command, cwd=project, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    said: list[bytes] = []
    wait_for(lambda: reading(terminal, said) and has_epoch(project))
    client.send_signal(signal.SIGINT)
    wait_for(lambda: reading(terminal, said) and b"[d]etach and let it run on" in b"".join(said))
    if answer is None:
        client.send_signal(signal.SIGINT)
    else:
        os.write(terminal, answer)
    wait_for(lambda: reading(terminal, said) and client.poll() is not None)
    reading(terminal, said)
    os.close(terminal)
    assert client.returncode == 75
    assert b"node train was stopped over there" in b"".join(said)
    assert calls_of(project)[0].status == "stopped"
    assert runs_of(project)[0].info.status == "KILLED"
    assert list(project.glob("far_root/06_models/*/state.safetensors"))


def reading(terminal: int, said: list[bytes]) -> bool:
    """Take what a terminal shows, so that whoever writes there never waits."""
    os.set_blocking(terminal, False)
    try:
        while part := os.read(terminal, 65536):
            said.append(part)
    except OSError:  # nothing more now, or nobody writes there any longer
        pass
    return True


def test_calls_that_are_not_there_and_environments_that_send_nothing_are_named(project: Path) -> None:
    nothing = kedro(project, "remote", "list", *FAR)
    assert nothing.stdout.strip() == "nothing was sent elsewhere from here yet"
    Journal(project / "data/far").write(a_call("train-lost"))
    listed = kedro(project, "remote", "list", *FAR)
    assert "lost, not confirmed to have started" in listed.stdout
    for command in ("attach", "stop", "logs"):
        done = kedro(project, "remote", command, "score", *FAR)
        assert done.returncode == 1
        assert "no call score in" in done.stderr
        assert "there are train-lost" in done.stderr
    lost = kedro(project, "remote", "logs", "train", *FAR)
    assert "was never confirmed to have started" in lost.stderr
    here = kedro(project, "remote", "list", "--env", "near")
    assert here.returncode == 1
    assert "which sends nothing elsewhere; give --env" in here.stderr
