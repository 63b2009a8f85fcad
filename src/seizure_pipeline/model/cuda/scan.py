"""Both directions of a bidirectional Mamba-2 layer in one launch: convolution, scan, skip, gate and norm.

The input holds the projections of both directions side by side. bfloat16 runs by tensor cores over chunks of 16 tokens and
keeps the state before each chunk for the way back; float32 runs step by step and keeps nothing but its output, the states
being run again. States and sums are float32 in both. Equal to `Mamba2` of state_space.py (tests/cuda)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from seizure_pipeline.model.cuda.compiler import Launch, kernel

CHUNK = 16  # tokens between two synchronisations of a block
LEAST_THREADS = {"forward": 512, "backward": 384}  # a multiprocessor: more would leave too few registers each
SYSTEM_BYTES = 1024  # of shared memory that CUDA keeps for itself in each block
LEAST_THREADS_OF_ONE_WARP = {"forward": 512, "backward": 256}  # where a block is one warp (measured: H200, pair stream)
SCAN_SOURCES = {"forward": "scan_forward.cu", "backward_ahead": "scan_ahead.cu", "backward_back": "scan_back.cu"}
TENSOR_SOURCES = {"forward": "tensor_forward.cu", "backward": "tensor_backward.cu"}


class Sizes(NamedTuple):
    """D inner features, H heads of P features, N states, X convolved channels, W numbers a token and direction."""

    D: int
    H: int
    P: int
    N: int
    X: int
    W: int


def fits(inner: int, state: int, head_dim: int, taps: int) -> bool:
    """Whether the kernels are written for these sizes of a layer."""
    width = 2 * inner + 2 * state + inner // head_dim
    sizes_written = inner in (32, 64, 128) and state in (8, 16) and head_dim in (4, 8)
    too_large = (inner, state, head_dim) == (
        128,
        16,
        4,
    )  # the way ahead takes over 48 KiB, the most of a block that does not ask
    return sizes_written and not too_large and taps == 4 and width % 8 == 0


def _sizes(conv_bias_VX: Tensor, dt_bias_VH: Tensor, norm_VD: Tensor) -> Sizes:
    inner, heads, mixed = norm_VD.shape[1], dt_bias_VH.shape[1], conv_bias_VX.shape[1]
    return Sizes(inner, heads, inner // heads, (mixed - inner) // 2, mixed, inner + mixed + heads)


def _launch(name: str, sizes: Sizes, dtype: torch.dtype) -> Launch:
    macros = {"D": sizes.D, "N": sizes.N, "P": sizes.P}
    if dtype == torch.float32:
        return kernel(name, ("scan_common.cuh", SCAN_SOURCES[name]), **macros)
    blocks = (LEAST_THREADS_OF_ONE_WARP if sizes.D == 32 else LEAST_THREADS)[name] // sizes.D
    if name == "backward":
        macros["SHARED_BYTES"] = _backward_bytes(sizes)
        blocks = min(blocks, _backward_blocks(sizes, torch.cuda.get_device_properties().shared_memory_per_multiprocessor))
    return kernel(name, ("tensor_common.cuh", TENSOR_SOURCES[name]), LEAST_BLOCKS=blocks, **macros)


def _backward_blocks(sizes: Sizes, shared_bytes: int) -> int:
    """Blocks that a multiprocessor's shared memory holds: registers left for more of them would be missed by these."""
    return max(1, shared_bytes // (_backward_bytes(sizes) + SYSTEM_BYTES))


@torch.library.custom_op("seizure_pipeline::scan_both_ways", mutates_args=(), device_types="cuda")
def scan_both_ways(
    zx_SLW: Tensor,
    conv_VXJ: Tensor,
    conv_bias_VX: Tensor,
    dt_bias_VH: Tensor,
    A_VH: Tensor,
    skip_VH: Tensor,
    norm_VD: Tensor,
    keep_states: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gated and normalised features of both directions, (S, L, 2 D); beside them the norms' factors and the states.

    `zx_SLW` (S, L, 2 W), float32 or bfloat16, holds z, x, B, C and dt of the way ahead, then those of the way back;
    parameters are float32 with the direction V = 2 as first axis. Without `keep_states` there is no way back in bfloat16.
    Raises RuntimeError for what is not contiguous or of another type.
    """
    sizes = _sizes(conv_bias_VX, dt_bias_VH, norm_VD)
    inputs = (zx_SLW, conv_VXJ, conv_bias_VX, dt_bias_VH, A_VH, skip_VH, norm_VD)
    _check(sizes, *inputs)
    sequences, length, _ = zx_SLW.shape
    outputs = _outputs(zx_SLW, sizes, keep_states)
    launch = _launch("forward", sizes, zx_SLW.dtype)
    more = [outputs[2], length, int(keep_states)] if zx_SLW.dtype == torch.bfloat16 else [length]
    launch((sequences, 2, 1), (sizes.D, 1, 1), [*inputs, *outputs[:2], *more])
    return outputs


def _check(sizes: Sizes, zx_SLW: Tensor, *parameters: Tensor) -> None:
    if zx_SLW.dtype not in (torch.float32, torch.bfloat16) or zx_SLW.shape[2] != 2 * sizes.W:
        rule = f"the rule is float32 or bfloat16, {2 * sizes.W} wide"
        raise RuntimeError(f"projections are {zx_SLW.dtype} {tuple(zx_SLW.shape)}: {rule}")
    if not all(tensor.is_contiguous() for tensor in (zx_SLW, *parameters)):
        raise RuntimeError("the scan's inputs must be contiguous")
    if any(parameter.dtype != torch.float32 for parameter in parameters):
        raise RuntimeError("the scan's parameters must be float32")


def _outputs(zx_SLW: Tensor, sizes: Sizes, keep_states: bool) -> tuple[Tensor, Tensor, Tensor]:
    sequences, length, _ = zx_SLW.shape
    out_SLD = zx_SLW.new_empty(sequences, length, 2 * sizes.D)
    factor_SLV = zx_SLW.new_empty(sequences, length, 2, dtype=torch.float32)
    kept = sequences if keep_states and zx_SLW.dtype == torch.bfloat16 else 0
    states = zx_SLW.new_empty(kept, 2, -(-length // CHUNK), sizes.D * sizes.N)
    return out_SLD, factor_SLV, states


@scan_both_ways.register_fake
def _(
    zx_SLW: Tensor,
    conv_VXJ: Tensor,
    conv_bias_VX: Tensor,
    dt_bias_VH: Tensor,
    A_VH: Tensor,
    skip_VH: Tensor,
    norm_VD: Tensor,
    keep_states: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return _outputs(zx_SLW, _sizes(conv_bias_VX, dt_bias_VH, norm_VD), keep_states)


@torch.library.custom_op("seizure_pipeline::scan_both_ways_backward", mutates_args=(), device_types="cuda")
def scan_both_ways_backward(
    dout_SLD: Tensor,
    out_SLD: Tensor,
    factor_SLV: Tensor,
    states: Tensor,
    zx_SLW: Tensor,
    conv_VXJ: Tensor,
    conv_bias_VX: Tensor,
    dt_bias_VH: Tensor,
    A_VH: Tensor,
    skip_VH: Tensor,
    norm_VD: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the projections and of the six parameters; sums are in a fixed order, so that bits repeat."""
    sizes = _sizes(conv_bias_VX, dt_bias_VH, norm_VD)
    inputs = [zx_SLW, conv_VXJ, conv_bias_VX, dt_bias_VH, A_VH, skip_VH, norm_VD]
    results = [out_SLD, factor_SLV, dout_SLD.contiguous()]
    if zx_SLW.dtype == torch.float32:
        dzx_SLW, gradients = _backward_by_steps(sizes, inputs, results)
    else:
        dzx_SLW, gradients = _backward_by_chunks(sizes, inputs, [*results[:2], states, results[2]])
    dconv, dconv_bias, dbias, dA, dskip, dnorm = (gradient.contiguous() for gradient in gradients)
    return dzx_SLW, dconv, dconv_bias, dbias, dA, dskip, dnorm


def _backward_by_steps(sizes: Sizes, inputs: list[Tensor], results: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    (sequences, length, _), (out_SLD, factor_SLV, _) = inputs[0].shape, results
    inner, heads = sizes.D, sizes.H
    dzx_SLW, dy_SLD = torch.empty_like(inputs[0]), torch.empty_like(out_SLD)
    dC_SLVN = factor_SLV.new_empty(sequences, length, 2, sizes.N)
    ydy_SLVH = factor_SLV.new_empty(sequences, length, 2, heads)
    ahead_SVK = factor_SLV.new_empty(sequences, 2, 2 * inner)
    items = sizes.X // 2 * (CHUNK // 8) * 10
    back_SVK = factor_SLV.new_empty(sequences, 2, items + 2 * inner)
    grid, block, between = (sequences, 2, 1), (inner, 1, 1), [dy_SLD, dC_SLVN, ydy_SLVH]
    ahead, back = (_launch(name, sizes, torch.float32) for name in ("backward_ahead", "backward_back"))
    ahead(grid, block, [*inputs, *results, dzx_SLW, *between, ahead_SVK, length])
    back(grid, block, [*inputs, *between, dzx_SLW, back_SVK, length])
    ahead_VK, back_VK = ahead_SVK.sum(0), back_SVK.sum(0)
    conv_VXK = back_VK[:, :items].view(2, CHUNK // 8, sizes.X, 5).sum(1)
    dA_VH, dbias_VH = back_VK[:, items:].reshape(2, 2, inner // heads, heads).sum(2).unbind(1)
    dskip_VH = ahead_VK[:, inner:].reshape(2, heads, -1).sum(-1)
    return dzx_SLW, (conv_VXK[..., :4], conv_VXK[..., 4], dbias_VH, dA_VH, dskip_VH, ahead_VK[:, :inner])


def _backward_by_chunks(sizes: Sizes, inputs: list[Tensor], results: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    (sequences, length, _), inner, heads, states = inputs[0].shape, sizes.D, sizes.H, sizes.N
    dzx_SLW = torch.empty_like(inputs[0])
    partial_SVK = results[1].new_empty(sequences, 2, 21 * inner + 3 * heads)
    launch, memory = _launch("backward", sizes, torch.bfloat16), _backward_bytes(sizes)
    launch.set_shared_memory_config(memory)
    arguments = [*inputs, *results, dzx_SLW, partial_SVK, length]
    launch((sequences, 2, 1), (inner, 1, 1), arguments, shared_mem=memory)
    widths = [10 * inner, 10 * inner, heads, heads, inner, heads]
    conv_u, conv_BC, dA_VH, dbias_VH, dnorm_VD, dskip_VH = torch.split(partial_SVK.sum(0), widths, 1)
    per_feature = [conv_u.reshape(2, 2, inner, 5).sum(1), conv_BC.reshape(2, inner // states, 2 * states, 5).sum(1)]
    conv_VXK = torch.cat(per_feature, 1)
    return dzx_SLW, (conv_VXK[..., :4], conv_VXK[..., 4], dbias_VH, dA_VH, dskip_VH, dnorm_VD)


def _backward_bytes(sizes: Sizes) -> int:
    """Size of `Shared` in tensor_backward.cu."""
    inner, heads, _, states, mixed, width = sizes
    per_thread = 4 * (states + 12)  # its part of the states' gradient, and of those of norms and skips
    decays = 16 * heads * CHUNK + 2 * CHUNK * (inner + 8 + 2 * states + 8)
    warps = inner // 32 * CHUNK * (2 * states + 4) * 4
    numbers = 3 * heads * CHUNK + 2 * CHUNK + 2 * heads + 5 * mixed + heads + inner
    halves = 2 * (CHUNK + 3) * width + CHUNK * (inner + 8) + (2 * CHUNK + 3) * (mixed + 8)
    return per_thread * inner + max(decays, warps) + 4 * numbers + 2 * halves


@scan_both_ways_backward.register_fake
def _(
    dout_SLD: Tensor, out_SLD: Tensor, factor_SLV: Tensor, states: Tensor, *inputs: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    zx, conv, conv_bias, dt_bias, A, skip, norm = (torch.empty_like(tensor) for tensor in inputs)
    return zx, conv, conv_bias, dt_bias, A, skip, norm


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(*output, *inputs[:-1])
    ctx.set_materialize_grads(False)


def _back(ctx: Any, dout_SLD: Tensor, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    return (*scan_both_ways_backward(dout_SLD, *ctx.saved_tensors), None)


scan_both_ways.register_autograd(_back, setup_context=_keep)
