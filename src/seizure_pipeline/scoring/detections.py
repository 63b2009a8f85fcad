"""From a probability trace to detections: hysteresis, then merging, then minimum duration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seizure_pipeline.configuration import Settings
from seizure_pipeline.scoring.events import ScoredRecording
from seizure_pipeline.scoring.kernels import find_events
from seizure_pipeline.scoring.rules import Score, score
from seizure_pipeline.scoring.traces import Trace

ROUNDING_TOKENS = 1e-6  # 3.0 s at 16 Hz is 48 tokens, whatever the product's last bit


class PostProcessingSettings(Settings):
    """How a trace becomes detections, within each contiguous stretch and in this order.

    1. Hysteresis: an event starts at probability >= threshold and lasts while >= `off_ratio` * threshold.
    2. Merging: events at most `merge_gap_s` apart become one.
    3. Minimum duration: events shorter than `min_duration_s` are dropped.

    In this order a higher threshold never adds alarmed seconds (it may split an event in two).
    """

    off_ratio: float = Field(default=0.6, gt=0, le=1)
    merge_gap_s: float = Field(default=2.0, ge=0)
    min_duration_s: float = Field(default=3.0, ge=0)


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected seizure in seconds of recorded time; `confidence` is its mean probability."""

    onset_s: float
    offset_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """The settings' durations as counts of tokens."""

    gap: int
    least: int


def token_limits(settings: PostProcessingSettings, rate_hz: float) -> TokenLimits:
    """Longest gap that is merged and shortest event that is kept, in tokens at `rate_hz`; a cut last token is whole."""
    gap = math.floor(settings.merge_gap_s * rate_hz + ROUNDING_TOKENS)
    return TokenLimits(gap, max(1, math.ceil(settings.min_duration_s * rate_hz - ROUNDING_TOKENS)))


def detect(trace: Trace, threshold: float, settings: PostProcessingSettings) -> list[Detection]:
    """Detections of one recording at `threshold`, sorted; none lasts across a gap."""
    limits = token_limits(settings, trace.rate_hz)
    off = settings.off_ratio * threshold
    found = find_events(trace.probability, stretch_bounds(trace), float(threshold), off, limits.gap, limits.least)
    return [_detection(trace, start, stop) for start, stop in found]


def stretch_bounds(trace: Trace) -> NDArray[np.int64]:
    """Starts of the stretches and the end of the last, in tokens."""
    return np.asarray((*trace.stretch_starts, len(trace.probability)), dtype=np.int64)


def score_at(traces: Sequence[Trace], threshold: float, settings: PostProcessingSettings, rule: str = "ovlp") -> Score:
    """Score of `traces` at one threshold, for instance one chosen on another split."""
    return score(detected(traces, threshold, settings), rule)


def detected(traces: Sequence[Trace], threshold: float | None, settings: PostProcessingSettings) -> list[ScoredRecording]:
    """`traces` with their detections at one threshold, as any rule scores them; without a threshold nothing is detected."""
    return [_scored(trace, [] if threshold is None else detect(trace, threshold, settings)) for trace in traces]


def _scored(trace: Trace, detections: Sequence[Detection]) -> ScoredRecording:
    intervals = [(detection.onset_s, detection.offset_s) for detection in detections]
    return ScoredRecording(trace.recording_id, trace.patient_id, trace.duration_s, trace.reference, intervals)


def _detection(trace: Trace, start: int, stop: int) -> Detection:
    onset_s, offset_s = (min(token / trace.rate_hz, trace.duration_s) for token in (start, stop))
    return Detection(onset_s, offset_s, float(trace.probability[start:stop].mean(dtype=np.float64)))


def find_events_reference(
    probability_L: NDArray[np.float32], bounds: Sequence[int], on: float, off: float, gap_tokens: int, least_tokens: int
) -> list[tuple[int, int]]:
    """The three steps one after the other, token by token: what the compiled form is held against."""
    kept = []
    for begin, end in pairwise(bounds):
        merged: list[tuple[int, int]] = []
        for start, stop in _hysteresis_reference(probability_L[begin:end].tolist(), on, off):
            if merged and start - merged[-1][1] <= gap_tokens:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
        kept += [(begin + start, begin + stop) for start, stop in merged if stop - start >= least_tokens]
    return kept


def _hysteresis_reference(probability: list[float], on: float, off: float) -> list[tuple[int, int]]:
    events, start = [], None
    for token, value in enumerate(probability):
        if start is None and value >= on:
            start = token
        elif start is not None and value < off:
            events.append((start, token))
            start = None
    return events if start is None else [*events, (start, len(probability))]
