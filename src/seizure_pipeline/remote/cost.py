"""What a far node costs: the price of its machine, the hours it may take and where that figure is from, and its attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Protocol

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.settings import Rates, RemoteSettings, Resources

MIB_PER_GIB = 1024
OF_NO_WEIGHT = ("results", "mlflow_parent", "training.optimizer", "training.loss", "training.seed")
"""Runtime parameters that say where a node's work goes or what is learned, and not how much work it is."""
LOST_S = 600.0  # of every attempt: start of the session, opening the cache, and steps since the last checkpoint


class FinishedCall(Protocol):
    """What the journal knows of an earlier far node."""

    @property
    def call(self) -> str:
        """Its name."""

    @property
    def node(self) -> str:
        """The node that it ran."""

    @property
    def env(self) -> str | None:
        """The environment that it ran with."""

    @property
    def params(self) -> Mapping[str, Any]:
        """The runtime parameters that it ran with."""

    @property
    def status(self) -> str:
        """How it ended, or that it runs."""

    @property
    def hours(self) -> float:
        """What all its attempts took."""

    @property
    def inputs(self) -> str:
        """Fingerprint of what it was made from."""

    @property
    def request(self) -> Request:
        """What was asked for, and of which GPU."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a node is expected to take; `usd` is None where its machine has no price, `source` says who knows the hours."""

    hours: float
    usd: float | None
    source: str


def rates_of(backend: Backend, settings: RemoteSettings) -> Rates | None:
    """The provider's prices where it tells them now, else those of runner.yml; why it does not is for `problems` to say."""
    try:
        told = backend.rates()
    except RemoteError:
        told = None
    table = settings.rates
    if told is None or table is None:
        return told or table
    if not (kept := sorted(table.gpu.keys() - told.gpu.keys())):
        return told
    as_of = f"{told.as_of}; {', '.join(kept)}: {table.as_of}"
    return told.model_copy(update={"gpu": {**table.gpu, **told.gpu}, "as_of": as_of})


def unpriced_gpus(machine: Resources, rates: Rates) -> list[str]:
    """The GPUs of a machine that `rates` does not know."""
    return [gpu for gpu in machine.gpu if gpu not in rates.gpu]


def usd_per_hour(machine: Resources, rates: Rates) -> float:
    """What a machine costs while it is held; of several GPUs the dearest, since any of them may be the one that is free.

    Raises ValueError for a GPU without a price."""
    if unknown := unpriced_gpus(machine, rates):
        raise ValueError(f"no price of {', '.join(unknown)} as of {rates.as_of}; add it to rates.gpu in runner.yml")
    gpus = machine.gpu_count * max((rates.gpu[gpu] for gpu in machine.gpu), default=0.0)
    return gpus + machine.cpu * rates.core + machine.memory_mib / MIB_PER_GIB * rates.memory_gib


def estimate(
    node: str,
    env: str | None,
    params: Mapping[str, Any],
    machine: Resources,
    settings: RemoteSettings,
    rates: Rates | None,
    finished: Sequence[FinishedCall],
) -> Estimate | None:
    """Hours and price of a node; None where neither an earlier call nor `expected_hours` tells the hours.

    Of the finished calls of this node, environment, GPUs and these parameters (but for those OF_NO_WEIGHT) the longest
    counts, with the hours of those that it went on from; one that found its work done says little. Calls of other
    parameters tell less than `expected_hours`: an epoch says nothing of a hundred."""
    calls = [call for call in finished if (call.node, call.env) == (node, env)]
    whole = [work for work in _works(calls) if all(call.request.gpu == machine.gpu for call in work)]
    told = _longest([work for work in whole if _weighty(work[-1].params) == _weighty(params)])
    if told is None and node in settings.expected_hours:
        without = ", made without these parameters" if _weighty(params) else ""
        told = settings.expected_hours[node], f"guess in runner.yml{without}"
    if told is None and (other := _longest(whole)) is not None:
        told = other[0], f"{other[1]}, of other parameters"
    if told is None:
        return None
    hours, source = told
    priced = rates is not None and not unpriced_gpus(machine, rates)
    return Estimate(hours, hours * usd_per_hour(machine, rates) if rates is not None and priced else None, source)


def _longest(works: Sequence[list[FinishedCall]]) -> tuple[float, str] | None:
    longest = max(works, key=_hours, default=None)
    if longest is None:
        return None
    before = f" and {len(longest) - 1} before it" if len(longest) > 1 else ""
    return _hours(longest), f"measured in call {longest[-1].call}{before}"


def _weighty(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Runtime parameters by dotted name, without those OF_NO_WEIGHT."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in OF_NO_WEIGHT:
            found |= _weighty(value, f"{name}.")
        elif not any(name == light or name.startswith(f"{light}.") for light in OF_NO_WEIGHT):
            found[name] = value
    return found


def _works(calls: Sequence[FinishedCall]) -> list[list[FinishedCall]]:
    """Each finished call behind those of the same inputs that it went on from; `calls` are in the order of their start."""
    works: list[list[FinishedCall]] = []
    open_works: dict[str, list[FinishedCall]] = {}
    for call in calls:
        open_works.setdefault(call.inputs, []).append(call)
        if call.status == "finished":
            works.append(open_works.pop(call.inputs))
    return works


def _hours(work: Sequence[FinishedCall]) -> float:
    return sum(call.hours for call in work)


def attempts_needed(hours: float, machine: Resources) -> float:
    """Attempts that so many hours of work take, each with LOST_S of it lost; infinitely many where nothing is left."""
    useful_s = machine.timeout_s - machine.grace_s - LOST_S
    return max(1, ceil(hours * 3600 / useful_s)) if useful_s > 0 else inf


def attempts_allowed(machine: Resources) -> int:
    """The first attempt and every retry; a preemption and the time limit use up one each."""
    return 1 + machine.retries.count
