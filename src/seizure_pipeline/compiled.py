"""Loops compiled at their first call and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` compiled at its first call, without the interpreter's lock; the types stay visible.

    The machine code is kept beside the source, or in the user's cache folder where the source may not be written to.
    Where neither may be (numba says so by a RuntimeError), every process compiles for itself, under a second a loop.
    """
    result: Callable[P, R]
    try:
        result = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        result = numba.njit(nogil=True)(function)
    return result
