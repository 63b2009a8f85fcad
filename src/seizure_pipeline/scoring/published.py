"""Published results that ours may stand beside: the same recordings, scored by the same rule."""

from __future__ import annotations

from dataclasses import dataclass

HOURS_TOLERANCE = 0.1  # the hours are published to one decimal


@dataclass(frozen=True, slots=True)
class PublishedPoint:
    """One published operating point: sensitivity as a share, false alarms per 24 h."""

    name: str
    sensitivity: float
    false_alarms_per_24h: float


@dataclass(frozen=True, slots=True)
class PublishedResults:
    """Published points with what they are of: the split of a corpus, its size, the rule and the source."""

    corpus: str
    layout: str
    split: str
    recordings: int
    hours: float
    seizures: int
    source: str
    points: tuple[PublishedPoint, ...]


TUSZ_EVAL = PublishedResults(
    corpus="TUSZ v2.0.3, split eval",
    layout="tusz",
    split="eval",
    recordings=865,
    hours=127.7,
    seizures=469,
    source=(
        "SeizureTransformer (Wu et al. 2025, arXiv:2504.00336), its authors' weights scored by NEDC v6.0.0 OVLP in "
        "J. H. Jung (2025), SeizureTransformer on TUSZ: github.com/Clarity-Digital-Twin/SeizureTransformer"
    ),
    points=(
        PublishedPoint("SeizureTransformer", 0.4563, 26.89),
        PublishedPoint("SeizureTransformer", 0.3390, 10.27),
        PublishedPoint("SeizureTransformer", 0.1450, 2.05),
    ),
)
"""By any overlap (NEDC OVLP, label SEIZ)."""


def why_not_beside(published: PublishedResults, layout: str, split: str, recordings: int, hours: float, seizures: int) -> str:
    """Why results by any overlap of a split may not stand beside `published`; empty where they may.

    Layout and split must agree, and the split must be the whole of it: as many recordings, hours and seizures."""
    if (layout, split) != (published.layout, published.split):
        return f"they are of {published.corpus}, this is split {split} of a corpus of layout {layout}"
    same_hours = abs(hours - published.hours) <= HOURS_TOLERANCE
    if (recordings, seizures) != (published.recordings, published.seizures) or not same_hours:
        theirs = f"{published.recordings} recordings, {published.hours:.1f} h and {published.seizures} seizures"
        ours = f"{recordings} recordings, {hours:.1f} h and {seizures} seizures"
        return f"they are of {published.corpus} with {theirs}, here are {ours}"
    return ""
