"""CUDA C++ of this package compiled by torch's NVRTC, once a process, size and device."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import torch

Launch = Any  # of torch.cuda._compile_kernel: called with grid, block, arguments and bytes of shared memory


def kernel(name: str, sources: tuple[str, ...], **sizes: int) -> Launch:
    """Kernel `name` from files of `sources/`, with one macro per size; raises RuntimeError with the compiler's words."""
    return _kernel(name, sources, tuple(sorted(sizes.items())), torch.cuda.current_device())


@cache
def _kernel(name: str, sources: tuple[str, ...], sizes: tuple[tuple[str, int], ...], device: int) -> Launch:
    text = "".join(f"#define {size} {value}\n" for size, value in sizes)
    text += "".join(files(__package__).joinpath("sources", source).read_text() for source in sources)
    launch: Launch = torch.cuda._compile_kernel(text, name)
    return launch
