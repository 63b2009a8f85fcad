"""The table of experiments: what may differ between them, what each came to, and which collapsed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seizure_pipeline import cache
from seizure_pipeline.experiments import BASELINE, ExperimentsSettings, Result, compare, merged, nested, recalls
from seizure_pipeline.experiments.comparison import BACKGROUND, FIGURES, ICTAL, is_collapsed
from seizure_pipeline.experiments.results import FAILED, FINISHED, read_result, write_result
from seizure_pipeline.figures.experiments import experiments_figure
from seizure_pipeline.hooks import ParameterError, check_parameters
from seizure_pipeline.pipelines.experiments.nodes import share_index
from seizure_pipeline.scoring import Trace


def table_of(overrides: dict[str, Any], preset: str = "plain") -> dict[str, Any]:
    return {"presets": {"plain": {"training.epochs": 10}}, "runs": {"a": {"preset": preset, "overrides": overrides}}}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (table_of({"windowing.windows.stride_s": 5.0}), r"a: windowing\.windows\.stride_s cannot be overridden"),
        (table_of({"corpus.layout": "tusz"}), r"a: corpus\.layout cannot be overridden"),
        (table_of({}, "fancy"), "a: no preset 'fancy'; there are plain"),
        ({**table_of({}), "at_onec": 2}, r"experiments\.at_onec: Extra inputs"),
        ({**table_of({}), "runs": {"../a": {"preset": "plain"}}}, "names a folder"),
    ],
)
def test_what_no_experiment_can_be_is_named(table: dict[str, Any], named: str) -> None:
    with pytest.raises(ParameterError, match=named):
        check_parameters({"experiments": table})


def test_an_override_goes_before_its_preset_and_a_run_that_is_null_is_none() -> None:
    table = table_of({"training.epochs": 2, "training.loss.kind": "focal"})
    settings = ExperimentsSettings.model_validate({**table, "runs": {**table["runs"], "b": None}})
    assert settings.chosen() == {"a": {"training.epochs": 2, "training.loss.kind": "focal"}}
    changes = nested(settings.chosen()["a"])
    assert changes == {"training": {"epochs": 2, "loss": {"kind": "focal"}}}
    both = merged({"training": {"epochs": 1, "seed": 7}, "model": 3}, changes)
    assert both == {"training": {"epochs": 2, "seed": 7, "loss": {"kind": "focal"}}, "model": 3}
    with pytest.raises(ValueError, match="training has a value already"):
        nested({"training": 1, "training.epochs": 2})


def trace(probability: list[float]) -> Trace:
    """Four seconds at 1 Hz, the last two of them ictal."""
    return Trace("r", "p", 1.0, np.asarray(probability, np.float32), 4.0, reference=((2.0, 4.0),))


def test_recall_counts_tokens_of_each_class_over_all_recordings() -> None:
    found = recalls([trace([0.1, 0.9, 0.9, 0.5]), trace([0.1, 0.2, 0.3, 0.4])], 0.5)
    assert found == {ICTAL: 2 / 4, BACKGROUND: 3 / 4}
    assert recalls([trace([1.0, 1.0, 1.0, 1.0])], None) == {ICTAL: 0.0, BACKGROUND: 1.0}


@pytest.mark.parametrize(
    ("ictal", "background", "collapsed"),
    [(0.0, 1.0, True), (1.0, 0.0, True), (0.4, 0.6, True), (0.4, 0.61, False), (0.05, 0.999, False), (None, 1.0, True)],
)
def test_collapsed_is_one_class_never_found_or_no_better_than_the_majority_baseline(
    ictal: float | None, background: float, collapsed: bool
) -> None:
    assert is_collapsed({ICTAL: ictal, BACKGROUND: background}) is collapsed


def result(name: str, ictal: float, **facts: Any) -> Result:
    metrics = {**dict.fromkeys(FIGURES, 0.8), ICTAL: ictal, "seizure_time_share": 0.07}
    return Result(name, FINISHED, "x", metrics=metrics, **facts)


RESULTS = [result("good", 0.7, usd=2.5), result("flat", 0.0), Result("broken", FAILED, "x", error="TrainingDiverged: nan")]


def test_the_table_holds_all_and_the_majority_baseline_last() -> None:
    table = compare(RESULTS).set_index("experiment")
    assert list(table.index) == ["good", "flat", "broken", BASELINE]
    assert table["collapsed"].fillna("").tolist() == ["", "collapsed", "", ""]
    assert table.loc["broken", "error"] == "TrainingDiverged: nan"
    assert table.loc[BASELINE, list(FIGURES)].tolist() == [0.0, 0.5, 0.07, 0.0, 1.0]


def test_the_picture_tells_figures_collapses_and_errors_also_where_all_failed() -> None:
    for results in (RESULTS, RESULTS[2:]):
        figure = experiments_figure(compare(results))
        figure.savefig(io.BytesIO(), dpi=40)
        shown = {text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels())}
        assert {"TrainingDiverged: nan", "broken\nfailed", BASELINE} <= shown
        assert ({"0.700", "flat\ncollapsed"} <= shown) is (results is RESULTS)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_result(tmp_path / "good") is None
    write_result(tmp_path / "good", RESULTS[0])
    assert read_result(tmp_path / "good") == RESULTS[0]
    assert [path.name for path in (tmp_path / "good").iterdir()] == ["result.json"]


def test_a_sample_of_the_corpus_is_a_part_of_the_index_in_every_split(far_project: Path) -> None:
    (path,) = (far_project / "data/near").rglob("window_index.parquet")
    index = pd.read_parquet(path)
    settings = ExperimentsSettings.model_validate(table_of({"corpus.max_recordings": 4}))
    rows = cache.rows_from_table(share_index(index, settings)["a"])
    assert len(rows) == 4 < len(index)
    assert {row.split for row in rows} == {"train", "dev"}
    assert set(rows) < set(cache.rows_from_table(index))
