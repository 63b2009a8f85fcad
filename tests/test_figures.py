import io

import numpy as np
import pandas as pd
import pytest

from seizure_pipeline.figures import (
    Band,
    DetectorRow,
    EegPage,
    Marks,
    PatientRow,
    Rows,
    baseline_figure,
    history_figure,
    latency_figure,
    montage_figure,
    operating_curve_figure,
    operating_curve_plotly,
    patients_figure,
    reliability_figure,
    trace_figure,
)
from seizure_pipeline.figures.appearance import clock
from seizure_pipeline.figures.head import flat_positions
from seizure_pipeline.figures.patients import beside
from seizure_pipeline.figures.traces import STRIP, nice, with_gaps
from seizure_pipeline.montage import ELECTRODES, MontageSettings, electrode_map
from seizure_pipeline.scoring import OperatingCurve, sensitivity_name
from seizure_pipeline.scoring.published import PublishedPoint

CURVE = OperatingCurve(
    np.asarray([0.9, 0.7, 0.5, 0.1]), np.asarray([1, 3, 5, 9]), np.asarray([0, 2, 30, 0]), seizures=10, hours=24.0
)


def texts(figure):
    shown = [figure.get_suptitle()]
    for axes in figure.axes:
        shown += [text.get_text() for text in axes.texts]
        shown += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
        shown += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return shown


def drawn(figure):
    picture = io.BytesIO()
    figure.savefig(picture, dpi=40)
    return picture.getvalue()


def line(figure, label):
    (found,) = [each for axes in figure.axes for each in axes.lines if each.get_label() == label]
    return found


def test_operating_curve_states_its_counts_and_its_sensitivity_at_each_budget():
    figure = operating_curve_figure(CURVE, {"line length": CURVE}, chance=lambda rate: 1 - np.exp(-rate / 1000))
    assert drawn(figure)
    assert any("10 seizures in 24.0 h" in text for text in texts(figure))
    assert [text for text in texts(figure) if text.endswith("%")][:4] == ["30%", "30%", "30%", "10%"]


def test_thick_line_of_the_operating_curve_never_uses_a_threshold_past_the_crossing():
    model = line(operating_curve_figure(CURVE, {}), "model")
    reached = {rate: share for rate, share in zip(*model.get_data(), strict=True) if rate < 30}
    assert max(reached.values()) == pytest.approx(0.3)


def test_hovering_over_the_operating_curve_shows_the_true_rate_and_counts():
    figure = operating_curve_plotly(CURVE, {"line length": CURVE}, chance=lambda rate: 0.0)
    assert list(figure.data[0].text) == ["0", "2", "30", "0"]
    assert figure.data[0].customdata[1].tolist() == [0.7, 3.0, 2.0]


def test_a_gap_in_time_is_left_blank():
    times_s = np.asarray([0.0, 1.0, 2.0, 10.0, 11.0])
    t, v = with_gaps(times_s, np.ones(5), 1.0)
    assert np.isnan(v[(t > 2.5) & (t < 10)]).all()
    assert np.isnan(v).sum() == 2


def test_thinning_a_long_trace_keeps_its_peaks():
    probability = np.zeros(100_000)
    probability[54_321] = 1.0
    t, v = with_gaps(np.arange(100_000) / 16, probability, 1 / 16)
    assert len(t) < 5000
    assert np.nanmax(v) == 1.0


@pytest.mark.parametrize("with_page", [False, True])
def test_trace_shows_each_seizure_each_detection_and_the_threshold_once_in_the_legend(with_page):
    times_s = np.arange(16 * 120) / 16
    page = EegPage(20.0, 64.0, np.random.default_rng(0).normal(size=(19, 64 * 60))) if with_page else None
    seizures, detections = [(30.0, 50.0), (90.0, 95.0)], [(35.0, 55.0), (70.0, 73.0)]
    figure = trace_figure(times_s, 0.5 + 0.4 * np.sin(times_s), 0.8, seizures, detections, page, "rec 1")
    assert drawn(figure)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert set(labels) >= {"seizure (annotated)", "detection", "threshold 0.8", "probability"}
    assert len(labels) == len(set(labels))
    strips = [strip.get_paths()[0].get_extents() for strip in figure.axes[-1].collections]
    assert [(strip.x0, strip.x1) for strip in strips] == detections
    assert all((strip.y0, strip.y1) == STRIP for strip in strips)


