"""Temporal convolutions: samples of all electrodes at 256 Hz to tokens at 16 Hz (Bai et al. 2018, with norms)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from seizure_pipeline.model.settings import ModelSettings

NORM_EPSILON = 1e-5  # an all-zero time step (padding, a flat recording) has no direction: it stays zero


class ChannelNorm(nn.Module):
    """Root mean square over the channels of one time step becomes 1; no statistic crosses time, so padding cannot leak."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x_BDT: Tensor) -> Tensor:
        """Normalised (B, D, T)."""
        scale_B1T = torch.rsqrt(x_BDT.square().mean(1, keepdim=True) + NORM_EPSILON)
        return x_BDT * scale_B1T * self.weight[:, None]


class DilatedConvolution(nn.Module):
    """Convolution, norm, SiLU and dropout of whole channels (spatial dropout); length T becomes T / stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int, stride: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.convolution = nn.Conv1d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
        self.norm = ChannelNorm(outputs)
        self.activation = nn.SiLU()
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x_BDT: Tensor) -> Tensor:
        """(B, inputs, T) to (B, outputs, T / stride)."""
        out_BDT: Tensor = self.dropout(self.activation(self.norm(self.convolution(x_BDT))))
        return out_BDT


class ResidualBlock(nn.Module):
    """Two dilated convolutions beside a linear shortcut, which is the identity where width and rate stay."""

    def __init__(self, inputs: int, outputs: int, settings: ModelSettings, first: int) -> None:
        super().__init__()
        kernel, dropout = settings.tcn_kernel, settings.tcn_dropout
        dilations, strides = settings.tcn_dilations[first : first + 2], settings.tcn_strides[first : first + 2]
        self.convolutions = nn.Sequential(
            DilatedConvolution(inputs, outputs, kernel, dilations[0], strides[0], dropout),
            DilatedConvolution(outputs, outputs, kernel, dilations[1], strides[1], dropout),
        )
        stride = strides[0] * strides[1]
        unchanged = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if unchanged else nn.Conv1d(inputs, outputs, stride, stride)

    def forward(self, x_BDT: Tensor) -> Tensor:
        """(B, inputs, T) to (B, outputs, T / strides)."""
        out_BDT: Tensor = self.shortcut(x_BDT) + self.convolutions(x_BDT)
        return out_BDT


class TemporalEncoder(nn.Module):
    """Window of samples to tokens, 16 samples each, in a feature space that all electrodes share."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        widths = (settings.electrodes, *settings.tcn_channels)
        pairs = enumerate(pairwise(widths))
        self.blocks = nn.Sequential(*(ResidualBlock(narrow, wide, settings, 2 * i) for i, (narrow, wide) in pairs))
        kernel, stride = settings.token_kernel, settings.token_stride
        self.tokens = nn.Conv1d(widths[-1], widths[-1], kernel, stride, (kernel - stride) // 2)

    def forward(self, window_BCT: Tensor) -> Tensor:
        """(B, C, T) to (B, D, T / 16)."""
        tokens_BDL: Tensor = self.tokens(self.blocks(window_BCT))
        return tokens_BDL
