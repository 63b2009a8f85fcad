"""The chain of one recording: derivations -> electrodes -> 256 Hz, filtered -> standardised int16."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.montage import ElectrodeMap, MontageSettings, electrode_map
from seizure_pipeline.recordings import Recording, RecordingError
from seizure_pipeline.signals import (
    SignalSettings,
    check_rate,
    flat_channels,
    quantise,
    resample_and_filter,
    robust_scale,
)
from seizure_pipeline.windows import Layout


@dataclass(frozen=True)
class Prepared:
    """A recording as the detector sees it.

    `signal` int16 (19, T), stretches end to end, average-referenced and standardised; one step is `step_sd` robust
    standard deviations. `median_uv`, `sd_uv` (19,) undo the standardisation; `clipped` counts clipped samples.
    """

    signal: NDArray[np.int16]
    layout: Layout
    step_sd: float
    median_uv: NDArray[np.float64]
    sd_uv: NDArray[np.float64]
    clipped: int
    interpolated: tuple[str, ...]


def prepare(recording: Recording, signals: SignalSettings, montage: MontageSettings) -> Prepared:
    """Run the chain over every stretch of `recording`.

    Raises RecordingError for a flat channel or channels of different rates, MontageError for too few derivations,
    SignalError for an impossible rate."""
    mapped = electrode_map(recording.labels, montage)
    pieces = _electrode_pieces(recording, mapped, signals)
    start_s = tuple(stretch.start_s for stretch in recording.stretches)
    layout = Layout(tuple(piece.shape[1] for piece in pieces), start_s)
    electrodes_CT = np.concatenate(pieces, axis=1)
    median_uv, sd_uv = robust_scale(electrodes_CT)
    signal, clipped = quantise(electrodes_CT, median_uv, sd_uv, signals.clip_sd)
    if clipped > signals.max_clipped_share * signal.size:
        raise RecordingError(
            f"{recording.path}: {100 * clipped / signal.size:.1f} % of the samples lie beyond {signals.clip_sd:g} robust "
            f"standard deviations; at most {100 * signals.max_clipped_share:g} % may (long flat pieces do this)"
        )
    return Prepared(
        signal=signal,
        layout=layout,
        step_sd=signals.clip_sd / 32767,
        median_uv=np.asarray(median_uv, dtype=np.float64),
        sd_uv=np.asarray(sd_uv, dtype=np.float64),
        clipped=clipped,
        interpolated=mapped.interpolated,
    )


def _electrode_pieces(recording: Recording, mapped: ElectrodeMap, signals: SignalSettings) -> list[NDArray[np.float32]]:
    """Filtered electrode potentials in microvolts, (19, T) per stretch."""
    matrix = mapped.matrix.astype(np.float32)
    rate_hz = recording.rates_hz[mapped.channels[0]]
    check_rate(rate_hz)
    pieces, flat = [], np.ones(len(mapped.channels), dtype=np.bool_)
    for number in range(len(recording.stretches)):
        derivations_CT = recording.read_uv(mapped.channels, number)
        flat &= flat_channels(derivations_CT)
        pieces.append(resample_and_filter(matrix @ derivations_CT, rate_hz, signals))
    if flat.any():
        names = [recording.labels[channel] for channel, is_flat in zip(mapped.channels, flat, strict=True) if is_flat]
        raise RecordingError(f"{recording.path}: channels {names} are flat throughout; an EEG channel must vary")
    return pieces
