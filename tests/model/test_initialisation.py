"""Before training each branch is about half of its residual path, the path grows little, and the output says the prior."""

from __future__ import annotations

from math import log

import pytest
import torch
from presets import BASE, FULL, windows
from torch import Tensor, nn

from seizure_pipeline.model.bimamba import BidirectionalLayer
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.electrode_graph import GraphLayer
from seizure_pipeline.model.initialisation import BRANCH_SHARE
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.model.tcn import ResidualBlock

PRESETS = pytest.mark.parametrize(("settings", "tokens"), [(BASE, 960), (FULL, 60)], ids=["base", "full"])


def size(x: Tensor) -> float:
    return x.square().mean().sqrt().item()


@PRESETS
def test_every_branch_starts_at_about_half_of_its_residual_path_which_grows_little_over_the_depth(
    settings: ModelSettings, tokens: int
) -> None:
    shares: dict[str, float] = {}
    sizes: dict[str, float] = {}
    torch.manual_seed(0)
    model = Detector(settings).eval()

    def watch(name: str, part: nn.Module) -> None:
        def measure(_part: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
            residual = part.shortcut(given[0]) if isinstance(part, ResidualBlock) else given[0]
            shares[name], sizes[name] = size(out - residual) / size(residual), size(out)

        part.register_forward_hook(measure)

    for name, part in model.named_modules():
        if isinstance(part, ResidualBlock | BidirectionalLayer | GraphLayer):
            watch(name, part)
    with torch.inference_mode():
        model(windows(2, tokens))
    expected = (
        len(settings.tcn_channels) + settings.graph_layers + settings.electrode_stream.layers + settings.pair_stream.layers
    )
    assert len(shares) == expected
    for name, share in shares.items():
        assert 0.4 * BRANCH_SHARE < share < 1.5 * BRANCH_SHARE, (name, share)
        assert 0.8 < sizes[name] < 2.5, (name, sizes[name])


@PRESETS
@pytest.mark.parametrize("prior", [0.02, 0.3])
def test_logits_hardly_differ_and_the_loss_is_the_priors_entropy(settings: ModelSettings, tokens: int, prior: float) -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        logits = Detector(settings, prior)(windows(2, tokens))
    entropy = -prior * log(prior) - (1 - prior) * log(1 - prior)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, prior))
    assert logits.std().item() < 0.02
    assert loss.item() == pytest.approx(entropy, abs=5e-4)


@PRESETS
def test_a_new_network_tells_two_windows_apart(settings: ModelSettings, tokens: int) -> None:
    torch.manual_seed(1)
    model, features = Detector(settings).eval(), []
    model.head.norm.register_forward_hook(lambda _part, _given, out: features.append(out))
    with torch.inference_mode():
        model(windows(2, tokens))
    first, second = features[0]
    assert size(first - second) > 0.5 * size(first)
