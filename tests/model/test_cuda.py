"""On a CUDA device mamba-ssm's kernel and the whole network give what the law gives; run where there is one."""

from __future__ import annotations

import pytest
import torch

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.model.state_space import scan, scan_chunked

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def problem(sequences: int, length: int, heads: int, width: int, state: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(sequences, length, heads, width, generator=generator)
    dt = torch.rand(sequences, length, heads, generator=generator) * 0.1 + 1e-3
    decay = -torch.rand(heads, generator=generator) * 15 - 1
    drive, read = (torch.randn(sequences, length, 1, state, generator=generator) for _ in range(2))
    return [x, dt, decay, drive, read]


@pytest.mark.parametrize(("heads", "width", "state"), [(16, 8, 16), (8, 4, 8)])  # the full network's two streams
@pytest.mark.parametrize("length", [960, 61])
def test_the_kernel_equals_the_chunked_scan_forward_and_backward(length: int, heads: int, width: int, state: int) -> None:
    pytest.importorskip("mamba_ssm", reason="mamba-ssm is not installed")
    here = [tensor.requires_grad_() for tensor in problem(6, length, heads, width, state)]
    there = [tensor.detach().cuda().requires_grad_() for tensor in here]
    ours, theirs = scan_chunked(*here), scan(*there)
    torch.testing.assert_close(theirs.cpu(), ours, rtol=2e-3, atol=2e-3)
    weights = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    (ours * weights).sum().backward()
    (theirs * weights.cuda()).sum().backward()
    for mine, other in zip(here, there, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        scale = mine.grad.abs().max().item()
        torch.testing.assert_close(other.grad.cpu(), mine.grad, rtol=1e-2, atol=5e-3 * scale)


def test_the_full_network_says_the_same_on_cuda_as_on_the_cpu() -> None:
    torch.manual_seed(0)
    model = Detector(ModelSettings()).eval()
    model.head.logit.weight.data.mul_(1000)
    window_BCT = torch.randn(1, 19, 16 * 64)
    with torch.inference_mode():
        here = model(window_BCT)
        there = model.cuda()(window_BCT.cuda()).cpu()
    spread = here.std()
    assert ((here - there).square().mean().sqrt() / spread).item() < 0.02
