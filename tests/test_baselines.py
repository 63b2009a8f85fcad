import numpy as np
import pytest

from seizure_pipeline.baselines import amplitude, delta_power, line_length, one_feature_traces, theta_power

RATE_HZ = 256


def noise(seconds, seed=0, n_channels=19):
    return np.random.default_rng(seed).normal(size=(n_channels, int(seconds * RATE_HZ))).astype(np.float32)


def tone(frequency_hz, seconds=20):
    t_s = np.arange(seconds * RATE_HZ) / RATE_HZ
    return np.sin(2 * np.pi * frequency_hz * t_s).astype(np.float32)[None]


@pytest.mark.parametrize(("frequency_hz", "band", "other"), [(2.5, delta_power, theta_power), (6.0, theta_power, delta_power)])
def test_a_tone_lies_in_its_own_band(frequency_hz, band, other):
    assert np.median(band(tone(frequency_hz))) > 100 * np.median(other(tone(frequency_hz)))


@pytest.mark.parametrize("frequency_hz", [20.0, 28.0, 40.0, 60.0])
def test_fast_activity_does_not_fold_into_the_slow_bands(frequency_hz):
    for band, inside_hz in ((delta_power, 2.5), (theta_power, 6.0)):
        assert np.median(band(tone(frequency_hz))) < 0.01 * np.median(band(tone(inside_hz)))


def test_amplitude_of_a_sine_is_its_root_mean_square():
    assert amplitude(tone(8.0)) == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_line_length_of_a_ramp_is_its_slope():
    ramp_CT = np.arange(2560, dtype=np.float32)[None] * 0.5
    assert line_length(ramp_CT)[:, 5:] == pytest.approx(0.5)


def test_every_feature_rises_where_all_electrodes_grow():
    x_CT = noise(300)
    x_CT[:, 100 * RATE_HZ : 140 * RATE_HZ] *= 3
    for name, score_L in one_feature_traces(x_CT).items():
        assert np.median(score_L[102 * 16 : 138 * 16]) > 0.9, name
        assert np.median(score_L[200 * 16 :]) < 0.7, name


def test_the_maximum_sees_one_electrode_that_the_mean_dilutes():
    x_CT = noise(300)
    x_CT[4, 100 * RATE_HZ : 140 * RATE_HZ] *= 4
    traces = one_feature_traces(x_CT)
    seen = slice(102 * 16, 138 * 16)
    assert np.median(traces["amplitude_max"][seen]) > np.median(traces["amplitude_mean"][seen])


def test_scores_do_not_depend_on_the_gain_of_the_recording():
    x_CT = noise(60)
    for name, score_L in one_feature_traces(x_CT).items():
        louder_L = one_feature_traces(10 * x_CT)[name]
        assert np.abs(louder_L - score_L).max() < 0.02, name


@pytest.mark.parametrize(("n_samples", "n_tokens"), [(2560, 160), (2561, 161), (2575, 161), (2576, 161), (40, 3), (1, 1)])
def test_there_is_one_token_for_every_16_samples_begun(n_samples, n_tokens):
    for score_L in one_feature_traces(noise(20)[:, :n_samples]).values():
        assert score_L.shape == (n_tokens,)
        assert score_L.dtype == np.float32


def test_no_feature_looks_across_a_gap():
    loud_CT = 5 * noise(10, seed=1)
    for quiet_seed in (2, 3):
        joined_CT = np.concatenate([noise(30, seed=quiet_seed), loud_CT], axis=1)
        assert np.array_equal(line_length(joined_CT[:, 30 * RATE_HZ :]), line_length(loud_CT))
    cut = one_feature_traces(joined_CT, (0, 30 * RATE_HZ))
    whole = one_feature_traces(joined_CT)
    just_before_gap = slice(30 * 16 - 8, 30 * 16)
    for name in ("line_length_mean", "amplitude_mean", "theta_power_mean", "delta_power_mean"):
        assert np.all(cut[name][just_before_gap] < whole[name][just_before_gap]), name


def test_a_flat_recording_scores_the_middle():
    for score_L in one_feature_traces(np.zeros((19, 2560), np.float32)).values():
        assert np.all(score_L == 0.5)


@pytest.mark.parametrize("starts", [(2560,), (0, 2560), (0, 0), (0, 200, 100)])
def test_stretches_that_do_not_divide_the_signal_are_refused(starts):
    with pytest.raises(ValueError, match="ascend from 0 within 2560 samples"):
        one_feature_traces(noise(10), starts)
