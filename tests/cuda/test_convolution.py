"""Channels-last convolutions and Laplacian positions on a GPU against the plain forms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seizure_pipeline.model.cuda.convolution import dilated_convolution
from seizure_pipeline.model.cuda.positions import laplacian_positions
from seizure_pipeline.model.electrode_graph import keep_strongest, normalised
from seizure_pipeline.model.electrode_graph import laplacian_positions as by_eigenvectors
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.model.tcn import TemporalEncoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.mark.parametrize(("inputs", "outputs"), [(32, 64), (64, 64), (64, 128), (128, 256), (256, 512), (512, 512)])
@pytest.mark.parametrize(("samples", "dilation"), [(960, 1), (1000, 16), (640, 128)])
def test_convolution_and_its_gradients_equal_those_of_torch(inputs: int, outputs: int, samples: int, dilation: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, samples, inputs, device="cuda").bfloat16()
    weight = ((7 * inputs) ** -0.5 * torch.randn(7, outputs, inputs, device="cuda")).bfloat16().float()
    gradient = torch.randn(3, samples, outputs, device="cuda").bfloat16()
    ours = [tensor.clone().requires_grad_() for tensor in (x, weight)]
    theirs = [tensor.double().requires_grad_() for tensor in (x, weight)]
    y = dilated_convolution(*ours, dilation)
    y.backward(gradient)
    truth = F.conv1d(theirs[0].transpose(1, 2), theirs[1].permute(1, 2, 0), padding=3 * dilation, dilation=dilation)
    truth.transpose(1, 2).backward(gradient.double())
    pairs = [(y, truth.transpose(1, 2)), *((a.grad, b.grad) for a, b in zip(ours, theirs, strict=True))]
    for (found, exact), limit in zip(pairs, (3e-3, 3e-3, 1e-5), strict=True):
        assert ((found.double() - exact).norm() / exact.norm()).item() < limit


def test_bits_of_the_weights_gradient_repeat() -> None:
    x, gradient = torch.randn(2, 8, 4096, 128, device="cuda").bfloat16().unbind()
    weight = torch.randn(7, 128, 128, device="cuda", requires_grad=True)
    first, second = (torch.autograd.grad(dilated_convolution(x, weight, 4), weight, gradient)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_encoder_in_bfloat16_is_near_the_encoder_in_float32() -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(ModelSettings()).cuda().eval()
    window = torch.randn(2, 19, 1600, device="cuda")
    with torch.no_grad():
        exact = encoder(window)
        with torch.autocast("cuda", torch.bfloat16):
            rough = encoder(window)
    assert rough.dtype == torch.bfloat16
    assert ((rough - exact).norm() / exact.norm()).item() < 0.02


@pytest.mark.parametrize("electrodes", [8, 19])
def test_positions_by_polynomials_equal_those_of_eigenvectors(electrodes: int) -> None:
    weights = torch.rand(40, 7, electrodes, electrodes, dtype=torch.float64).triu(1)
    adjacency = normalised(keep_strongest(weights + weights.mT, 3))
    exact = by_eigenvectors(adjacency, 16)
    found = laplacian_positions(adjacency.float().cuda(), 16).cpu().double()
    assert (found - exact).abs().max().item() < 1e-5
