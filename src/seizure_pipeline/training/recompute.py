"""Activations computed again in the backward pass instead of being kept (Chen et al. 2016): memory for time."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from seizure_pipeline.model.bimamba import BidirectionalLayer
from seizure_pipeline.model.tcn import ResidualBlock

LAYERS = (ResidualBlock, BidirectionalLayer)


def recompute_activations(model: nn.Module) -> None:
    """Keep of every block of the encoder and every layer of the streams the input alone until the backward pass.

    Dropout draws the same again. Names and values of weights stay as they are."""
    for layer in model.modules():
        if isinstance(layer, LAYERS):
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)  # type: ignore[method-assign]
        if isinstance(layer, ResidualBlock):
            layer.channels_last = partial(checkpoint, layer.channels_last, use_reentrant=False)  # type: ignore[method-assign]
