"""Dilated convolutions of channels-last bfloat16 as products of matrices, forward and backward; tensors are (B, T, D), weights
(J, O, I) for J taps, O outputs and I inputs. Tiles are read by the tensor memory accelerator where there is one and room."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MULTIPLE = 32  # channels that inputs are filled up to


def fits(inputs: int, outputs: int, kernel: int, stride: int) -> bool:
    """Whether the kernels are written for these sizes; inputs may be filled up with zero channels."""
    return _has_tiles(outputs) and (_has_tiles(inputs) or inputs <= MULTIPLE) and kernel % 2 == 1 and stride == 1


def _has_tiles(channels: int) -> bool:
    """Whether tiles of the widths that the kernels take cover so many channels without a rest."""
    return channels in (64, 128) or (channels > 0 and channels % 256 == 0)


@torch.library.custom_op("seizure_pipeline::dilated_convolution", mutates_args=(), device_types="cuda")
def dilated_convolution(x_BTI: Tensor, weight_JOI: Tensor, dilation: int) -> Tensor:
    """(B, T, I) to (B, T, O), both bfloat16 and sums in float32; as many zeros before as after, T stays."""
    from seizure_pipeline.model.cuda.convolution_kernels import convolve

    y_BTO = _output(x_BTI, weight_JOI)
    convolve(x_BTI.contiguous(), weight_JOI.to(torch.bfloat16).contiguous(), y_BTO, dilation)
    return y_BTO


def _output(x_BTI: Tensor, weight_JOI: Tensor) -> Tensor:
    return x_BTI.new_empty(x_BTI.shape[0], x_BTI.shape[1], weight_JOI.shape[1])


@dilated_convolution.register_fake
def _(x_BTI: Tensor, weight_JOI: Tensor, dilation: int) -> Tensor:
    return _output(x_BTI, weight_JOI)


@torch.library.custom_op("seizure_pipeline::dilated_convolution_weight", mutates_args=(), device_types="cuda")
def dilated_convolution_weight(x_BTI: Tensor, dy_BTO: Tensor, taps: int, dilation: int) -> Tensor:
    """Gradient of the weights (J, O, I) in float32; partial sums are added in a fixed order, so that bits repeat."""
    from seizure_pipeline.model.cuda.convolution_kernels import convolve_weight

    return convolve_weight(x_BTI.contiguous(), dy_BTO.contiguous(), taps, dilation)


@dilated_convolution_weight.register_fake
def _(x_BTI: Tensor, dy_BTO: Tensor, taps: int, dilation: int) -> Tensor:
    return x_BTI.new_empty(taps, dy_BTO.shape[2], x_BTI.shape[2], dtype=torch.float32)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
    x_BTI, weight_JOI, ctx.dilation = inputs
    ctx.save_for_backward(x_BTI, weight_JOI)


def _back(ctx: Any, dy_BTO: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
    x_BTI, weight_JOI = ctx.saved_tensors
    dx = dweight = None
    if ctx.needs_input_grad[0]:
        dx = dilated_convolution(dy_BTO, weight_JOI.flip(0).transpose(1, 2), ctx.dilation)
    if ctx.needs_input_grad[1]:
        dweight = dilated_convolution_weight(x_BTI, dy_BTO, weight_JOI.shape[0], ctx.dilation)
    return dx, dweight, None


dilated_convolution.register_autograd(_back, setup_context=_keep)
