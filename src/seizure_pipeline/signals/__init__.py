"""Resample, band-pass, notch, scale and quantise: array in, array out."""

from seizure_pipeline.signals.filtering import zero_phase_gain
from seizure_pipeline.signals.mixing import mix
from seizure_pipeline.signals.resampling import (
    ReadSamples,
    n_resampled,
    resample_and_filter,
    resample_and_filter_reference,
    resample_blocks,
    samples_at_once,
    works_in_blocks,
)
from seizure_pipeline.signals.scaling import dequantise, quantise, robust_scale
from seizure_pipeline.signals.settings import INT16_MAX, RATE_HZ, SignalError, SignalSettings, check_rate

__all__ = [
    "INT16_MAX",
    "RATE_HZ",
    "ReadSamples",
    "SignalError",
    "SignalSettings",
    "check_rate",
    "dequantise",
    "mix",
    "n_resampled",
    "quantise",
    "resample_and_filter",
    "resample_and_filter_reference",
    "resample_blocks",
    "robust_scale",
    "samples_at_once",
    "works_in_blocks",
    "zero_phase_gain",
]
