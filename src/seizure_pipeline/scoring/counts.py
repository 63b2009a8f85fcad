"""Found seizures and false alarms of each recording at each threshold, by any overlap (NEDC OVLP on SEIZ)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.scoring.detections import PostProcessingSettings
from seizure_pipeline.scoring.places import PlacedTraces
from seizure_pipeline.scoring.ranks import Ladder, add_recording, alarm_ranks


@dataclass(frozen=True, slots=True, eq=False)
class GroupedCounts:
    """Counts of G groups of recordings at K descending thresholds: (G, K) `tp` and `fp`, (G,) `seizures`."""

    thresholds: NDArray[np.float64]
    tp: NDArray[np.int32]
    fp: NDArray[np.int32]
    seizures: NDArray[np.int64]


def count_in_groups(
    placed: PlacedTraces, thresholds_K: NDArray[np.float64], settings: PostProcessingSettings, groups: Sequence[int]
) -> GroupedCounts:
    """Counts summed over the recordings of each group; `groups` gives each recording its group, from 0 on.

    Takes 8 bytes a group and threshold: recordings as groups of their own are 11 MB at 1832 recordings and 769
    thresholds.
    """
    ladder = Ladder.of(placed.scores, thresholds_K, settings.off_ratio)
    n_groups = max(groups) + 1
    tp_step_GK1, fp_step_GK1 = np.zeros((2, n_groups, len(thresholds_K) + 1), np.int32)
    seizures_G = np.zeros(n_groups, np.int64)
    for (trace, place_L), group in zip(placed, groups, strict=True):
        rank_L = alarm_ranks(trace, place_L, ladder, settings)
        seizures_G[group] += add_recording(trace, rank_L, tp_step_GK1[group], fp_step_GK1[group])
    tp_GK, fp_GK = (np.cumsum(step_GK1[:, :-1], axis=1, dtype=np.int32) for step_GK1 in (tp_step_GK1, fp_step_GK1))
    return GroupedCounts(thresholds_K, tp_GK, fp_GK, seizures_G)
