import pytest
import torch
from torch import Tensor

from seizure_pipeline.model.bimamba import BidirectionalLayer, BidirectionalMamba
from seizure_pipeline.model.settings import StreamSettings
from seizure_pipeline.model.state_space import (
    KernelMissing,
    Mamba2,
    causal_convolution,
    scan_chunked,
    scan_cuda,
    scan_reference,
)

STREAM = StreamSettings(features=6, layers=2, state=5, head_dim=3)


def scan_inputs(length: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(3, length, 4, 2, generator=generator, dtype=dtype)
    dt = torch.rand(3, length, 4, generator=generator, dtype=dtype)
    decay = -16 * torch.rand(4, generator=generator, dtype=dtype)
    drive = torch.randn(3, length, 1, 5, generator=generator, dtype=dtype)
    readout = torch.randn(3, length, 1, 5, generator=generator, dtype=dtype)
    return [tensor.requires_grad_() for tensor in (x, dt, decay, drive, readout)]


def test_the_recurrence_of_one_constant_input_is_the_geometric_series() -> None:
    length, decay = 7, -0.3
    x, dt = torch.ones(1, length, 1, 1), torch.full((1, length, 1), 0.5)
    ones = torch.ones(1, length, 1, 1)
    y = scan_reference(x, dt, torch.tensor([decay]), ones, ones).flatten()
    ratio = torch.tensor(0.5 * decay).exp()
    expected = 0.5 * (1 - ratio ** torch.arange(1, length + 1)) / (1 - ratio)
    torch.testing.assert_close(y, expected)


def test_strong_decay_over_a_long_sequence_stays_finite_and_right() -> None:
    x, dt, _, drive, readout = scan_inputs(200, torch.float32)
    decay = torch.full((4,), -1000.0, requires_grad=True)
    y = scan_chunked(x, dt, decay, drive, readout)
    torch.testing.assert_close(y, scan_reference(x, dt, decay, drive, readout), atol=1e-4, rtol=1e-4)
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(y.sum(), [x, dt, decay]))


def test_gradient_of_the_recurrence_is_its_finite_difference() -> None:
    x, dt, decay, drive, readout = (tensor.detach() for tensor in scan_inputs(3, torch.float64))
    inputs = (x[:1, :, :2], dt[:1, :, :2], decay[:2], drive[:1, ..., :2], readout[:1, ..., :2])
    assert torch.autograd.gradcheck(scan_reference, tuple(tensor.clone().requires_grad_() for tensor in inputs))


def test_causal_convolution_equals_the_transposed_one() -> None:
    x, convolution = torch.randn(2, 9, 6), torch.nn.Conv1d(6, 6, 4, groups=6, padding=3)
    expected = convolution(x.transpose(1, 2))[..., :9].transpose(1, 2)
    torch.testing.assert_close(causal_convolution(x, convolution.weight, convolution.bias), expected)


def test_no_token_of_a_mamba_layer_sees_a_later_one() -> None:
    layer, x = Mamba2(STREAM), torch.randn(2, 20, 6)
    changed = x.clone()
    changed[:, 12:] += 1
    torch.testing.assert_close(layer(changed)[:, :12], layer(x)[:, :12])


def test_steps_and_decays_start_in_the_ranges_of_mamba_2() -> None:
    layer = Mamba2(StreamSettings(features=64, layers=1, state=4, head_dim=1))
    step, decay = torch.nn.functional.softplus(layer.dt_bias), layer.A_log.exp()
    assert step.min() >= 0.99e-3
    assert step.max() <= 0.101
    assert 1 <= decay.min() < decay.max() <= 16


def test_parameters_have_the_names_and_shapes_of_mamba_ssm() -> None:
    shapes = {name: tuple(p.shape) for name, p in Mamba2(STREAM).named_parameters()}
    assert shapes == {
        "in_proj.weight": (12 + 12 + 5 + 5 + 4, 6),
        "conv1d.weight": (22, 1, 4),
        "conv1d.bias": (22,),
        "dt_bias": (4,),
        "A_log": (4,),
        "D": (4,),
        "norm.weight": (12,),
        "out_proj.weight": (6, 12),
    }


def test_time_reversal_with_swapped_scans_reverses_the_output() -> None:
    torch.manual_seed(0)
    stack, mirrored = BidirectionalMamba(STREAM).double(), BidirectionalMamba(STREAM).double()
    mirrored.load_state_dict(stack.state_dict())
    for layer in mirrored.layers:
        assert isinstance(layer, BidirectionalLayer)
        layer.ahead, layer.back = layer.back, layer.ahead
        layer.mix.weight.data = layer.mix.weight.data.roll(6, 1)
    x = torch.randn(3, 37, 6, dtype=torch.float64)
    torch.testing.assert_close(mirrored(x.flip(1)), stack(x).flip(1))


def test_a_missing_kernel_is_an_error_and_no_substitute_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mamba_ssm.ops.triton.ssd_combined", None)
    with pytest.raises(KernelMissing, match="mamba-ssm"):
        scan_cuda(*scan_inputs(4, torch.float32))
