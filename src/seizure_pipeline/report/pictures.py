"""The figures of a split as pictures that travel within the page, each with what it shows in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from seizure_pipeline.figures import (
    Marks,
    PatientRow,
    latency_figure,
    operating_curve_figure,
    patients_figure,
    reliability_figure,
)
from seizure_pipeline.figures.operating import Chance
from seizure_pipeline.report.numbers import number, share
from seizure_pipeline.scoring import FALSE_ALARM_BUDGETS_PER_24H, OperatingCurve, Summary, names
from seizure_pipeline.scoring.calibration import Reliability
from seizure_pipeline.scoring.latency import SeizureOutcome
from seizure_pipeline.scoring.trivial import chance_sensitivity


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as a data URI, and in words for who does not see it."""

    uri: str
    alt: str


def picture(figure: Figure, alt: str) -> Picture:
    """`figure` as SVG whose letters are outlines: it looks the same wherever it is opened."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}", alt)


def draw_curve(
    curve: OperatingCurve, baseline: tuple[str, OperatingCurve], chance: Chance, summary: Summary, marks: Marks
) -> Picture:
    """Sensitivity against false alarms, a baseline by its name beside it."""
    name, other = baseline
    figure = operating_curve_figure(curve, {f"best one-feature: {name}": other}, chance=chance, marks=marks)
    reached = ", ".join(
        f"{share(float(summary[names.sensitivity_name(budget)] or 0))} at {budget:g}" for budget in FALSE_ALARM_BUDGETS_PER_24H
    )
    alt = f"Sensitivity against false alarms per 24 h. By first crossing the model reaches {reached} false alarms per 24 h."
    if marks.published:
        alt += f" {len(marks.published)} published results of others are marked."
    return picture(figure, alt)


def chance_of(seizures_s: NDArray[np.float64], alarms_s: Sequence[float]) -> Chance:
    """Sensitivity of random alarms at a rate per 24 h, each as long as the median of `alarms_s`."""
    alarm_s = median(alarms_s) if alarms_s else 0.0
    return lambda alarms_per_24h: chance_sensitivity(seizures_s, alarms_per_24h, alarm_s)


def draw_reliability(curve: Reliability, summary: Summary) -> Picture:
    """Stated probability against the share of seizure tokens, with the tokens of each bin."""
    error = number(float(summary[names.CALIBRATION_ERROR] or 0))
    title = f"expected calibration error {error}; {int(curve.tokens.sum()):,} tokens at {number(_rate(summary))} Hz"
    stated, observed = curve.stated.tolist(), curve.observed.tolist()
    figure = reliability_figure(stated, observed, curve.tokens.tolist(), curve.edges.tolist(), title)
    held = [i for i, tokens in enumerate(curve.tokens) if tokens]
    words = "; ".join(f"stated {curve.stated[i]:.2f}, true {curve.observed[i]:.2f}, {curve.tokens[i]:,} tokens" for i in held)
    return picture(figure, f"Reliability diagram, bin by bin: {words}.")


def _rate(summary: Summary) -> float | None:
    rate = summary["label_rate_hz"]
    return None if rate is None else float(rate)


def draw_patients(rows: Sequence[PatientRow]) -> Picture:
    """Patients beside each other."""
    shares = [row.sensitivity for row in rows if row.sensitivity is not None]
    rates = [row.false_alarms_per_24h for row in rows]
    found = f"sensitivity from {share(min(shares))} to {share(max(shares))}" if shares else "no patient with a seizure"
    words = f"{found}, false alarms per 24 h from {number(min(rates))} to {number(max(rates))}"
    return picture(patients_figure(rows), f"Strip plot of {len(rows)} patients: {words}. The table below has each of them.")


def draw_latency(outcomes: Sequence[SeizureOutcome]) -> Picture | None:
    """Latency of found seizures against their length; None if none was found."""
    found = [(each.offset_s - each.onset_s, each.latency_s) for each in outcomes if each.latency_s is not None]
    if not found:
        return None
    lengths_s, latencies_s = ([pair[i] for pair in found] for i in (0, 1))
    lower, middle, upper = np.quantile(latencies_s, (0.25, 0.5, 0.75))
    title = f"{len(found)} of {len(outcomes)} seizures found"
    figure = latency_figure([max(length_s, 0.1) for length_s in lengths_s], latencies_s, title)
    quartiles = f"median {middle:.1f} s, quartiles {lower:.1f} and {upper:.1f} s"
    return picture(figure, f"Latency against length of {len(found)} found seizures: {quartiles}.")
