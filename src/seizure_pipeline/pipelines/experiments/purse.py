"""The budget that all experiments of a plan share: what is bound, and what the next one may take."""

from __future__ import annotations

from collections.abc import Sequence

from seizure_pipeline.pipelines.experiments.children import Child

MARGIN = 1e-9  # an estimate may equal what is granted, and both are sums in other orders


class Purse:
    """`limit_usd` for all together, of which none takes more than `each_usd`; counts what runs below `parent` took."""

    def __init__(self, limit_usd: float, each_usd: float | None, parent: str | None, children: Sequence[Child]) -> None:
        self._limit_usd, self._each_usd, self._parent = limit_usd, each_usd, parent
        self._bound_usd = {child.planned.name: child.usd(parent) for child in children}

    def grant(self, child: Child, waiting: Sequence[Child]) -> float | None:
        """What `child` may cost in all: its need, and its share of what nobody of `waiting` needs; None if it is too dear."""
        free_usd = self._limit_usd - self._others_usd(child) - self._need_usd(child)
        if free_usd < 0:
            return None
        later = [other for other in waiting if other is not child]
        spare_usd = free_usd - sum(self._need_usd(other) - self._bound_usd[other.planned.name] for other in later)
        granted_usd = self._need_usd(child) + max(spare_usd, 0.0) / (len(later) + 1)
        if self._each_usd is not None:
            granted_usd = min(granted_usd, self._each_usd)
        return granted_usd * (1 + MARGIN)

    def bind(self, child: Child, granted_usd: float) -> None:
        """Hold what was granted to a child that began."""
        self._bound_usd[child.planned.name] = granted_usd

    def settle(self, child: Child) -> None:
        """Bind no more than what a child took."""
        self._bound_usd[child.planned.name] = child.usd(self._parent)

    def refusal(self, child: Child) -> str:
        """Why a child is too dear."""
        return (
            f"{self._need_usd(child):.2f} USD more than the {self._others_usd(child):.2f} USD of the others would pass "
            f"experiments.budget_usd {self._limit_usd:g}"
        )

    def _need_usd(self, child: Child) -> float:
        return max(child.planned.estimated_usd or 0.0, self._bound_usd[child.planned.name])

    def _others_usd(self, child: Child) -> float:
        return sum(self._bound_usd.values()) - self._bound_usd[child.planned.name]
