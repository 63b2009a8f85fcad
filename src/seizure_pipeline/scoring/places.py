"""Traces with the place of each token's score among all scores that occur: searched once, looked up ever after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.events import ScoringError
from seizure_pipeline.scoring.traces import Trace

Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedTraces:
    """Traces, the (S,) scores that occur in them, ascending, and for each trace the (L,) places of its tokens in those."""

    traces: Sequence[Trace]
    scores: NDArray[np.float64]
    places: Sequence[Places]

    def __iter__(self) -> Iterator[tuple[Trace, Places]]:
        return zip(self.traces, self.places, strict=True)


def place(traces: Sequence[Trace]) -> PlacedTraces:
    """`traces` with the places of their tokens; raises ScoringError if a recording is given twice."""
    ids = [trace.recording_id for trace in traces]
    if len(set(ids)) < len(ids):
        twice = sorted({name for name in ids if ids.count(name) > 1})
        raise ScoringError(f"{', '.join(twice)}: given twice; a recording is scored once")
    scores_S = distinct_scores(traces)
    places = [np.searchsorted(scores_S, trace.probability).astype(np.int32) for trace in traces]
    return PlacedTraces(traces, scores_S.astype(np.float64), places)


def distinct_scores(traces: Sequence[Trace]) -> NDArray[np.float32]:
    """Every score that occurs in `traces`, ascending."""
    return np.unique(np.concatenate([np.unique(trace.probability) for trace in traces]))
