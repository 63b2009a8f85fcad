from math import log

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from seizure_pipeline.model.detector import Detector, count_parameters, parameter_groups
from seizure_pipeline.model.settings import ModelSettings, StreamSettings
from seizure_pipeline.model.tcn import ChannelNorm, TemporalEncoder

TINY = ModelSettings(
    tcn_channels=(8, 12),
    tcn_dilations=(1, 2, 1, 2),
    tcn_strides=(4, 1, 2, 1),
    token_kernel=4,
    electrode_stream=StreamSettings(features=4, layers=2, state=4, head_dim=4),
    pair_stream=StreamSettings(features=4, layers=2, state=2, head_dim=4),
    pair_every=5,
    positions_every=10,
    head_features=8,
)


def tiny(seed: int = 0, prior: float = 0.05, **changes: object) -> Detector:
    torch.manual_seed(seed)
    return Detector(ModelSettings(**{**TINY.model_dump(), **changes}), prior)


def outspoken() -> Detector:
    """A detector whose logits differ from token to token as much as those of a trained one."""
    model = tiny()
    model.head.logit.weight.data.mul_(1000)
    return model


def windows(count: int = 2, samples: int = 16 * 30) -> Tensor:
    return torch.randn(count, 19, samples, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("tokens", [1, 3, 5, 12, 31])
def test_a_window_of_any_multiple_of_16_samples_gives_one_logit_per_token(tokens: int) -> None:
    logits = tiny().eval()(windows(2, 16 * tokens))
    assert logits.shape == (2, tokens)
    assert logits.isfinite().all()


@pytest.mark.parametrize("shape", [(1, 19, 17), (1, 18, 160), (1, 19, 0)])
def test_other_shapes_are_refused_with_the_rule(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        tiny()(torch.zeros(shape))


def test_every_parameter_gets_a_gradient() -> None:
    model = tiny()
    F.binary_cross_entropy_with_logits(model(windows()), (torch.rand(2, 30) < 0.5).float()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("prior", [0.02, 0.05, 0.3])
def test_first_loss_is_the_entropy_of_the_prior(prior: float) -> None:
    logits = tiny(prior=prior)(windows())
    loss = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, prior))
    assert loss.item() == pytest.approx(-prior * log(prior) - (1 - prior) * log(1 - prior), abs=1e-3)


def test_batch_order_does_not_matter() -> None:
    model, batch, order = outspoken().eval(), windows(5), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(model(batch[order]), model(batch)[order], atol=1e-4, rtol=1e-4)


def test_same_seed_gives_the_same_logits_and_gradients_bit_for_bit() -> None:
    results = []
    for _ in range(2):
        model = outspoken()
        logits = model(windows())
        logits.square().sum().backward()
        results.append([logits.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(first, second) for first, second in zip(*results, strict=True))


def test_constant_and_zero_windows_stay_finite_forward_and_backward() -> None:
    model = tiny()
    logits = model(torch.cat([torch.zeros(1, 19, 480), torch.full((1, 19, 480), 32.0)]))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_bfloat16_autocast_stays_near_float32_where_the_chosen_edges_are_the_same() -> None:
    model, graphs = outspoken().eval(), []
    first = model.pair_stream.register_forward_hook(lambda _part, _inputs, graph: graphs.append(graph))
    exact = model(windows())
    first.remove()
    model.pair_stream.register_forward_hook(lambda _part, _inputs, _graph: graphs[0])
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(windows())
    assert (rough - exact).square().mean().sqrt() < 0.1 * exact.std()


def test_bfloat16_autocast_gives_every_parameter_a_finite_gradient() -> None:
    model = outspoken()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(windows())
    logits.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_norm_of_a_time_step_does_not_see_other_time_steps() -> None:
    norm, x = ChannelNorm(6), torch.randn(2, 6, 9)
    changed = x.clone()
    changed[..., 4:] *= 100
    assert torch.equal(norm(changed)[..., :4], norm(x)[..., :4])
    torch.testing.assert_close(norm(x).square().mean(1), torch.ones(2, 9), atol=1e-3, rtol=0)


def test_shifting_the_window_by_a_token_shifts_the_encoders_tokens() -> None:
    encoder, window = TemporalEncoder(TINY).eval(), windows(1, 16 * 40)
    tokens, shifted = encoder(window), encoder(window.roll(16, -1))
    torch.testing.assert_close(shifted[:, 9:32], tokens[:, 8:31], atol=1e-5, rtol=1e-4)


def test_only_matrices_and_kernels_decay() -> None:
    model = tiny()
    decayed, kept = parameter_groups(model, 0.05)
    names = {id(p): name for name, p in model.named_parameters()}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert len(decayed["params"]) + len(kept["params"]) == len(names)
    last = {names[id(p)].rsplit(".", 1)[-1] for p in decayed["params"]}
    assert last == {"weight"}
    assert not any("norm" in names[id(p)] for p in decayed["params"])
    assert {"A_log", "D", "dt_bias", "bias"} <= {names[id(p)].rsplit(".", 1)[-1] for p in kept["params"]}


def test_full_network_has_about_nine_million_parameters_in_all_parts() -> None:
    counts = count_parameters(Detector(ModelSettings()))
    assert set(counts) == {"encoder", "to_electrodes", "electrode_stream", "pair_stream", "graph", "head", "total"}
    assert counts["total"] == sum(count for part, count in counts.items() if part != "total")
    assert counts["total"] < 9.3e6


def test_full_network_turns_a_second_into_16_logits() -> None:
    with torch.inference_mode():
        assert Detector(ModelSettings()).eval()(windows(1, 256)).shape == (1, 16)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"tcn_strides": (4, 1)}, "two per entry"),
        ({"tcn_strides": (3, 1, 1, 1)}, "does not divide 16"),
        ({"tcn_kernel": 6}, "even"),
        ({"token_kernel": 1}, "token_kernel"),
        ({"positions_every": 7}, "no multiple of pair_every"),
        ({"graph_neighbours": 19}, "more electrodes"),
        ({"pair_stream": {"features": 4, "layers": 1, "state": 2, "head_dim": 3}}, "does not divide"),
        ({"dropout": 0.1}, "Extra inputs"),
    ],
)
def test_impossible_sizes_and_unknown_keys_are_refused(change: dict[str, object], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        ModelSettings(**{**TINY.model_dump(), **change})
