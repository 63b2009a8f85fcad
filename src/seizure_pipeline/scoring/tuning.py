"""A search over post-processing settings, on the split where thresholds are chosen and on no other.

The best of many settings looks better than it is, on the recordings that it was chosen on: report how many were tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from pydantic import Field

from seizure_pipeline.configuration import Settings
from seizure_pipeline.scoring.curve import OperatingPoint, curve_of, operating_point
from seizure_pipeline.scoring.detections import PostProcessingSettings
from seizure_pipeline.scoring.places import place
from seizure_pipeline.scoring.traces import Trace


class TuningSettings(Settings):
    """The grid that is searched: every combination is tried."""

    off_ratio: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.4, 0.6, 0.8, 1.0), min_length=1)
    merge_gap_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(0.0, 2.0, 5.0), min_length=1)
    min_duration_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(default=(0.0, 3.0, 6.0, 10.0), min_length=1)

    def combinations(self) -> list[PostProcessingSettings]:
        """Every setting once."""
        values = [sorted(set(each)) for each in (self.off_ratio, self.merge_gap_s, self.min_duration_s)]
        return [
            PostProcessingSettings(off_ratio=ratio, merge_gap_s=gap_s, min_duration_s=least_s)
            for ratio, gap_s, least_s in product(*values)
        ]


@dataclass(frozen=True, slots=True)
class TriedSetting:
    """A setting and its operating point within the budget; None if no threshold meets it."""

    settings: PostProcessingSettings
    point: OperatingPoint | None

    @property
    def sensitivity(self) -> float:
        """By first crossing; 0.0 without an operating point."""
        return 0.0 if self.point is None else self.point.sensitivity


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best setting first, then all others that were tried in order."""

    budget_per_24h: float
    ranking: tuple[TriedSetting, ...]

    @property
    def best(self) -> TriedSetting:
        """Highest sensitivity, the simplest of equals."""
        return self.ranking[0]

    @property
    def tried(self) -> int:
        """How many settings were tried."""
        return len(self.ranking)


def tune(traces: Sequence[Trace], budget_per_24h: float, grid: TuningSettings) -> Tuned:
    """Settings of `grid` by sensitivity within the budget (first crossing) on `traces`, the highest first.

    Of equals the simplest stands first: fewest steps that do anything (hysteresis below ratio 1, merging above 0 s, minimum
    duration above 0 s), then the shortest merging gap, then the shortest minimum duration, then the highest ratio.
    Raises ScoringError if a recording is given twice or if there is no seizure to find.
    """
    placed = place(traces)
    tried = [
        TriedSetting(settings, operating_point(curve_of(placed, settings), budget_per_24h)) for settings in grid.combinations()
    ]
    return Tuned(budget_per_24h, tuple(sorted(tried, key=lambda each: (-each.sensitivity, *_complexity(each.settings)))))


def _complexity(settings: PostProcessingSettings) -> tuple[float, ...]:
    steps = (settings.off_ratio < 1) + (settings.merge_gap_s > 0) + (settings.min_duration_s > 0)
    return steps, settings.merge_gap_s, settings.min_duration_s, -settings.off_ratio
