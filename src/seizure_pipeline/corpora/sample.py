"""A sample of a corpus: few recordings that still have every split, its seizures and many of its patients."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from seizure_pipeline.corpora.records import SPLITS, CorpusSettings
from seizure_pipeline.corpora.rows import RecordingRow
from seizure_pipeline.corpora.splits import piece_ends

log = logging.getLogger(__name__)


def sample_recordings(rows: Sequence[RecordingRow], settings: CorpusSettings) -> list[RecordingRow]:
    """At most `max_recordings` accepted rows, in their order; every row, refused or not, where there are no more of them.

    Each split keeps its share of recordings, and at least one. Of these half have seizures, as far as there are any,
    and patients take turns, in an order that each one's own hash with `split_seed` gives."""
    accepted = [row for row in rows if row.accepted]
    if settings.max_recordings is None or len(accepted) <= settings.max_recordings:
        return list(rows)
    by_split: dict[str, list[RecordingRow]] = defaultdict(list)
    for row in accepted:
        by_split[row.split].append(row)
    chosen: set[str] = set()
    for split, size in _sizes({split: len(found) for split, found in by_split.items()}, settings.max_recordings).items():
        chosen |= {row.recording_id for row in _draw(by_split[split], size, settings.split_seed)}
    sample = [row for row in rows if row.recording_id in chosen]
    _say(rows, sample, settings)
    return sample


def _sizes(there: dict[str, int], wanted: int) -> dict[str, int]:
    """How many of each split: its share of `wanted`, at least one, no more than there are."""
    total = sum(there.values())
    names = [split for split in SPLITS if split in there]
    ends = piece_ends(min(wanted, total), {split: Fraction(there[split], total) for split in names})
    return {split: min(there[split], end - start) for split, (start, end) in zip(names, pairwise([0, *ends]), strict=True)}


def _draw(rows: Iterable[RecordingRow], size: int, seed: int) -> list[RecordingRow]:
    in_turn = _in_turn(rows, seed)
    with_seizures = [row for row in in_turn if row.seizures]
    without = [row for row in in_turn if not row.seizures]
    seizures = min(len(with_seizures), max(-(-size // 2), size - len(without)))
    return [*with_seizures[:seizures], *without[: size - seizures]]


def _in_turn(rows: Iterable[RecordingRow], seed: int) -> list[RecordingRow]:
    """One recording of every patient, then the second of every patient who has one, and so on."""
    turns: Counter[tuple[str, bool]] = Counter()
    placed = []
    for row in sorted(rows, key=lambda row: _lot(row.recording_id, seed)):
        whose = (row.patient_id, bool(row.seizures))
        placed.append((turns[whose], _lot(row.patient_id, seed), row))
        turns[whose] += 1
    return [row for _, _, row in sorted(placed, key=lambda each: each[:2])]


def _lot(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def _say(rows: Sequence[RecordingRow], sample: Sequence[RecordingRow], settings: CorpusSettings) -> None:
    taken = Counter(row.split for row in sample)
    log.warning(
        "corpus.max_recordings %d: a sample of %d of %d recordings (%s), %d of them with seizures, of %d patients; "
        "%d refused ones are not in it",
        settings.max_recordings,
        len(sample),
        len(rows),
        ", ".join(f"{split} {taken[split]}" for split in SPLITS if taken[split]),
        sum(bool(row.seizures) for row in sample),
        len({row.patient_id for row in sample}),
        sum(not row.accepted for row in rows),
    )
