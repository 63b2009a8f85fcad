"""The six rules in words: whose they are, what they count, and what their rate means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule as a report explains it; `counted` is what its counts are, `rate` what its rate of false alarms is."""

    title: str
    source: str
    words: str
    counted: str = "events"
    rate: str = "false alarms per 24 h"


NEDC, SZCORE = "NEDC v6.0.0, label SEIZ", "SzCORE, timescoring 0.0.7"
HEADLINE = "ovlp"

RULE_WORDS = {
    "ovlp": RuleWords(
        "OVLP: any overlap",
        NEDC,
        "Events that touch are one. A seizure is found if any detection overlaps it by any time; a detection that overlaps no "
        "seizure is a false alarm; a further detection of the same seizure counts nowhere. All recorded hours count, those of "
        "recordings without a seizure too. Precision sets found seizures beside false alarms.",
    ),
    "taes": RuleWords(
        "TAES: time-aligned events",
        NEDC,
        "A seizure is found by the share of it that its detections cover, so counts are fractions. What a detection covers "
        "outside the seizure is a false alarm by its share of the seizure's length, at most 1. Later seizures that the same "
        "detection runs into are missed. A detection without a seizure is a false alarm of 1.",
        counted="shares of events",
    ),
    "epoch": RuleWords(
        "EPOCH: samples of 0.25 s",
        NEDC,
        "Truth and detection are read every 0.25 s, and each sample counts by itself. The rate is NEDC's: false samples times "
        "0.25 s, so seconds falsely alarmed per 24 h.",
        counted="samples of 0.25 s",
        rate="seconds falsely alarmed per 24 h",
    ),
    "dpalign": RuleWords(
        "DPALIGN: aligned sequences of events",
        NEDC,
        "The sequences of labels (seizure, background) are aligned at the least number of insertions, deletions and "
        "substitutions; times are not looked at. Aligned seizures are found, deleted or substituted ones missed, inserted ones "
        "false alarms.",
    ),
    "szcore_event": RuleWords(
        "SzCORE events",
        SZCORE,
        "Events less than 90 s apart are joined and those over 300 s cut into pieces, of truth and detections alike, so there "
        "are other numbers of seizures than above. A detection may lie up to 30 s before a seizure and 60 s after it. A "
        "detection outside all found seizures, so widened, is a false alarm.",
    ),
    "szcore_sample": RuleWords(
        "SzCORE samples of 1 s",
        SZCORE,
        "Truth and detection are rounded to whole seconds, and each second counts by itself.",
        counted="seconds",
        rate="seconds falsely alarmed per 24 h",
    ),
}
"""The headline's rule first, then NEDC's others, then SzCORE's."""
