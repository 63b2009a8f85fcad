"""How an epoch's order is divided into batches and over ranks, from any step on.

Rank r of n gets windows m * r // n up to m * (r + 1) // n of every batch of m. Its shares, put end to end over the ranks,
are the batch in its order, for any m and n. Where n divides the batch size all shares are alike but those of an epoch's
last, smaller batch: there they differ by one window at most, and a rank may have none.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Rank `rank` of `ranks` that train together; raises ValueError for a rank that is not among them."""

    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"rank {self.rank} of {self.ranks}: ranks count from 0 to one below their number")

    def of(self, first: int, last: int) -> slice:
        """This rank's windows of the batch that holds windows `first` up to `last` of the epoch."""
        size = last - first
        return slice(first + size * self.rank // self.ranks, first + size * (self.rank + 1) // self.ranks)


def divide(windows: int, batch_size: int, first_step: int = 0, share: Share = Share()) -> list[slice]:
    """Which windows of an epoch's order `share` has in each batch, from batch `first_step` on.

    Raises ValueError for more ranks than a batch has windows."""
    if share.ranks > batch_size:
        raise ValueError(f"{share.ranks} ranks share batches of {batch_size} windows; each rank needs at least one")
    starts = range(first_step * batch_size, windows, batch_size)
    return [share.of(start, min(start + batch_size, windows)) for start in starts]
