"""Electrode names, positions and the linear map from recorded derivations to the potentials of 19 electrodes.

A recording holds potential differences along the edges of a graph whose nodes are electrodes and common references.
Within a connected component the differences fix every potential up to one constant; taking that constant from the mean
of the component's electrodes makes the result independent of how the differences were recorded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.polynomial.legendre import legval
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seizure_pipeline.configuration import Settings

# Degrees from the vertex and, seen from above, counter-clockwise from the right ear. The ring through Fp1, T3 and
# O1 lies on the equator in steps of 10 %, Fz halfway to the vertex, F3 halfway along the circle through F7, Fz and F8.
_ANGLES_DEG = {
    "Fp1": (90, 108),
    "F3": (60, 129),
    "C3": (45, 180),
    "P3": (60, 231),
    "F7": (90, 144),
    "T3": (90, 180),
    "T5": (90, 216),
    "O1": (90, 252),
    "Fz": (45, 90),
    "Cz": (0, 0),
    "Pz": (45, 270),
    "Fp2": (90, 72),
    "F4": (60, 51),
    "C4": (45, 0),
    "P4": (60, 309),
    "F8": (90, 36),
    "T4": (90, 0),
    "T6": (90, 324),
    "O2": (90, 288),
}

ELECTRODES: tuple[str, ...] = tuple(_ANGLES_DEG)
"""The 19 electrodes of the 10-20 system in the order of every array in this package."""

PAIRS: tuple[tuple[int, int], ...] = tuple(combinations(range(len(ELECTRODES)), 2))
"""The 171 pairs i < j of indices into ELECTRODES."""


def _on_unit_sphere(angles_deg: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    polar, azimuth = np.deg2rad(np.asarray(angles_deg, dtype=np.float64)).T
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)


POSITIONS: NDArray[np.float64] = _on_unit_sphere(list(_ANGLES_DEG.values()))
"""Electrode positions (19, 3) on the unit sphere: x to the right, y to the front, z up."""
POSITIONS.setflags(write=False)

_ALIASES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}

# Columns of the 10-10 system by row; A, M: ears and mastoids; T1, T2, Sp1, Sp2: anterior temporal and sphenoidal.
_TEN_TEN = {
    "Fp": "1 2 z",
    "AF": "1 2 3 4 5 6 7 8 9 10 z",
    "F": "1 2 3 4 5 6 7 8 9 10 z",
    "FT": "7 8 9 10",
    "FC": "1 2 3 4 5 6 z",
    "C": "1 2 3 4 5 6 z",
    "T": "1 2 3 4 5 6 9 10",
    "TP": "7 8 9 10",
    "CP": "1 2 3 4 5 6 z",
    "P": "1 2 3 4 5 6 9 10 z",
    "PO": "1 2 3 4 5 6 7 8 9 10 z",
    "O": "1 2 9 10 z",
    "I": "1 2 z",
    "N": "z",
    "A": "1 2",
    "M": "1 2",
    "Sp": "1 2",
}
_KNOWN = frozenset(row + column for row, columns in _TEN_TEN.items() for column in columns.split())
_BY_UPPER_CASE = {name.upper(): name for name in _KNOWN} | _ALIASES

# What stands in a cathode's place and names a common reference; spellings of one reference share a name.
_REFERENCES = {
    "REF": "REF",
    "LE": "LE",
    "A1A2": "LE",
    "A1+A2": "LE",
    "AR": "AVG",
    "AV": "AVG",
    "AVG": "AVG",
    "CAR": "AVG",
    "M1M2": "LM",
    "M1+M2": "LM",
    "LM": "LM",
    "CS2": "CS2",  # second cervical vertebra, in CHB-MIT
}

_SPLINE_ORDER = 4  # m of Perrin et al. 1989
_SPLINE_TERMS = 20  # the next one is less than 1e-8 of the first
_SPLINE_SMOOTHING = 1e-5  # added to the diagonal; less raises the noise gain and fits dipole fields no better
_ROUNDING = 1e-9  # weights below this are zero but for the pseudo-inverse's rounding


class MontageError(ValueError):
    """Raised when the recorded derivations do not determine enough of the 19 electrodes."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The potential of `anode` minus that of `cathode`; `cathode` None is the common reference called `reference`.

    `reference` is "" for a label that names the electrode alone; potentials against different references are not
    comparable.
    """

    anode: str
    cathode: str | None
    reference: str = ""


class MontageSettings(Settings):
    """How many of the 19 electrodes may be interpolated before a recording is refused."""

    max_interpolated: int = Field(default=4, ge=0, le=15)


@dataclass(frozen=True, slots=True)
class ElectrodeMap:
    """A recording's linear map: electrode potentials (19, T) = `matrix` @ recorded signals of `channels`.

    `channels` indexes the labels the map was made from, `matrix` is (19, len(channels)) float64 without unit,
    `interpolated` names the electrodes that come from their neighbours.
    """

    channels: tuple[int, ...]
    matrix: NDArray[np.float64]
    interpolated: tuple[str, ...]


def parse_label(label: str) -> Derivation | None:
    """Return the derivation that an EDF signal label names, None unless it is between known electrodes.

    Takes "EEG FP1-REF", "Fp1-F7", "Fp1", "T8-P8-1" (the number that readers append to duplicates), any case and blanks,
    old and new names (T7 is T3, T8 T4, P7 T5, P8 T6). Differences of an electrode with itself give None.
    """
    name = re.sub(r"[\s.]", "", label).upper().replace("–", "-")
    parts = re.sub(r"^(EEG|POL)[:_-]?", "", name).split("-")
    if len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    anode = _BY_UPPER_CASE.get(parts[0])
    if anode is None or len(parts) > 2:
        return None
    if len(parts) == 1:
        return Derivation(anode, None)
    if parts[1] in _REFERENCES:
        return Derivation(anode, None, _REFERENCES[parts[1]])
    cathode = _BY_UPPER_CASE.get(parts[1])
    return None if cathode in (None, anode) else Derivation(anode, cathode)


def unused_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels that name no derivation between known electrodes, in their order."""
    return tuple(label for label in labels if parse_label(label) is None)


