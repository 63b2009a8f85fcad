"""Every epoch and step of a far node is in MLflow once, whatever breaks off here, and when."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folder_backend import FolderBackend
from mlflow import MlflowClient
from test_following import a_follower, call, epochs, happened, steps

from seizure_pipeline import tracking
from seizure_pipeline.mlflow_runs.run import MlflowRun
from seizure_pipeline.remote.journal import Call, Journal

__all__ = ["call"]
RUN = {"run_id": "2026-01-01T00.00.00.000Z", "pipeline_names": ["training"]}
EPOCHS = list(range(1, 7))


class Store:
    """An MLflow store in a file, which can be damaged and mended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.uri = f"sqlite:///{path}"

    def run(self, continued: str | None = None) -> MlflowRun:
        return MlflowRun({"tracking_uri": self.uri, "experiment": "far", "registered_model": "m"}, RUN, {}, continued)

    def rename(self, table: str, name: str) -> None:
        with sqlite3.connect(self._path) as opened:
            opened.execute(f"ALTER TABLE {table} RENAME TO {name}")
        opened.close()

    def steps(self, run: MlflowRun, name: str = "epoch/loss") -> list[int]:
        return sorted(each.step for each in MlflowClient(self.uri).get_metric_history(run.id, name))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    before = signal.getsignal(signal.SIGTERM)
    tracking.forget()
    yield Store(tmp_path / "mlflow.db")
    tracking.forget()
    signal.signal(signal.SIGTERM, before)


def test_an_epoch_is_in_mlflow_once_wherever_ctrl_c_comes(store: Store, tmp_path: Path, call: Call) -> None:
    for place, is_logged in enumerate((True, False)):
        asked = replace(call, request=replace(call.request, call=f"train-{place}"))
        happened(asked, *epochs(*EPOCHS))
        run = store.run()

        def interrupted(metrics: Mapping[str, float], epoch: int, run: MlflowRun = run, logs: bool = is_logged) -> None:
            if epoch != 3 or logs:
                run.log_epoch(metrics, epoch)
            if epoch == 3:
                raise KeyboardInterrupt

        tracking.listen(interrupted)
        with pytest.raises(KeyboardInterrupt):
            a_follower(FolderBackend(), tmp_path, asked).follow()
        tracking.forget()
        run.leave_open()
        later = store.run(continued=run.id)
        tracking.listen(later.log_epoch)
        follower = a_follower(FolderBackend(), tmp_path, Journal(tmp_path).find(asked.call))
        follower.replay()
        follower.follow()
        tracking.forget()
        later.close("FINISHED")
        assert store.steps(later) == EPOCHS


def test_ctrl_c_and_going_on_in_the_same_process_doubles_and_loses_nothing(store: Store, tmp_path: Path, call: Call) -> None:
    happened(call, *epochs(*EPOCHS))
    run = store.run()
    interrupts = [3, 5]

    def interrupted(metrics: Mapping[str, float], epoch: int) -> None:
        run.log_epoch(metrics, epoch)
        if epoch in interrupts:
            interrupts.remove(epoch)
            raise KeyboardInterrupt

    tracking.listen(interrupted)
    follower = a_follower(FolderBackend(), tmp_path, call)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            follower.follow()
    follower.follow()
    run.close("FINISHED")
    assert store.steps(run) == EPOCHS


def test_numbers_whose_answer_from_the_store_was_cut_off_are_not_logged_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, written = store.run(), MlflowClient.log_batch

    def cut_off(client: MlflowClient, *arguments: Any, **named: Any) -> None:
        written(client, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_batch", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run.log_epoch({"loss": 0.5}, 1)
    monkeypatch.undo()
    for epoch in (1, 2):
        run.log_epoch({"loss": 0.5}, epoch)
    run.close("FINISHED")
    assert store.steps(run) == [1, 2]


def test_a_store_that_fails_ends_nothing_and_lacks_nothing_once_it_is_back(
    store: Store, tmp_path: Path, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    happened(call, *epochs(*EPOCHS))
    run = store.run()
    tracking.listen(run.log_epoch)
    store.rename("metrics", "gone")
    follower = a_follower(FolderBackend(), tmp_path, call)
    assert follower.follow().status == "finished"
    assert "6 live numbers wait, and are told again" in caplog.text
    assert [epoch for epoch, _ in Journal(tmp_path).find(call.call).epochs] == EPOCHS
    with pytest.raises(tracking.NotRecorded, match="lacks numbers of call train-1"):
        follower.complete()
    with pytest.raises(tracking.NotRecorded, match=r"MLflow's store .* does not take"):
        run.log_measures({"cost/usd": 1.0}, 1)
    store.rename("gone", "metrics")
    follower.complete()
    run.close("FINISHED")
    assert store.steps(run) == EPOCHS


@pytest.mark.parametrize("is_logged", [True, False])
def test_a_step_is_in_mlflow_once_wherever_ctrl_c_comes(is_logged: bool, store: Store, tmp_path: Path, call: Call) -> None:
    happened(call, *steps(*EPOCHS), *epochs(1))
    run = store.run()

    def interrupted(points: Sequence[tracking.Point]) -> None:
        if is_logged:
            run.log_steps(points)
        raise KeyboardInterrupt

    tracking.listen(run.log_epoch, steps=interrupted)
    with pytest.raises(KeyboardInterrupt):
        a_follower(FolderBackend(), tmp_path, call).follow()
    tracking.forget()
    run.leave_open()
    later = store.run(continued=run.id)
    tracking.listen(later.log_epoch, steps=later.log_steps)
    follower = a_follower(FolderBackend(), tmp_path, Journal(tmp_path).find(call.call))
    follower.replay()
    follower.follow()
    tracking.forget()
    later.close("FINISHED")
    assert store.steps(later, "step/loss") == EPOCHS
    assert store.steps(later) == [1]


def test_steps_that_the_store_did_not_take_reach_another_store_from_the_journal(
    store: Store, tmp_path: Path, call: Call
) -> None:
    happened(call, *steps(*EPOCHS))
    run = store.run()
    tracking.listen(run.log_epoch, steps=run.log_steps)
    store.rename("metrics", "gone")
    assert a_follower(FolderBackend(), tmp_path, call).follow().status == "finished"
    tracking.forget()
    other = Store(tmp_path / "other.db")
    later = other.run()
    tracking.listen(later.log_epoch, steps=later.log_steps)
    follower = a_follower(FolderBackend(), tmp_path, Journal(tmp_path).find(call.call))
    follower.replay()
    follower.complete()
    later.close("FINISHED")
    store.rename("gone", "metrics")
    run.close("KILLED")
    assert other.steps(later, "step/loss") == EPOCHS
