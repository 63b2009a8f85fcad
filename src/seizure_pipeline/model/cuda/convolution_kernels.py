"""Triton kernels of convolution.py; imported at their first use, because torch for CPUs comes without Triton."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.errors import OutOfResources

log = logging.getLogger(__name__)

FORWARD_TILES = {
    "bulk copies": {32: (256, 32, 8, 4), 64: (256, 64, 8, 4), 128: (128, 128, 4, 4), 256: (128, 256, 8, 3)},
    "pointers": {32: (256, 32, 8, 3), 64: (256, 64, 8, 3), 128: (128, 128, 8, 4), 256: (128, 256, 8, 3)},
}
"""By width of the output: samples and width of a tile, warps, stages. By bulk copies the fastest of eleven on an H200 (370 to
780 TFLOP/s), in 208 KiB of shared memory at most; by pointers in 96 KiB, no register spilled (compiled, on no GPU timed)."""
BULK_SHARED_BYTES = 228 * 1024  # a multiprocessor of 9.0 and 10.0; of 8.0 it is 164 KiB, of 8.6, 8.9 and 12.0 it is 100 KiB
TILE_WEIGHT_T = 64
LEAST_PARTS = 9  # of the sums over time: enough for every multiprocessor, and none so long that float32 loses digits


@triton.jit
def _samples(
    source, b, t, c, T, CHANNELS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, BULK: tl.constexpr
):  # fmt: skip
    """ROWS samples from `t` of COLUMNS channels from `c`, zeros where the window has none; `source` is a descriptor if BULK."""
    if BULK:
        tile = source.load([b, t, c]).reshape(ROWS, COLUMNS)
    else:
        rows = t + tl.arange(0, ROWS)
        first = source + b.to(tl.int64) * T * CHANNELS + c
        there = (rows >= 0) & (rows < T)
        tile = tl.load(first + rows[:, None] * CHANNELS + tl.arange(0, COLUMNS)[None, :], mask=there[:, None], other=0.0)
    return tile


@triton.jit
def _forward(
    x, w, y, B, T, CI: tl.constexpr, CO: tl.constexpr, TAPS: tl.constexpr, DILATION: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BULK: tl.constexpr,
):  # fmt: skip
    x_tile = x
    if BULK:
        x_tile = tl.make_tensor_descriptor(x, [B, T, CI], [T * CI, CI, 1], [1, BM, BK])
        w_tile = tl.make_tensor_descriptor(w, [TAPS * CO, CI], [CI, 1], [BN, BK])
        y_tile = tl.make_tensor_descriptor(y, [B, T, CO], [T * CO, CO, 1], [1, BM, BN])
    tiles_t, tiles_n = tl.cdiv(T, BM), CO // BN
    for tile in tl.range(tl.program_id(0), B * tiles_t * tiles_n, tl.num_programs(0), flatten=BULK):
        n = (tile % tiles_n) * BN
        b = tile // tiles_n // tiles_t
        t = (tile // tiles_n % tiles_t) * BM
        total = tl.zeros((BM, BN), tl.float32)
        for k in range(TAPS * (CI // BK)):
            tap, c = k // (CI // BK), (k % (CI // BK)) * BK
            x_MK = _samples(x_tile, b, t + (tap - TAPS // 2) * DILATION, c, T, CI, BM, BK, BULK)
            if BULK:
                w_NK = w_tile.load([tap * CO + n, c])
            else:
                w_NK = tl.load(w + (tap * CO + n + tl.arange(0, BN))[:, None] * CI + c + tl.arange(0, BK)[None, :])
            total = tl.dot(x_MK, w_NK.T, total)
        if BULK:
            y_tile.store([b, t, n], total.to(tl.bfloat16).reshape(1, BM, BN))
        else:
            rows = t + tl.arange(0, BM)
            first = y + b.to(tl.int64) * T * CO + n
            tl.store(first + rows[:, None] * CO + tl.arange(0, BN)[None, :], total.to(tl.bfloat16), mask=(rows < T)[:, None])


@triton.jit
def _weight(
    x, dy, partial, B, T, CI: tl.constexpr, CO: tl.constexpr, TAPS: tl.constexpr, DILATION: tl.constexpr,
    BI: tl.constexpr, BO: tl.constexpr, BT: tl.constexpr, SPLIT: tl.constexpr, BULK: tl.constexpr,
):  # fmt: skip
    x_tile, dy_tile = x, dy
    if BULK:
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
        dy_TO = _samples(dy_tile, b, t, o, T, CO, BT, BO, BULK)
        x_TI = _samples(x_tile, b, t + (tap - TAPS // 2) * DILATION, i, T, CI, BT, BI, BULK)
        total = tl.dot(dy_TO.T, x_TI, total)
    rows = ((part * TAPS + tap) * CO + o + tl.arange(0, BO)).to(tl.int64)
    tl.store(partial + rows[:, None] * CI + (i + tl.arange(0, BI))[None, :], total)


def _scratch(size: int, alignment: int, stream: int | None) -> Tensor:
    """Memory for the descriptors that a kernel makes."""
    return torch.empty(size, dtype=torch.int8, device="cuda")


def form(shared_bytes: int) -> Literal["bulk copies", "pointers"]:
    """How tiles are read on a GPU with so many bytes of shared memory a multiprocessor: the tensor memory accelerator takes
    tiles that only compute capabilities 9.0 and 10.0 have room for."""
    return "bulk copies" if shared_bytes >= BULK_SHARED_BYTES else "pointers"


def weight_tiles(inputs: int, outputs: int, bulk: bool) -> tuple[int, int, int, int]:
    """Inputs and outputs of a tile of the weights' gradient, warps, stages."""
    tile_i, tile_o = min(256, inputs), min(128, outputs)
    return tile_i, tile_o, *((8, 3) if tile_i == 256 or (tile_i == 128 and not bulk) else (4, 4))


