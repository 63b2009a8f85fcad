"""The whole operating curve of 1832 recordings (435.5 h at 16 Hz), beside a grid of 1000 thresholds in plain numpy.

usage: python benchmarks/operating_curve.py

Ours tries every distinct score with hysteresis, merging and minimum duration; the plain form has no hysteresis and is
timed on every 40th threshold and recording and scaled. Counts are held against scoring the detections of 12 recordings
threshold by threshold, and against the plain form where ours has no hysteresis either. Median of five rounds.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from noise_traces import made_traces

from seizure_pipeline.scoring import PostProcessingSettings, Trace, operating_curve, score_at
from seizure_pipeline.scoring.curve import curve_of
from seizure_pipeline.scoring.places import place

SETTINGS = PostProcessingSettings()
WITHOUT_HYSTERESIS = PostProcessingSettings(off_ratio=1.0)
ROUNDS, GRID, EVERY, CHECKED = 5, 1000, 40, 12


def main() -> None:
    traces = made_traces()
    before_mb = _peak_mb()
    operating_curve(traces[:1] + [trace for trace in traces if trace.reference][:1], SETTINGS)
    found = [_timed(lambda: operating_curve(traces, SETTINGS)) for _ in range(ROUNDS)]
    ours_s, curve = statistics.median(seconds for seconds, _ in found), found[0][1]
    peak_mb = _peak_mb()
    hours, seizures = sum(trace.duration_s for trace in traces) / 3600, sum(len(trace.reference) for trace in traces)
    print(f"{len(traces)} recordings, {hours:.1f} h, {seizures} seizures, {len(curve.thresholds)} distinct scores")
    print(f"ours: {ours_s:.2f} s; most memory of the process {peak_mb:.0f} MB, {before_mb:.0f} MB with the traces alone")
    placed = place(traces)
    placed_s = statistics.median(_timed(lambda: curve_of(placed, SETTINGS))[0] for _ in range(ROUNDS))
    print(f"ours once scores are placed (each further setting of a search): {placed_s:.2f} s")
    _check(traces)
    plain_s = _plain_seconds(traces)
    print(f"plain numpy, {GRID} thresholds, no hysteresis: {plain_s:.0f} s by scaling; {plain_s / ours_s:.0f} times ours")


def _check(traces: Sequence[Trace]) -> None:
    few = [*traces[: CHECKED // 2], *traces[-CHECKED // 2 :]]
    curve, bare = operating_curve(few, SETTINGS), operating_curve(few, WITHOUT_HYSTERESIS)
    for k, threshold in enumerate(curve.thresholds):
        slow = score_at(few, threshold, SETTINGS)
        plain = np.sum([plain_counts(trace, threshold) for trace in few], axis=0)
        if (curve.tp[k], curve.fp[k]) != (slow.tp, slow.fp) or (bare.tp[k], bare.fp[k]) != tuple(plain):
            raise SystemExit(f"counts differ at threshold {threshold}")
    print(f"equal to scoring threshold by threshold on {len(few)} recordings, {len(curve.thresholds)} thresholds")


def _plain_seconds(traces: Sequence[Trace]) -> float:
    part, grid = traces[::EVERY], np.linspace(1, 0, GRID)[::EVERY]
    seconds, _ = _timed(lambda: [plain_counts(trace, threshold) for threshold in grid for trace in part])
    return seconds * (len(traces) / len(part)) * (GRID / len(grid))


def plain_counts(trace: Trace, threshold: float) -> tuple[int, int]:
    """Found seizures and false alarms at one threshold, as one would write it down."""
    edges = np.diff((trace.probability >= threshold).astype(np.int8), prepend=0, append=0)
    merged: list[list[float]] = []
    for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if merged and start / trace.rate_hz - merged[-1][1] <= SETTINGS.merge_gap_s:
            merged[-1][1] = stop / trace.rate_hz
        else:
            merged.append([start / trace.rate_hz, stop / trace.rate_hz])
    alarms = [alarm for alarm in merged if alarm[1] - alarm[0] >= SETTINGS.min_duration_s]
    found = sum(any(alarm[1] > onset and alarm[0] < offset for alarm in alarms) for onset, offset in trace.reference)
    false = sum(not any(alarm[1] > onset and alarm[0] < offset for onset, offset in trace.reference) for alarm in alarms)
    return found, false


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
