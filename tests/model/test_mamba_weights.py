"""Weights of mamba-ssm's block and ours are the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seizure_pipeline.model.mamba_weights import MambaWeightsError, from_mamba_ssm, to_mamba_ssm
from seizure_pipeline.model.settings import StreamSettings
from seizure_pipeline.model.state_space import Mamba2

SETTINGS = StreamSettings(features=6, layers=1, state=5, head_dim=3, kernel=3)
OPTIONS = {"d_model": 6, "d_state": 5, "headdim": 3, "d_conv": 3}


def weights() -> dict[str, Tensor]:
    """Weights as mamba-ssm names and shapes them (inner width 12, 4 heads), none at a value where it has no effect."""
    shapes = {
        "dt_bias": (4,),
        "A_log": (4,),
        "D": (4,),
        "in_proj.weight": (2 * 12 + 2 * 5 + 4, 6),
        "conv1d.weight": (12 + 2 * 5, 1, 3),
        "conv1d.bias": (12 + 2 * 5,),
        "norm.weight": (12,),
        "out_proj.weight": (6, 12),
    }
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def mamba_2_by_hand(w: dict[str, Tensor], u_LD: Tensor) -> Tensor:
    """One sequence through a Mamba-2 block: a loop over steps, heads and features (Dao & Gu 2024, figure 6 and section 3)."""

    def silu(x: Tensor) -> Tensor:
        return x / (1 + torch.exp(-x))

    inner, state, heads, taps = 12, 5, 4, 3
    state_HPN = torch.zeros(heads, inner // heads, state, dtype=torch.float64)
    history, outputs = [], []
    for u_D in u_LD:
        projected = w["in_proj.weight"] @ u_D
        z, xBC, step = projected[:inner], projected[inner:-heads], projected[-heads:]
        history.append(xBC)
        convolved = w["conv1d.bias"].clone()
        for tap in range(min(taps, len(history))):
            convolved += w["conv1d.weight"][:, 0, taps - 1 - tap] * history[-1 - tap]
        x, B, C = silu(convolved)[:inner], silu(convolved)[inner : inner + state], silu(convolved)[inner + state :]
        y = torch.zeros(inner, dtype=torch.float64)
        for feature in range(inner):
            head, place = divmod(feature, inner // heads)
            dt = torch.log(1 + torch.exp(step[head] + w["dt_bias"][head]))
            decay = torch.exp(-torch.exp(w["A_log"][head]) * dt)
            state_HPN[head, place] = decay * state_HPN[head, place] + dt * B * x[feature]
            y[feature] = C @ state_HPN[head, place] + w["D"][head] * x[feature]
        gated = y * silu(z)
        outputs.append(w["out_proj.weight"] @ (gated / torch.sqrt((gated**2).mean() + 1e-5) * w["norm.weight"]))
    return torch.stack(outputs)


def test_a_block_with_weights_of_mamba_ssm_gives_what_the_paper_says() -> None:
    u_SLD = torch.randn(2, 11, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    layer = from_mamba_ssm(weights(), OPTIONS)
    expected_SLD = torch.stack([mamba_2_by_hand(weights(), u_LD) for u_LD in u_SLD])
    torch.testing.assert_close(layer(u_SLD), expected_SLD, rtol=1e-10, atol=1e-10)


def test_weights_go_to_mamba_ssm_and_back_unchanged() -> None:
    theirs, options = to_mamba_ssm(Mamba2(SETTINGS), SETTINGS)
    again, _ = to_mamba_ssm(from_mamba_ssm(theirs, options), SETTINGS)
    assert options == {**OPTIONS, "expand": 2}
    assert {name: tuple(tensor.shape) for name, tensor in theirs.items()} == {
        name: tuple(tensor.shape) for name, tensor in weights().items()
    }
    assert all(torch.equal(again[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"ngroups": 2}, "ngroups is 2, the rule is 1"),
        ({"D_has_hdim": True}, "D_has_hdim is True, the rule is False"),
        ({"rmsnorm": False}, "rmsnorm is False, the rule is True"),
        ({"norm_before_gate": True}, "norm_before_gate is True, the rule is False"),
        ({"dt_limit": (0.0, 0.1)}, r"dt_limit is \(0.0, 0.1\)"),
        ({"d_ssm": 6}, "d_ssm is 6, the rule is all 12 features"),
        ({"d_conv": 4}, r"conv1d.weight is \(22, 1, 3\), the rule is \(22, 1, 4\)"),
        ({"headdime": 3}, "headdime"),
    ],
)
def test_a_block_that_ours_cannot_compute_is_refused_by_option_and_rule(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(MambaWeightsError, match=rule):
        from_mamba_ssm(weights(), {**OPTIONS, **change})


def test_weights_that_are_missing_or_too_many_are_named() -> None:
    changed = weights()
    changed["norm.bias"] = changed.pop("norm.weight")
    with pytest.raises(
        MambaWeightsError, match=r"norm.bias is \(12,\), .* not there; norm.weight is missing, the rule is \(12,\)"
    ):
        from_mamba_ssm(changed, OPTIONS)


def test_the_module_of_mamba_ssm_gives_the_same_output_and_gradients() -> None:
    if not torch.cuda.is_available():
        pytest.skip("mamba-ssm runs on CUDA only, and there is no such device here")
    modules = pytest.importorskip("mamba_ssm.modules.mamba2", reason="mamba-ssm is not installed")
    settings = StreamSettings(features=64, layers=1, state=16, head_dim=8)
    torch.manual_seed(0)
    ours = Mamba2(settings)
    theirs_weights, options = to_mamba_ssm(ours, settings)
    theirs = modules.Mamba2(**options, use_mem_eff_path=False).cuda()
    theirs.load_state_dict(theirs_weights)
    u_SLD = torch.randn(3, 200, 64)
    here_SLD, there_SLD = (u_SLD.clone().requires_grad_(), u_SLD.cuda().requires_grad_())
    out_SLD, other_SLD = ours(here_SLD), theirs(there_SLD)
    torch.testing.assert_close(other_SLD.cpu(), out_SLD, rtol=1e-2, atol=1e-2 * out_SLD.abs().max().item())
    out_SLD.square().sum().backward()
    other_SLD.square().sum().backward()
    assert here_SLD.grad is not None
    assert there_SLD.grad is not None
    scale = here_SLD.grad.abs().max().item()
    torch.testing.assert_close(there_SLD.grad.cpu(), here_SLD.grad, rtol=1e-2, atol=1e-2 * scale)
