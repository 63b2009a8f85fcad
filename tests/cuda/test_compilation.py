"""The kernels compiled for GPUs that are not here: what each takes of a block, against what a block may have there."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seizure_pipeline.model.cuda import scan
from seizure_pipeline.model.cuda.compiler import machine_code
from seizure_pipeline.model.cuda.scan import Sizes

KIB = 1024
# By compute capability, of a block and of a multiprocessor (CUDA C++ Programming Guide, technical specifications).
SHARED_BYTES = {
    (8, 0): (163 * KIB, 164 * KIB),
    (8, 6): (99 * KIB, 100 * KIB),
    (8, 9): (99 * KIB, 100 * KIB),
    (9, 0): (227 * KIB, 228 * KIB),
}
PRESETS = [(128, 16, 8), (32, 8, 4)]  # inner features, states and head's features of conf/workstation and conf/modal
WRITTEN = [each for each in product((32, 64, 128, 256), (8, 16), (4, 8)) if scan.fits(*each, 4)]
WIDTHS = [(32, 64), (64, 64), (64, 128), (128, 64), (128, 128), (128, 256), (256, 128), (256, 256), (256, 512), (512, 512)]


def sizes(inner: int, state: int, head_dim: int) -> Sizes:
    heads, mixed = inner // head_dim, inner + 2 * state
    return Sizes(inner, heads, head_dim, state, mixed, inner + mixed + heads)


def compiled_scans(capability: tuple[int, int], chosen: Sizes, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every kernel that a layer of these sizes launches on a GPU of a capability, as `scan` asks for it."""
    properties = SimpleNamespace(shared_memory_per_multiprocessor=SHARED_BYTES[capability][1])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: properties)
    monkeypatch.setattr(scan, "kernel", lambda name, sources, **macros: machine_code(name, sources, capability, **macros))
    asked = [(name, torch.float32) for name in scan.SCAN_SOURCES] + [(name, torch.bfloat16) for name in scan.TENSOR_SOURCES]
    return [scan._launch(name, chosen, dtype) for name, dtype in asked]


@pytest.fixture
def nvrtc() -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="torch is built for CPUs: NVRTC comes with torch for GPUs")


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize("capability", SHARED_BYTES)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_scans_compile(
    capability: tuple[int, int], preset: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(code.startswith(b"\x7fELF") for code in compiled_scans(capability, sizes(*preset), monkeypatch))


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize("written", WRITTEN)
def test_every_size_that_is_taken_compiles(written: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that does not ask may have 48 KiB, on all of them; the way back asks, and the source counts its bytes too."""
    assert all(code.startswith(b"\x7fELF") for code in compiled_scans((8, 6), sizes(*written), monkeypatch))


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize("capability", SHARED_BYTES)
def test_the_positions_compile(capability: tuple[int, int]) -> None:
    assert machine_code("positions", ("positions.cu",), capability, C=19, P=16, DEGREE=58, WARPS=4).startswith(b"\x7fELF")


@pytest.mark.usefixtures("nvrtc")
def test_what_does_not_compile_is_said_with_kernel_target_and_the_compilers_words() -> None:
    with pytest.raises(RuntimeError, match=r'positions for sm_80, .*identifier "DEGREE" is undefined'):
        machine_code("positions", ("positions.cu",), (8, 0), C=19, P=16, WARPS=4)


@pytest.mark.parametrize("written", WRITTEN)
def test_the_way_back_asks_for_no_more_than_any_of_these_gpus_gives(written: tuple[int, int, int]) -> None:
    assert scan._backward_bytes(sizes(*written)) <= min(block for block, _ in SHARED_BYTES.values())


@pytest.mark.parametrize(("capability", "blocks"), {(8, 0): 2, (8, 6): 1, (8, 9): 1, (9, 0): 3}.items())
def test_registers_are_left_for_as_many_blocks_as_shared_memory_holds(capability: tuple[int, int], blocks: int) -> None:
    """68.7 KiB each: 2 in 164 KiB, 1 in 100, 3 in 228."""
    assert scan._backward_blocks(sizes(*PRESETS[0]), SHARED_BYTES[capability][1]) == blocks


@pytest.mark.parametrize("capability", SHARED_BYTES)
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
def test_tiles_of_the_convolutions_fit_a_block(capability: tuple[int, int], inputs: int, outputs: int) -> None:
    pytest.importorskip("triton", reason="torch is built for CPUs: Triton comes with torch for GPUs")
    from seizure_pipeline.model.cuda import convolution_kernels as kernels

    block, multiprocessor = SHARED_BYTES[capability]
    form = kernels.form(multiprocessor)
    bulk = form == "bulk copies"
    tile_t, width, warps, stages = kernels.FORWARD_TILES[form][min(outputs, 256)]
    shape = {"CI": inputs, "CO": outputs, "TAPS": 7, "DILATION": 8, "BULK": bulk}
    forward = shape | {"BM": tile_t, "BN": width, "BK": min(64, inputs)}
    assert 0 < shared_bytes(kernels._forward, capability, forward, warps, stages) <= block
    tile_i, tile_o, warps, stages = kernels.weight_tiles(inputs, outputs, bulk)
    weight = shape | {"BI": tile_i, "BO": tile_o, "BT": kernels.TILE_WEIGHT_T, "SPLIT": 9}
    assert 0 < shared_bytes(kernels._weight, capability, weight, warps, stages) <= block


def shared_bytes(function: Any, capability: tuple[int, int], constants: dict[str, int], warps: int, stages: int) -> int:
    import triton
    from triton.backends.compiler import GPUTarget

    types = {"x": "*bf16", "w": "*bf16", "y": "*bf16", "dy": "*bf16", "partial": "*fp32", "B": "i32", "T": "i32"}
    signature = {name: types.get(name, "constexpr") for name in function.arg_names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(function.arg_names) if name in types}
    source = triton.compiler.ASTSource(fn=function, signature=signature, constexprs=constants, attrs=aligned)
    target = GPUTarget("cuda", 10 * capability[0] + capability[1], 32)
    return int(triton.compile(source, target=target, options={"num_warps": warps, "num_stages": stages}).metadata.shared)
