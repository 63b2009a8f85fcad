"""Rules of the montage: labels, positions and the map from derivations to average-referenced potentials."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from pydantic import ValidationError

from seizure_pipeline.montage import (
    ELECTRODES,
    PAIRS,
    POSITIONS,
    Derivation,
    ElectrodeMap,
    MontageError,
    MontageSettings,
    _spline_weights,
    electrode_map,
    parse_label,
    unused_labels,
)

SETTINGS = MontageSettings()
CHB_MIT = [
    *("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP1-F3", "F3-C3", "C3-P3", "P3-O1"),
    *("FP2-F4", "F4-C4", "C4-P4", "P4-O2", "FP2-F8", "F8-T8", "T8-P8", "P8-O2"),
    *("FZ-CZ", "CZ-PZ", "P7-T7", "T7-FT9", "FT9-FT10", "FT10-T8", "T8-P8"),
]
CONNECTED_BIPOLAR = [*CHB_MIT, "F3-FZ", "PZ-P4"]
NEONATAL = ["F7-C3", "C3-T5", "F7-T3", "T3-T5", "F8-C4", "C4-T6", "F8-T4", "T4-T6"]
MIDLINE = ("Fz", "Cz", "Pz")


def potentials(seed: int, *others: str) -> dict[str, np.ndarray]:
    """Random potentials (50 samples) of the 19 electrodes and `others`."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 30, 50) for name in (*ELECTRODES, *others)}


def average_referenced(volts: dict[str, np.ndarray]) -> np.ndarray:
    stacked = np.stack([volts[name] for name in ELECTRODES])
    return stacked - stacked.mean(axis=0)


def record(labels: list[str], volts: dict[str, np.ndarray]) -> np.ndarray:
    """Signals of `labels` given all electrodes' potentials and those of the references "REF", "LE", ... and ""."""
    signals = []
    for label in labels:
        derivation = parse_label(label)
        assert derivation is not None
        signals.append(volts[derivation.anode] - volts[derivation.cathode or derivation.reference])
    return np.stack(signals)


def apply(mapping: ElectrodeMap, signals: np.ndarray) -> np.ndarray:
    return mapping.matrix @ signals[list(mapping.channels)]


def dipole_field(position: ArrayLike, moment: ArrayLike) -> np.ndarray:
    """Potential at the 19 electrodes of a current dipole in an unbounded medium, scaled to unit standard deviation."""
    distance = POSITIONS - np.asarray(position)
    field = distance @ np.asarray(moment) / np.linalg.norm(distance, axis=1) ** 3
    return (field - field.mean()) / field.std()


SPELLINGS = {
    Derivation("Fp1", None, "REF"): ("EEG FP1-REF", "POL Fp1-Ref", "  eeg  fp1 - ref  "),
    Derivation("Fp1", None, "LE"): ("EEG Fp1-LE", "FP1-A1A2"),
    Derivation("F7", None, "AVG"): ("EEG F7-AR", "F7-avg", "F7-CAR"),
    Derivation("C3", None, "CS2"): ("C3-CS2",),
    Derivation("T1", None, "REF"): ("EEG T1-REF",),
    Derivation("Fz", None): ("EEG Fz", "FZ", "FZ-1", "Fz.."),
    Derivation("FC5", None): ("Fc5.",),
    Derivation("Fp1", "F7"): ("FP1-F7", "EEG Fp1-F7"),
    Derivation("T4", "T6"): ("T8-P8", "T8-P8-0", "T8-P8-1", "T4-T6", "t4 - p8"),
    Derivation("T3", "T5"): ("T7-P7",),
    Derivation("A2", "A1"): ("EEG A2-A1",),
    Derivation("C3", "A2"): ("C3-A2",),
    Derivation("Fpz", "Cz"): ("EEG Fpz-Cz",),
    Derivation("FT9", "FT10"): ("FT9-FT10",),
}


@pytest.mark.parametrize(("expected", "labels"), SPELLINGS.items())
def test_a_label_names_its_derivation_in_all_spellings(expected: Derivation, labels: tuple[str, ...]) -> None:
    assert {label: parse_label(label) for label in labels} == dict.fromkeys(labels, expected)


NO_DERIVATIONS = [
    *("", "-", ".", "--", "EEG", "POL", "1", "31", "0-1", "EDF Annotations", "ECG", "EEG EKG1-REF", "EKG EKG", "MK"),
    *("EOG horizontal", "EMG submental", "Resp oro-nasal", "PHOTIC-REF", "IBI", "BURSTS", "SUPPR", "SPO2", "HR"),
    *(
        "EEG 31-REF",
        "EEG C3P-REF",
        "EEG ROC-REF",
        "LOC-ROC",
        "EEG Channel-1",
        "VNS",
        "REF",
        "A1-A1",
        "T7-T3",
        "F7-T3-T5",
    ),
]


