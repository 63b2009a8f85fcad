"""Windows: where they lie, what they hold, and that nothing of a recording is lost or counted twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seizure_pipeline.windows import Kind, Layout, WindowSettings, kind_of, lay_windows, starts, stitch, token_labels

SETTINGS = WindowSettings(window_s=60, stride_s=10)
stretches = st.lists(st.integers(min_value=1, max_value=60 * 256), min_size=1, max_size=4)


def layout_of(samples: list[int], gap_s: float = 5.0) -> Layout:
    durations = [count / 256 for count in samples]
    start_s = [sum(durations[:number]) + number * gap_s for number in range(len(samples))]
    return Layout(tuple(samples), tuple(start_s))


@given(stretches)
def test_stitching_what_was_cut_gives_the_trace_back(samples: list[int]) -> None:
    small = WindowSettings(window_s=10, stride_s=3)
    layout = layout_of(samples)
    trace = np.random.default_rng(0).normal(size=layout.tokens).astype(np.float32)
    windows = lay_windows(layout, small)
    values = np.full((len(windows), small.window_tokens), np.nan, np.float32)
    for row, window in zip(values, windows, strict=True):
        first = layout.token_starts[window.stretch] + window.first_token
        row[: window.valid_tokens] = trace[first : first + window.valid_tokens]
    np.testing.assert_allclose(stitch(layout, windows, values), trace, rtol=1e-6)


@given(stretches)
def test_windows_stay_inside_their_stretch(samples: list[int]) -> None:
    layout = layout_of(samples)
    for window in lay_windows(layout, WindowSettings(window_s=10, stride_s=3)):
        length = layout.stretch_samples[window.stretch]
        assert 0 < window.valid_samples <= length - 16 * window.first_token
        assert window.valid_tokens == -(-window.valid_samples // 16)


def test_windows_start_every_10_s_and_the_last_ends_with_the_recording() -> None:
    assert starts(95 * 16, 60 * 16, 10 * 16) == [0, 160, 320, 480, 560]
    assert starts(90 * 16, 60 * 16, 10 * 16) == [0, 160, 320, 480]


def test_a_recording_shorter_than_a_window_has_one_that_is_padded() -> None:
    (window,) = lay_windows(layout_of([10 * 256]), SETTINGS)
    assert (window.valid_tokens, window.valid_samples) == (160, 2560)


def test_a_gap_belongs_to_no_window_and_the_clocks_undo_each_other() -> None:
    layout = Layout((2560, 2560), (0.0, 20.0))
    assert layout.duration_s == 20.0
    assert [layout.recorded_s(t) for t in (0, 5, 10, 15, 20, 25, 30)] == [0, 5, 10, 10, 10, 15, 20]
    assert [layout.recorded_s(t, is_end=True) for t in (5, 10, 15, 20, 25, 30)] == [5, 10, 10, 10, 15, 20]
    assert layout.file_clock_s(10.0) == 20.0
    assert layout.file_clock_s(10.0, is_end=True) == 10.0
    assert layout.file_clock_interval(5.0, 15.0) == (5.0, 25.0)


def test_an_instant_in_a_gap_maps_to_where_the_gap_was_cut_out() -> None:
    layout = Layout((512, 768, 256), (0.0, 5.0, 20.0))
    clock = (0, 1.5, 2, 3, 5, 6, 8, 19, 20.5, 21)
    assert [layout.recorded_s(t) for t in clock] == [0, 1.5, 2, 2, 2, 3, 5, 5, 5.5, 6]
    assert [layout.recorded_s(t, is_end=True) for t in clock] == [0, 1.5, 2, 2, 2, 3, 5, 5, 5.5, 6]
    assert [layout.file_clock_s(t) for t in (0, 1.5, 2, 3, 5, 5.5, 6)] == [0, 1.5, 5, 6, 20, 20.5, 21]
    assert [layout.file_clock_s(t, is_end=True) for t in (0, 1.5, 2, 3, 5, 6)] == [0, 1.5, 2, 6, 8, 21]


def test_a_seizure_that_begins_in_a_gap_marks_nothing_before_the_gap() -> None:
    layout = Layout((1000, 1000), (0.0, 20.0))  # 62.5 tokens: the first stretch's last token is half padding
    onset_s, offset_s = layout.recorded_interval(10.0, 22.0)
    assert (onset_s, offset_s) == (63 / 16, 63 / 16 + 2)
    assert np.flatnonzero(token_labels(layout, ((onset_s, offset_s),))).tolist() == list(range(63, 95))
    assert layout.file_clock_interval(onset_s, offset_s) == (20.0, 22.0)


@given(stretches, st.floats(0, 1), st.floats(0, 1))
def test_recorded_time_and_the_files_clock_undo_each_other(samples: list[int], where: float, length: float) -> None:
    layout = layout_of(samples)
    onset_s = where * layout.stretch_samples[0] / 256 * 0.9
    offset_s = onset_s + length * (layout.stretch_samples[0] / 256 - onset_s)
    recorded = layout.recorded_interval(onset_s, offset_s)
    assert recorded == pytest.approx((onset_s, offset_s))
    assert layout.file_clock_interval(*recorded) == pytest.approx((onset_s, offset_s), abs=1e-9)


def test_a_stride_over_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stride must be 1 to 480 tokens"):
        lay_windows(layout_of([25600]), WindowSettings(window_s=30), stride_tokens=960)


def test_a_token_is_ictal_if_its_middle_is() -> None:
    labels = token_labels(layout_of([256]), ((3.5 / 16, 6.5 / 16),))
    assert np.flatnonzero(labels).tolist() == [3, 4, 5]


def test_kinds_follow_the_seizure_share() -> None:
    ictal = np.zeros(960, np.bool_)
    assert kind_of(ictal, SETTINGS) is Kind.BACKGROUND
    ictal[:1] = True
    assert kind_of(ictal, SETTINGS) is Kind.PARTIAL
    ictal[:951] = True
    assert kind_of(ictal, SETTINGS) is Kind.FULL


def test_a_window_is_a_whole_number_of_tokens() -> None:
    with pytest.raises(ValidationError, match="multiple of 1/16 s"):
        WindowSettings(window_s=60.01)


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValidationError, match="window_seconds"):
        WindowSettings(window_seconds=60)
