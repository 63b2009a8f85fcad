"""The law and the chunked scan agree, forward and backward, in every type a training uses; within what is stated here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from seizure_pipeline.model.settings import StreamSettings
from seizure_pipeline.model.state_space import Mamba2, scan_chunked, scan_reference

Inputs = list[Tensor]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-5, torch.bfloat16: 5e-3}
"""Largest error over the largest value of the truth. Measured: 1e-13, 1.2e-5 (the gradient of A in chunks of 64: much cancels)
and 3e-3, because gradients of bfloat16 inputs are handed over in 8 bits; the output is right to 1e-6."""


def inputs(length: int, dtype: torch.dtype) -> Inputs:
    """Two groups of heads; x, B and C in `dtype`, dt and A as autocast leaves them: float32, or float64."""
    generator = torch.Generator().manual_seed(length)
    x, drive, readout = (torch.randn(3, length, *shape, generator=generator) for shape in ((4, 2), (2, 5), (2, 5)))
    dt = torch.rand(3, length, 4, generator=generator)
    decay = -16 * torch.rand(4, generator=generator)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    typed = (x.to(dtype), dt.to(exact), decay.to(exact), drive.to(dtype), readout.to(dtype))
    return [tensor.requires_grad_() for tensor in typed]


def with_gradients(run: Callable[..., Tensor], given: Inputs) -> list[Tensor]:
    y = run(*given)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad((y * weights).sum(), given)]


def error(found: Tensor, truth: Tensor) -> float:
    return ((found.double() - truth).abs().max() / truth.abs().max()).item()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("chunk", [1, 8, 16, 64])
@pytest.mark.parametrize("length", [2, 7, 16, 61])
def test_the_chunked_scan_is_the_recurrence_forward_and_backward(dtype: torch.dtype, chunk: int, length: int) -> None:
    given = inputs(length, dtype)
    truth = with_gradients(scan_reference, [tensor.detach().double().requires_grad_() for tensor in given])
    found = with_gradients(lambda *each: scan_chunked(*each, chunk=chunk), given)
    assert [each.dtype for each in found[1:]] == [each.dtype for each in given]
    for ours, theirs in zip(found, truth, strict=True):
        assert error(ours, theirs) < TOLERANCE[dtype]


def test_gradient_of_the_chunked_scan_is_its_finite_difference() -> None:
    x, dt, decay, drive, readout = (tensor.detach() for tensor in inputs(5, torch.float64))
    given = (x[:1, :, :2], dt[:1, :, :2], decay[:2], drive[:1, :, :1, :2], readout[:1, :, :1, :2])
    assert torch.autograd.gradcheck(
        lambda *each: scan_chunked(*each, chunk=2), tuple(tensor.clone().requires_grad_() for tensor in given)
    )


def test_a_block_under_bfloat16_autocast_stays_near_its_float64_forward_and_backward() -> None:
    torch.manual_seed(0)
    layer = Mamba2(StreamSettings(features=16, layers=1, state=8, head_dim=4))
    x = torch.randn(4, 61, 16)
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(x)
    rough.float().square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    exact_layer = Mamba2(StreamSettings(features=16, layers=1, state=8, head_dim=4)).double()
    exact_layer.load_state_dict(layer.state_dict())
    exact = exact_layer(x.double())
    exact.square().sum().backward()
    assert error(rough, exact.detach()) < 0.02
    for name, parameter in exact_layer.named_parameters():
        gradient = gradients[name]
        assert gradient is not None
        assert parameter.grad is not None
        assert error(gradient, parameter.grad) < 0.05, name
