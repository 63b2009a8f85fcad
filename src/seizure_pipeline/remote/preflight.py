"""Everything that would go wrong over there and can be known here, before anything starts or costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kedro.pipeline import Pipeline

from seizure_pipeline.remote import far_cache, fitness, sight
from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.cost import Estimate, FinishedCall, estimate, rates_of, unpriced_gpus
from seizure_pipeline.remote.fitness import too_few_attempts
from seizure_pipeline.remote.settings import Rates, RemoteSettings
from seizure_pipeline.remote.travel import Catalog, Leaving, leaving_nodes


def problems(
    pipeline: Pipeline,
    catalog: Catalog,
    settings: RemoteSettings,
    backend: Backend,
    context: RunContext,
    finished: Sequence[FinishedCall] = (),
) -> list[str]:
    """What stands against running a pipeline's far nodes, a line each: node, dataset, value, rule and what to do.

    `finished` are the journal's calls, whose hours make the estimate. Only reads, and asks the provider; empty where
    no node leaves."""
    try:
        leaving = leaving_nodes(pipeline, catalog, settings, context.data_root)
    except ValueError as error:
        return [f"runner.yml: {error}"]
    if not leaving:
        return []
    rates = rates_of(backend, settings)
    return [
        *sight.out_of_sight(leaving),
        *sight.not_there_to_carry(pipeline, leaving),
        *sight.folders_apart(pipeline, catalog, leaving, settings),
        *sight.wrongly_brought_home(catalog, settings),
        *sight.unsigned_buckets(leaving, catalog, settings),
        *fitness.too_few_cores(leaving, catalog),
        *fitness.wrong_device(leaving, catalog, settings),
        *_asked(lambda: backend.problems([left.machine for left in leaving])),
        *_asked(lambda: far_cache.missing_over_there(pipeline, catalog, leaving, backend)),
        *_cost_problems(leaving, estimates(leaving, settings, rates, context, finished), settings, rates),
    ]


def estimates(
    leaving: Sequence[Leaving],
    settings: RemoteSettings,
    rates: Rates | None,
    context: RunContext,
    finished: Sequence[FinishedCall],
) -> dict[str, Estimate | None]:
    """Node -> what it is expected to take."""
    return {
        left.name: estimate(left.name, context.env, context.params, left.machine, settings, rates, finished) for left in leaving
    }


def _asked(ask: Callable[[], list[str]]) -> list[str]:
    try:
        return ask()
    except RemoteError as error:
        return [str(error)]


def _cost_problems(
    leaving: Sequence[Leaving], expected: dict[str, Estimate | None], settings: RemoteSettings, rates: Rates | None
) -> list[str]:
    known = {name: each for name, each in expected.items() if each is not None}
    found = [line for left in leaving if left.name in known for line in too_few_attempts(left, known[left.name].hours)]
    if settings.budget_usd is None:
        return found
    budget = f"budget_usd {settings.budget_usd:g}"
    if rates is None:
        return [*found, f"runner.yml: {budget} holds nothing where nobody tells prices; add `rates` to runner.yml"]
    found += [
        f"{left.name}: no price of {', '.join(gpus)} as of {rates.as_of}; add it to rates.gpu in runner.yml"
        for left in leaving
        if (gpus := unpriced_gpus(left.machine, rates))
    ]
    prices = {name: each.usd for name, each in known.items() if each.usd is not None}
    if (total := sum(prices.values())) > settings.budget_usd:
        parts = ", ".join(f"{name} ${usd:,.2f} ({known[name].source})" for name, usd in prices.items())
        found.append(f"runner.yml: an estimate of ${total:,.2f} is over {budget}: {parts}; raise the budget or do less")
    return found
