"""The table of experiments: what may differ between them, what each came to, and which collapsed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seizure_pipeline import cache
from seizure_pipeline.experiments import BASELINE, ExperimentsSettings, Result, compare, merged, nested, recalls, token_counts
from seizure_pipeline.experiments.comparison import BACKGROUND, COLLAPSED, FIGURES, ICTAL, NO_THRESHOLD, differences, mark
from seizure_pipeline.experiments.printed import unfinished
from seizure_pipeline.experiments.results import FAILED, FINISHED, RUNS_ON, read_result, write_result
from seizure_pipeline.figures.experiments import experiments_figure
from seizure_pipeline.hooks import ParameterError, check_parameters
from seizure_pipeline.pipelines.experiments.nodes import share_index
from seizure_pipeline.pipelines.experiments.plan import Planned
from seizure_pipeline.pipelines.experiments.purse import Purse
from seizure_pipeline.scoring import Trace
from seizure_pipeline.scoring.names import AUROC


def table_of(overrides: dict[str, Any], preset: str = "plain") -> dict[str, Any]:
    return {"presets": {"plain": {"training.epochs": 10}}, "runs": {"a": {"preset": preset, "overrides": overrides}}}


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (table_of({"windowing.windows.stride_s": 5.0}), r"a: windowing\.windows\.stride_s cannot be overridden"),
        (table_of({"corpus.layout": "tusz"}), r"a: corpus\.layout cannot be overridden"),
        (table_of({}, "fancy"), "a: no preset 'fancy'; there are plain"),
        ({**table_of({}), "at_onec": 2}, r"experiments\.at_onec: nothing reads that"),
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
    found = token_counts([trace([0.1, 0.9, 0.9, 0.5]), trace([0.1, 0.2, 0.3, 0.4])], 0.5)
    assert recalls(found) == {ICTAL: 2 / 4, BACKGROUND: 3 / 4}
    assert recalls(token_counts([trace([1.0, 1.0, 1.0, 1.0])], None)) == {ICTAL: 0.0, BACKGROUND: 1.0}
    seizure_free = Trace("r", "p", 1.0, np.asarray([0.1, 0.9], np.float32), 2.0, reference=())
    assert recalls(token_counts([seizure_free], 0.5)) == {ICTAL: None, BACKGROUND: 1 / 2}


@pytest.mark.parametrize(
    ("ictal", "background", "auroc", "marked"),
    [
        (0.0, 1.0, 0.5, COLLAPSED),
        (0.0, 1.0, None, COLLAPSED),
        (0.0, 1.0, 0.8, NO_THRESHOLD),
        (1.0, 0.0, 0.8, COLLAPSED),
        (0.4, 0.6, 0.5, COLLAPSED),
        (None, 1.0, None, COLLAPSED),
        (0.4, 0.61, 0.51, ""),
        (0.05, 0.999, 0.8, ""),
    ],
)
def test_marked_is_one_class_never_found_or_no_better_than_the_majority_baseline(
    ictal: float | None, background: float, auroc: float | None, marked: str
) -> None:
    assert mark({ICTAL: ictal, BACKGROUND: background, AUROC: auroc}) == marked


def test_what_all_override_alike_is_no_difference() -> None:
    plain = {"training.epochs": 10}
    assert differences([{**plain, "a.b": 1}, {**plain, "a.b": 2}, plain]) == ["a.b=1", "a.b=2", ""]


def result(name: str, ictal: float, **facts: Any) -> Result:
    metrics = {**dict.fromkeys(FIGURES, 0.8 if ictal else 0.5), ICTAL: ictal, "seizure_time_share": 0.07, "seizures": 3}
    return Result(name, FINISHED, "x", metrics=metrics, **facts)


RESULTS = [result("good", 0.7, usd=2.5), result("flat", 0.0), Result("broken", FAILED, "x", error="TrainingDiverged: nan")]


def test_the_table_holds_all_and_the_majority_baseline_last() -> None:
    table = compare(RESULTS).set_index("experiment")
    assert list(table.index) == ["good", "flat", "broken", BASELINE]
    assert table["mark"].fillna("").tolist() == ["", "collapsed", "", ""]
    assert table.loc["broken", "error"] == "TrainingDiverged: nan"
    assert table.loc[BASELINE, list(FIGURES)].tolist() == [0.0, 0.5, 0.07, 0.0, 1.0]


def test_the_picture_tells_figures_collapses_and_errors_also_where_all_failed() -> None:
    for results in (RESULTS, RESULTS[2:]):
        figure = experiments_figure(compare(results))
        figure.savefig(io.BytesIO(), dpi=40)
        shown = {text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels())}
        assert {"TrainingDiverged: nan", "broken\nfailed", BASELINE} <= shown
        assert ({"0.700", "flat\ncollapsed, 3 seizures"} <= shown) is (results is RESULTS)


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


def test_those_that_did_not_finish_are_named_in_a_line_with_their_reasons() -> None:
    on = Result("on", RUNS_ON, "x", error="lost")
    told = unfinished(compare([*RESULTS, on]), is_detached=False)
    assert told.startswith("2 of 4 did not finish: broken (failed: TrainingDiverged: nan); on (runs on elsewhere: lost). ")
    assert unfinished(compare([*RESULTS, on]), is_detached=True).startswith("1 of 4")
    assert not unfinished(compare([*RESULTS[:2], on]), is_detached=True)


def test_a_reason_names_three_recordings_and_counts_the_others_and_the_table_keeps_all() -> None:
    names = [f"aab_s001_t{number:03}" for number in range(40)]
    broken = Result("broken", FAILED, "x", error=f"the gradient is nan, recordings {names}, at step 3")
    table = compare([broken])
    told = unfinished(table, is_detached=False)
    assert f"recordings [{', '.join(map(repr, names[:3]))} and 37 more], at step 3" in told
    assert table["error"][0].count("aab_") == 40
    few = Result("few", FAILED, "x", error=f"recordings {names[:3]}")
    assert f"recordings {names[:3]})" in unfinished(compare([few]), is_detached=False)


class Spender:
    """A stand-in for the process of an experiment: what it needs, and what it took."""

    def __init__(self, name: str, estimated_usd: float, took_usd: float = 0.0) -> None:
        self.planned, self.took_usd = Planned(name, {}, {}, estimated_usd), took_usd

    def usd(self, parent: str | None) -> float:
        return self.took_usd


@pytest.mark.parametrize("limit_usd", [7.0, 12.0, 100.0])
def test_grants_never_sum_to_more_than_the_budget_and_none_is_less_than_its_estimate(limit_usd: float) -> None:
    waiting: list[Any] = [Spender("a", 3.0), Spender("b", 4.0, took_usd=1.0), Spender("c", 5.0), Spender("d", 0.5)]
    purse, granted = Purse(limit_usd, None, None, waiting), {}
    for child in list(waiting):
        if (usd := purse.grant(child, waiting)) is not None:
            purse.bind(child, usd)
            granted[child.planned.name] = usd
            assert usd >= child.planned.estimated_usd
        waiting.remove(child)
    assert sum(granted.values()) <= limit_usd * (1 + 1e-8)
    assert set(granted) == ({"a", "d"} if limit_usd == 7.0 else {"a", "b", "d"} if limit_usd == 12.0 else {*"abcd"})


def test_what_one_did_not_use_is_free_for_the_next_and_none_gets_more_than_its_own_run_may_cost() -> None:
    cheap, dear = Spender("cheap", 3.0), Spender("dear", 9.0)
    children: list[Any] = [cheap, dear]
    purse = Purse(10.0, 9.5, None, children)
    purse.bind(children[0], 3.0)
    assert purse.grant(children[1], children[1:]) is None
    assert purse.refusal(children[1]) == "9.00 USD more than the 3.00 USD of the others would pass experiments.budget_usd 10"
    cheap.took_usd = 0.25
    purse.settle(children[0])
    assert purse.grant(children[1], children[1:]) == pytest.approx(9.5)
