"""Rules of the blocks: they equal the whole record in float64, whatever the rate, the length and where they end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_signals import error_db, interior, pink_noise, textbook, tone

from seizure_pipeline.signals import (
    SignalError,
    SignalSettings,
    n_resampled,
    resample_and_filter,
    resample_and_filter_reference,
    resample_blocks,
    resampling,
    samples_at_once,
    works_in_blocks,
)

SETTINGS = SignalSettings()
EXACT_RATES_HZ = (
    128.5,
    173.61,
    299.89,
    199.5,
    200.0,
    240.0,
    250.0,
    256.0,
    256.016,
    400.0,
    500.0,
    512.0,
    1000.0,
    1024.0,
    2048.0,
)


@pytest.mark.parametrize("chain", [SETTINGS, SignalSettings(filter_order=8, notch_hz=50, notch_q=200)], ids=["usual", "steep"])
@pytest.mark.parametrize("duration_s", [1.0, 300.0])
@pytest.mark.parametrize("rate_hz", EXACT_RATES_HZ)
def test_the_fast_path_equals_the_whole_record_in_float64_to_100_db_from_end_to_end(
    rate_hz: float, duration_s: float, chain: SignalSettings
) -> None:
    x_CT = pink_noise(2, round(duration_s * rate_hz))
    expected = resample_and_filter_reference(x_CT.astype(np.float64), rate_hz, chain)
    assert error_db(resample_and_filter(x_CT, rate_hz, chain), expected) < -100


def test_what_lies_between_blocks_is_no_worse_than_what_lies_within(monkeypatch: pytest.MonkeyPatch) -> None:
    x_CT = pink_noise(2, 400 * 700)
    expected = resample_and_filter_reference(x_CT.astype(np.float64), 400, SETTINGS)
    for block_samples in (1 << 12, 1 << 14, 1 << 17):
        monkeypatch.setattr(resampling, "_BLOCK_SAMPLES", block_samples)
        assert works_in_blocks(x_CT.shape[1], 400, SETTINGS)
        assert error_db(resample_and_filter(x_CT, 400, SETTINGS), expected) < -100


def test_blocks_come_in_order_and_make_up_the_whole() -> None:
    x_CT = pink_noise(3, 250 * 1000 + 17)

    def read(first: int, stop: int, out_CT: np.ndarray, less_C: np.ndarray) -> None:
        out_CT[:] = x_CT[:, first:stop] - less_C[:, None]

    blocks = [(first, block.copy()) for first, block in resample_blocks(read, x_CT.shape, 250, SETTINGS)]
    assert len(blocks) > 1
    assert [first for first, _ in blocks] == [0, *np.cumsum([block.shape[1] for _, block in blocks])[:-1]]
    np.testing.assert_array_equal(
        np.concatenate([block for _, block in blocks], axis=1), resample_and_filter(x_CT, 250, SETTINGS)
    )


@pytest.mark.parametrize("beyond", [-3, 0, 3])
@pytest.mark.parametrize("n_blocks", [2, 3])
def test_a_length_asked_for_may_differ_by_the_rounding_of_another_rate(n_blocks: int, beyond: int) -> None:
    blocks = resampling._blocks(resampling._resampling_ratio(1, 256), 256, SETTINGS)
    n_samples = n_blocks * (blocks.n_in - 2 * blocks.tail_in)
    x_CT = pink_noise(1, n_samples)

    def read(first: int, stop: int, out_CT: np.ndarray, less_C: np.ndarray) -> None:
        out_CT[:] = x_CT[:, first:stop] - less_C[:, None]

    found = [block.copy() for _, block in resample_blocks(read, x_CT.shape, 256, SETTINGS, n_samples + beyond)]
    whole = np.concatenate(found, axis=1)
    assert whole.shape == (1, n_samples + beyond)
    expected = resample_and_filter_reference(x_CT.astype(np.float64), 256, SETTINGS)
    common = min(n_samples, n_samples + beyond)
    assert error_db(whole[:, :common], expected[:, :common]) < -100


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 400 * 400), st.sampled_from([200.0, 256.0, 400.0]))
def test_any_length_works_in_blocks_as_whole(n_samples: int, rate_hz: float) -> None:
    x_CT = pink_noise(1, n_samples) + np.float32(3000)
    expected = resample_and_filter_reference(x_CT.astype(np.float64), rate_hz, SETTINGS)
    found = resample_and_filter(x_CT, rate_hz, SETTINGS)
    np.testing.assert_allclose(found, expected, atol=3e-3)


@pytest.mark.parametrize("duration_s", [10, 60, 300])
def test_offset_and_slope_leave_nothing_not_even_at_the_ends(duration_s: int) -> None:
    n_samples = duration_s * 256
    slope_CT = np.linspace(-500, 2500, n_samples, dtype=np.float32)[None]
    assert np.abs(resample_and_filter(slope_CT, 256, SETTINGS)).max() < 0.01
    x_CT = pink_noise(8, n_samples)
    found, expected = (resample_and_filter(each, 256, SETTINGS) for each in (x_CT + slope_CT, x_CT))
    assert error_db(found, expected) < -60


def test_a_cut_end_is_felt_for_five_seconds_and_no_more_than_by_the_textbook() -> None:
    """No filter knows the slow waves beyond a cut: ours misses what scipy's misses there, to 0.1 % of their deviation."""
    x_CT, cut = pink_noise(8, 180 * 256), slice(60 * 256, 120 * 256)
    uncut = resample_and_filter(x_CT, 256, SETTINGS)[:, cut]
    missed = (resample_and_filter(x_CT[:, cut], 256, SETTINGS) - uncut) / uncut.std()
    missed_by_scipy = (textbook(x_CT[:, cut].astype(np.float64), 256) - uncut) / uncut.std()
    np.testing.assert_allclose(missed, missed_by_scipy, atol=1e-3)
    for after_s, most in ((1, 0.15), (2, 0.05), (5, 0.002)):
        for second in (missed[:, after_s * 256 :][:, :256], missed[:, : -after_s * 256][:, -256:]):
            assert np.sqrt((second**2).mean()) < most


