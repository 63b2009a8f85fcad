"""Rules of the signal path: what passes, that nothing moves, and that scaling can be undone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_signals import error_db, interior, pink_noise, textbook, tone
from pydantic import ValidationError
from scipy import signal

from seizure_pipeline.signals import (
    RATE_HZ,
    SignalError,
    SignalSettings,
    dequantise,
    quantise,
    resample_and_filter,
    robust_scale,
    zero_phase_gain,
)

SETTINGS = SignalSettings()
RATES_HZ = (200.0, 250.0, 256.0, 400.0, 500.0, 512.0, 1000.0, 199.8, 173.61)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_10_hz_passes_unchanged_and_unshifted(rate_hz: float) -> None:
    found = resample_and_filter(tone(10, rate_hz, 60), rate_hz, SETTINGS)
    expected = tone(10, RATE_HZ, 61)
    np.testing.assert_allclose(interior(found), interior(expected[:, : found.shape[1]]), atol=2e-3)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_60_hz_and_slow_drift_do_not_pass(rate_hz: float) -> None:
    for frequency_hz in (60, 0.05):
        found = resample_and_filter(tone(frequency_hz, rate_hz, 120), rate_hz, SETTINGS)
        assert np.abs(interior(found, 20)).max() < 1e-3


def test_without_a_notch_60_hz_passes() -> None:
    found = resample_and_filter(tone(60, 256, 60), 256, SignalSettings(notch_hz=None))
    np.testing.assert_allclose(interior(found), interior(tone(60, 256, 60)), atol=2e-3)


def test_what_lies_above_the_new_nyquist_frequency_is_not_folded_back() -> None:
    found = resample_and_filter(tone(200, 512, 60), 512, SETTINGS)
    assert np.abs(interior(found)).max() < 1e-4


@pytest.mark.parametrize("notch_hz", [50.0, 60.0, None])
@pytest.mark.parametrize("order", [2, 4])
def test_the_gain_is_that_of_butterworth_and_notch_run_both_ways(order: int, notch_hz: float | None) -> None:
    frequency_hz = np.linspace(0.01, 127.9, 20_000)
    sections = signal.butter(order, (0.5, 120), btype="bandpass", fs=256, output="sos")
    expected = np.abs(signal.sosfreqz(sections, frequency_hz, fs=256)[1]) ** 2
    if notch_hz is not None:
        expected *= np.abs(signal.freqz(*signal.iirnotch(notch_hz, 30, fs=256), frequency_hz, fs=256)[1]) ** 2
    found = zero_phase_gain(frequency_hz, SignalSettings(filter_order=order, notch_hz=notch_hz))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert zero_phase_gain(np.zeros(1), SETTINGS) == 0


@pytest.mark.parametrize(("duration_s", "most_db"), [(1, -60), (3, -75), (10, -110), (64, -110)])
@pytest.mark.parametrize("rate_hz", [250, 256, 400, 500, 512, 1000])
def test_the_fast_path_agrees_with_the_textbook_one_from_end_to_end(rate_hz: int, duration_s: int, most_db: float) -> None:
    """In a second, shorter than the filter reaches, what lies beyond the reflections counts: there the two differ."""
    x_CT = pink_noise(2, duration_s * rate_hz)
    found, expected = resample_and_filter(x_CT, rate_hz, SETTINGS), textbook(x_CT.astype(np.float64), rate_hz)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert error_db(found, expected) < most_db


@pytest.mark.parametrize("rate_hz", [250, 512, 400, 1000])
def test_an_impulse_stays_in_its_place_and_is_symmetric(rate_hz: int) -> None:
    x_CT = np.zeros((1, 40 * rate_hz), dtype=np.float32)
    x_CT[0, 20 * rate_hz] = 1
    found = resample_and_filter(x_CT, rate_hz, SETTINGS)[0]
    peak = 20 * 256
    assert int(np.argmax(found)) == peak
    np.testing.assert_allclose(found[peak - 2000 : peak], found[peak + 2000 : peak : -1], atol=1e-6)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 99))
def test_the_path_is_linear(first: float, second: float, seed: int) -> None:
    x_CT, y_CT = pink_noise(1, 3000, seed), pink_noise(1, 3000, seed + 100)
    together = resample_and_filter((first * x_CT + second * y_CT).astype(np.float32), 250, SETTINGS)
    apart = first * resample_and_filter(x_CT, 250, SETTINGS) + second * resample_and_filter(y_CT, 250, SETTINGS)
    np.testing.assert_allclose(together, apart, atol=0.02)


@pytest.mark.parametrize("other", ["noise", "1e9 uV", "zeros"])
def test_channels_do_not_touch_each_other(other: str) -> None:
    """What another channel holds changes no bit of this one; how many there are may, by the rounding of float32.

    The transforms of three channels at once may run other instructions than that of one, by the processor."""
    x_CT = pink_noise(3, 4000)
    together = resample_and_filter(x_CT, 400, SETTINGS)
    for channel in range(3):
        alone = resample_and_filter(x_CT[[channel]], 400, SETTINGS)[0]
        rounding_uv = 4 * np.finfo(np.float32).eps * np.abs(x_CT[channel]).max()
        np.testing.assert_allclose(together[channel], alone, rtol=0, atol=rounding_uv)
    noise_T = pink_noise(1, 4000, 7)[0]
    x_CT[1] = {"noise": noise_T, "1e9 uV": 1e9 * np.sign(noise_T), "zeros": 0 * noise_T}[other]
    np.testing.assert_array_equal(resample_and_filter(x_CT, 400, SETTINGS)[[0, 2]], together[[0, 2]])


def test_a_constant_offset_becomes_zero() -> None:
    assert np.abs(resample_and_filter(np.full((1, 5000), 3e5, dtype=np.float32), 500, SETTINGS)).max() == 0


@settings(deadline=None)
@given(st.integers(1, 3000), st.sampled_from(RATES_HZ))
def test_the_length_is_the_duration_times_256(n_samples: int, rate_hz: float) -> None:
    found = resample_and_filter(pink_noise(1, n_samples), rate_hz, SETTINGS)
    assert abs(found.shape[1] - n_samples * 256 / rate_hz) <= 0.5
    assert np.isfinite(found).all()


@pytest.mark.parametrize("duration_s", [0.3, 2.0])
def test_a_signal_shorter_than_its_padding_keeps_its_10_hz_wave(duration_s: float) -> None:
    found = resample_and_filter(tone(10, 500, duration_s, phase=0), 500, SETTINGS)
    expected = tone(10, 256, duration_s, phase=0)[:, : found.shape[1]]
    assert found.shape[1] == round(duration_s * 256)
    assert np.corrcoef(found, expected)[0, 1] > 0.95


def test_the_input_is_left_as_it_was() -> None:
    x_CT = pink_noise(2, 5000)
    before = x_CT.copy()
    quantise(resample_and_filter(x_CT, 256, SETTINGS), np.zeros(2), np.ones(2), 32.0)
    robust_scale(x_CT)
    np.testing.assert_array_equal(x_CT, before)


@pytest.mark.parametrize("rate_hz", [0.0, -256.0, 50.0, 99.9, float("nan"), float("inf")])
def test_an_impossible_sampling_rate_is_refused_by_name(rate_hz: float) -> None:
    with pytest.raises(SignalError, match=f"sampling rate {rate_hz:g} Hz is "):
        resample_and_filter(pink_noise(1, 1000), rate_hz, SETTINGS)


def test_a_value_that_is_not_finite_is_refused_with_its_place() -> None:
    x_CT = pink_noise(3, 1000)
    x_CT[2, 17] = np.nan
    for refuse in (
        lambda: resample_and_filter(x_CT, 256, SETTINGS),
        lambda: robust_scale(x_CT),
        lambda: quantise(x_CT, np.zeros(3), np.ones(3), 1000.0),
    ):
        with pytest.raises(SignalError, match="channel 2 is not finite: nan at sample 17"):
            refuse()


def test_an_empty_signal_is_refused() -> None:
    with pytest.raises(SignalError, match="0 samples"):
        resample_and_filter(np.empty((19, 0), dtype=np.float32), 256, SETTINGS)


def test_the_scale_of_normal_noise_is_its_mean_and_standard_deviation() -> None:
    x_CT = np.random.default_rng(0).normal(5, 20, (2, 200_000)).astype(np.float32)
    median_C, sd_C = robust_scale(x_CT)
    np.testing.assert_allclose(median_C, 5, atol=0.2)
    np.testing.assert_allclose(sd_C, 20, rtol=0.01)


def test_a_long_recording_is_scaled_by_a_part_of_its_samples_to_half_a_percent() -> None:
    x_CT = np.random.default_rng(0).normal(5, 20, (1, 3_000_000)).astype(np.float32)
    median_C, sd_C = robust_scale(x_CT)
    np.testing.assert_allclose(median_C, 5, atol=0.1)
    np.testing.assert_allclose(sd_C, 20, rtol=0.005)


def test_a_flat_channel_has_no_scale() -> None:
    x_CT = pink_noise(3, 1000)
    x_CT[1] = 4
    with pytest.raises(SignalError, match="channel 1 is flat"):
        robust_scale(x_CT)


def test_no_sample_has_no_scale() -> None:
    with pytest.raises(SignalError, match="no sample"):
        robust_scale(np.empty((2, 0), np.float32))


@settings(deadline=None)
@given(arrays(np.float32, (2, 50), elements=st.floats(-400, 400, width=32)), st.floats(1, 50), st.floats(4, 64))
def test_dequantise_undoes_quantise_to_half_a_step(x_CT: np.ndarray, sd: float, clip_sd: float) -> None:
    median_C, sd_C = np.array([3.0, -20.0]), np.array([sd, 2 * sd])
    q_CT, clipped = quantise(x_CT, median_C, sd_C, clip_sd)
    error = np.abs(dequantise(q_CT, median_C, sd_C, clip_sd) - x_CT)
    inside = np.abs(x_CT - median_C[:, None]) <= clip_sd * sd_C[:, None]
    half_a_step = 0.5 * clip_sd * sd_C[:, None] / 32767
    assert q_CT.dtype == np.int16
    assert (error <= half_a_step * 1.01 + 1e-4)[inside].all()
    assert clipped <= np.count_nonzero(~inside)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_that_the_scale_passed_over_is_refused_when_it_is_quantised(wrong: float) -> None:
    x_CT = np.random.default_rng(0).normal(0, 10, (2, 1 << 18)).astype(np.float32)
    x_CT[1, 4 * 1000 + 1] = wrong
    median_C, sd_C = robust_scale(x_CT)
    with pytest.raises(SignalError, match=f"channel 1 is not finite: {wrong} at sample 4001"):
        quantise(x_CT, median_C, sd_C, 32.0)


def test_what_lies_beyond_the_range_is_clipped_and_counted() -> None:
    x_CT = np.array([[0, 31, 32, 33, -33, 1000]], dtype=np.float32)
    q_CT, clipped = quantise(x_CT, np.zeros(1), np.ones(1), 32.0)
    assert clipped == 3
    np.testing.assert_array_equal(q_CT[0, 2:], [32767, 32767, -32767, 32767])


def test_one_sd_is_the_same_number_of_steps_in_every_channel() -> None:
    q_CT, _ = quantise(np.array([[10.0], [50.0]], dtype=np.float32), np.zeros(2), np.array([10.0, 50.0]), 32.0)
    np.testing.assert_allclose(q_CT * (32.0 / 32767), 1, atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [{"band_low_hz": 130.0}, {"band_low_hz": 50, "band_high_hz": 40}, {"rate_hz": 250}, {"notch": 60}, {"clip_sd": 0}],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SignalSettings(**wrong)
