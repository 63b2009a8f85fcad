"""The head: electrodes on a unit sphere, dipoles inside, and the potential that a dipole leaves on each electrode.

Potential of a dipole p at s in an unbounded conductor (Nunez & Srinivasan 2006, ch. 1):  V(e) = p (e - s) / |e - s|^3.
The dipoles lie deeper than cortex does, which smears the field as the skull would.
Axes: x right, y front, z up. S sites (19 electrodes, two ears, recording reference), K cortical sources, T samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.montage import ELECTRODES, POSITIONS

# beside the electrodes: (degrees down from the vertex, degrees counter-clockwise from the right ear)
OTHER_SITES_DEG = {"A1": (118, 180), "A2": (118, 0), "CPz": (22, 270)}
SITES = (*ELECTRODES, *OTHER_SITES_DEG)
N_ELECTRODES = len(ELECTRODES)
N_SOURCES = 48
SOURCE_RADIUS = 0.46
LOWEST_SOURCE_Z = -0.30


def _on_sphere(down_deg: NDArray[np.float64], around_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    down, around = np.radians(down_deg), np.radians(around_deg)
    return np.stack([np.sin(down) * np.cos(around), np.sin(down) * np.sin(around), np.cos(down)], axis=-1)


def _cortex() -> NDArray[np.float64]:
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(N_SOURCES)
    z = np.linspace(0.98, LOWEST_SOURCE_Z, N_SOURCES)
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1)


SITE_POSITIONS = np.concatenate([POSITIONS, _on_sphere(*np.array(list(OTHER_SITES_DEG.values()), np.float64).T)])
SOURCE_DIRECTIONS = _cortex()


def site(name: str) -> int:
    """Row of a site in every (S, ...) array."""
    return SITES.index(name)


def direction(name: str) -> NDArray[np.float64]:
    """Unit vector (3,) that points at a site."""
    return np.asarray(SITE_POSITIONS[site(name)])


def topography(towards: NDArray[np.float64], tilt: NDArray[np.float64] | None = None) -> NDArray[np.float32]:
    """Potential (S,) of a dipole under the direction `towards` (3,), 1 at the electrode that sees most of it.

    The moment is radial plus `tilt` (3,), as in the wall of a sulcus.
    """
    outwards = towards / np.linalg.norm(towards)
    moment = outwards if tilt is None else outwards + tilt
    apart = SITE_POSITIONS - SOURCE_RADIUS * outwards
    potential = apart @ moment / np.linalg.norm(apart, axis=-1) ** 3
    return np.asarray(potential / np.abs(potential[:N_ELECTRODES]).max(), np.float32)


def source_topographies(rng: np.random.Generator, tilt_sd: float) -> NDArray[np.float32]:
    """Potentials (S, K) of the cortical sources with moments tilted at random."""
    tilts = rng.normal(0, tilt_sd, (N_SOURCES, 3))
    return np.stack([topography(at, tilt) for at, tilt in zip(SOURCE_DIRECTIONS, tilts, strict=True)], axis=1)


def distances(towards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle (K,) in radians between a direction (3,) and every cortical source."""
    return np.asarray(np.arccos(np.clip(SOURCE_DIRECTIONS @ (towards / np.linalg.norm(towards)), -1, 1)))
