"""The network as one compiled graph: on a GPU its norms, gates and residual paths become few kernels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def compiled(
    network: Callable[[Tensor], Tensor], windows: int, deterministic: bool, backend: str | Callable[..., Any] = "inductor"
) -> Callable[[Tensor], Tensor]:
    """`network` compiled whole for batches of `windows` windows; others (the last of an epoch) run as they are.

    A part that cannot be compiled is an error, never left out. The compiler keeps its work on disk for the next run. Kernels
    that sum in different orders are chosen by rule if `deterministic`, else by which was fastest when timed: then two
    compilations differ in the last bits, and so does a run that goes on without the compiler's cache, as elsewhere."""
    # what is left in float32 is meant to be exact (docs/model.md)
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores for float32 matrix multiplication available", UserWarning)
    options: dict[str, Any] | None = {"deterministic": deterministic} if backend == "inductor" else None
    fast = torch.compile(network, fullgraph=True, dynamic=False, backend=backend, options=options)

    def run(window_BCT: Tensor) -> Tensor:
        return fast(window_BCT) if window_BCT.shape[0] == windows else network(window_BCT)

    return run
