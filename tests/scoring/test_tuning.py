import numpy as np
import pytest
from made_traces import trace
from pydantic import ValidationError

from seizure_pipeline.scoring import PostProcessingSettings, ScoringError, TuningSettings, operating_curve, sensitivity_at, tune

GRID = TuningSettings(off_ratio=(0.5, 1.0), merge_gap_s=(0.0, 3.0), min_duration_s=(0.0, 4.0))


def noisy_traces():
    rng = np.random.default_rng(8)
    traces = []
    for number in range(6):
        p_L = rng.choice([0.1, 0.2, 0.4, 0.6, 0.8], 400, p=[0.6, 0.2, 0.1, 0.07, 0.03])
        p_L[100:130] = np.maximum(p_L[100:130], rng.choice([0.2, 0.6, 0.8], 30))
        traces.append(trace(p_L, [(100.0, 130.0)], name=f"r{number}"))
    return traces


def test_the_best_setting_is_the_one_whose_own_curve_is_best():
    traces = noisy_traces()
    tuned = tune(traces, 300.0, GRID)
    found = {each.settings: sensitivity_at(operating_curve(traces, each.settings), 300.0) for each in tuned.ranking}
    assert tuned.tried == len(found) == 8
    assert tuned.best.sensitivity == max(found.values()) > min(found.values())
    assert [each.sensitivity for each in tuned.ranking] == sorted(found.values(), reverse=True)
    assert all(each.sensitivity == found[each.settings] for each in tuned.ranking)


def test_spikes_of_one_second_are_tuned_away_by_a_minimum_duration():
    p_L = np.full(5000, 0.1)
    p_L[::50], p_L[2000:2030] = 0.9, 0.8
    tuned = tune([trace(p_L, [(2000.0, 2030.0)])], 1.0, GRID)
    assert tuned.best.settings == PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=4.0)
    assert (tuned.best.sensitivity, tuned.ranking[-1].sensitivity) == (1.0, 0.0)
    assert tuned.ranking[-1].point is None


def test_of_equally_good_settings_the_simplest_is_best():
    p_L = np.full(500, 0.1)
    p_L[100:160] = 0.9
    tuned = tune([trace(p_L, [(100.0, 160.0)])], 1.0, GRID)
    assert {each.sensitivity for each in tuned.ranking} == {1.0}
    assert tuned.best.settings == PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=0.0)
    assert tuned.ranking[1].settings == PostProcessingSettings(off_ratio=0.5, merge_gap_s=0.0, min_duration_s=0.0)
    assert tuned.ranking[-1].settings == PostProcessingSettings(off_ratio=0.5, merge_gap_s=3.0, min_duration_s=4.0)


def test_of_two_ratios_that_do_equally_well_the_higher_is_the_simpler():
    p_L = np.full(500, 0.1)
    p_L[100:160] = 0.9
    grid = TuningSettings(off_ratio=(0.8, 0.5), merge_gap_s=(2.0,), min_duration_s=(3.0,))
    assert tune([trace(p_L, [(100.0, 160.0)])], 1.0, grid).best.settings.off_ratio == 0.8


def test_a_value_given_twice_is_tried_once():
    grid = TuningSettings(off_ratio=(1.0, 1.0), merge_gap_s=(0.0,), min_duration_s=(3.0,))
    assert tune(noisy_traces(), 10.0, grid).tried == 1


@pytest.mark.parametrize("wrong", [{"off_ratio": ()}, {"off_ratio": (1.2,)}, {"merge_gap_s": (-1.0,)}, {"threshold": (0.5,)}])
def test_an_empty_or_impossible_grid_is_refused(wrong):
    with pytest.raises(ValidationError):
        TuningSettings(**wrong)


def test_a_split_without_a_seizure_tunes_nothing():
    with pytest.raises(ScoringError, match="no seizure"):
        tune([trace([0.1] * 10)], 10.0, GRID)
