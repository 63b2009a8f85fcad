"""Temporal convolutions: samples of all electrodes at 256 Hz to tokens at 16 Hz (Bai et al. 2018, with norms)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seizure_pipeline.model.cuda import convolution as cuda_convolution
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

    def channels_last(self, x_BTI: Tensor) -> Tensor:
        """The same from (B, T, inputs) to (B, T, outputs), bfloat16 through the GPU's kernels, float32 within the norm."""
        weight_JOI = _widened(self.convolution.weight.permute(2, 0, 1), x_BTI.shape[2])
        y_BTO = cuda_convolution.dilated_convolution(x_BTI, weight_JOI, self.convolution.dilation[0]).float()
        scale_BT1 = torch.rsqrt(y_BTO.square().mean(-1, keepdim=True) + NORM_EPSILON)
        kept_B1O = self.dropout(y_BTO.new_ones(y_BTO.shape[0], y_BTO.shape[2], 1)).transpose(1, 2)
        out_BTO: Tensor = F.silu(y_BTO * scale_BT1 * self.norm.weight) * kept_B1O
        return out_BTO.to(x_BTI.dtype)

    @property
    def fits_gpu(self) -> bool:
        """Whether the GPU's kernels are written for these sizes."""
        convolution = self.convolution
        sizes = (convolution.in_channels, convolution.out_channels, convolution.kernel_size[0], convolution.stride[0])
        return cuda_convolution.fits(*sizes)


def _widened(weight: Tensor, inputs: int) -> Tensor:
    """Weights (..., I) with zeros for the channels up to `inputs` that only fill up."""
    return F.pad(weight, (0, inputs - weight.shape[-1]))


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

    def channels_last(self, x_BTI: Tensor) -> Tensor:
        """The same from (B, T, inputs) to (B, T, outputs), bfloat16 through the GPU's kernels."""
        out_BTO = x_BTI
        for convolution in self.convolutions:
            out_BTO = cast(DilatedConvolution, convolution).channels_last(out_BTO)
        if isinstance(self.shortcut, nn.Conv1d):
            x_BTI = F.linear(x_BTI, _widened(self.shortcut.weight.squeeze(-1), x_BTI.shape[2]), self.shortcut.bias)
        return x_BTI + out_BTO


class TemporalEncoder(nn.Module):
    """Window of samples to tokens, 16 samples each, in a feature space that all electrodes share."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        widths = (settings.electrodes, *settings.tcn_channels)
        pairs = enumerate(pairwise(widths))
        self.blocks = nn.Sequential(*(ResidualBlock(narrow, wide, settings, 2 * i) for i, (narrow, wide) in pairs))
        kernel, stride = settings.token_kernel, settings.token_stride
        self.tokens = nn.Conv1d(widths[-1], widths[-1], kernel, stride, (kernel - stride) // 2)
        convolutions = [layer for layer in self.modules() if isinstance(layer, DilatedConvolution)]
        self.fits_gpu = kernel == stride and all(convolution.fits_gpu for convolution in convolutions)

    def forward(self, window_BCT: Tensor) -> Tensor:
        """(B, C, T) to (B, T / 16, D)."""
        if window_BCT.is_cuda and self.fits_gpu and _computes_in_bfloat16():
            return self._channels_last(window_BCT)
        tokens_BDL: Tensor = self.tokens(self.blocks(window_BCT))
        return tokens_BDL.transpose(1, 2)

    def _channels_last(self, window_BCT: Tensor) -> Tensor:
        missing = -window_BCT.shape[1] % cuda_convolution.MULTIPLE
        x_BTD = F.pad(window_BCT.transpose(1, 2).to(torch.bfloat16), (0, missing))
        for block in self.blocks:
            x_BTD = cast(ResidualBlock, block).channels_last(x_BTD)
        taken_BLK = torch.unflatten(x_BTD, 1, (-1, self.tokens.stride[0])).flatten(2)
        tokens_BLD: Tensor = F.linear(taken_BLK, self.tokens.weight.transpose(1, 2).flatten(1), self.tokens.bias)
        return tokens_BLD


def _computes_in_bfloat16() -> bool:
    return torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.bfloat16
