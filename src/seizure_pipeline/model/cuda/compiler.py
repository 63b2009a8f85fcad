"""CUDA C++ of this package compiled by NVRTC, once a process, size and device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import torch

LEAST_CAPABILITY = (8, 0)  # the first whose tensor cores know bfloat16
Launch = Any  # of torch.cuda._utils: called with grid, block, arguments and bytes of shared memory


def failures() -> tuple[type[Exception], ...]:
    """What a kernel raises that cannot be compiled or started: RuntimeError, a missing compiler, and what Triton says."""
    try:
        from triton.errors import TritonError
    except ImportError:
        return RuntimeError, ImportError
    return RuntimeError, ImportError, TritonError


def kernel(name: str, sources: tuple[str, ...], **sizes: int) -> Launch:
    """Kernel `name` from files of `sources/`, with one macro per size; raises RuntimeError with the compiler's words."""
    return _kernel(name, sources, tuple(sorted(sizes.items())), torch.cuda.current_device())


@cache
def _kernel(name: str, sources: tuple[str, ...], sizes: tuple[tuple[str, int], ...], device: int) -> Launch:
    compiled = machine_code(name, sources, torch.cuda.get_device_capability(device), **dict(sizes))
    load: Callable[[bytes, list[str]], dict[str, Launch]] = torch.cuda._utils._cuda_load_module  # type: ignore[assignment]
    return load(compiled, [name])[name]


def machine_code(name: str, sources: tuple[str, ...], capability: tuple[int, int], **sizes: int) -> bytes:
    """What GPUs of a compute capability run; made on any machine that has NVRTC. Raises as `kernel`.

    By NVRTC itself: torch's own way to it asks for CUDA's headers, which nothing here includes and many machines lack."""
    from cuda.bindings import nvrtc  # comes with torch for GPUs, and not with torch for CPUs

    text = "".join(f"#define {size} {value}\n" for size, value in sizes.items())
    text += "".join(files(__package__).joinpath("sources", source).read_text() for source in sources)
    _, program = nvrtc.nvrtcCreateProgram(text.encode(), f"{name}.cu".encode(), 0, None, None)
    architecture = "sm_{}{}".format(*capability)
    (result,) = nvrtc.nvrtcCompileProgram(program, 1, [f"--gpu-architecture={architecture}".encode()])
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        words = bytes(nvrtc.nvrtcGetProgramLogSize(program)[1])
        nvrtc.nvrtcGetProgramLog(program, words)
        raise RuntimeError(f"kernel {name} for {architecture}, {sizes}: {words.decode().rstrip(chr(0)).strip() or result.name}")
    binary = bytes(nvrtc.nvrtcGetCUBINSize(program)[1])
    nvrtc.nvrtcGetCUBIN(program, binary)
    nvrtc.nvrtcDestroyProgram(program)
    return binary
