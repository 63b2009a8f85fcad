"""Everything that would go wrong over there and can be known here, before anything starts or costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.cost import Estimate, FinishedCall, estimate, rates_of, unpriced_gpus
from seizure_pipeline.remote.files import ownership
from seizure_pipeline.remote.files.travel import Catalog, Leaving, is_one_folder, leaving_nodes
from seizure_pipeline.remote.plan import far_cache, fitness, names, sight
from seizure_pipeline.remote.plan.fitness import too_few_attempts
from seizure_pipeline.remote.settings import Rates, RemoteSettings

log = logging.getLogger(__name__)


def problems(
    pipeline: Pipeline,
    catalog: Catalog,
    settings: RemoteSettings,
    backend: Backend,
    context: RunContext,
    finished: Sequence[FinishedCall] = (),
    attached: str = "",
    registered: Sequence[Node] | None = None,
) -> list[str]:
    """What stands against running a pipeline's far nodes, a line each: node, dataset, value, rule and what to do.

    `finished` are the journal's calls, whose hours make the estimate; `attached` is a node that runs there already and was
    looked at when it was sent; `registered` are the nodes of all pipelines, by default those of the project. Only reads, and
    asks the provider nothing where no node leaves."""
    known = names.registered_nodes() if registered is None else registered
    found = [
        *names.unknown(settings, [*pipeline.nodes, *known] if known else []),
        *sight.wrongly_brought_home(catalog, settings),
    ]
    try:
        leaving = leaving_nodes(pipeline, catalog, settings, context.data_root)
    except ValueError as error:
        return [*found, f"runner.yml: {error}"]
    found += sight.folders_apart(pipeline, catalog, leaving, settings)
    if sent := [left for left in leaving if left.name != attached]:
        found += _sending_problems(pipeline, catalog, sent, settings, backend, context)
        rates = rates_of(backend, settings)
        found += _cost_problems(sent, estimates(sent, settings, rates, context, finished), settings, rates)
        for warning in [] if settings.dry_run else warnings(sent, settings, rates):
            log.warning("%s", warning)
    return list(dict.fromkeys(found))


def _sending_problems(
    pipeline: Pipeline,
    catalog: Catalog,
    leaving: Sequence[Leaving],
    settings: RemoteSettings,
    backend: Backend,
    context: RunContext,
) -> list[str]:
    seen_here = [
        *sight.out_of_sight(leaving),
        *sight.not_there_to_carry(pipeline, leaving),
        *sight.unsigned_buckets(leaving, catalog, settings),
        *fitness.too_few_cores(leaving, catalog, settings),
        *fitness.wrong_device(leaving, catalog, settings),
    ]
    return seen_here + _asked(
        lambda: backend.problems([left.machine for left in leaving]),
        lambda: _another_owner(settings, backend, context),
        lambda: far_cache.missing_over_there(pipeline, catalog, leaving, backend),
    )


def warnings(leaving: Sequence[Leaving], settings: RemoteSettings, rates: Rates | None) -> list[str]:
    """What of the settings or of the bill is not as it was asked for, and stops nothing."""
    return [
        *unpriced(leaving, settings, rates),
        *fitness.unheeded(leaving, settings),
        *fitness.unset_secrets(leaving, settings),
    ]


def unpriced(leaving: Sequence[Leaving], settings: RemoteSettings, rates: Rates | None) -> list[str]:
    """Nodes whose bill nobody can tell, where no budget forbids that; processes of this machine send none."""
    if settings.budget_usd is not None or settings.backend == "subprocess":
        return []
    if rates is None:
        return ["nobody tells prices: what this run costs is not known, and nothing stops it; add `rates` to runner.yml"]
    return [f"{line}; until then its cost is not known" for line in _without_price(leaving, rates)]


def _without_price(leaving: Sequence[Leaving], rates: Rates) -> list[str]:
    return [
        f"{left.name}: no price of {', '.join(gpus)} as of {rates.as_of}; add it to rates.gpu in runner.yml"
        for left in leaving
        if (gpus := unpriced_gpus(left.machine, rates))
    ]


def _another_owner(settings: RemoteSettings, backend: Backend, context: RunContext) -> list[str]:
    if is_one_folder(settings, context.data_root):
        return []
    return ownership.taken(backend, settings.far_root, context.data_root)


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


def _asked(*questions: Callable[[], list[str]]) -> list[str]:
    """What a provider answers; one that does not says so to every question, and is quoted once."""
    found: list[str] = []
    for ask in questions:
        try:
            found += ask()
        except RemoteError as error:
            why = str(error).partition(": ")[2] or str(error)
            if not any(line.endswith(why) for line in found):
                found.append(str(error))
    return found


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
    found += _without_price(leaving, rates)
    prices = {name: each.usd for name, each in known.items() if each.usd is not None}
    if (total := sum(prices.values())) > settings.budget_usd:
        parts = ", ".join(f"{name} ${usd:,.2f} ({known[name].source})" for name, usd in prices.items())
        found.append(f"runner.yml: an estimate of ${total:,.2f} is over {budget}: {parts}; raise the budget or do less")
    return found
