"""Training: balanced draws, a loss that starts at the prior's entropy, and runs that can be killed and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_models import SMALL
from safetensors.torch import load_file

from seizure_pipeline.cache import IndexRow, PreparationSettings, build_cache, table_from_rows
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.model import electrode_graph
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.training import validation
from seizure_pipeline.training.batches import Batch, WindowSource
from seizure_pipeline.training.diverged import TrainingDiverged
from seizure_pipeline.training.loop import Reports
from seizure_pipeline.training.loss import token_loss
from seizure_pipeline.training.opening import label_windows, open_windows
from seizure_pipeline.training.run import Recipe, TrainedDetector, run_name, train_detector
from seizure_pipeline.training.sampling import draw_epoch
from seizure_pipeline.training.schedule import learning_rate
from seizure_pipeline.training.settings import (
    FeedingSettings,
    LossSettings,
    OptimizerSettings,
    SamplingSettings,
    TrainingSettings,
)
from seizure_pipeline.windows import Kind, WindowSettings

MODEL = SMALL.model_copy(update={"pair_every": 60, "positions_every": 60})
TRAINING = TrainingSettings(
    epochs=2,
    batch_size=4,
    patience_epochs=2,
    checkpoint_steps=1,
    threads=1,
    sampling=SamplingSettings(max_partial=4),
    optimizer=OptimizerSettings(learning_rate=1e-3),
)
RECIPE = Recipe(MODEL, TRAINING, WindowSettings(), SignalSettings(), MontageSettings(), PostProcessingSettings())
NOBODY = Reports(epoch=lambda metrics, epoch: None, step=lambda metrics, step: None)
Cache = tuple[Path, list[IndexRow]]


@pytest.fixture(scope="session")
def cache(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The cache of the small corpus."""
    folder = tmp_path_factory.mktemp("cache")
    corpus = Folder(str(small_corpus))
    rows = examine_entries(corpus, find_entries(corpus, CorpusSettings()), MontageSettings())
    return folder, build_cache(corpus, rows, PreparationSettings(workers=1), MontageSettings(), folder)


def train(cache: Cache, models: Path, recipe: Recipe = RECIPE, reports: Reports | None = None) -> TrainedDetector:
    return train_detector(cache[0], cache[1], recipe, models, reports or NOBODY)


def recipe_with(**changes: object) -> Recipe:
    values = {**vars(RECIPE), "training": TRAINING.model_copy(update=changes)}
    return Recipe(**values)


def test_an_epoch_holds_all_partial_windows_and_the_asked_share_of_the_others() -> None:
    kinds = np.array([Kind.PARTIAL] * 10 + [Kind.FULL] * 20 + [Kind.BACKGROUND] * 100)
    drawn = draw_epoch(kinds, SamplingSettings(), seed=1, epoch=0)
    assert np.unique(drawn).size == drawn.size
    assert [int((kinds[drawn] == kind).sum()) for kind in Kind] == [25, 10, 3]


def test_every_epoch_is_drawn_anew_and_alike_for_the_same_seed() -> None:
    kinds = np.array([Kind.PARTIAL] * 10 + [Kind.BACKGROUND] * 100)
    first, again, second = (draw_epoch(kinds, SamplingSettings(), 1, epoch) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(second)


def test_the_control_with_shuffled_labels_keeps_the_windows_and_their_order(cache: Cache) -> None:
    rows = [row for row in cache[1] if row.split == "train"]
    true, rotated = label_windows(rows, WindowSettings()), label_windows(rows, WindowSettings(), shuffle_seed=1)
    np.testing.assert_array_equal(true.table.first_sample, rotated.table.first_sample)
    assert true.ictal.sum() == rotated.ictal.sum()
    assert not np.array_equal(true.ictal, rotated.ictal)


def test_focal_loss_with_gamma_0_is_cross_entropy_and_padding_does_not_count() -> None:
    logits = torch.randn(2, 6, dtype=torch.float64)
    ictal = (torch.rand(2, 6, dtype=torch.float64) > 0.5).double()
    valid = torch.ones(2, 6, dtype=torch.float64)
    valid[1, 3:] = 0
    focal = token_loss(logits, ictal, valid, LossSettings(kind="focal", focal_gamma=0.0))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[valid > 0], ictal[valid > 0])
    torch.testing.assert_close(focal, expected)


