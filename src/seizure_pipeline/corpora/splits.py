"""Which split a patient belongs to: by a list, or by a seeded draw that spreads the patients who have seizures."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
    """The rows with every patient in one split, in order of splits and ids; unchanged where splits are given."""
    if not settings.split_fractions:
        return list(rows)
    has_seizures = {row.patient_id: False for row in rows}
    for row in rows:
        has_seizures[row.patient_id] |= row.accepted and bool(row.seizures)
    fractions = {str(split): share for split, share in settings.split_fractions.items()}
    drawn = draw_splits(has_seizures, fractions, settings.split_seed)
    return in_order(replace(row, split=drawn[row.patient_id]) for row in rows)


def draw_splits(has_seizures: Mapping[str, bool], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Patient -> split, a pure function of who is there, who has seizures, the shares of dev and eval, and the seed.

    The number of patients in a split is within one of its share (more only where a share comes to less than one
    patient: a split gets one while there are enough). Patients with seizures are shared out in the same way, so that
    every split has one if there are as many as splits. One patient more or less may move others.
    """
    shares = {"train": 1.0 - sum(fractions.values()), **fractions}
    with_seizures, without = (
        sorted((patient for patient, has in has_seizures.items() if has is wanted), key=lambda patient: _lot(patient, seed))
        for wanted in (True, False)
    )
    places = share_out(len(has_seizures), shares)
    first = share_out(len(with_seizures), shares, places)
    drawn: dict[str, str] = {}
    for patients, sizes in ((with_seizures, first), (without, {split: places[split] - first[split] for split in shares})):
        splits = [split for split in SPLITS for _ in range(sizes.get(split, 0))]
        drawn.update(zip(patients, splits, strict=True))
    return drawn


def share_out(total: int, shares: Mapping[str, float], most: Mapping[str, int] | None = None) -> dict[str, int]:
    """Whole numbers that add up to `total`, each as near to its share as the others let it and never above `most`.

    Each gets one first, the largest shares before the others; then one by one goes to whoever lacks most."""
    largest = sorted(shares, key=lambda name: -shares[name])
    given = dict.fromkeys(shares, 0) | dict.fromkeys(largest[:total], 1)
    for _ in range(total - sum(given.values())):
        open_to = [name for name in shares if most is None or given[name] < most[name]]
        given[max(open_to, key=lambda name: shares[name] * total - given[name])] += 1
    return given


def in_order(entries: Iterable[Sorted]) -> list[Sorted]:
    """Sorted by split and id."""
    return sorted(entries, key=lambda entry: (SPLITS.index(entry.split) if entry.split else -1, entry.recording_id))


def _lot(patient: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()
