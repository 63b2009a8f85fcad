"""Several devices train as one does: the same batches, the same gradients, one state, and one voice."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from made_models import SMALL
from safetensors.torch import load_file
from test_announcements import Heard, curves, heard, stop_when
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped, stop_if_asked
from seizure_pipeline.training.launch import train_together
from seizure_pipeline.training.loop import Reports
from seizure_pipeline.training.run import Recipe, TrainedDetector
from seizure_pipeline.training.team import Team

__all__ = ["cache", "heard"]
NOBODY = Reports(epoch=lambda *_: None, step=lambda *_: None)
TOLERANCE = 2e-4
"""Of weights, against their norm: sums in another order, in float32, over 9 to 12 updates by AdamW."""


@pytest.fixture(autouse=True)
def _nobody_listens() -> Iterator[None]:
    yield
    announcements.forget()


def on(devices: int, **changes: object) -> Recipe:
    """Settings without dropout, which every device draws for itself, and with a last batch of three windows."""
    model = SMALL.model_copy(update={"pair_every": 60, "positions_every": 60, "tcn_dropout": 0.0, "graph_dropout": 0.0})
    return Recipe(**{**vars(recipe_with(devices=devices, **changes)), "model": model})


def weights(trained: TrainedDetector) -> torch.Tensor:
    found = load_file(trained.folder.parent / "last" / "weights.safetensors")
    return torch.cat([found[name].flatten() for name in sorted(found)])


def is_near(trained: TrainedDetector, other: TrainedDetector) -> bool:
    return bool((weights(trained) - weights(other)).norm() < TOLERANCE * weights(other).norm())


@pytest.fixture(scope="module")
def alone(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> TrainedDetector:
    """The run of one device."""
    return train(cache, tmp_path_factory.mktemp("alone"), on(1))


def test_two_devices_train_what_one_does_and_report_it_once(
    cache: Cache, alone: TrainedDetector, tmp_path: Path, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    epochs: list[int] = []
    with caplog.at_level(logging.INFO):
        both = train(cache, tmp_path, on(2), Reports(epoch=lambda _, epoch: epochs.append(epoch), step=lambda *_: None))
    assert both.run == alone.run
    assert is_near(both, alone)
    for mine, other in zip(both.history, alone.history, strict=True):
        assert mine["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert mine["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
    assert epochs == [1, 2]
    assert len([record for record in caplog.records if "best is epoch" in record.getMessage()]) == 2
    states = [facts for kind, facts in heard if kind == "checkpoint" and Path(facts["path"]).name == "state.safetensors"]
    assert len(states) == len({facts["step"] for facts in states})


def test_a_run_on_two_devices_that_was_stopped_goes_on_with_one(cache: Cache, alone: TrainedDetector, tmp_path: Path) -> None:
    stop_when(lambda _, facts: facts.get("unit") == "steps" and facts["done"] == 2)
    with pytest.raises(Stopped):
        train(cache, tmp_path, on(2))
    announcements.forget()
    states = load_file(tmp_path / alone.run / "state.safetensors")
    assert 0 < states["optimizer.0.step"].item() < alone.epochs * 3
    continued = train(cache, tmp_path, on(1))
    assert is_near(continued, alone)
    assert [record["epoch"] for record in continued.history] == [1, 2]


def test_two_devices_with_dropout_that_were_stopped_go_on_bit_for_bit(cache: Cache, tmp_path: Path) -> None:
    model = SMALL.model_copy(update={"pair_every": 60, "positions_every": 60, "tcn_dropout": 0.3})
    recipe = Recipe(**{**vars(on(2, accumulate_steps=2, ema_decay=0.9)), "model": model})
    whole = train(cache, tmp_path / "whole", recipe)
    stop_when(lambda _, facts: facts.get("unit") == "steps" and facts["done"] == 2)
    with pytest.raises(Stopped):
        train(cache, tmp_path / "stopped", recipe)
    announcements.forget()
    continued = train(cache, tmp_path / "stopped", recipe)
    assert curves(continued) == curves(whole)
    assert torch.equal(weights(continued), weights(whole))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two CUDA devices")
def test_two_gpus_train_what_one_does_and_a_run_on_two_goes_on_with_one(cache: Cache, tmp_path: Path) -> None:
    one = train(cache, tmp_path / "one", on(1, device="cuda"))
    assert is_near(train(cache, tmp_path / "two", on(2, device="cuda")), one)
    stop_when(lambda _, facts: facts.get("unit") == "steps" and facts["done"] == 2)
    with pytest.raises(Stopped):
        train(cache, tmp_path / "both", on(2, device="cuda"))
    announcements.forget()
    assert is_near(train(cache, tmp_path / "both", on(1, device="cuda")), one)


@dataclass(frozen=True)
class Fails:
    """Work that fails on one rank while the others wait for it."""

    rank: int

    def __call__(self, reports: Reports, team: Team) -> None:
        if team.share.rank == self.rank:
            raise ValueError(f"rank {self.rank} cannot go on")
        team.total(torch.ones(()))
        time.sleep(600)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_ends_all_with_its_error(rank: int) -> None:
    began_s = time.monotonic()
    with pytest.raises(ValueError, match=f"rank {rank} cannot go on"):
        train_together(Fails(rank), "cpu", 2, NOBODY)
    assert time.monotonic() - began_s < 60


@dataclass(frozen=True)
class Dies:
    """Work during which the process of one rank is killed, as by a machine that is out of memory."""

    rank: int

    def __call__(self, reports: Reports, team: Team) -> None:
        if team.share.rank == self.rank:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)


def test_a_rank_that_is_killed_ends_all_by_its_number() -> None:
    with pytest.raises(
        RuntimeError, match=r"the process of device 1 ended with status -9 and without a word; the same command"
    ):
        train_together(Dies(1), "cpu", 2, NOBODY)


@dataclass(frozen=True)
class Waits:
    """Work that goes on until it is asked to stop, and then says so in a file; that it began, too."""

    folder: Path

    def __call__(self, reports: Reports, team: Team) -> None:
        (self.folder / f"began{team.share.rank}").touch()
        try:
            while True:
                time.sleep(0.05)
                stop_if_asked()
        except Stopped:
            (self.folder / f"saved{team.share.rank}").touch()
            raise


def test_ranks_save_and_end_when_the_process_that_started_them_is_gone(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_devices; test_devices.wait(sys.argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], stderr=subprocess.DEVNULL)
    within(90, lambda: {"began0", "began1"} <= {path.name for path in tmp_path.iterdir()})
    process.kill()
    process.wait()
    within(10, (tmp_path / "saved0").exists)
    assert not (tmp_path / "saved1").exists()


def wait(folder: str) -> None:
    """Start the ranks that wait; for a process of its own."""
    train_together(Waits(Path(folder)), "cpu", 2, NOBODY)


def within(longest_s: float, is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline_s = time.monotonic() + longest_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="this machine has eight GPUs")
def test_more_gpus_than_there_are_is_an_error_before_anything_starts() -> None:
    with pytest.raises(RuntimeError, match=rf"training\.devices is 8, but this machine has {torch.cuda.device_count()} CUDA"):
        train_together(Fails(0), "cuda", 8, NOBODY)
