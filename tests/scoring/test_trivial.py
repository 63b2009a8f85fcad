import numpy as np
import pytest
from made_traces import trace

from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.scoring.summary import evaluate
from seizure_pipeline.scoring.trivial import always, chance_sensitivity, never, seizure_durations_s

TRACES = [trace([0.1] * 100, [(10.0, 20.0), (40.0, 60.0)], name="ictal"), trace([0.1] * 100, name="seizure-free")]


def test_a_silent_detector_finds_nothing_and_raises_nothing():
    silent = never(TRACES)
    assert (silent.tp, silent.fn, silent.fp) == (0, 2, 0)


def test_an_alarm_over_everything_finds_all_and_is_false_only_where_there_is_no_seizure():
    loud = always(TRACES)
    assert (loud.tp, loud.fn, loud.fp) == (2, 0, 1)


def test_chance_is_what_random_alarms_find():
    rng = np.random.default_rng(0)
    day_s, rate_per_24h, alarm_s, lengths_s = 86_400.0, 200.0, 20.0, np.asarray([10.0, 60.0, 300.0])
    starts_s = np.asarray([10_000.0, 40_000.0, 70_000.0])
    found = []
    for _ in range(4000):
        alarms_s = rng.uniform(0, day_s, size=rng.poisson(rate_per_24h))[:, None]
        found.append(((alarms_s < starts_s + lengths_s) & (alarms_s + alarm_s > starts_s)).any(axis=0).mean())
    standard_error = np.std(found) / np.sqrt(len(found))
    assert chance_sensitivity(lengths_s, rate_per_24h, alarm_s) == pytest.approx(np.mean(found), abs=4 * standard_error)


def test_chance_at_a_small_rate_is_rate_times_duration():
    assert chance_sensitivity(np.asarray([30.0]), 1e-3, 10.0) == pytest.approx(1e-3 * 40 / 86_400, rel=1e-6)


def test_seizures_that_touch_last_as_one():
    assert seizure_durations_s([trace([0.0] * 9, [(1.0, 3.0), (3.0, 7.0)])]).tolist() == [6.0]


def test_the_summary_states_its_rule_and_counts_and_holds_no_nan():
    summary = evaluate(TRACES, PostProcessingSettings())
    assert "first crossing" in summary["rule"]
    assert (summary["recordings"], summary["patients"], summary["seizures"]) == (2, 2, 2)
    assert summary["hours"] == pytest.approx(200 / 3600)
    assert all(value == value for value in summary.values())
