"""Laplacian positions by polynomials: shares of spectral bands in each electrode, without an eigendecomposition.

A Gaussian band is a short sum of Chebyshev polynomials of the Laplacian, so that its diagonal needs products of small
matrices only. Equal to `spectral_positions` of electrode_graph.py to 1e-5 (tests/cuda)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from seizure_pipeline.model.cuda.compiler import kernel

WARPS = 4
SMALLEST_TERM = 1e-7  # of a band's polynomials that are left out


def fits(electrodes: int) -> bool:
    """Whether the kernel is written for so many electrodes."""
    return electrodes <= 32


@cache
def band_polynomials(positions: int) -> np.ndarray:
    """Coefficients (M, positions), M even, of Chebyshev polynomials for the bands exp(-((x + 1 - c) / w)^2 / 2), |x| <= 1."""
    width = 2 / (positions - 1)
    centres_P = np.linspace(0, 2, positions)
    nodes = 512
    angle_N = (np.arange(nodes) + 0.5) * np.pi / nodes
    values_NP = np.exp(-0.5 * ((np.cos(angle_N)[:, None] + 1 - centres_P) / width) ** 2)
    terms_MP = 2 / nodes * np.cos(np.arange(nodes // 2)[:, None] * angle_N) @ values_NP
    terms_MP[0] /= 2
    needed = int(np.flatnonzero(np.abs(terms_MP).max(1) > SMALLEST_TERM)[-1]) + 1
    return terms_MP[: needed + needed % 2]


@torch.library.custom_op("seizure_pipeline::laplacian_positions", mutates_args=(), device_types="cuda")
def laplacian_positions(adjacency_CC: Tensor, positions: int) -> Tensor:
    """Positions (..., C, positions) of I - `adjacency_CC`, normalised and float32; never differentiated."""
    adjacency_CC = adjacency_CC.contiguous()
    matrices, electrodes = adjacency_CC[..., 0, 0].numel(), adjacency_CC.shape[-1]
    out = _output(adjacency_CC, positions)
    if matrices:
        bands_MP = band_polynomials(positions)
        launch = kernel("positions", ("positions.cu",), C=electrodes, P=positions, DEGREE=len(bands_MP) - 2, WARPS=WARPS)
        bands = _on_device(positions, adjacency_CC.device)
        launch((-(-matrices // WARPS), 1, 1), (32 * WARPS, 1, 1), [adjacency_CC, bands, out, matrices])
    return out


@cache
def _on_device(positions: int, device: torch.device) -> Tensor:
    """Copied once: a copy in every step would wait for the GPU."""
    return torch.from_numpy(band_polynomials(positions)).to(device, torch.float32)


def _output(adjacency_CC: Tensor, positions: int) -> Tensor:
    return adjacency_CC.new_empty(*adjacency_CC.shape[:-1], positions)


@laplacian_positions.register_fake
def _(adjacency_CC: Tensor, positions: int) -> Tensor:
    return _output(adjacency_CC, positions)
