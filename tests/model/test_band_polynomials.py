"""The polynomials that stand for the bands of Laplacian positions where there is no eigendecomposition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from seizure_pipeline.model.cuda.positions import band_polynomials
from seizure_pipeline.model.electrode_graph import keep_strongest, laplacian_positions, normalised


@pytest.mark.parametrize("positions", [2, 8, 16, 24])
def test_polynomials_are_the_bands(positions: int) -> None:
    x = np.linspace(-1, 1, 1001)
    bands = np.exp(-0.5 * ((x[:, None] + 1 - np.linspace(0, 2, positions)) / (2 / (positions - 1))) ** 2)
    np.testing.assert_allclose(chebyshev.chebval(x, band_polynomials(positions)).T, bands, atol=1e-6)


def test_diagonals_of_the_polynomials_are_the_positions() -> None:
    weights = torch.rand(5, 19, 19, dtype=torch.float64).triu(1)
    adjacency = normalised(keep_strongest(weights + weights.mT, 3))
    terms = [torch.eye(19, dtype=torch.float64).expand(5, 19, 19), -adjacency]
    coefficients = torch.from_numpy(band_polynomials(16))
    while len(terms) < len(coefficients):
        terms.append(-2 * adjacency @ terms[-1] - terms[-2])
    found = torch.stack([term.diagonal(dim1=-2, dim2=-1) for term in terms], -1) @ coefficients
    torch.testing.assert_close(found, laplacian_positions(adjacency, 16), atol=1e-6, rtol=0)