def convolve(x_BTI: Tensor, weight_JOI: Tensor, y_BTO: Tensor, dilation: int) -> None:
    """Write the convolution of `x_BTI` into `y_BTO`; all contiguous bfloat16. RuntimeError if tiles do not fit."""
    triton.set_allocator(_scratch)
    (windows, samples, inputs), (taps, outputs, _) = x_BTI.shape, weight_JOI.shape
    bulk, processors = _device(x_BTI.device)
    tile_t, width, warps, stages = FORWARD_TILES["bulk copies" if bulk else "pointers"][min(outputs, 256)]
    _refuse_rest(outputs, width)
    _refuse_rest(inputs, min(64, inputs))
    # by bulk copies a block goes on with the next tile while the last one is stored; by pointers blocks beside it hide that
    blocks = processors if bulk else windows * -(-samples // tile_t) * (outputs // width)
    with _room_told(inputs, outputs):
        _forward[(blocks,)](
            x_BTI, weight_JOI, y_BTO, windows, samples, inputs, outputs, taps, dilation, tile_t, width, min(64, inputs), bulk,
            num_warps=warps, num_stages=stages,
        )  # fmt: skip


def convolve_weight(x_BTI: Tensor, dy_BTO: Tensor, taps: int, dilation: int) -> Tensor:
    """Gradient of the weights (J, O, I) in float32; both inputs contiguous bfloat16. RuntimeError as `convolve`."""
    triton.set_allocator(_scratch)
    (windows, samples, inputs), outputs = x_BTI.shape, dy_BTO.shape[2]
    bulk, processors = _device(x_BTI.device)
    tile_i, tile_o, warps, stages = weight_tiles(inputs, outputs, bulk)
    _refuse_rest(inputs, tile_i)
    _refuse_rest(outputs, tile_o)
    tiles = taps * (inputs // tile_i) * (outputs // tile_o)
    parts = max(LEAST_PARTS, processors * (2 if inputs <= 64 else 1) // tiles)
    partial = torch.empty(parts, taps, outputs, inputs, device=x_BTI.device)
    with _room_told(inputs, outputs):
        _weight[(tiles * parts,)](
            x_BTI, dy_BTO, partial, windows, samples, inputs, outputs, taps, dilation, tile_i, tile_o, TILE_WEIGHT_T, parts,
            bulk,
            num_warps=warps, num_stages=stages,
        )  # fmt: skip
    return partial.sum(0)


def _refuse_rest(channels: int, tile: int) -> None:
    if channels % tile:
        raise RuntimeError(f"{channels} channels: the rule is a multiple of {tile}, or some would never be written")


@contextmanager
def _room_told(inputs: int, outputs: int) -> Iterator[None]:
    """Say which convolution asks a GPU for more than it has."""
    try:
        yield
    except OutOfResources as error:
        raise RuntimeError(
            f"the convolution of {inputs} to {outputs} channels has tiles too large for this GPU: {error}"
        ) from error


@cache
def _device(device: torch.device) -> tuple[bool, int]:
    """Whether tiles come by bulk copies, and the number of multiprocessors; said in the log once a process."""
    properties = torch.cuda.get_device_properties(device)
    chosen = form(properties.shared_memory_per_multiprocessor)
    log.info("convolutions on %s, compute capability %d.%d: by %s", properties.name, properties.major, properties.minor, chosen)
    return chosen == "bulk copies", properties.multi_processor_count
