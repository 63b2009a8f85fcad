"""What is shown of the inside of the detector: its graph, what each electrode weighs, and the pictures of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_models import SMALL
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.figures import Moment, around, graph_figure, response_figure, windows_figure
from seizure_pipeline.figures.windows import COLOURS
from seizure_pipeline.inference.inside import connectedness, electrode_influence, graph_trace
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.montage import ELECTRODES, PAIRS
from seizure_pipeline.windows import RATE_HZ, TOKEN_SAMPLES, Kind, Layout, WindowSettings

WINDOWS = WindowSettings(window_s=4.0, stride_s=2.0)
EVERY = 20  # tokens of one graph: does not divide the 64 of a window
C = len(ELECTRODES)


def detector() -> Detector:
    torch.manual_seed(0)
    return Detector(SMALL.model_copy(update={"pair_every": EVERY, "positions_every": EVERY})).eval()


def signal(seconds: float, start_s: float = 0.0) -> CachedSignal:
    samples_CT = np.random.default_rng(3).normal(0, 900, (C, round(seconds * RATE_HZ))).astype(np.int16)
    return CachedSignal(samples_CT, Layout((samples_CT.shape[1],), (start_s,)), 1e-3)


def test_the_adjacency_that_is_shown_is_the_one_that_the_answer_was_computed_with() -> None:
    model, seen = detector(), []
    model.graph.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    window_BCT = torch.randn(2, C, 64 * TOKEN_SAMPLES)
    with torch.inference_mode():
        model(window_BCT)
        torch.testing.assert_close(model.adjacency(window_BCT), seen[0], rtol=0, atol=0)


def test_the_graph_of_a_token_is_the_mean_over_the_windows_that_hold_it() -> None:
    model, recording = detector(), signal(9.0)
    found_LCC = graph_trace(model, recording, WINDOWS, InferenceSettings(batch_size=2, stride_s=2.0))
    window_starts = (0, 32, 64, 80)  # tokens: every 2 s, and one that ends with the recording
    with torch.inference_mode():
        graphs = [
            model.adjacency(torch.from_numpy(recording.signal[:, 16 * first : 16 * first + 1024] * np.float32(1e-3))[None])[0]
            for first in window_starts
        ]
    for token in range(recording.layout.tokens):
        held = [
            graph[(token - first) // EVERY].numpy()
            for first, graph in zip(window_starts, graphs, strict=True)
            if first <= token < first + 64
        ]
        np.testing.assert_allclose(found_LCC[token], np.mean(held, axis=0), atol=1e-6)


def test_an_electrode_without_edges_is_all_its_own_and_one_of_degree_four_keeps_a_quarter() -> None:
    graph_LCC = np.zeros((1, C, C), np.float32)
    graph_LCC[0, range(C), range(C)] = 1.0
    graph_LCC[0, 2, 2] = 0.25  # 1 / degree
    shares_C = connectedness(graph_LCC)[:, 0]
    assert shares_C[2] == 0.75
    assert not np.delete(shares_C, 2).any()


def test_an_electrode_that_is_silent_already_has_no_influence_and_others_have() -> None:
    recording = signal(6.0)
    samples_CT = np.array(recording.signal)
    samples_CT[7] = 0
    influence_CL = electrode_influence(
        detector(), replace(recording, signal=samples_CT), WINDOWS, InferenceSettings(stride_s=2.0)
    )
    assert influence_CL.shape == (C, 96)
    assert not influence_CL[7].any()
    assert np.delete(influence_CL, 7, axis=0).any(axis=1).all()


def test_an_excerpt_is_the_samples_between_two_times_in_whole_tokens() -> None:
    recording = signal(10.0, start_s=100.0)
    cut = recording.excerpt(102.03, 104.0)
    assert cut.layout == Layout((512,), (102.0,))
    np.testing.assert_array_equal(cut.signal, recording.signal[:, 512:1024])
    assert recording.excerpt(0.0, 300.0).layout == recording.layout


def test_an_excerpt_stays_within_the_stretch_under_its_middle() -> None:
    samples_CT = np.arange(C * 1536).reshape(C, 1536).astype(np.int16)
    gapped = CachedSignal(samples_CT, Layout((1024, 512), (0.0, 60.0)), 1.0)
    late = gapped.excerpt(0.0, 140.0)
    assert late.layout == Layout((512,), (60.0,))
    np.testing.assert_array_equal(late.signal, samples_CT[:, 1024:])
    with pytest.raises(ValueError, match="nothing was recorded from 10 s to 50 s"):
        gapped.excerpt(10.0, 50.0)


def test_moments_around_a_seizure_are_means_and_a_missing_end_is_left_out() -> None:
    times_s, graphs_LCC = np.arange(8.0), np.arange(8.0)[:, None, None] * np.ones((8, C, C))
    means = {moment.words: moment.adjacency[0, 0] for moment in around(times_s, graphs_LCC, (2.0, 6.0))}
    assert means == {"before the seizure": 0.5, "during the seizure": 3.5, "after the seizure": 6.5}
    assert [moment.words.split()[0] for moment in around(times_s, graphs_LCC, (2.0, 8.0))] == ["before", "during"]


def edges(figure: object) -> list[LineCollection]:
    return [each for axes in figure.axes for each in axes.collections if isinstance(each, LineCollection)]  # type: ignore[attr-defined]


def test_edges_of_all_heads_are_as_wide_as_they_are_heavy_by_one_scale() -> None:
    weak, strong = np.eye(C), np.eye(C)
    for weights, value in ((weak, 0.1), (strong, 0.4)):
        weights[PAIRS[5]] = weights[PAIRS[5][::-1]] = value
    drawn = edges(graph_figure([Moment("weak", weak), Moment("strong", strong)]))
    widths = [np.ravel(lines.get_linewidth()) for lines in drawn if lines.get_cmap().name == "Blues"]
    assert [len(each) for each in widths] == [1, 1]
    assert widths[1][0] == pytest.approx(4 * widths[0][0])


def test_every_window_is_a_bar_of_the_colour_of_its_kind() -> None:
    figure = windows_figure(Layout((120 * RATE_HZ,), (0.0,)), [(20.0, 32.0)], WINDOWS)
    bars = [each for each in figure.axes[0].collections if len(each.get_paths()) == 1]
    colours = [tuple(each.get_facecolor()[0]) for each in bars]
    counts = {kind: colours.count(to_rgba(colour)) for kind, colour in COLOURS.items()}
    assert counts == {Kind.BACKGROUND: 52, Kind.PARTIAL: 2, Kind.FULL: 5}  # starts every 2 s from 0 to 116


def test_influence_is_drawn_as_means_over_seconds_around_zero() -> None:
    rng = np.random.default_rng(1)
    influence_CL, times_s = rng.normal(size=(C, 40)), np.arange(40) / 16
    figure = response_figure(times_s, np.zeros(40), influence_CL, rng.random((C, 40)), [(1.0, 2.0)])
    image = next(image for axes in figure.axes for image in axes.get_images())
    shown = np.asarray(image.get_array())
    np.testing.assert_allclose(shown[:, 16], influence_CL[:, 16:32].mean(axis=1))
    np.testing.assert_allclose(shown[:, 39], influence_CL[:, 32:].mean(axis=1))
    assert image.norm.vmin == -image.norm.vmax
