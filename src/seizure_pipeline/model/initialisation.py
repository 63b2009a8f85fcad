"""First weights of the residual paths: each keeps its mean square, and every branch beside it starts at half of it.

What counts is the branch as it is added. One that ends in norm and SiLU (encoder, graph) is as large as the norm's gain
makes it, whatever the weights before the norm are; one that ends in a linear layer (scans) is as large as that layer.
"""

from __future__ import annotations

from math import prod, sqrt

import torch
from torch import nn

from seizure_pipeline.model.bimamba import BidirectionalLayer
from seizure_pipeline.model.electrode_graph import GraphLayer
from seizure_pipeline.model.tcn import ChannelNorm, ResidualBlock, TemporalEncoder

BRANCH_SHARE = 0.5
"""Root mean square of a branch over that of the residual path, before training. At 0.1 (LayerScale, Touvron et al. 2021) 234
steps are too few for the branches to come into play (benchmarks/first_scale.py)."""
SCAN_SHARE = 1 / sqrt(3)  # root mean square of Mamba2's output: out_proj's uniform weights have variance 1 / (3 inputs)


@torch.no_grad()
def initialise_residuals(model: nn.Module) -> None:
    """Set the first weights of all residual paths and branches of `model`, in place."""
    for part in model.modules():
        if isinstance(part, TemporalEncoder):
            keep_mean_square(part.tokens)
        elif isinstance(part, ResidualBlock):
            if isinstance(part.shortcut, nn.Conv1d):
                keep_mean_square(part.shortcut)
            _start_at_share(part.convolutions[-1].get_submodule("norm"))
        elif isinstance(part, BidirectionalLayer):
            keep_mean_square(part.mix, BRANCH_SHARE / SCAN_SHARE)
        elif isinstance(part, GraphLayer):
            _start_at_share(part.norm)


@torch.no_grad()
def keep_mean_square(layer: nn.Linear | nn.Conv1d, gain: float = 1.0) -> None:
    """Weights that bring independent inputs to `gain` times their root mean square (variance 1 / fan-in), and no bias."""
    nn.init.normal_(layer.weight, std=gain / sqrt(prod(layer.weight.shape[1:])))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _start_at_share(norm: nn.Module) -> None:
    assert isinstance(norm, nn.LayerNorm | ChannelNorm)
    nn.init.constant_(norm.weight, 2 * BRANCH_SHARE)  # SiLU about halves it
