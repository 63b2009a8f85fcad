"""Weighted sums of channels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray


def mix(matrix: NDArray[np.float32], x_CT: NDArray[np.float32], out_ET: NDArray[np.float32]) -> None:
    """Write `matrix` (E, C) times `x_CT` (C, T) to `out_ET` (E, T), on one thread: files run side by side.

    By torch, whose one thread is set here, and which writes to `out_ET` where its rows lie apart; numpy would fill a
    fresh array first, and faults on its pages cost as much as the product."""
    import torch

    with one_thread():
        torch.mm(torch.from_numpy(matrix), torch.from_numpy(x_CT), out=torch.from_numpy(out_ET))


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch: a second makes the transforms here two to four times slower, and files run side by side."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