def test_eeg_page_names_all_19_electrodes_and_has_a_scale():
    times_s = np.arange(16 * 60) / 16
    page = EegPage(0.0, 64.0, np.random.default_rng(0).normal(size=(19, 64 * 60)))
    shown = texts(trace_figure(times_s, np.full(len(times_s), 0.1), None, [], [], page))
    assert set(ELECTRODES) <= set(shown)
    assert any(text.endswith("µV") for text in shown)


def test_a_page_over_a_gap_is_blank_where_nothing_was_recorded():
    signal = np.random.default_rng(0).normal(size=(19, 64 * 30))
    signal[:, 640:1280] = np.nan
    figure = trace_figure(np.arange(480) / 16, np.full(480, 0.1), None, [], [], EegPage(0.0, 64.0, signal))
    assert drawn(figure)
    row = figure.axes[0].lines[0].get_ydata()
    assert np.array_equal(np.isnan(row), np.isnan(signal[0]))


def test_a_flat_page_and_a_single_token_can_be_drawn():
    page = EegPage(0.0, 64.0, np.zeros((19, 64 * 10)))
    assert drawn(trace_figure(np.asarray([0.0, 1.0]), np.asarray([0.5, 0.5]), 0.5, [], [], page))


@pytest.mark.parametrize(
    ("second", "with_hours", "text"), [(59.9, False, "1:00"), (3725, True, "1:02:05"), (-61, False, "-1:01")]
)
def test_time_is_read_as_a_clock(second, with_hours, text):
    assert clock(second, with_hours) == text


@pytest.mark.parametrize(("value", "bar"), [(99.0, 50.0), (100.0, 100.0), (0.37, 0.2), (730.0, 500.0)])
def test_scale_bar_is_a_round_number(value, bar):
    assert nice(value) == pytest.approx(bar)


def test_history_names_the_best_epoch_and_takes_undefined_values():
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [0.3, 0.2, 0.1],
            "auroc": [None, 0.7, 0.8],
            sensitivity_name(10.0): [None, 0.75, 0.5],
            "learning_rate": [1e-4, 2e-4, 1e-4],
        }
    )
    figure = history_figure(history)
    assert drawn(figure)
    assert "3 epochs; best sensitivity_at_10fa 0.750 in epoch 2" in texts(figure)


def rows(x_CT: np.ndarray) -> Rows:
    return Rows(list(x_CT), [256.0] * len(x_CT))


def test_montage_draws_interpolated_electrodes_open_and_names_them():
    labels = [f"EEG {name.upper()}-REF" for name in ELECTRODES if name not in ("Fz", "Pz")] + ["ECG"]
    mapped = electrode_map(labels, MontageSettings())
    raw = np.random.default_rng(0).normal(size=(len(mapped.channels), 2560)) * 30
    figure = montage_figure(labels, mapped, rows(raw), rows(mapped.matrix @ raw), "rec 1")
    assert drawn(figure)
    assert any("Fz, Pz" in text for text in texts(figure))
    colours = {
        text.get_text(): scatter.get_facecolor()[0, :3].tolist()
        for text, scatter in zip(figure.axes[0].texts, figure.axes[0].collections, strict=False)
    }
    assert {name for name, colour in colours.items() if colour == [1.0, 1.0, 1.0]} == {"Fz", "Pz"}


def test_montage_draws_each_derivation_between_the_19_as_a_line():
    chains = [("Fp1 F7 T3 T5 O1"), ("Fp1 F3 C3 P3 O1"), ("Fz Cz Pz"), ("Fp2 F4 C4 P4 O2"), ("Fp2 F8 T4 T6 O2")]
    labels = [f"{a}-{b}" for chain in chains for a, b in zip(chain.split(), chain.split()[1:], strict=False)]
    mapped = electrode_map(labels, MontageSettings())
    raw = np.random.default_rng(0).normal(size=(len(labels), 2560))
    head = montage_figure(labels, mapped, rows(raw), rows(mapped.matrix @ raw)).axes[0]
    assert len(head.lines) == 2 + len(labels)  # the head and the nose are lines too


