"""Splits by patient: lists, and draws by fraction and seed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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
def test_sizes_lie_within_one_patient_of_the_fraction(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int
) -> None:
    splits = list(draw_splits(has_seizures, shares, seed).values())
    wanted = {name: share * len(splits) for name, share in ({"train": 1 - sum(shares.values())} | shares).items()}
    too_small = sum(max(0.0, 1 - number) for number in wanted.values())  # a split gets one patient all the same
    for name, number in wanted.items():
        assert abs(splits.count(name) - number) <= 1 + too_small + 1e-9


@given(patients, fractions, st.integers(0, 10**6))
def test_every_split_has_a_patient_with_seizures_where_there_are_enough(
    has_seizures: dict[str, bool], shares: dict[str, float], seed: int
) -> None:
    drawn = draw_splits(has_seizures, shares, seed)
    with_seizures = [drawn[patient] for patient, has in has_seizures.items() if has]
    assert len(set(with_seizures)) == min(3, len(with_seizures))


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
