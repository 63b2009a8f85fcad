"""Several devices train as one does: the same batches, the same gradients, one state, and one voice."""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from made_models import SMALL
from safetensors import safe_open
from safetensors.torch import load_file
from test_announcements import Heard, curves, heard, stop_when
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped, ask_to_stop, signals_ask_to_stop, stop_if_asked
from seizure_pipeline.model.checkpoint import load_checkpoint
from seizure_pipeline.scoring.names import COLLAPSED
from seizure_pipeline.training import collapse, keeping, launch, run, validation
from seizure_pipeline.training.batches import Batch, WindowSource
from seizure_pipeline.training.collapse import TrainingCollapsed
from seizure_pipeline.training.diverged import TrainingDiverged
from seizure_pipeline.training.launch import train_together
from seizure_pipeline.training.loop import Reports
from seizure_pipeline.training.nonfinite import reproduce
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


def test_a_rank_that_is_killed_ends_all_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "GRACE_S", 0.5)
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
            with signals_ask_to_stop():  # as training does
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


@dataclass(frozen=True)
class SavesSlowly(Waits):
    """Work whose rank 0 needs longer to save than any other would need to end."""

    def __call__(self, reports: Reports, team: Team) -> None:
        try:
            super().__call__(reports, team)
        finally:
            time.sleep(1)
            (self.folder / f"whole{team.share.rank}").touch()


def test_asked_before_its_ranks_have_begun_a_training_is_stopped_and_they_never_begin(tmp_path: Path) -> None:
    ask_to_stop("a test")
    with pytest.raises(Stopped, match="the same command continues"):
        train_together(Waits(tmp_path), "cpu", 2, NOBODY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sent", "moment", "left"),
    [(signal.SIGINT, "importing", set()), (signal.SIGTERM, "working", {"began0", "began1", "saved0", "whole0"})],
)
def test_a_signal_to_all_processes_is_heeded_by_rank_0_alone(
    sent: signal.Signals, moment: str, left: set[str], tmp_path: Path
) -> None:
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_devices; test_devices.signalled("
    arguments = f"{str(tmp_path)!r}, {int(sent)}, {moment!r})"
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program + arguments], start_new_session=True, capture_output=True, timeout=120
    )
    assert said.returncode == 75, said.stderr.decode()
    assert {path.name for path in tmp_path.iterdir()} == left


def signalled(folder: str, sent: int, moment: str) -> None:
    """Train until a signal comes to all of a group of processes; for one that leads it. It ends with 75 if it was stopped."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests were started in the background
    marks = [Path(folder) / f"began{rank}" for rank in range(2)]

    def send() -> None:
        within(90, lambda: len(multiprocessing.active_children()) == 2)
        within(90, lambda: moment == "importing" or all(mark.exists() for mark in marks))
        os.killpg(0, sent)

    threading.Thread(target=send).start()
    try:
        train_together(SavesSlowly(Path(folder)), "cpu", 2, NOBODY)
    except Stopped:
        sys.exit(75)


@dataclass(frozen=True)
class Trains:
    """A training of the made corpus in which something is changed in the ranks."""

    cache: Cache
    models: Path
    recipe: Recipe

    def __call__(self, reports: Reports, team: Team) -> TrainedDetector:
        self.change(team)
        return run._train(self.cache[0], self.cache[1], self.recipe, self.models, reports, team)

    def change(self, team: Team) -> None:
        """What is changed."""


@dataclass(frozen=True)
class Collapses(Trains):
    """Every validation finds a collapse, and a checkpoint takes its time, as on a network disk."""

    def change(self, team: Team) -> None:
        """What is changed."""
        figures, save = validation.collapse_figures, keeping.save_checkpoint
        collapse.LEAST_STEPS = 0
        validation.collapse_figures = lambda *found: {**figures(*found), COLLAPSED: 1.0}

        def slowly(*facts: object) -> None:
            time.sleep(0.5)
            save(*facts)  # type: ignore[arg-type]

        keeping.save_checkpoint = slowly  # type: ignore[assignment]


def test_a_collapse_ends_two_devices_after_state_and_weights_are_whole(cache: Cache, tmp_path: Path) -> None:
    work = Collapses(cache, tmp_path, on(2, epochs=4, patience_epochs=9, collapse_patience=1, checkpoint_steps=1000))
    with pytest.raises(TrainingCollapsed, match="The state is saved"):
        train_together(work, "cpu", 2, NOBODY)
    (folder,) = tmp_path.iterdir()
    with safe_open(folder / "state.safetensors", "pt") as state:
        progress = json.loads(state.metadata()["progress"])
    assert [epoch[COLLAPSED] for epoch in progress["history"]] == [1.0]
    for name in ("last", "best"):
        load_checkpoint(folder / name)  # refuses weights that are not those of their config


@dataclass(frozen=True)
class HasBrokenLabels(Trains):
    """The labels that one rank reads are no numbers."""

    rank: int

    def change(self, team: Team) -> None:
        """What is changed."""
        batches = WindowSource.batches

        def broken(*order: object) -> Iterator[Batch]:
            for batch in batches(*order):  # type: ignore[arg-type]
                yield replace(batch, ictal_BL=batch.ictal_BL * math.nan)

        if team.share.rank == self.rank:
            WindowSource.batches = broken  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("rank", [0, 1])
def test_of_numbers_that_break_on_one_device_it_is_named_and_both_keep_their_windows(
    rank: int, cache: Cache, tmp_path: Path
) -> None:
    with pytest.raises(TrainingDiverged, match=rf"^loss is nan over 2 devices, on device {rank} alone loss is nan, ") as raised:
        train_together(HasBrokenLabels(cache, tmp_path, on(2), rank), "cpu", 2, NOBODY)
    folders = sorted(tmp_path.rglob("nonfinite/*"))
    assert [folder.name for folder in folders] == ["step_0_rank_0", "step_0_rank_1"]
    windows = json.loads((folders[rank] / "step.json").read_text())["windows"]
    assert f"recordings {sorted({window['recording_id'] for window in windows})}, at step 0" in str(raised.value)
    assert f"`kedro reproduce-step {folders[rank]}` does it again" in str(raised.value)
    assert folders[1 - rank].name not in str(raised.value)
    assert all(map(math.isfinite, reproduce(folders[1 - rank])))
    with pytest.raises(TrainingDiverged, match="loss is nan"):
        reproduce(folders[rank])


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="this machine has eight GPUs")
def test_more_gpus_than_there_are_is_an_error_before_anything_starts() -> None:
    with pytest.raises(RuntimeError, match=rf"training\.devices is 8, but this machine has {torch.cuda.device_count()} CUDA"):
        train_together(Fails(0), "cuda", 8, NOBODY)