def test_head_is_seen_from_above_with_the_nose_up():
    place = dict(zip(ELECTRODES, flat_positions(), strict=True))
    assert place["Fp1"][1] > place["O1"][1]
    assert place["T3"][0] < place["T4"][0]
    assert place["Cz"] == pytest.approx([0, 0], abs=1e-9)


def test_baselines_say_undefined_where_there_is_no_figure():
    rows = [DetectorRow("model", 0.93, 0.62, is_model=True), DetectorRow("never", None, 0.0)]
    figure = baseline_figure(rows, "2 recordings")
    assert drawn(figure)
    assert {"0.930", "62%", "undefined", "0%"} <= set(texts(figure))


def test_what_is_marked_on_a_curve_stands_where_it_was_given():
    band = Band(np.asarray([0.0, 5.0, 50.0]), np.asarray([0.1, 0.2, 0.3]), np.asarray([0.5, 0.6, 0.7]))
    marks = Marks(band, (30.0, 0.25), (PublishedPoint("other", 0.34, 10.27), PublishedPoint("other", 0.15, 2.05)))
    figure = operating_curve_figure(CURVE, {}, marks=marks)
    assert drawn(figure)
    assert line(figure, "threshold in use").get_xydata().tolist() == [[30.0, 0.25]]
    assert line(figure, "other (published)").get_xydata().tolist() == [[10.27, 0.34], [2.05, 0.15]]
    (filled,) = [each for axes in figure.axes for each in axes.collections if each.get_label() == "95% interval"]
    (outline,) = filled.get_paths()
    assert (outline.vertices[:, 1].min(), outline.vertices[:, 1].max()) == (0.1, 0.7)


def test_reliability_shows_bins_with_tokens_only_and_counts_all():
    edges = [0, 0.5, 0.75, 1]
    figure = reliability_figure([0.2, float("nan"), 0.9], [0.1, float("nan"), 0.8], [1234, 0, 56], edges, "title")
    assert drawn(figure)
    assert line(figure, "model").get_xydata().tolist() == [[0.2, 0.1], [0.9, 0.8]]
    assert {"1,234", "0", "56"} <= set(texts(figure))
    assert [bar.get_width() for bar in figure.axes[1].patches] == [0.5, 0.25, 0.25]


def test_patients_are_pooled_by_seizures_and_by_hours():
    rows = [PatientRow("a", 1, 12.0, 4, 1, 3), PatientRow("b", 2, 36.0, 1, 1, 0), PatientRow("c", 1, 24.0, 0, 0, 0)]
    figure = patients_figure(rows)
    assert drawn(figure)
    sensitivities, rates = figure.axes
    assert sorted(sensitivities.collections[0].get_offsets()[:, 0]) == [0.25, 1.0]
    assert sorted(rates.collections[0].get_offsets()[:, 0]) == [0.0, 0.0, 6.0]
    assert "all seizures together 40%" in texts(figure)
    assert "all hours together 1" in texts(figure)
    assert any("2 patients with seizures" in text and "1 without" in text for text in texts(figure))


def test_dots_of_equal_patients_stand_apart():
    places = np.asarray([0.5, 0.5, 0.501, 0.9])
    heights = beside(places, 1.0)
    assert len(set(heights[:3])) == 3
    assert heights[3] == 0.0
    assert sum(heights) == pytest.approx(0.0)


def test_latency_marks_median_and_quartiles_of_all():
    figure = latency_figure([10, 20, 40, 80, 100], [-2.0, 1.0, 3.0, 5.0, 50.0], "5 of 7 seizures found")
    assert drawn(figure)
    assert set(line(figure, "median 3.0 s").get_ydata()) == {3.0}
    assert sorted(line(figure, "detected seizure").get_ydata()) == [-2.0, 1.0, 3.0, 5.0, 50.0]
    (quartiles,) = [each for each in figure.axes[0].patches if each.get_label() == "quartiles"]
    assert (quartiles.get_y(), quartiles.get_height()) == (1.0, 4.0)
    low, high = figure.axes[0].get_ylim()
    assert low < -2.0
    assert high > 50.0


def test_latency_keeps_zero_in_sight_and_counts_seizures_at_one_place():
    axes = latency_figure([10, 10, 30], [-100.0, -100.0, -100.0]).axes[0]
    low, high = axes.get_ylim()
    assert low < -100
    assert high > 0
    assert [text.get_text() for text in axes.texts] == ["2 seizures"]
