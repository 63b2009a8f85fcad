"""Validation in a stream gives what the evaluation of whole traces gives, says how far it is, and refuses bad strides."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from test_progress import Clock
from test_training import MODEL, RECIPE, TRAINING, Cache, cache, recipe_with, train

from seizure_pipeline import progress
from seizure_pipeline.cache import open_row
from seizure_pipeline.cache.index import accepted_of_split
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import probability_trace
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, evaluate, names
from seizure_pipeline.scoring.samples import token_labels
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.validation import Validation, validation_layout
from seizure_pipeline.windows import lay_windows, stitch

__all__ = ["cache"]
SETTINGS = TRAINING.model_copy(update={"validation_stride_s": 20.0, "batch_size": 5})  # batches lie across recordings


def network() -> Detector:
    """One whose probabilities differ, and which calls some windows ictal and some not."""
    torch.manual_seed(2)
    model = Detector(MODEL)
    torch.nn.init.normal_(model.head.logit.weight, std=2.0)
    torch.nn.init.constant_(model.head.logit.bias, model.head.logit.bias.item() - 5.876)
    return model.train()


def validated(cache: Cache, folder: Path, model: Detector, settings: TrainingSettings = SETTINGS) -> dict[str, float | None]:
    dev = accepted_of_split(cache[1], "dev")
    layout = validation_layout(RECIPE.windows, settings)
    with open_windows(cache[0], dev, layout, settings) as held:
        validate = Validation(cache[0], dev, held, layout, settings, RECIPE.post_processing, folder / "baselines.json")
        return dict(validate(model))


def test_streamed_validation_is_the_evaluation_of_whole_traces(cache: Cache, tmp_path: Path) -> None:
    model = network()
    ours = validated(cache, tmp_path, model)
    inference = InferenceSettings(batch_size=64, stride_s=SETTINGS.validation_stride_s)
    traces, log_odds, labels, called = [], [], [], []
    for row in accepted_of_split(cache[1], "dev"):
        signal = open_row(cache[0], row)
        traces.append(trace_of(row, probability_trace(model, signal, RECIPE.windows, inference)))
        laid = lay_windows(row.layout, RECIPE.windows, inference.stride_tokens)
        windows = torch.from_numpy(np.stack([signal.window(window, RECIPE.windows) for window in laid]))
        with torch.inference_mode():
            logits_NL = model.eval()(windows).numpy()
        log_odds.append(stitch(row.layout, laid, logits_NL))
        pieces = [logits_L[: window.valid_tokens] for window, logits_L in zip(laid, logits_NL, strict=True)]
        called += [bool((piece_L >= 0.0).any()) for piece_L in pieces]
        labels.append(token_labels(traces[-1]))
    whole = evaluate(traces, RECIPE.post_processing)
    for name in map(names.sensitivity_name, FALSE_ALARM_BUDGETS_PER_24H):
        assert ours[name] == whole[name]
    truth, scores = np.concatenate(labels), np.concatenate(log_odds)
    assert ours[names.AUROC] == pytest.approx(roc_auc_score(truth, scores), abs=1e-4)
    assert ours[names.AVERAGE_PRECISION] == pytest.approx(average_precision_score(truth, scores), abs=1e-4)
    assert ours[names.BRIER_SCORE] == pytest.approx(whole[names.BRIER_SCORE], abs=1e-3)
    assert ours[names.WINDOWS_CALLED_ICTAL] == pytest.approx(np.mean(called))
    assert 0 < np.mean(called) < 1


def test_a_log_hears_of_validation_at_least_every_half_minute(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, model = Clock(), network()
    forward, told = model.forward, progress.log.info
    said_s = [clock.now_s]

    def slow(window_BCT: torch.Tensor) -> torch.Tensor:
        clock.now_s += 4.0
        return forward(window_BCT)

    def heard(line: str, *values: object) -> None:
        if line % values and (line % values).startswith("validating: "):
            said_s.append(clock.now_s)
        told(line, *values)

    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(progress.log, "info", heard)
    monkeypatch.setattr(model, "forward", slow)
    validated(cache, tmp_path, model, SETTINGS.model_copy(update={"batch_size": 1, "validation_stride_s": 2.0}))
    assert len(said_s) > 5
    assert max(later - sooner for sooner, later in pairwise(said_s)) <= 30


@pytest.mark.parametrize("stride_s", [30.01, 61.0])
def test_an_impossible_validation_stride_is_refused_before_training(stride_s: float, cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"training\.validation_stride_s is {re.escape(str(stride_s))} s; it must be"):
        train(cache, tmp_path, recipe_with(validation_stride_s=stride_s))
