"""Sets of samples as spans [first, end) of whole numbers, so that hours need not be walked sample by sample."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]


def union(spans: Iterable[Span], end: int) -> list[Span]:
    """The samples below `end` that lie in any of `spans`: spans that ascend and do not touch."""
    result: list[Span] = []
    for first, stop in sorted(spans):
        if stop > end:
            stop = end
        if stop <= first:
            continue
        if result and first <= result[-1][1]:
            if stop > result[-1][1]:
                result[-1] = (result[-1][0], stop)
        else:
            result.append((first, stop))
    return result


def size(spans: list[Span]) -> int:
    """How many samples a union holds."""
    return sum([stop - first for first, stop in spans])


def common_size(left: list[Span], right: list[Span]) -> int:
    """How many samples two unions share."""
    shared = i = j = 0
    while i < len(left) and j < len(right):
        shared += max(0, min(left[i][1], right[j][1]) - max(left[i][0], right[j][0]))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return shared


def meeting(spans: list[Span], others: list[Span]) -> list[Span]:
    """Those of `spans` that share a sample with any of `others`; in both lists firsts and ends ascend, none is empty."""
    result, j = [], 0
    for first, stop in spans:
        while j < len(others) and others[j][1] <= first:
            j += 1
        if j < len(others) and others[j][0] < stop:
            result.append((first, stop))
    return result
