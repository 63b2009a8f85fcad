"""What goes on in the detector along a recording: the graph it learns, and how much each electrode weighs in what it says.

Both are heavy for long recordings: look at an excerpt (`CachedSignal.excerpt`). Axes: C electrodes, L tokens of 1/16 s.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.cache import CachedSignal
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import log_odds_trace, outputs
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.windows import WindowSettings, lay_windows, stitch


def graph_trace(
    model: Detector, signal: CachedSignal, windows: WindowSettings, settings: InferenceSettings
) -> NDArray[np.float32]:
    """The normalised adjacency at every token, (L, C, C): the mean over the windows that hold the token.

    One graph holds for `pair_every` tokens of a window, so that the trace moves in steps."""
    model.eval()
    laid = lay_windows(signal.layout, windows, settings.stride_tokens)
    graphs_NRCC = np.concatenate(list(outputs(model.adjacency, signal, laid, windows, settings)))
    electrodes = graphs_NRCC.shape[-1]
    trace_LCC = np.empty((signal.layout.tokens, electrodes, electrodes), dtype=np.float32)
    for first in range(electrodes):
        for second in range(first, electrodes):
            weight_NR = graphs_NRCC[..., first, second]
            weight_NL = weight_NR.repeat(model.settings.pair_every, axis=1)[:, : windows.window_tokens]
            trace_LCC[:, first, second] = trace_LCC[:, second, first] = stitch(signal.layout, laid, weight_NL)
    return trace_LCC


def connectedness(graph_LCC: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of each electrode's degree that lies in edges to others, (C, L) in [0, 1).

    The degree is that of A + I, whose normalised form has 1 / degree on its diagonal: what an electrode keeps of itself."""
    return 1 - np.diagonal(graph_LCC, axis1=1, axis2=2).T


def electrode_influence(
    model: Detector, signal: CachedSignal, windows: WindowSettings, settings: InferenceSettings
) -> NDArray[np.float32]:
    """By how much each electrode raises the log odds of "ictal", (C, L): with it, minus with its row held at its median.

    Occlusion (Zeiler & Fergus 2014, section 2.2): it says what the network would do without, not why."""
    whole_L = log_odds_trace(model, signal, windows, settings)
    return np.stack(
        [whole_L - log_odds_trace(model, _silenced(signal, row), windows, settings) for row in range(len(signal.signal))]
    )


def _silenced(signal: CachedSignal, row: int) -> CachedSignal:
    samples_CT = np.array(signal.signal)
    samples_CT[row] = 0  # the median, as the signal is standardised
    return replace(signal, signal=samples_CT)
