"""Which split a patient belongs to: by a list, or by a seeded draw that spreads the patients who have seizures."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import floor
from typing import TypeVar

from seizure_pipeline.corpora.records import SPLITS, UNDECIDED, CorpusError, CorpusSettings, Entry
from seizure_pipeline.corpora.rows import RecordingRow

log = logging.getLogger(__name__)
Sorted = TypeVar("Sorted", Entry, RecordingRow)


def listed_split(patient_id: str, path: str, settings: CorpusSettings) -> str:
    """The split that lists a patient, UNDECIDED where patients are drawn; CorpusError for one that is not in one list."""
    if settings.split_fractions:
        return UNDECIDED
    found = [split for split, patients in settings.splits.items() if patient_id in patients]
    if len(found) != 1:
        raise CorpusError(
            f"{path}: patient {patient_id} is listed in splits {found}; corpus.splits must list it in one, "
            "or corpus.split_fractions say how patients are drawn"
        )
    return found[0]


def warn_of_absent(entries: Sequence[Entry], settings: CorpusSettings) -> None:
    """Warn of patients that a list names and the corpus does not hold."""
    listed = {patient for patients in settings.splits.values() for patient in patients}
    if absent := sorted(listed - {entry.patient_id for entry in entries}):
        log.warning("corpus.splits lists patients without recordings: %s", ", ".join(absent))


def assign_splits(rows: Sequence[RecordingRow], settings: CorpusSettings) -> list[RecordingRow]:
    """The rows with every patient in one split, in order of splits and ids; unchanged where splits are given.

    A patient has seizures if an annotation file lists one, whether or not the recording is accepted: a refused recording
    moves nobody."""
    if not settings.split_fractions:
        return list(rows)
    has_seizures = {row.patient_id: False for row in rows}
    for row in rows:
        has_seizures[row.patient_id] |= row.lists_seizures
    fractions = {str(split): share for split, share in settings.split_fractions.items()}
    drawn = draw_splits(has_seizures, fractions, settings.split_seed)
    return in_order(replace(row, split=drawn[row.patient_id]) for row in rows)


def draw_splits(has_seizures: Mapping[str, bool], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Patient -> split, a pure function of who is there, who has seizures, the shares of dev and eval, and the seed.

    Patients with seizures, and then those without, stand in an order that each one's own hash gives; the splits are
    pieces of it. With seizures, the number in a split is within one of its share, of all patients within two (more only
    where a share comes to less than one: a split gets one while there are enough). One patient more or less moves each
    end of a piece by at most one: at most 2 others of the same sort, and 2 without seizures for one who has them.
    """
    asked = {split: Fraction(str(fractions[split])) for split in SPLITS if split in fractions}
    shares = {"train": Fraction(1) - sum(asked.values())} | asked
    everyone = piece_ends(len(has_seizures), shares)
    first = piece_ends(sum(has_seizures.values()), shares)
    rest = list(accumulate((end - of_first for end, of_first in zip(everyone, first, strict=True)), max))
    drawn: dict[str, str] = {}
    for wanted, ends in ((True, first), (False, rest)):
        patients = sorted((p for p, has in has_seizures.items() if has is wanted), key=lambda patient: _lot(patient, seed))
        for split, start, end in zip(shares, [0, *ends[:-1]], ends, strict=True):
            drawn.update(dict.fromkeys(patients[start:end], split))
    return drawn


def piece_ends(total: int, shares: Mapping[str, Fraction]) -> list[int]:
    """Where the pieces of a row of `total` end, in the order of `shares`: each near its share, and at least one long.

    Of fewer than there are shares, the largest get one each. One more in the row moves each end by one or not at all."""
    if total < len(shares):
        given = sorted(shares, key=lambda name: -shares[name])[:total]
        return list(accumulate(int(name in given) for name in shares))
    ends = [0]
    for place, upto in enumerate(accumulate(shares.values()), start=1):
        nearest = floor(total * upto + Fraction(1, 2))
        ends.append(min(max(nearest, ends[-1] + 1), total - len(shares) + place))
    return ends[1:]


def in_order(entries: Iterable[Sorted]) -> list[Sorted]:
    """Sorted by split and id."""
    return sorted(entries, key=lambda entry: (SPLITS.index(entry.split) if entry.split else -1, entry.recording_id))


def _lot(patient: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()
