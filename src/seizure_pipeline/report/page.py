"""The report as one HTML file: styles and pictures within it, no script, and nothing that it would fetch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from seizure_pipeline.figures.appearance import S_PER_HOUR, clock
from seizure_pipeline.report import excerpt_drawing, excerpts, numbers, timelines
from seizure_pipeline.report.chance import DRAWS
from seizure_pipeline.report.rule_words import NEDC
from seizure_pipeline.report.split import SplitReport
from seizure_pipeline.scoring.bootstrap import LEAST_PATIENTS, BootstrapSettings


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a report comes from: the checkpoint's record, the operating point's, the corpus's layout and filters, the day."""

    checkpoint: dict[str, Any]
    operating_point: dict[str, Any]
    layout: str
    signals: str
    bootstrap: BootstrapSettings
    made: date


def render(provenance: Provenance, splits: Sequence[SplitReport]) -> str:
    """The page. Every text that comes from a corpus is escaped; a browser is told to run and fetch nothing."""
    environment = Environment(
        loader=PackageLoader("seizure_pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": numbers.share,
        "number": numbers.number,
        "number_of": numbers.number_of,
        "seconds": numbers.seconds,
        "clock": lambda second: clock(second, second >= S_PER_HOUR),
    }
    return environment.get_template("report.html").render(
        provenance=provenance,
        point=provenance.operating_point,
        splits=splits,
        excerpt=excerpt_drawing,
        excerpt_s=excerpts.EXCERPT_S,
        lead_s=excerpts.LEAD_S,
        timeline=timelines,
        draws=DRAWS,
        least_patients=LEAST_PATIENTS,
        nedc=NEDC,
    )