@pytest.mark.parametrize("label", NO_DERIVATIONS)
def test_a_label_without_two_known_ends_is_no_derivation(label: str) -> None:
    assert parse_label(label) is None


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_parsed_or_refused_without_failing(label: str) -> None:
    derivation = parse_label(label)
    assert derivation is None or derivation.anode != derivation.cathode


def test_unused_labels_are_listed_in_their_order() -> None:
    assert unused_labels(["ECG ECG", "EEG Fp1", "EEG C3P-REF", "T8-P8-1"]) == ("ECG ECG", "EEG C3P-REF")


def test_the_19_electrodes_have_171_pairs() -> None:
    assert len(ELECTRODES) == len(set(ELECTRODES)) == 19
    assert len(PAIRS) == len(set(PAIRS)) == 171
    assert all(first < second for first, second in PAIRS)


def test_positions_lie_on_the_unit_sphere() -> None:
    np.testing.assert_allclose(np.linalg.norm(POSITIONS, axis=1), 1, atol=1e-12)


def test_left_and_right_mirror_each_other_and_even_numbers_are_right() -> None:
    for name, position in zip(ELECTRODES, POSITIONS, strict=True):
        mirrored = name if name.endswith("z") else name[:-1] + str(int(name[-1]) + (1 if int(name[-1]) % 2 else -1))
        np.testing.assert_allclose(position * [-1, 1, 1], POSITIONS[ELECTRODES.index(mirrored)], atol=1e-12)
        assert name.endswith("z") or (position[0] > 0) == (int(name[-1]) % 2 == 0)


def test_neighbours_on_a_chain_are_evenly_spaced() -> None:
    at = dict(zip(ELECTRODES, POSITIONS, strict=True))
    for chain in ("F7 F3 Fz", "T3 C3 Cz", "T5 P3 Pz", "Fz Cz Pz", "Fp1 F7 T3", "T3 T5 O1", "C3 Cz C4"):
        first, middle, last = chain.split()
        spans = [np.arccos(at[a] @ at[b]) for a, b in ((first, middle), (middle, last))]
        assert spans[0] == pytest.approx(spans[1], abs=0.02)
    assert np.degrees(np.arccos(at["Cz"] @ at["Fz"])) == pytest.approx(45)
    assert at["Fz"][1] > 0 > at["Pz"][1]


def test_chb_mit_gives_all_19_in_two_components() -> None:
    mapping = electrode_map(CHB_MIT, SETTINGS)
    assert mapping.interpolated == ()
    volts = potentials(1, "FT9", "FT10")
    found = dict(zip(ELECTRODES, apply(mapping, record(CHB_MIT, volts)), strict=True))
    for members in (MIDLINE, tuple(name for name in ELECTRODES if name not in MIDLINE)):
        mean = np.mean([volts[name] for name in members], axis=0)
        for name in members:
            np.testing.assert_allclose(found[name], volts[name] - mean, atol=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_referential_and_bipolar_recordings_of_the_same_potentials_agree(seed: int) -> None:
    volts = potentials(seed, "FT9", "FT10", "REF")
    referential = [f"EEG {name.upper()}-REF" for name in ELECTRODES]
    expected = average_referenced(volts)
    for labels in (referential, CONNECTED_BIPOLAR):
        found = apply(electrode_map(labels, SETTINGS), record(labels, volts))
        np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(deadline=None)
@given(st.sampled_from(["EEG {}-REF", "EEG {}-LE", "{}-AR", "{}", "{}-A1", "EEG {}-Fpz"]), st.randoms())
def test_the_recorded_reference_and_the_order_of_channels_do_not_matter(label: str, order: random.Random) -> None:
    volts = potentials(2, "REF", "LE", "AVG", "", "A1", "Fpz")
    labels = [label.format(name) for name in ELECTRODES]
    order.shuffle(labels)
    found = apply(electrode_map(labels, SETTINGS), record(labels, volts))
    np.testing.assert_allclose(found, average_referenced(volts), atol=1e-9)


def test_an_electrode_that_is_the_reference_is_recovered() -> None:
    volts = potentials(3)
    labels = [f"{name}-Cz" for name in ELECTRODES if name != "Cz"]
    mapping = electrode_map(labels, SETTINGS)
    assert mapping.interpolated == ()
    np.testing.assert_allclose(apply(mapping, record(labels, volts)), average_referenced(volts), atol=1e-9)


def test_potentials_against_different_references_are_not_compared() -> None:
    volts = potentials(4, "REF", "LE")
    labels = [f"{name}-{'LE' if name in MIDLINE else 'REF'}" for name in ELECTRODES]
    found = dict(zip(ELECTRODES, apply(electrode_map(labels, SETTINGS), record(labels, volts)), strict=True))
    np.testing.assert_allclose(sum(found[name] for name in MIDLINE), 0, atol=1e-9)
    np.testing.assert_allclose(found["Fz"] - found["Cz"], volts["Fz"] - volts["Cz"], atol=1e-9)


def test_a_turned_derivation_counts_with_the_opposite_sign() -> None:
    turned = ["P7-T7" if label == "T7-P7" else label for label in CONNECTED_BIPOLAR if label != "P7-T7"]
    volts = potentials(5, "FT9", "FT10")
    signals = record(turned, volts)
    straight = ["T7-P7" if label == "P7-T7" else label for label in turned]
    signs = np.where([label == "P7-T7" for label in turned], -1, 1)[:, None]
    np.testing.assert_allclose(
        apply(electrode_map(turned, SETTINGS), signals),
        apply(electrode_map(straight, SETTINGS), signs * signals),
        atol=1e-9,
    )


def test_duplicates_are_averaged() -> None:
    volts = potentials(6, "")
    labels = [*ELECTRODES, "Fp1"]
    signals = record(labels, volts)
    error = np.linspace(-5, 5, signals.shape[1])
    signals[0] += error
    signals[-1] -= error
    np.testing.assert_allclose(apply(electrode_map(labels, SETTINGS), signals), average_referenced(volts), atol=1e-9)


def test_channels_that_determine_nothing_are_not_read() -> None:
    labels = ["ECG ECG", *(f"EEG {name}" for name in ELECTRODES), "EEG A2-A1", "C3-A1", "1"]
    mapping = electrode_map(labels, SETTINGS)
    assert mapping.channels == tuple(range(1, 20))
    assert mapping.matrix.shape == (19, 19)
    assert mapping.matrix.dtype == np.float64


def test_the_spline_through_a_constant_potential_is_constant() -> None:
    for n_missing in (1, 4, 10):
        order = np.random.default_rng(n_missing).permutation(19)
        weights = _spline_weights(POSITIONS[order[n_missing:]], POSITIONS[order[:n_missing]])
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)


