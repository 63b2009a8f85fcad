"""Sizes of the detector; the defaults are the full V3 network, a small one is other numbers of the same classes."""

from __future__ import annotations

from math import prod

from pydantic import Field, PositiveInt, model_validator

from seizure_pipeline.configuration import Settings

SAMPLES_PER_TOKEN = 16


class StreamSettings(Settings):
    """Sizes of one stack of bidirectional Mamba-2 layers; all are given, because the two stacks differ in each."""

    features: PositiveInt
    layers: PositiveInt
    state: PositiveInt
    head_dim: PositiveInt
    expand: PositiveInt = 2
    kernel: PositiveInt = 4

    @model_validator(mode="after")
    def _heads_fill_the_width(self) -> StreamSettings:
        if (self.expand * self.features) % self.head_dim:
            raise ValueError(f"head_dim {self.head_dim} does not divide expand * features = {self.expand * self.features}")
        return self


class ModelSettings(Settings):
    """Sizes of the whole network.

    `tcn_channels` holds one width per block of two convolutions, `tcn_dilations` and `tcn_strides` one number per
    convolution; the token convolution makes up the rest of the 16 samples per token. `pair_every` and
    `positions_every` are in tokens: how often the adjacency and the Laplacian positions are computed.
    """

    electrodes: PositiveInt = 19
    tcn_channels: tuple[PositiveInt, ...] = (64, 128, 256, 512)
    tcn_kernel: PositiveInt = 7
    tcn_dilations: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    tcn_strides: tuple[PositiveInt, ...] = (1,) * 8
    tcn_dropout: float = Field(0.15, ge=0, lt=1)
    token_kernel: PositiveInt = 16
    electrode_stream: StreamSettings = StreamSettings(features=64, layers=6, state=16, head_dim=8)
    pair_stream: StreamSettings = StreamSettings(features=16, layers=2, state=8, head_dim=4)
    pair_every: PositiveInt = 1
    positions_every: PositiveInt = 1
    positions: PositiveInt = Field(16, ge=2)
    graph_neighbours: PositiveInt = 3
    graph_layers: PositiveInt = 2
    graph_alpha: float = Field(0.05, ge=0, le=1)
    graph_hops: PositiveInt = 2
    graph_dropout: float = Field(0.1, ge=0, lt=1)
    head_features: PositiveInt = 128

    @property
    def token_stride(self) -> int:
        """Stride of the token convolution: what the other convolutions leave of 16 samples per token."""
        return SAMPLES_PER_TOKEN // prod(self.tcn_strides)

    @model_validator(mode="after")
    def _convolutions_reach_the_token_rate(self) -> ModelSettings:
        convolutions = 2 * len(self.tcn_channels)
        if not len(self.tcn_dilations) == len(self.tcn_strides) == convolutions:
            raise ValueError(f"tcn_dilations and tcn_strides need {convolutions} numbers, two per entry of tcn_channels")
        if SAMPLES_PER_TOKEN % prod(self.tcn_strides):
            raise ValueError(f"the product of tcn_strides {self.tcn_strides} does not divide {SAMPLES_PER_TOKEN}")
        if self.tcn_kernel % 2 == 0:
            raise ValueError(f"tcn_kernel {self.tcn_kernel} is even: its output would lie half a sample beside its input")
        overlap = self.token_kernel - self.token_stride
        if overlap < 0 or overlap % 2:
            raise ValueError(f"token_kernel {self.token_kernel} minus the token stride {self.token_stride} must be even, >= 0")
        return self

    @model_validator(mode="after")
    def _graph_can_be_built(self) -> ModelSettings:
        if self.graph_neighbours >= self.electrodes:
            raise ValueError(f"graph_neighbours {self.graph_neighbours} needs more electrodes than {self.electrodes}")
        if self.positions_every % self.pair_every:
            raise ValueError(f"positions_every {self.positions_every} is no multiple of pair_every {self.pair_every}")
        return self
