import numpy as np
import pytest
from made_traces import trace
from sklearn.metrics import average_precision_score, roc_auc_score

from seizure_pipeline.scoring import resolve
from seizure_pipeline.scoring.places import place
from seizure_pipeline.scoring.samples import (
    auroc,
    average_precision,
    recording_histograms,
    score_histogram,
    token_labels,
)


def noisy_traces():
    rng = np.random.default_rng(3)
    references = [[(10.0, 30.0)], [], [(0.0, 5.0), (50.0, 60.0)]]
    return [
        trace(resolve(rng.beta(2, 3, size=960)), reference, rate_hz=16.0, name=f"r{i}")
        for i, reference in enumerate(references)
    ]


def pooled(traces):
    return np.concatenate([token_labels(t) for t in traces]), np.concatenate([t.probability for t in traces])


def test_auroc_and_average_precision_are_those_of_scikit_learn():
    traces = noisy_traces()
    labels, scores = pooled(traces)
    histogram = score_histogram(traces)
    assert auroc(histogram) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(histogram) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_constant_scores_are_at_chance():
    histogram = score_histogram([trace([0.5] * 10, [(2.0, 5.0)])])
    assert auroc(histogram) == 0.5
    assert average_precision(histogram) == pytest.approx(0.3)


def test_one_kind_of_token_alone_has_no_auroc():
    assert auroc(score_histogram([trace([0.1, 0.9])])) is None
    assert average_precision(score_histogram([trace([0.1, 0.9])])) is None
    assert auroc(score_histogram([trace([0.1, 0.9], [(0.0, 2.0)])])) is None


def test_a_token_is_seizure_if_its_middle_is():
    assert token_labels(trace([0] * 5, [(0.6, 2.5), (3.5, 5.0)])).tolist() == [False, True, False, True, True]


def test_each_recording_has_its_own_auroc_over_the_scores_of_all():
    traces = noisy_traces()
    histograms = list(recording_histograms(place(traces)))
    for number in (0, 2):
        labels, scores = pooled(traces[number : number + 1])
        assert auroc(histograms[number]) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        assert average_precision(histograms[number]) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert auroc(histograms[1]) is None
