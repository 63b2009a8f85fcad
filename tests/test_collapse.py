"""A network that says the same everywhere is noticed; one that is young, shy or poor is not taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_training import Cache, cache, recipe_with, train

from seizure_pipeline.baselines import one_feature_traces
from seizure_pipeline.cache import open_row
from seizure_pipeline.inference.scored import trace_of
from seizure_pipeline.model.detector import Head
from seizure_pipeline.scoring.names import AUROC, COLLAPSED, PREDICTION_ENTROPY, RECALL_GAP, WINDOWS_CALLED_ICTAL
from seizure_pipeline.scoring.samples import ScoreHistogram, auroc, score_histogram
from seizure_pipeline.scoring.streamed import StreamedScores
from seizure_pipeline.training import collapse
from seizure_pipeline.training.collapse import (
    LEAST_STEPS,
    Calls,
    TrainingCollapsed,
    best_baseline,
    collapse_figures,
    heed_collapse,
    judged,
    prediction_entropy,
)

__all__ = ["cache"]
BASELINE = 0.65
TOKENS = 50_000


def predictions(spread: float, shift: float, centre: float = -2.4) -> ScoreHistogram:
    """Of 8 % seizure tokens, whose log odds lie `shift` higher."""
    rng = np.random.default_rng(1)
    seizure = rng.random(TOKENS) < 0.08
    scores = StreamedScores()
    scores.add((rng.normal(centre, spread, TOKENS) + shift * seizure).astype(np.float32), seizure)
    return scores.histogram()


NONE_CALLED, ALL_CALLED = Calls(40, 0, 400, 0), Calls(40, 40, 400, 400)
SOME_CALLED, NEARLY_NONE = Calls(40, 20, 400, 30), Calls(40, 1, 400, 4)


@pytest.mark.parametrize(
    ("histogram", "calls", "collapsed"),
    [
        pytest.param(predictions(1e-3, 0.0), NONE_CALLED, True, id="the prior everywhere"),
        pytest.param(predictions(0.0, 0.0), NONE_CALLED, True, id="one value"),
        pytest.param(predictions(1e-3, 0.0, centre=3.0), ALL_CALLED, True, id="ictal everywhere"),
        pytest.param(predictions(0.3, 0.0, centre=-30.0), NONE_CALLED, True, id="sure of background everywhere"),
        pytest.param(predictions(1e-3, 0.0, centre=0.0), SOME_CALLED, True, id="a coin that is called by chance"),
        pytest.param(predictions(1.0, 0.2), NONE_CALLED, True, id="calls nothing and ranks below one feature"),
        pytest.param(predictions(0.5, 1.5), NONE_CALLED, False, id="shy, but ranks well"),
        pytest.param(predictions(1e-3, 2e-3), NONE_CALLED, False, id="hardly moved, but ranks well"),
        pytest.param(predictions(1.5, 0.3), SOME_CALLED, False, id="poor, but no constant"),
        pytest.param(predictions(1.5, 0.3), NEARLY_NONE, False, id="poor, and a few are called"),
        pytest.param(predictions(2.0, 4.0), SOME_CALLED, False, id="healthy"),
    ],
)
def test_collapsed_is_the_same_everywhere_and_no_better_than_trivial(
    histogram: ScoreHistogram, calls: Calls, collapsed: bool
) -> None:
    figures = collapse_figures(histogram, calls, BASELINE)
    assert figures[COLLAPSED] == collapsed
    assert judged(figures, LEAST_STEPS)[COLLAPSED] == collapsed
    assert judged(figures, LEAST_STEPS - 1)[COLLAPSED] == 0


def test_the_recall_gap_is_that_of_the_two_recalls() -> None:
    calls = Calls()
    for is_ictal, is_called, times in ((True, True, 3), (True, False, 1), (False, True, 2), (False, False, 14)):
        for _ in range(times):
            calls.add(is_ictal, is_called)
    assert calls.recall_gap == pytest.approx(3 / 4 - 14 / 16)
    assert calls.called_share == 5 / 20
    assert (NONE_CALLED.recall_gap, ALL_CALLED.recall_gap) == (-1.0, 1.0)
    assert Calls(background=3).recall_gap is None


@pytest.mark.parametrize("share", [0.5, 0.08, 1e-4])
def test_the_entropy_of_a_constant_is_that_of_its_probability(share: float) -> None:
    scores = StreamedScores()
    scores.add(np.full(100, np.log(share / (1 - share)), dtype=np.float32), np.zeros(100, dtype=np.bool_))
    expected = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert prediction_entropy(scores.histogram()) == pytest.approx(expected, rel=1e-6)


def epoch(number: int, is_collapsed: bool) -> dict[str, float | None]:
    figures = collapse_figures(predictions(1e-3, 0.0), NONE_CALLED, BASELINE)
    return {"epoch": number, AUROC: 0.5, **figures, COLLAPSED: float(is_collapsed)}


@pytest.mark.parametrize(
    ("collapsed", "warned", "stopped"),
    [
        ([], False, False),
        ([False], False, False),
        ([True], True, False),
        ([True, True, False], False, False),
        ([True, True, False, True, True], True, False),
        ([False, True, True, True], False, True),
    ],
)
def test_one_epoch_warns_and_as_many_as_allowed_in_a_row_stop(
    collapsed: list[bool], warned: bool, stopped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    history = [epoch(number, each) for number, each in enumerate(collapsed, 1)]
    if stopped:
        with pytest.raises(TrainingCollapsed, match=r"after epoch 4 \(.*for 3 epochs: .* training\.collapse_patience allows"):
            heed_collapse(history, 3)
    else:
        heed_collapse(history, 3)
    assert any("says the same everywhere" in record.getMessage() for record in caplog.records) == warned


def test_a_run_that_collapses_is_warned_stopped_saved_and_stays_stopped(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(collapse, "LEAST_STEPS", 1)
    monkeypatch.setattr(Head, "forward", lambda head, tokens_BLCD: head.logit.bias.expand(tokens_BLCD.shape[:2]) - 5)
    recipe = recipe_with(epochs=6, patience_epochs=6, collapse_patience=2)
    with pytest.raises(TrainingCollapsed, match=r"after epoch 2 "):
        train(cache, tmp_path, recipe)
    assert sum("this is number 1" in record.getMessage() for record in caplog.records) == 1
    assert len(list(tmp_path.rglob("state.safetensors"))) == 1
    with pytest.raises(TrainingCollapsed, match=r"after epoch 2 "):
        train(cache, tmp_path, recipe)
    with pytest.raises(TrainingCollapsed, match=r"after epoch 3 "):
        train(cache, tmp_path, recipe_with(epochs=6, patience_epochs=6, collapse_patience=3))


def test_a_short_run_of_a_healthy_network_is_never_called_collapsed(cache: Cache, tmp_path: Path) -> None:
    history = train(cache, tmp_path, recipe_with(epochs=2)).history
    assert [record[COLLAPSED] for record in history] == [0.0, 0.0]
    assert all(-1 <= (record[RECALL_GAP] or 0) <= 1 and 0 <= (record[WINDOWS_CALLED_ICTAL] or 0) <= 1 for record in history)
    assert all(0 < (record[PREDICTION_ENTROPY] or 0) <= np.log(2) for record in history)


def test_the_best_baseline_is_that_of_all_traces_and_computed_once(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in cache[1] if row.split == "dev"]
    found = best_baseline(cache[0], rows, tmp_path / "kept.json")
    traces: dict[str, list[object]] = {}
    for row in rows:
        cached = open_row(cache[0], row)
        signal_CT: NDArray[np.float32] = cached.signal.astype(np.float32) * np.float32(cached.step_sd)
        for name, probability_L in one_feature_traces(signal_CT, cached.layout.sample_starts).items():
            traces.setdefault(name, []).append(trace_of(row, probability_L))
    aurocs = [auroc(score_histogram(each)) or 0.0 for each in traces.values()]  # type: ignore[arg-type]
    assert found == pytest.approx(max(0.5, *aurocs), abs=1e-12)
    monkeypatch.setattr(collapse, "in_threads", None)
    assert best_baseline(cache[0], rows, tmp_path / "kept.json") == found
