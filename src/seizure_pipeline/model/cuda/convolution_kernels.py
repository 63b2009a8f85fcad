"""Triton kernels of convolution.py; imported at their first use, because torch for CPUs comes without Triton."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

FORWARD_TILES = {32: (256, 32, 8, 4), 64: (256, 64, 8, 4), 128: (128, 128, 4, 4), 256: (128, 256, 8, 3)}
"""By width of the output: samples and width of a tile, warps, stages; the fastest of eleven on an H200 (370 to 780 TFLOP/s)."""
TILE_WEIGHT_T = 64
LEAST_PARTS = 9  # of the sums over time: enough for every multiprocessor, and none so long that float32 loses digits


@triton.jit
def _forward(
    x, w, y, B, T, CI: tl.constexpr, CO: tl.constexpr, TAPS: tl.constexpr, DILATION: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    x_tile = tl.make_tensor_descriptor(x, [B, T, CI], [T * CI, CI, 1], [1, BM, BK])
    w_tile = tl.make_tensor_descriptor(w, [TAPS * CO, CI], [CI, 1], [BN, BK])
    y_tile = tl.make_tensor_descriptor(y, [B, T, CO], [T * CO, CO, 1], [1, BM, BN])
    tiles_t, tiles_n = tl.cdiv(T, BM), CO // BN
    for tile in tl.range(tl.program_id(0), B * tiles_t * tiles_n, tl.num_programs(0), flatten=True):
        n = (tile % tiles_n) * BN
        b = tile // tiles_n // tiles_t
        t = (tile // tiles_n % tiles_t) * BM
        total = tl.zeros((BM, BN), tl.float32)
        for k in range(TAPS * (CI // BK)):
            tap, c = k // (CI // BK), (k % (CI // BK)) * BK
            x_MK = x_tile.load([b, t + (tap - TAPS // 2) * DILATION, c]).reshape(BM, BK)
            total = tl.dot(x_MK, w_tile.load([tap * CO + n, c]).T, total)
        y_tile.store([b, t, n], total.to(tl.bfloat16).reshape(1, BM, BN))


@triton.jit
def _weight(
    x, dy, partial, B, T, CI: tl.constexpr, CO: tl.constexpr, TAPS: tl.constexpr, DILATION: tl.constexpr,
    BI: tl.constexpr, BO: tl.constexpr, BT: tl.constexpr, SPLIT: tl.constexpr,
):  # fmt: skip
    x_tile = tl.make_tensor_descriptor(x, [B, T, CI], [T * CI, CI, 1], [1, BT, BI])
    dy_tile = tl.make_tensor_descriptor(dy, [B, T, CO], [T * CO, CO, 1], [1, BT, BO])
    tiles_o, tiles_i = CO // BO, CI // BI
    part = tl.program_id(0) // (tiles_o * tiles_i * TAPS)
    rest = tl.program_id(0) % (tiles_o * tiles_i * TAPS)
    tap, o, i = rest % TAPS, (rest // TAPS) % tiles_o * BO, rest // (TAPS * tiles_o) * BI
    per_window = tl.cdiv(T, BT)
    per_part = tl.cdiv(B * per_window, SPLIT)
    total = tl.zeros((BO, BI), tl.float32)
    for chunk in range(part * per_part, tl.minimum((part + 1) * per_part, B * per_window)):
        b, t = chunk // per_window, chunk % per_window * BT
        dy_TO = dy_tile.load([b, t, o]).reshape(BT, BO)
        x_TI = x_tile.load([b, t + (tap - TAPS // 2) * DILATION, i]).reshape(BT, BI)
        total = tl.dot(dy_TO.T, x_TI, total)
    rows = ((part * TAPS + tap) * CO + o + tl.arange(0, BO)).to(tl.int64)
    tl.store(partial + rows[:, None] * CI + (i + tl.arange(0, BI))[None, :], total)


def _scratch(size: int, alignment: int, stream: int | None) -> Tensor:
    """Memory for the descriptors that a kernel makes."""
    return torch.empty(size, dtype=torch.int8, device="cuda")


def convolve(x_BTI: Tensor, weight_JOI: Tensor, y_BTO: Tensor, dilation: int) -> None:
    """Write the convolution of `x_BTI` into `y_BTO`; all contiguous bfloat16."""
    triton.set_allocator(_scratch)
    (windows, samples, inputs), (taps, outputs, _) = x_BTI.shape, weight_JOI.shape
    tile_t, width, warps, stages = FORWARD_TILES[min(outputs, 256)]
    _refuse_rest(outputs, width)
    _refuse_rest(inputs, min(64, inputs))
    _forward[(_processors(x_BTI),)](
        x_BTI, weight_JOI, y_BTO, windows, samples, inputs, outputs, taps, dilation, tile_t, width, min(64, inputs),
        num_warps=warps, num_stages=stages,
    )  # fmt: skip


def convolve_weight(x_BTI: Tensor, dy_BTO: Tensor, taps: int, dilation: int) -> Tensor:
    """Gradient of the weights (J, O, I) in float32; both inputs contiguous bfloat16."""
    triton.set_allocator(_scratch)
    (windows, samples, inputs), outputs = x_BTI.shape, dy_BTO.shape[2]
    tile_i, tile_o = min(256, inputs), min(128, outputs)
    _refuse_rest(inputs, tile_i)
    _refuse_rest(outputs, tile_o)
    tiles = taps * (inputs // tile_i) * (outputs // tile_o)
    parts = max(LEAST_PARTS, _processors(x_BTI) * (2 if inputs <= 64 else 1) // tiles)
    partial = torch.empty(parts, taps, outputs, inputs, device=x_BTI.device)
    warps, stages = (8, 3) if tile_i == 256 else (4, 4)
    _weight[(tiles * parts,)](
        x_BTI, dy_BTO, partial, windows, samples, inputs, outputs, taps, dilation, tile_i, tile_o, TILE_WEIGHT_T, parts,
        num_warps=warps, num_stages=stages,
    )  # fmt: skip
    return partial.sum(0)


def _refuse_rest(channels: int, tile: int) -> None:
    if channels % tile:
        raise RuntimeError(f"{channels} channels: the rule is a multiple of {tile}, or some would never be written")


def _processors(tensor: Tensor) -> int:
    return torch.cuda.get_device_properties(tensor.device).multi_processor_count