def test_focal_loss_of_a_coin_is_a_quarter_of_its_entropy() -> None:
    zeros = torch.zeros(1, 4)
    loss = token_loss(zeros, zeros, torch.ones(1, 4), LossSettings(kind="focal", focal_gamma=2.0))
    assert loss.item() == pytest.approx(0.25 * np.log(2))


def test_the_learning_rate_warms_up_to_its_peak_and_ends_near_0() -> None:
    rates = [learning_rate(step, 100, 1.0, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.001
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_the_first_loss_is_the_priors_entropy(cache: Cache, tmp_path: Path) -> None:
    settings = {
        "epochs": 1,
        "batch_size": 1000,
        "loss": LossSettings(kind="bce"),
        "optimizer": OptimizerSettings(learning_rate=1e-9),
    }
    trained = train(cache, tmp_path, recipe_with(**settings))
    with open_windows(cache[0], [row for row in cache[1] if row.split == "train"], WindowSettings(), TRAINING) as windows:
        order = draw_epoch(windows.kinds, TRAINING.sampling, TRAINING.seed, 0)
        share = windows.ictal_share(order)
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert trained.history[0]["train_loss"] == pytest.approx(entropy, abs=2e-3)


def test_a_batch_can_be_overfitted(cache: Cache, tmp_path: Path) -> None:
    model = MODEL.model_copy(update={"tcn_dropout": 0.0, "graph_dropout": 0.0})
    training = {
        "epochs": 40,
        "patience_epochs": 40,
        "sampling": SamplingSettings(max_partial=1),
        "validation_stride_s": 60.0,
        "loss": LossSettings(kind="bce"),
        "optimizer": OptimizerSettings(learning_rate=3e-2, weight_decay=0.0, gradient_norm=10.0),
    }
    recipe = Recipe(**{**vars(recipe_with(**training)), "model": model})
    losses = [record["train_loss"] for record in train(cache, tmp_path, recipe).history]
    assert losses[-1] < 0.5 * losses[0]


def test_a_finished_run_is_kept_as_it_is(cache: Cache, tmp_path: Path) -> None:
    first = train(cache, tmp_path)
    state = first.folder.parent / "state.safetensors"
    before = state.stat().st_mtime_ns
    second = train(cache, tmp_path)
    assert second == first
    assert state.stat().st_mtime_ns == before


def test_another_learning_rate_is_another_run_and_more_threads_are_not(cache: Cache) -> None:
    name = run_name(cache[1], RECIPE)
    assert run_name(cache[1], recipe_with(optimizer=OptimizerSettings(learning_rate=2e-3))) != name
    assert (
        run_name(cache[1], recipe_with(threads=2, checkpoint_steps=7, log_every_steps=3, feeding=FeedingSettings(kind="disk")))
        == name
    )


@pytest.mark.parametrize("kind", ["resident", "disk"])
def test_where_windows_come_from_changes_no_weight(kind: str, cache: Cache, tmp_path: Path) -> None:
    ring = train(cache, tmp_path / "ring", recipe_with(epochs=1, feeding=FeedingSettings(kind="ring")))
    other = train(cache, tmp_path / kind, recipe_with(epochs=1, feeding=FeedingSettings(kind=kind, threads=1, ahead=2)))
    assert (other.weights_sha256, other.run) == (ring.weights_sha256, ring.run)


def test_a_diverging_loss_stops_before_the_update(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seizure_pipeline.training.update.token_loss", lambda logits_BL, *_: logits_BL.sum() * float("nan"))
    with pytest.raises(TrainingDiverged, match=r"loss is nan, recordings \['.*'\], at step 0, learning rate 0.001\. .* set a "):
        train(cache, tmp_path)
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["step.safetensors"]  # what the step saw, no weights


def test_a_learning_rate_that_is_too_large_ends_as_diverged_and_leaves_no_broken_weights(cache: Cache, tmp_path: Path) -> None:
    recipe = recipe_with(checkpoint_steps=100, optimizer=OptimizerSettings(learning_rate=1e30))
    with pytest.raises(
        TrainingDiverged, match=r" at step \d+, learning rate \d\.\d+e\+\d+\. .* training\.optimizer\.learning_rate"
    ):
        train(cache, tmp_path, recipe)
    assert not list(tmp_path.rglob("weights.safetensors"))


def test_an_update_that_breaks_the_model_before_validation_ends_as_diverged(cache: Cache, tmp_path: Path) -> None:
    recipe = recipe_with(batch_size=1000, optimizer=OptimizerSettings(learning_rate=1e30))  # one step an epoch
    with pytest.raises(TrainingDiverged, match=r"^validation failed \(.*\) at step 0, learning rate 1e\+30\. "):
        train(cache, tmp_path, recipe)
    assert not list(tmp_path.rglob("weights.safetensors"))


def test_probabilities_that_are_no_numbers_end_as_diverged(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "stitch", lambda *_: np.full(9, np.nan, dtype=np.float32))
    with pytest.raises(TrainingDiverged, match=r"^validation failed \(probabilities of \w+ are not finite\) at step \d+, "):
        train(cache, tmp_path, recipe_with(epochs=1))


def test_numbers_that_break_the_graph_end_as_diverged(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair_similarity = electrode_graph.pair_similarity
    monkeypatch.setattr(electrode_graph, "pair_similarity", lambda features: pair_similarity(features) * float("nan"))
    with pytest.raises(
        TrainingDiverged, match=r"^the network fails on recordings \[.*\] \(linalg\.eigh: .*\) at step 0, "
    ) as raised:
        train(cache, tmp_path)
    assert isinstance(raised.value.__cause__, torch.linalg.LinAlgError)


def test_waiting_for_windows_is_part_of_windows_per_s(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = WindowSource.batches

    def late(*asked: Any) -> Iterator[Batch]:
        for batch in fetch(*asked):
            time.sleep(0.1)
            yield batch

    monkeypatch.setattr(WindowSource, "batches", late)
    trained = train(cache, tmp_path, recipe_with(epochs=1))
    assert 0 < (trained.history[0]["windows_per_s"] or 0) < TRAINING.batch_size / 0.1


def test_too_little_memory_on_the_device_names_the_ways_out(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr("seizure_pipeline.training.update.token_loss", full)
    with pytest.raises(RuntimeError, match=r"training\.feeding\.kind: ring, .* or a smaller training\.batch_size") as raised:
        train(cache, tmp_path)
    assert isinstance(raised.value.__cause__, torch.OutOfMemoryError)
    assert "batches of 4 windows" in str(raised.value)


RESUME = """
import json, sys
from pathlib import Path
import pandas as pd
sys.path.insert(0, {tests!r})
from test_training import RECIPE, train
from seizure_pipeline.cache import rows_from_table
cache = Path({cache!r})
train((cache, rows_from_table(pd.read_parquet(cache / "index.parquet"))), Path({models!r}))
"""


def test_a_killed_run_continues_to_the_same_weights_bit_for_bit(cache: Cache, tmp_path: Path) -> None:
    whole = train(cache, tmp_path / "whole")
    table_from_rows(cache[1]).to_parquet(cache[0] / "index.parquet")
    models = tmp_path / "killed"
    script = RESUME.format(tests=str(Path(__file__).parent), cache=str(cache[0]), models=str(models))
    state = models / whole.run / "state.safetensors"
    kills = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script])
        kills += kill_after_next_state(process, state)
    continued = train(cache, models)
    assert kills >= 1
    ours, theirs = (load_file(run.folder.parent / "last" / "weights.safetensors") for run in (whole, continued))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert json.loads((continued.folder / "config.json").read_text())["facts"]["run"] == whole.run


def kill_after_next_state(process: subprocess.Popen[bytes], state: Path) -> bool:
    """SIGKILL `process` as soon as it has written a state; whether it was still running."""
    before = state.stat().st_mtime_ns if state.exists() else 0
    deadline_s = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline_s:
        if state.exists() and state.stat().st_mtime_ns != before:
            os.kill(process.pid, signal.SIGKILL)
            return process.wait() == -signal.SIGKILL
        time.sleep(0.002)
    return False
