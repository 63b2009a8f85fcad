import json
from dataclasses import replace

import numpy as np
import pytest

from seizure_pipeline.scoring import (
    BootstrapSettings,
    FrozenThreshold,
    PostProcessingSettings,
    ScoringError,
    Trace,
    evaluate,
    gather_evidence,
    names,
    paired_differences,
    resolve,
    score_at,
    uncertainties,
    with_intervals,
)
from seizure_pipeline.scoring.bootstrap import draw_patients
from seizure_pipeline.scoring.counts import GroupedCounts
from seizure_pipeline.scoring.resampled import figures_of

TOKEN_S = 20.0  # long, so that recordings of few tokens make days, and budgets allow more than one false alarm
POST = PostProcessingSettings(off_ratio=0.8, merge_gap_s=2 * TOKEN_S, min_duration_s=4 * TOKEN_S)
FEW = BootstrapSettings(resamples=400, seed=3)
FROZEN = FrozenThreshold(0.55)
FROZEN_FIGURES = ("sensitivity", "precision", "f1", "false_alarms_per_24h")


def noisy_trace(rng, name, patient, seizures, quality=2.0):
    log_odds = np.repeat(rng.normal(-1.5, 1.3, 300), 4)
    places = [(80 + 120 * number, 120 + 120 * number) for number in range(seizures)]
    for first, end in places:
        log_odds[first:end] += quality * rng.uniform(0, 2)
    probability, reference = (
        resolve(1 / (1 + np.exp(-log_odds))),
        tuple((first * TOKEN_S, end * TOKEN_S) for first, end in places),
    )
    return Trace(name, patient, 1 / TOKEN_S, probability, 1200 * TOKEN_S, reference=reference)


def split(seed=0, patients=7, quality=2.0):
    rng = np.random.default_rng(seed)
    return [
        noisy_trace(rng, f"r{patient}.{number}", f"p{patient}", (patient + number) % 3, quality)
        for patient in range(patients)
        for number in range(2)
    ]


def renamed(traces, mark):
    return [replace(trace, recording_id=f"{trace.recording_id} {mark}") for trace in traces]


def listed(traces, weights_P):
    """Every patient's recordings as often as the resample holds the patient."""
    patients = sorted({trace.patient_id for trace in traces})
    return [
        copy
        for patient, weight in zip(patients, weights_P, strict=True)
        for number in range(weight)
        for copy in renamed([trace for trace in traces if trace.patient_id == patient], number)
    ]


def of_frozen(found=0, seizures=1, false_alarms=0, hours=1.0):
    """Evidence of which only counts at a frozen threshold matter."""
    tp, fp, n, hours = np.broadcast_arrays(found, false_alarms, seizures, hours)
    counts = GroupedCounts(np.asarray([0.5]), tp[:, None].astype(np.int32), fp[:, None].astype(np.int32), n)
    patients = tuple(f"p{number:04}" for number in range(len(tp)))
    whole = gather_evidence(split(patients=1), POST, FROZEN)
    tokens, sums = np.ones((len(tp), 1)), np.ones((len(tp), 2))
    return replace(
        whole, patient_ids=patients, hours=hours.astype(float), counts=counts, frozen=counts, seizure_tokens=tokens,
        background_tokens=tokens, auroc=sums, average_precision=sums,
    )  # fmt: skip


def test_figures_of_a_resample_are_those_of_its_recordings_listed_as_often():
    traces = split()
    evidence = gather_evidence(traces, POST, FROZEN)
    weights_BP = np.vstack([np.ones(7, np.int64), draw_patients(7, FEW)[:12]])
    figures = figures_of(evidence, weights_BP)
    for b, weights_P in enumerate(weights_BP):
        recordings = listed(traces, weights_P)
        summary, at = evaluate(recordings, POST), score_at(recordings, FROZEN.threshold, POST)
        summary |= {names.frozen_name(name): getattr(at, name) for name in FROZEN_FIGURES}
        for name, figure_B in figures.items():
            assert figure_B[b] == pytest.approx(summary[name], abs=1e-12), name


