"""Pictures of recordings: a page of EEG with its probability trace, and how a recording's channels become electrodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.cache import CachedSignal, open_signal
from seizure_pipeline.figures import EegPage, Rows, eeg_figure, montage_figure, trace_figure
from seizure_pipeline.montage import ELECTRODES, MontageSettings, electrode_map
from seizure_pipeline.recordings import Recording, open_recording
from seizure_pipeline.signals import INT16_MAX, dequantise
from seizure_pipeline.windows import RATE_HZ, TOKEN_RATE_HZ, Layout

Interval = tuple[float, float]
PAGE_S = 60.0
LEAD_S = 10.0
MONTAGE_S = 60.0
SHOWN_EVERY = 2  # samples: 128 Hz is more than a page can show


def recording_page(
    signal: CachedSignal,
    probability_L: NDArray[np.float32],
    threshold: float | None,
    reference: Sequence[Interval],
    detections: Sequence[Interval],
    title: str,
) -> Figure:
    """A minute of EEG around the first event, or the likeliest moment, above the trace; events in the file's clock (s)."""
    times_s = token_times_s(signal.layout)
    events = [*reference, *detections]
    focus_s = events[0][0] if events else float(times_s[int(np.argmax(probability_L))])
    return trace_figure(times_s, probability_L, threshold, reference, detections, _page(signal, focus_s - LEAD_S), title)


def seizure_page(signal: CachedSignal, seizure: Interval, title: str) -> Figure:
    """A minute of EEG around the onset of a seizure of the file's clock (s)."""
    return eeg_figure(_page(signal, seizure[0] - LEAD_S), [seizure], title)


def token_times_s(layout: Layout) -> NDArray[np.float64]:
    """Start of every token in the file's clock, (L,)."""
    pieces = [
        start_s + np.arange(tokens) / TOKEN_RATE_HZ
        for start_s, tokens in zip(layout.stretch_start_s, layout.stretch_tokens, strict=True)
    ]
    return np.concatenate(pieces)


def _page(signal: CachedSignal, from_s: float) -> EegPage:
    layout = signal.layout
    focus_s = max(from_s + LEAD_S, 0.0)
    stretch = max(int(np.searchsorted(layout.stretch_start_s, focus_s, side="right")) - 1, 0)
    samples, start_s = layout.stretch_samples[stretch], layout.stretch_start_s[stretch]
    wanted = round((from_s - start_s) * RATE_HZ)
    first = min(max(wanted, 0), max(samples - round(PAGE_S * RATE_HZ), 0))
    begin = layout.sample_starts[stretch] + first
    end = min(begin + round(PAGE_S * RATE_HZ), layout.sample_starts[stretch] + samples)
    shown = signal.signal[:, begin:end:SHOWN_EVERY].astype(np.float32) * np.float32(signal.step_sd)
    return EegPage(start_s + first / RATE_HZ, RATE_HZ / SHOWN_EVERY, shown, unit="robust SD")


def montage_page(edf: Path, cached: Path, settings: MontageSettings, title: str) -> Figure:
    """The recorded derivations of an EDF file beside the electrodes cached from it: the first minute of both."""
    recording = open_recording(edf)
    mapped = electrode_map(recording.labels, settings)
    rates_hz = [recording.rates_hz[channel] for channel in mapped.channels]
    recorded = Rows([_first_minute_uv(recording, channel) for channel in mapped.channels], rates_hz)
    n_samples = min(open_signal(cached).layout.stretch_samples[0], round(MONTAGE_S * RATE_HZ))
    electrodes = Rows(list(cached_uv(cached, 0, n_samples)), [float(RATE_HZ)] * len(ELECTRODES))
    return montage_figure(recording.labels, mapped, recorded, electrodes, title)


def cached_uv(path: Path, first: int, stop: int) -> NDArray[np.float32]:
    """Samples [first, stop) of a cached recording in microvolts (C, T), as they were before they were standardised."""
    cached = open_signal(path)
    with np.load(path, allow_pickle=False) as file:
        median_uv, sd_uv = file["median_uv"], file["sd_uv"]
    return dequantise(cached.signal[:, first:stop], median_uv, sd_uv, cached.step_sd * INT16_MAX)


def _first_minute_uv(recording: Recording, channel: int) -> NDArray[np.float32]:
    with recording.reading_uv([channel], 0) as reader:
        n_samples = min(reader.n_samples, round(MONTAGE_S * recording.rates_hz[channel]))
        samples_T = np.empty(n_samples, dtype=np.float32)
        reader.read(0, n_samples, samples_T[None])
    return samples_T
