"""The network as one compiled graph: on a GPU its norms, gates and residual paths become few kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def compiled(
    network: Callable[[Tensor], Tensor], windows: int, backend: str | Callable[..., Any] = "inductor"
) -> Callable[[Tensor], Tensor]:
    """`network` compiled whole for batches of `windows` windows; others (the last of an epoch) run as they are.

    A part that cannot be compiled is an error, never left out. The compiler keeps its work on disk for the next run."""
    fast = torch.compile(network, fullgraph=True, dynamic=False, backend=backend)

    def run(window_BCT: Tensor) -> Tensor:
        return fast(window_BCT) if window_BCT.shape[0] == windows else network(window_BCT)

    return run
