"""Sampling a corpus: few recordings, every split, its seizures, many patients; the same for the same seed."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seizure_pipeline.corpora import CorpusSettings, RecordingRow, sample_recordings

PLAIN = RecordingRow(
    recording_id="",
    patient_id="",
    split="train",
    path="",
    status="accepted",
    reason="",
    duration_s=600.0,
    span_s=600.0,
    rate_hz=256.0,
    channels=(),
    interpolated=(),
    unused=(),
    seizures=(),
    lists_seizures=False,
    size_bytes=1,
    token="",
    header_sha256="",
)


def row(number: int, split: str, patient: int, has_seizure: bool, accepted: bool = True) -> RecordingRow:
    return replace(
        PLAIN,
        recording_id=f"r{number}",
        patient_id=f"{split}{patient}",
        split=split,
        status="accepted" if accepted else "refused",
        seizures=((1.0, 2.0),) if has_seizure and accepted else (),
    )


@st.composite
def corpora(draw: st.DrawFn) -> list[RecordingRow]:
    numbers = count()
    rows = []
    for split in draw(st.sampled_from([("train", "dev"), ("train", "dev", "eval")])):
        rows.append(row(next(numbers), split, 0, True))
        for patient, has_seizure, accepted in draw(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()))):
            rows.append(row(next(numbers), split, patient, has_seizure, accepted))
    return rows


def sampled(rows: list[RecordingRow], size: int, seed: int = 42) -> list[RecordingRow]:
    return sample_recordings(rows, CorpusSettings(max_recordings=size, split_seed=seed))


@given(corpora(), st.integers(3, 40))
def test_a_sample_keeps_every_split_with_a_seizure_and_is_no_larger_than_asked(rows: list[RecordingRow], size: int) -> None:
    sample = sampled(rows, size)
    accepted = [row for row in rows if row.accepted]
    if len(accepted) <= size:
        assert sample == rows
        return
    assert size - 3 <= len(sample) <= size
    assert sample == [row for row in accepted if row in sample]
    assert {row.split for row in sample if row.seizures} == {row.split for row in rows}


@given(corpora(), st.integers(3, 20), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_the_order_of_the_corpus(rows: list[RecordingRow], size: int, random: object) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {row.recording_id for row in sampled(shuffled, size)} == {row.recording_id for row in sampled(rows, size)}


def test_patients_take_turns() -> None:
    rows = [row(100 * patient + number, "train", patient, False) for patient in range(20) for number in range(30)]
    rows += [row(5000, "dev", 1, True), row(5001, "eval", 1, True)]
    assert len({row.patient_id for row in sampled(rows, 22) if row.split == "train"}) == 20


def test_half_of_a_split_has_seizures_where_they_are_rare() -> None:
    rows = [row(number, "train", number % 50, number % 10 == 0) for number in range(1000)]
    rows += [row(5000, "dev", 1, True), row(5001, "eval", 1, True)]
    train = [row for row in sampled(rows, 52) if row.split == "train"]
    assert (len(train), sum(bool(row.seizures) for row in train)) == (50, 25)


def test_another_seed_draws_others() -> None:
    rows = [row(number, "train", number, number % 2 == 0) for number in range(200)]
    assert sampled(rows, 20) == sampled(rows, 20) != sampled(rows, 20, seed=7)


def test_a_sample_is_said_with_its_size_and_what_is_not_in_it(caplog: pytest.LogCaptureFixture) -> None:
    rows = [row(number, "train", number, True) for number in range(8)] + [row(8, "dev", 1, True), row(9, "dev", 2, True, False)]
    with caplog.at_level(logging.WARNING):
        sampled(rows, 4)
    (said,) = caplog.messages
    assert "a sample of 4 of 10 recordings (train 3, dev 1), 4 of them with seizures, of 4 patients; 1 refused" in said


def test_fewer_recordings_than_splits_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 3"):
        CorpusSettings(max_recordings=2)
