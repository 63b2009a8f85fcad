"""Splits by patient: lists, and draws by fraction and seed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_layouts import CHB_MIT, chb_mit, rows_of

from seizure_pipeline.corpora import CorpusSettings
from seizure_pipeline.corpora.splits import draw_splits

fractions = st.tuples(st.floats(0.05, 0.45), st.floats(0.05, 0.45)).map(lambda pair: {"dev": pair[0], "eval": pair[1]})
patients = st.dictionaries(st.text("abcdef", min_size=1, max_size=6), st.booleans(), max_size=80)


@given(patients, fractions, st.integers(0, 10**6))
def test_every_patient_is_in_one_split(has_seizures: dict[str, bool], shares: dict[str, float], seed: int) -> None:
    drawn = draw_splits(has_seizures, shares, seed)
    assert drawn.keys() == has_seizures.keys()
    assert set(drawn.values()) <= {"train", "dev", "eval"}


@given(patients, fractions, st.integers(0, 10**6))
def test_sizes_lie_within_two_patients_of_the_fraction_and_within_one_among_those_with_seizures(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int
) -> None:
    drawn = draw_splits(has_seizures, shares, seed)
    with_seizures = [drawn[patient] for patient, has in has_seizures.items() if has]
    for splits, within in ((list(drawn.values()), 2), (with_seizures, 1)):
        wanted = {name: share * len(splits) for name, share in ({"train": 1 - sum(shares.values())} | shares).items()}
        too_small = sum(max(0.0, 1 - number) for number in wanted.values())  # a split gets one patient all the same
        for name, number in wanted.items():
            assert abs(splits.count(name) - number) <= within + too_small + 1e-9


@given(patients, fractions, st.integers(0, 10**6))
def test_every_split_has_a_patient_with_seizures_where_there_are_enough(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int
) -> None:
    drawn = draw_splits(has_seizures, shares, seed)
    with_seizures = [drawn[patient] for patient, has in has_seizures.items() if has]
    assert len(set(with_seizures)) == min(3, len(with_seizures))
    assert len(set(drawn.values())) == min(3, len(drawn))


@given(patients, fractions, st.integers(0, 10**6), st.text("ghi", min_size=1, max_size=6), st.booleans())
def test_a_patient_who_comes_moves_at_most_two_others_of_each_sort(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int, comer: str, has: bool
) -> None:
    before = draw_splits(has_seizures, shares, seed)
    after = draw_splits(has_seizures | {comer: has}, shares, seed)
    moved = [has_seizures[patient] for patient in before if after[patient] != before[patient]]
    assert moved.count(False) <= 2
    assert moved.count(True) <= (2 if has else 0)


def test_the_order_in_which_fractions_are_written_does_not_matter() -> None:
    everyone = {f"p{k}": k % 2 == 0 for k in range(25)}
    for seed in range(20):
        one, other = {"dev": 0.3, "eval": 0.3}, {"eval": 0.3, "dev": 0.3}
        assert draw_splits(everyone, one, seed) == draw_splits(everyone, other, seed)


def test_refusing_any_one_recording_moves_nobody(tmp_path: Path) -> None:
    root = tmp_path / "whole"
    for k in range(1, 8):
        with_seizures = {f"chb0{k}_02.edf": ((10, 20),)} if k in (1, 2, 3, 6) else {}
        chb_mit(root, f"chb0{k}", {f"chb0{k}_01.edf": (), **with_seizures})
    whole = {name: row.split for name, row in rows_of(root, CHB_MIT).items()}
    assert set(whole.values()) == {"train", "dev", "eval"}
    for path in sorted(root.rglob("*.edf")):
        bytes_of_it = path.read_bytes()
        path.write_bytes(bytes_of_it[:-1])
        rows = rows_of(root, CHB_MIT)
        assert not rows[path.stem].accepted
        assert {name: row.split for name, row in rows.items()} == whole
        path.write_bytes(bytes_of_it)


@given(patients, fractions, st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_draw_depends_on_patients_fractions_and_seed_alone(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int, order: random.Random
) -> None:
    shuffled = list(has_seizures.items())
    order.shuffle(shuffled)
    assert draw_splits(dict(shuffled), shares, seed) == draw_splits(has_seizures, shares, seed)


def test_another_seed_draws_otherwise() -> None:
    everyone = {f"p{k}": k % 3 == 0 for k in range(60)}
    draws = {tuple(sorted(draw_splits(everyone, {"dev": 0.2, "eval": 0.2}, seed).items())) for seed in range(20)}
    assert len(draws) == 20


def test_a_split_that_is_not_asked_for_stays_empty() -> None:
    assert set(draw_splits({f"p{k}": True for k in range(9)}, {"dev": 0.3}, 1).values()) == {"train", "dev"}


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"layout": "bids", "split_fractions": {"dev": 0.5, "eval": 0.5}}, "leave some to train"),
        ({"layout": "bids", "split_fractions": {"dev": 0.0}}, "above 0"),
        ({"layout": "bids", "split_fractions": {"train": 0.5}}, "dev"),
        ({"layout": "bids", "split_fractions": {"dev": 0.2}, "splits": {"dev": ("a",)}}, "in one way"),
        ({"layout": "tusz", "split_fractions": {"dev": 0.2}}, "layout tusz has its own"),
        ({"layout": "siena", "annotations": "csv"}, "only layout tusz"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        CorpusSettings.model_validate(settings)