def electrode_map(labels: Sequence[str], settings: MontageSettings) -> ElectrodeMap:
    """Return the map from the signals called `labels` to the potentials of the 19 electrodes.

    Least squares of minimum norm per connected component of the graph of derivations; each component is centred on
    those of the 19 that it holds. One component with all 19 thus gives the common average reference, whatever the
    recorded one. An electrode alone in its component is missing; missing ones are interpolated by spherical splines.

    Raises MontageError if more than `settings.max_interpolated` are missing.
    """
    edges = [(channel, parsed) for channel, label in enumerate(labels) if (parsed := parse_label(label)) is not None]
    matrix, determined = _determine([derivation for _, derivation in edges])
    missing = [row for row in range(len(ELECTRODES)) if not determined[row]]
    interpolated = tuple(ELECTRODES[row] for row in missing)
    if len(missing) > settings.max_interpolated:
        raise MontageError(
            f"{len(edges)} EEG derivations between known electrodes leave {len(missing)} of the {len(ELECTRODES)} "
            f"electrodes undetermined: {', '.join(interpolated)}; "
            f"at most {settings.max_interpolated} may be interpolated (max_interpolated)"
        )
    if missing:
        known = np.flatnonzero(determined)
        matrix[missing] = _spline_weights(POSITIONS[known], POSITIONS[missing]) @ matrix[known]
    used = np.flatnonzero(np.abs(matrix).max(axis=0) > _ROUNDING)
    return ElectrodeMap(tuple(edges[column][0] for column in used), matrix[:, used], interpolated)


def _determine(derivations: Sequence[Derivation]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the map (19, len(derivations)) without interpolation and which of the 19 it determines (19,)."""
    matrix = np.zeros((len(ELECTRODES), len(derivations)))
    determined = np.zeros(len(ELECTRODES), dtype=np.bool_)
    if not derivations:
        return matrix, determined
    incidence, nodes = _incidence(derivations)
    component_of_node, component_of_edge = _components(incidence)
    for component in range(int(component_of_node.max()) + 1):
        columns = np.flatnonzero(component_of_edge == component)
        members = np.flatnonzero(component_of_node == component)
        inside = [position for position, member in enumerate(members) if nodes[member] in ELECTRODES]
        if len(inside) < 2:
            continue
        potentials = np.linalg.pinv(incidence[np.ix_(columns, members)])[inside]
        rows = np.array([ELECTRODES.index(nodes[members[position]]) for position in inside])
        matrix[np.ix_(rows, columns)] = potentials - potentials.mean(axis=0)
        determined[rows] = True
    return matrix, determined


def _incidence(derivations: Sequence[Derivation]) -> tuple[NDArray[np.float64], list[str]]:
    """Return the signed incidence matrix (edges, nodes) and the nodes' names; references are named "-REF", "-", ..."""
    ends = [(edge.anode, f"-{edge.reference}" if edge.cathode is None else edge.cathode) for edge in derivations]
    nodes = sorted({node for edge in ends for node in edge})
    incidence = np.zeros((len(ends), len(nodes)))
    for row, (anode, cathode) in enumerate(ends):
        incidence[row, nodes.index(anode)] = 1.0
        incidence[row, nodes.index(cathode)] = -1.0
    return incidence, nodes


def _components(incidence: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return each node's and each edge's connected component."""
    anodes, cathodes = incidence.argmax(axis=1), incidence.argmin(axis=1)
    n_nodes = incidence.shape[1]
    graph = coo_array((np.ones(len(anodes)), (anodes, cathodes)), shape=(n_nodes, n_nodes))
    _, component_of_node = connected_components(graph, directed=False)
    return component_of_node, component_of_node[anodes]


def _spline_weights(known: NDArray[np.float64], missing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (missing, known) of the spherical spline through `known` (Perrin et al. 1989, eq. 1 to 3).

    V(r) = c0 + sum_i c_i g(r . r_i), with (G + smoothing I) c + c0 = V and sum_i c_i = 0.
    """
    n_known = len(known)
    system = np.ones((n_known + 1, n_known + 1))
    system[:n_known, :n_known] = _spline_kernel(known @ known.T) + _SPLINE_SMOOTHING * np.eye(n_known)
    system[n_known, n_known] = 0.0
    at_missing = np.ones((len(missing), n_known + 1))
    at_missing[:, :n_known] = _spline_kernel(missing @ known.T)
    return np.asarray(np.linalg.solve(system, at_missing.T).T[:, :n_known], dtype=np.float64)


def _spline_kernel(cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """g(x) = 1/(4 pi) sum_n (2n + 1) / (n (n + 1))^m P_n(x), n = 1, 2, ..."""
    degree = np.arange(1, _SPLINE_TERMS + 1, dtype=np.float64)
    coefficients = (2 * degree + 1) / (degree * (degree + 1)) ** _SPLINE_ORDER / (4 * np.pi)
    return np.asarray(legval(cosine, np.concatenate([[0.0], coefficients])), dtype=np.float64)