def test_the_spline_returns_a_smooth_field_where_it_was_given() -> None:
    field = dipole_field((0, 0, -0.3), (1, 0, 0))
    np.testing.assert_allclose(_spline_weights(POSITIONS, POSITIONS) @ field, field, atol=0.02)


@pytest.mark.parametrize("missing", ELECTRODES)
def test_the_field_of_a_deep_dipole_is_interpolated_within_a_tenth_of_its_deviation(missing: str) -> None:
    mapping = electrode_map([name for name in ELECTRODES if name != missing], SETTINGS)
    assert mapping.interpolated == (missing,)
    row = ELECTRODES.index(missing)
    kept = np.arange(19) != row
    rng = np.random.default_rng(0)
    fields = np.stack([dipole_field(rng.uniform(-0.2, 0.2, 3), rng.normal(size=3)) for _ in range(100)], axis=1)
    error = (mapping.matrix @ fields[kept])[row] - (fields[row] - fields[kept].mean(axis=0))
    assert np.sqrt(np.mean(error**2)) < 0.1


def test_an_electrode_alone_in_its_component_is_interpolated() -> None:
    labels = [*(name for name in ELECTRODES if name != "Pz"), "Pz-LE"]
    mapping = electrode_map(labels, SETTINGS)
    assert mapping.interpolated == ("Pz",)
    assert len(labels) - 1 not in mapping.channels


def test_a_neonatal_montage_is_refused_by_name() -> None:
    with pytest.raises(MontageError) as refusal:
        electrode_map(NEONATAL, SETTINGS)
    missing = "Fp1, F3, P3, O1, Fz, Cz, Pz, Fp2, F4, P4, O2"
    assert str(refusal.value) == (
        "8 EEG derivations between known electrodes leave 11 of the 19 electrodes undetermined: "
        f"{missing}; at most 4 may be interpolated (max_interpolated)"
    )


@pytest.mark.parametrize("labels", [[], ["ECG"], ["Fp1"], ["BTEleft SD", "CROSStop SD"]])
def test_a_recording_without_eeg_is_refused(labels: list[str]) -> None:
    with pytest.raises(MontageError, match="leave 19 of the 19"):
        electrode_map(labels, SETTINGS)


def test_the_limit_on_interpolation_is_inclusive() -> None:
    labels = [name for name in ELECTRODES if name not in ("Fz", "Pz")]
    assert electrode_map(labels, MontageSettings(max_interpolated=2)).interpolated == ("Fz", "Pz")
    with pytest.raises(MontageError, match=r"Fz, Pz; at most 1 "):
        electrode_map(labels, MontageSettings(max_interpolated=1))


def test_a_limit_that_leaves_nothing_to_interpolate_from_is_refused() -> None:
    with pytest.raises(ValidationError):
        MontageSettings(max_interpolated=18)
