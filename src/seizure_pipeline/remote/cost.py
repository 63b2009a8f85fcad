"""What a far node costs: the price of its machine, the hours it may take and where that figure is from, and its attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Protocol

from seizure_pipeline.remote.backend import Backend, RemoteError
from seizure_pipeline.remote.settings import Rates, RemoteSettings, Resources

MIB_PER_GIB = 1024
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a node is expected to take; `usd` is None where its machine has no price, `source` says who knows the hours."""

    hours: float
    usd: float | None
    source: str


def rates_of(backend: Backend, settings: RemoteSettings) -> Rates | None:
    """The provider's prices where it tells them now, else those of runner.yml; why it does not is for `problems` to say."""
    try:
        return backend.rates() or settings.rates
    except RemoteError:
        return settings.rates


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

    Of the finished calls of this node, environment and these parameters (of any, where there is none) the longest
    counts: one that only continued another, or found its work done, says little."""
    told = _measured(node, env, params, finished)
    if told is None and node in settings.expected_hours:
        told = settings.expected_hours[node], "guess in runner.yml"
    if told is None:
        return None
    hours, source = told
    priced = rates is not None and not unpriced_gpus(machine, rates)
    return Estimate(hours, hours * usd_per_hour(machine, rates) if rates is not None and priced else None, source)


def _measured(
    node: str, env: str | None, params: Mapping[str, Any], finished: Sequence[FinishedCall]
) -> tuple[float, str] | None:
    calls = [call for call in finished if (call.node, call.env, call.status) == (node, env, "finished")]
    same = [call for call in calls if dict(call.params) == dict(params)]
    longest = max(same or calls, key=lambda call: call.hours, default=None)
    if longest is None:
        return None
    return longest.hours, f"measured in call {longest.call}{'' if same else ', of other parameters'}"


def attempts_needed(hours: float, machine: Resources) -> float:
    """Attempts that so many hours of work take, each with LOST_S of it lost; infinitely many where nothing is left."""
    useful_s = machine.timeout_s - machine.grace_s - LOST_S
    return max(1, ceil(hours * 3600 / useful_s)) if useful_s > 0 else inf


def attempts_allowed(machine: Resources) -> int:
    """The first attempt and every retry; a preemption and the time limit use up one each."""
    return 1 + machine.retries.count
