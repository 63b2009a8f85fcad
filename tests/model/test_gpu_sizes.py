"""Which layers the GPU's kernels are written for: what their tiles cover, and nothing with a rest."""

from __future__ import annotations

import pytest

from seizure_pipeline.model.cuda import convolution, scan


@pytest.mark.parametrize("outputs", [64, 128, 256, 512, 1024])
def test_widths_that_tiles_cover_are_taken(outputs: int) -> None:
    assert convolution.fits(19, outputs, 7, 1)
    assert convolution.fits(outputs, 256, 7, 1)


@pytest.mark.parametrize("outputs", [32, 96, 192, 320, 384, 448, 640])
def test_widths_with_a_rest_run_in_the_plain_form(outputs: int) -> None:
    assert not convolution.fits(64, outputs, 7, 1)
    assert not convolution.fits(max(outputs, 33), 64, 7, 1)


def test_strides_and_even_kernels_run_in_the_plain_form() -> None:
    assert not convolution.fits(64, 64, 7, 4)
    assert not convolution.fits(64, 64, 8, 1)


@pytest.mark.parametrize(("inner", "state", "head_dim"), [(128, 16, 8), (32, 8, 4)])
def test_the_full_networks_scans_are_taken(inner: int, state: int, head_dim: int) -> None:
    assert scan.fits(inner, state, head_dim, 4)
    assert not scan.fits(inner, state, head_dim, 3)
    assert not scan.fits(inner, 12, head_dim, 4)
    assert not scan.fits(inner + 8, state, head_dim, 4)