@pytest.mark.parametrize("duration_s", [10, 60, 600])
@pytest.mark.parametrize("offset_uv", [20_000, -100_000])
def test_an_offset_that_the_reader_takes_off_in_float64_costs_nothing(offset_uv: float, duration_s: int) -> None:
    exact_CT = pink_noise(2, duration_s * 400).astype(np.float64) + offset_uv

    def read(first: int, stop: int, out_CT: np.ndarray, less_C: np.ndarray) -> None:
        out_CT[:] = exact_CT[:, first:stop] - less_C[:, None]

    found = np.concatenate([block.copy() for _, block in resample_blocks(read, exact_CT.shape, 400, SETTINGS)], axis=1)
    assert error_db(found, resample_and_filter_reference(exact_CT, 400, SETTINGS)) < -100


def test_an_offset_of_electrodes_does_not_cost_accuracy() -> None:
    x_CT = (pink_noise(2, 256 * 300) + np.float32(20_000)).astype(np.float32)
    expected = resample_and_filter_reference(x_CT.astype(np.float64), 256, SETTINGS)
    assert error_db(resample_and_filter(x_CT, 256, SETTINGS), expected) < -90


@pytest.mark.parametrize(("rate_hz", "block_samples"), [(512 / 1.001, 1 << 22), (512 / 1.001, 1 << 18), (399.98766, 1 << 22)])
@pytest.mark.parametrize("duration_s", [60, 1800])
def test_an_uneven_rate_is_as_accurate(
    rate_hz: float, block_samples: int, duration_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "_MAX_BLOCK_SAMPLES", block_samples)
    monkeypatch.setattr(resampling, "_DRIFT_S", 0)
    x_CT = pink_noise(1, round(duration_s * rate_hz))
    expected = resample_and_filter_reference(x_CT.astype(np.float64), rate_hz, SETTINGS)
    assert error_db(resample_and_filter(x_CT, rate_hz, SETTINGS), expected) < -100


@given(st.integers(100, 8192), st.integers(-99, 99), st.sampled_from([1e-7, 1e-6, 1e-5, 1e-4]), st.sampled_from([1, 8, 60]))
def test_every_rate_of_a_header_works_in_bounded_blocks_that_keep_its_time(
    samples: int, steps: int, step_s: float, record_s: float
) -> None:
    rate_hz = samples / (record_s + steps * step_s) * record_s
    for hours, off_by_s in ((0.1, 0.002), (1, 0.002), (24, 0.0312), (240, 0.312)):
        n_samples = round(3600 * hours * rate_hz)
        if rate_hz >= 100:
            assert samples_at_once(n_samples, rate_hz, SETTINGS) <= 1 << 22
            assert abs(n_resampled(n_samples, rate_hz) - 256 * n_samples / rate_hz) <= 256 * off_by_s + 0.5


@pytest.mark.parametrize("hours", [0.5, 24])
def test_a_record_of_1000001_us_and_512_samples_works_in_blocks(hours: float) -> None:
    rate_hz = 512 / 1.000001
    assert works_in_blocks(round(3600 * hours * rate_hz), rate_hz, SETTINGS)


def test_a_tone_of_an_uneven_rate_that_is_taken_as_even_moves_by_half_a_sample_at_most() -> None:
    rate_hz = 512 / 1.000001
    found = resample_and_filter(tone(5, rate_hz, 1800), rate_hz, SETTINGS)
    expected = tone(5, 256, 1801)[:, : found.shape[1]]
    np.testing.assert_allclose(interior(found), interior(expected), atol=2 * np.pi * 5 * 0.5 / 256)


def test_a_filter_that_reaches_too_far_for_blocks_is_refused_with_its_reach() -> None:
    with pytest.raises(SignalError, match=r"at 512 Hz need blocks of .* with a filter that reaches 8000 s"):
        samples_at_once(86_400 * 512, 512, SignalSettings(band_low_hz=0.001))


@pytest.mark.parametrize("rate_hz", [512 / 1.000123, 256 / 0.999, 199.8765, 2000.0123, 512.003, 1000 / 3])
def test_an_uneven_rate_works_in_blocks_that_keep_its_time(rate_hz: float) -> None:
    day = round(86_400 * rate_hz)
    assert works_in_blocks(day, rate_hz, SETTINGS)
    assert samples_at_once(day, rate_hz, SETTINGS) < 1 << 23
    assert abs(n_resampled(day, rate_hz) / 256 - day / rate_hz) < 0.01


@pytest.mark.parametrize("rate_hz", [128.5, 200.0, 240.0])
def test_a_recording_that_ends_below_the_band_loses_its_last_5_percent_and_does_not_ring(rate_hz: float) -> None:
    kept = tone(0.45 * rate_hz, rate_hz, 60)
    found = resample_and_filter(kept, rate_hz, SignalSettings(notch_hz=None))
    np.testing.assert_allclose(interior(found), interior(tone(0.45 * rate_hz, 256, 61)[:, : found.shape[1]]), atol=0.03)
    impulse = np.zeros((1, round(60 * rate_hz)), dtype=np.float32)
    impulse[0, round(30 * rate_hz)] = 1
    response = np.abs(resample_and_filter(impulse, rate_hz, SignalSettings(notch_hz=None))[0])
    assert response[: 10 * 256].max() < 1e-5 * response.max()