def test_a_resample_draws_as_many_patients_as_there_are_and_the_seed_decides_which():
    drawn = draw_patients(7, FEW)
    assert drawn.shape == (400, 7)
    assert set(drawn.sum(axis=1)) == {7}
    assert np.array_equal(drawn, draw_patients(7, FEW))
    assert not np.array_equal(drawn, draw_patients(7, BootstrapSettings(resamples=400, seed=4)))


@pytest.mark.parametrize(("patients", "least"), [(40, 0.92), (15, 0.86)])
def test_the_interval_holds_the_true_rate_about_as_often_as_it_says(patients, least):
    rng = np.random.default_rng(1)
    settings, rounds = BootstrapSettings(resamples=500), 300
    covered = 0
    for _ in range(rounds):
        own_rate = rng.gamma(4.0, 0.5, patients)  # patients differ; the mean rate is 2 per hour, 48 per 24 h
        known = uncertainties(of_frozen(false_alarms=rng.poisson(own_rate * 5), hours=5.0 + np.zeros(patients)), settings)
        interval = known[names.frozen_name("false_alarms_per_24h")]
        covered += interval.low <= 48 <= interval.high
    assert least <= covered / rounds <= 0.98


def test_the_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    rng = np.random.default_rng(2)
    counts = rng.poisson(20, 200)
    known = uncertainties(of_frozen(false_alarms=counts), BootstrapSettings())[names.frozen_name("false_alarms_per_24h")]
    expected = 2 * 1.96 * 24 * counts.std() / np.sqrt(200)
    assert known.high - known.low == pytest.approx(expected, rel=0.05)


def test_recordings_of_a_patient_given_twice_narrow_nothing():
    traces = split()
    once = uncertainties(gather_evidence(traces, POST, FROZEN), FEW)
    twice = uncertainties(gather_evidence([*traces, *renamed(traces, "again")], POST, FROZEN), FEW)
    for name, known in once.items():
        assert (twice[name].figure, twice[name].low, twice[name].high) == pytest.approx((known.figure, known.low, known.high))


def test_patients_that_are_all_alike_leave_no_doubt():
    known = uncertainties(of_frozen(found=np.full(9, 2), seizures=3, false_alarms=4), FEW)
    for name in ("frozen_sensitivity", "frozen_false_alarms_per_24h", "frozen_precision", "sensitivity_at_10fa"):
        assert known[name].low == known[name].figure == known[name].high


def test_a_figure_has_no_say_in_resamples_without_a_seizure_and_they_are_counted():
    seizures = np.asarray([3, 0, 0, 0, 0, 0])
    known = uncertainties(of_frozen(found=np.asarray([2, 0, 0, 0, 0, 0]), seizures=seizures), BootstrapSettings())
    sensitivity, rate = known["frozen_sensitivity"], known["frozen_false_alarms_per_24h"]
    assert sensitivity.undefined_resamples == pytest.approx(10_000 * (5 / 6) ** 6, rel=0.05)
    assert (sensitivity.low, sensitivity.high) == pytest.approx((2 / 3, 2 / 3))
    assert rate.undefined_resamples == 0


@pytest.mark.parametrize("patients", [1, 4])
def test_few_patients_have_figures_but_no_interval(patients):
    known = uncertainties(gather_evidence(split(patients=patients), POST, FROZEN), FEW)["auroc"]
    assert known.figure is not None
    assert (known.low, known.high) == (None, None)
    assert known.reason == f"{patients} patients; an interval over patients takes at least 5"


def test_a_split_without_seizures_has_a_false_alarm_rate_and_nothing_else_over_events():
    traces = [replace(trace, reference=()) for trace in split()]
    known = uncertainties(gather_evidence(traces, POST, FROZEN), FEW)
    assert known["frozen_false_alarms_per_24h"].low is not None
    assert (known["frozen_sensitivity"].figure, known["frozen_sensitivity"].reason) == (None, "undefined on these recordings")


