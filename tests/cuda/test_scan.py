"""The fused scan of both directions against the layer that it stands for, on a GPU."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from seizure_pipeline.model.bimamba import BidirectionalLayer
from seizure_pipeline.model.cuda import scan as cuda_scan
from seizure_pipeline.model.settings import StreamSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
STREAMS = {
    "electrodes": StreamSettings(features=64, layers=1, state=16, head_dim=8),
    "pairs": StreamSettings(features=16, layers=1, state=8, head_dim=4),
    "wide": StreamSettings(features=32, layers=1, state=16, head_dim=8),
}
LIMITS = {torch.float32: 2e-6, torch.bfloat16: 2e-2}
TIMES_LIMITS = {
    torch.float32: 5e-5,
    torch.bfloat16: 1e-1,
}  # of dt_bias and A_log, whose gradients are small sums of large numbers


def layer(stream: str) -> BidirectionalLayer:
    torch.manual_seed(0)
    made = BidirectionalLayer(STREAMS[stream]).double()
    for parameter in made.parameters():  # norms and skips away from 1, biases from 0
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def answers(made: BidirectionalLayer, x_SLD: Tensor, weight_SLD: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """Output, gradient of the input and gradients of the parameters."""
    x_SLD = x_SLD.detach().requires_grad_()
    with torch.autocast("cuda", dtype, enabled=dtype == torch.bfloat16 and x_SLD.is_cuda):
        y_SLD = made(x_SLD)
    gradients = torch.autograd.grad((y_SLD * weight_SLD).sum(), [x_SLD, *made.parameters()])
    return [tensor.detach().cpu().double() for tensor in (y_SLD, *gradients)]


def off(found: Tensor, truth: Tensor) -> float:
    """Relative error; where the truth is nothing, as for a decay's rate over one token, the error itself."""
    return ((found - truth).norm() / (truth.norm() if truth.any() else 1)).item()


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("tokens", [1, 3, 16, 75, 200])
@pytest.mark.parametrize("stream", STREAMS)
def test_fused_layer_equals_the_chunked_one_forward_and_backward(stream: str, tokens: int, dtype: torch.dtype) -> None:
    made = layer(stream)
    x, weight = torch.randn(2, 5, tokens, STREAMS[stream].features, dtype=torch.float64).unbind()
    truth = answers(made, x, weight, torch.float64)
    found = answers(made.float().cuda(), x.float().cuda(), weight.float().cuda(), dtype)
    names = ["y", "x", *(name for name, _ in made.named_parameters())]
    errors = {name: off(ours, theirs) for name, ours, theirs in zip(names, found, truth, strict=True)}
    limits = {name: (TIMES_LIMITS if name.endswith(("dt_bias", "A_log")) else LIMITS)[dtype] for name in errors}
    beyond = {name: f"{error:.1e}" for name, error in errors.items() if not error < limits[name]}
    assert not beyond, beyond


@pytest.mark.parametrize("stream", STREAMS)
def test_bits_repeat(stream: str) -> None:
    made = layer(stream).float().cuda()
    x, weight = torch.randn(2, 300, 75, STREAMS[stream].features, device="cuda").unbind()
    first, second = (answers(made, x, weight, torch.bfloat16) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_more_numbers_than_32_bits_can_count_are_scanned_right() -> None:
    stream = STREAMS["pairs"]
    made = BidirectionalLayer(stream).cuda()
    few = torch.randn(8, 960, stream.features, device="cuda", dtype=torch.bfloat16)
    many = few.repeat(2000, 1, 1)  # 16,000 x 960 x 176 projections = 2.7e9
    with torch.autocast("cuda", torch.bfloat16), torch.no_grad():
        last = made(many)[-8:]
        assert torch.equal(last, made(few))


def test_operator_is_registered_as_torch_asks() -> None:
    stream = STREAMS["pairs"]
    made = layer("pairs").float().cuda()
    caught: list[tuple[Tensor, ...]] = []
    run = cuda_scan.scan_both_ways
    operator = partial(lambda *inputs: (caught.append(inputs), run(*inputs))[1])
    cuda_scan.scan_both_ways = operator  # type: ignore[assignment]
    try:
        made(torch.randn(3, 20, stream.features, device="cuda"))
    finally:
        cuda_scan.scan_both_ways = run
    inputs = tuple(tensor.detach().requires_grad_() for tensor in caught[0][:-1])
    torch.library.opcheck(run, (*inputs, True))
