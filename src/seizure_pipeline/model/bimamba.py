"""Bidirectional Mamba-2: one scan ahead, one back in time, mixed by a linear layer beside a residual path."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seizure_pipeline.model.settings import StreamSettings
from seizure_pipeline.model.state_space import Mamba2


class BidirectionalLayer(nn.Module):
    """x + mix(ahead(norm x), back(norm x)); `back` runs on the reversed sequence."""

    def __init__(self, settings: StreamSettings) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.features)
        self.ahead = Mamba2(settings)
        self.back = Mamba2(settings)
        self.mix = nn.Linear(2 * settings.features, settings.features)

    def forward(self, x_SLD: Tensor) -> Tensor:
        """(S, L, D) to (S, L, D)."""
        normed_SLD = self.norm(x_SLD)
        back_SLD = self.back(normed_SLD.flip(1)).flip(1)
        mixed_SLD: Tensor = self.mix(torch.cat([self.ahead(normed_SLD), back_SLD], -1))
        return x_SLD + mixed_SLD


class BidirectionalMamba(nn.Module):
    """A stack of bidirectional layers and a last norm; every token sees the whole sequence."""

    def __init__(self, settings: StreamSettings) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(BidirectionalLayer(settings) for _ in range(settings.layers)))
        self.norm = nn.LayerNorm(settings.features)

    def forward(self, x_SLD: Tensor) -> Tensor:
        """(S, L, D) to (S, L, D)."""
        out_SLD: Tensor = self.norm(self.layers(x_SLD))
        return out_SLD