def test_a_frozen_threshold_that_no_budget_gave_detects_nothing():
    known = uncertainties(gather_evidence(split(), POST, FrozenThreshold(None)), FEW)
    assert (known["frozen_sensitivity"].high, known["frozen_false_alarms_per_24h"].high) == (0.0, 0.0)


def test_a_model_differs_from_itself_in_nothing_and_from_a_worse_one_in_most_resamples():
    good, bad = (gather_evidence(split(quality=quality), POST) for quality in (4.0, 0.5))
    same = paired_differences(good, good, FEW)["auroc"]
    assert (same.difference.low, same.difference.high, same.share_above, same.share_equal) == (0.0, 0.0, 0.0, 1.0)
    forth, back = (paired_differences(*pair, FEW)["auroc"] for pair in ((good, bad), (bad, good)))
    assert forth.difference.low > 0
    assert forth.share_above == 1.0
    assert (back.difference.low, back.difference.high) == pytest.approx((-forth.difference.high, -forth.difference.low))


def test_pairing_leaves_out_what_both_models_share():
    # Patients differ far more than the models do: unpaired intervals overlap, the paired one does not hold 0.
    rng = np.random.default_rng(6)
    alarms = rng.poisson(rng.gamma(1.0, 50.0, 40))
    first, second = of_frozen(false_alarms=alarms + 3), of_frozen(false_alarms=alarms)
    name = "frozen_false_alarms_per_24h"
    alone, other = (uncertainties(each, FEW)[name] for each in (first, second))
    paired = paired_differences(first, second, FEW)[name]
    assert alone.low < other.high
    assert (paired.difference.low, paired.difference.high) == pytest.approx((72.0, 72.0))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"recording_id": "other"}, "other: only the second has it; r0.0: only the first has it"),
        ({"patient_id": "p9"}, "r0.0: patients p0 and p9"),
        ({"duration_s": 24001.0}, "r0.0: durations of 24000.0 and 24001.0 s"),
        ({"reference": ((1.0, 2.0),)}, r"r0.0: seizures \[\] and \[\(1.0, 2.0\)\]"),
    ],
)
def test_models_on_other_recordings_are_not_compared_and_these_are_named(change, fault):
    traces = split()
    changed = [replace(traces[0], **change), *traces[1:]]
    with pytest.raises(ScoringError, match=fault):
        paired_differences(gather_evidence(traces, POST), gather_evidence(changed, POST), FEW)


def test_the_summary_takes_the_intervals_of_the_figures_that_it_holds():
    traces = split()
    evidence = gather_evidence(traces, POST)
    plain = evaluate(traces, POST)
    summary = with_intervals(plain | {"own_curve_sensitivity_at_10fa": plain["sensitivity_at_10fa"]}, evidence, FEW)
    known = uncertainties(evidence, FEW)
    low = known["sensitivity_at_10fa"].low
    assert summary["sensitivity_at_10fa_low"] == summary["own_curve_sensitivity_at_10fa_low"] == low
    assert {f"{name}_high" for name in known} <= summary.keys()
    assert "frozen_sensitivity_low" not in summary
    assert (summary["bootstrap_resamples"], summary["bootstrap_seed"], summary["bootstrap_patients"]) == (400, 3, 7)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_the_summary_says_why_there_is_no_interval():
    traces = split(patients=2)
    summary = with_intervals(evaluate(traces, POST), gather_evidence(traces, POST), FEW)
    assert summary["auroc_low"] is None
    assert summary["bootstrap_reason"] == "2 patients; an interval over patients takes at least 5"


def test_scores_that_are_not_resolved_are_too_many_to_keep_for_every_patient():
    scores = np.linspace(0, 1, 30_000, dtype=np.float32)
    with pytest.raises(ScoringError, match="30000 distinct scores in 1 recordings"):
        gather_evidence([Trace("r", "p", 1.0, scores, 30_000.0)], POST)
