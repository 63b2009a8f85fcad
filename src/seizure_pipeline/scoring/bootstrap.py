"""How sure a figure is: percentile intervals by bootstrap over patients, and paired differences of two models.

Patients are drawn with replacement, as many as there are, each with all recordings: recordings and seizures of one
patient resemble each other, so resampling them one by one would give intervals that are too narrow. The interval holds
the middle share of the resampled figures (Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seizure_pipeline.configuration import Settings
from seizure_pipeline.scoring.events import ScoringError
from seizure_pipeline.scoring.evidence import Evidence, RecordingFacts
from seizure_pipeline.scoring.resampled import figures_of

NAMES_SHOWN = 10
LEAST_PATIENTS = 5  # of 4 patients there are 35 different resamples: the ends of an interval would be single patients


class BootstrapSettings(Settings):
    """How many resamples, from which seed, and what share of them an interval holds."""

    resamples: int = Field(default=10_000, ge=100)
    seed: int = Field(default=0, ge=0)
    level: float = Field(default=0.95, gt=0, lt=1)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """A figure with its interval, and in how many resamples it was undefined and left out.

    `figure` is None where it is undefined; `low` and `high` are None for the `reason` given.
    """

    figure: float | None
    low: float | None
    high: float | None
    undefined_resamples: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of one model minus that of another, and the shares of resamples in which it is above 0, and 0."""

    difference: Uncertainty
    share_above: float | None
    share_equal: float | None


def draw_patients(patients: int, settings: BootstrapSettings) -> NDArray[np.int64]:
    """(B, P) how often each resample holds each patient."""
    rng = np.random.default_rng(settings.seed)
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=settings.resamples)


def uncertainties(evidence: Evidence, settings: BootstrapSettings) -> dict[str, Uncertainty]:
    """Every headline figure by name (see `figures_of`) with its interval over patients.

    A resample in which a figure is undefined has no say in its interval and is counted. With fewer than 5 patients there
    is no interval.
    """
    weights_BP = draw_patients(len(evidence.patient_ids), settings)
    whole, resampled = figures_of_all(evidence), figures_of(evidence, weights_BP)
    patients = len(evidence.patient_ids)
    return {name: _uncertainty(whole[name], figure_B, patients, settings) for name, figure_B in resampled.items()}


def paired_differences(first: Evidence, second: Evidence, settings: BootstrapSettings) -> dict[str, Difference]:
    """Every figure of the first model minus the second's, each resample holding the same patients for both.

    Figures at a frozen threshold are compared where both have one. Raises ScoringError, naming them, for recordings that
    are not the same on both sides.
    """
    check_same_recordings(first, second)
    patients = len(first.patient_ids)
    weights_BP = draw_patients(patients, settings)
    ours, theirs = figures_of(first, weights_BP), figures_of(second, weights_BP)
    whole, other_whole = figures_of_all(first), figures_of_all(second)
    found = {}
    for name in (name for name in ours if name in theirs):
        difference_B = ours[name] - theirs[name]
        defined_B = difference_B[~np.isnan(difference_B)]
        uncertainty = _uncertainty(whole[name] - other_whole[name], difference_B, patients, settings)
        silent = uncertainty.low is None
        above, equal = (None if silent else float(np.mean(share_B)) for share_B in (defined_B > 0, defined_B == 0))
        found[name] = Difference(uncertainty, above, equal)
    return found


def figures_of_all(evidence: Evidence) -> Mapping[str, float]:
    """Every figure by name, each patient counted once; NaN where it is undefined."""
    once_1P = np.ones((1, len(evidence.patient_ids)), dtype=np.int64)
    return {name: float(figure_1[0]) for name, figure_1 in figures_of(evidence, once_1P).items()}


def _uncertainty(figure: float, figure_B: NDArray[np.float64], patients: int, settings: BootstrapSettings) -> Uncertainty:
    defined_B = figure_B[~np.isnan(figure_B)]
    undefined = len(figure_B) - len(defined_B)
    if np.isnan(figure):
        return Uncertainty(None, None, None, undefined, "undefined on these recordings")
    if patients < LEAST_PATIENTS:
        reason = f"{patients} patients; an interval over patients takes at least {LEAST_PATIENTS}"
        return Uncertainty(figure, None, None, undefined, reason)
    beyond = (1 - settings.level) / 2
    low, high = np.quantile(defined_B, (beyond, 1 - beyond))
    return Uncertainty(figure, float(low), float(high), undefined)


def check_same_recordings(first: Evidence, second: Evidence) -> None:
    """Raise ScoringError, naming them, for recordings that only one side has, or with other patients, times or seizures."""
    ours, theirs = ({facts.recording_id: facts for facts in side.recordings} for side in (first, second))
    alone = sorted(ours.keys() ^ theirs.keys())
    faults = [f"{name}: only the {'first' if name in ours else 'second'} has it" for name in alone]
    faults += [
        f"{name}: {fault}" for name in sorted(ours.keys() & theirs.keys()) if (fault := _fault(ours[name], theirs[name]))
    ]
    if faults:
        more = f"; and {len(faults) - NAMES_SHOWN} more" if len(faults) > NAMES_SHOWN else ""
        raise ScoringError(f"a paired comparison takes the same recordings; {'; '.join(faults[:NAMES_SHOWN])}{more}")


def _fault(ours: RecordingFacts, theirs: RecordingFacts) -> str | None:
    if ours.patient_id != theirs.patient_id:
        return f"patients {ours.patient_id} and {theirs.patient_id}"
    if ours.duration_s != theirs.duration_s:
        return f"durations of {ours.duration_s} and {theirs.duration_s} s"
    return None if ours.seizures == theirs.seizures else f"seizures {list(ours.seizures)} and {list(theirs.seizures)}"
