import json

import numpy as np
import pytest
from made_traces import trace

from seizure_pipeline.scoring import (
    FALSE_ALARM_BUDGETS_PER_24H,
    PostProcessingSettings,
    ScoringError,
    evaluate,
    sensitivity_name,
)

POST = PostProcessingSettings()


def ictal_trace(height, name="r1"):
    p_L = np.full(16 * 600, 0.05)
    p_L[16 * 100 : 16 * 160] = height
    return trace(p_L, [(100.0, 160.0)], rate_hz=16.0, name=name)


def test_a_perfect_detector_scores_one_at_every_budget():
    summary = evaluate([ictal_trace(0.9)], POST)
    assert [summary[sensitivity_name(budget)] for budget in FALSE_ALARM_BUDGETS_PER_24H] == [1.0] * 4
    assert (summary["auroc"], summary["average_precision"], summary["false_alarms_at_10fa"]) == (1.0, 1.0, 0)
    assert summary["threshold_at_10fa"] == float(np.float32(0.9))


def test_the_summary_survives_json_without_nan():
    summary = evaluate([ictal_trace(0.9), ictal_trace(0.01, name="r2")], POST)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_split_without_a_seizure_is_not_scored():
    with pytest.raises(ScoringError, match="no seizure in the scored split"):
        evaluate([trace([0.1] * 10)], POST)
