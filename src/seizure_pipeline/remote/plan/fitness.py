"""Rules on the machines of far nodes: enough cores, the device that is asked for and no other, its kernel, enough attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TypeVar

from pydantic import BaseModel

from seizure_pipeline.cache import PreparationSettings, VerifySettings
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.remote.cost import attempts_allowed, attempts_needed
from seizure_pipeline.remote.files.travel import Catalog, Leaving
from seizure_pipeline.remote.redaction import unset
from seizure_pipeline.remote.settings import RemoteSettings
from seizure_pipeline.training.settings import TrainingSettings

Checked = TypeVar("Checked", bound=BaseModel)
CORES_PER_LOADER = 2
FEEDING_THREADS = {"resident": 0, "ring": 2, "disk": 8, "auto": 8}
"""Threads that feed a GPU unless they are given: what `training.choice` takes, which needs torch to say it."""


def settings_of(catalog: Catalog, room: str, checked: type[Checked]) -> Checked:
    """A room's parameters, validated."""
    value = catalog.load(f"params:{room}")
    return checked.model_validate(value.model_dump() if isinstance(value, BaseModel) else value)


def _preparing(catalog: Catalog) -> tuple[str, int]:
    return "windowing.workers", settings_of(catalog, "windowing", PreparationSettings).workers


def _verifying(catalog: Catalog) -> tuple[str, int]:
    return "verify.threads", settings_of(catalog, "verify", VerifySettings).threads


def _feeding(catalog: Catalog) -> tuple[str, int]:
    feeding = settings_of(catalog, "training", TrainingSettings).feeding
    if feeding.threads is not None and feeding.kind != "resident":
        return "training.feeding.threads", feeding.threads
    return f"training.feeding.kind {feeding.kind}, at most", FEEDING_THREADS[feeding.kind]


OF_A_PROVIDER = frozenset({"app", "image", "volumes", "buckets"})
PRICED = frozenset({"cpu", "memory_mib"})
OF_A_MACHINE = frozenset({"disk_mib", "region", "startup_timeout_s"}) | PRICED
"""Settings that only a provider of machines heeds."""


LOADERS: dict[str, Callable[[Catalog], tuple[str, int]]] = {
    "cache_recordings": _preparing,
    "list_problems": _verifying,
    "train": _feeding,
}
"""Node -> the setting that says how many of its workers compute. Those of populate_cache only wait for a network."""


def too_few_cores(leaving: Sequence[Leaving], catalog: Catalog, settings: RemoteSettings) -> list[str]:
    """Machines with fewer than two cores for each worker that loads; this machine has the cores that it has."""
    if settings.backend == "subprocess":
        return []
    problems = []
    for left in leaving:
        if left.name not in LOADERS:
            continue
        setting, workers = LOADERS[left.name](catalog)
        if left.machine.cpu < CORES_PER_LOADER * workers:
            problems.append(
                f"{left.name}: {left.machine.cpu:g} cores for {workers} workers ({setting}), each needs {CORES_PER_LOADER}; "
                f"set cpu: {CORES_PER_LOADER * workers} in runner.yml (nodes: {{{left.name}: {{cpu: ...}}}}), or fewer workers"
            )
    return problems


def wrong_device(leaving: Sequence[Leaving], catalog: Catalog, settings: RemoteSettings) -> list[str]:
    """Nodes that ask for a GPU their machine lacks or leave idle one that is paid for, and images without its kernel."""
    devices = {
        "training": settings_of(catalog, "training", TrainingSettings).device,
        "inference": settings_of(catalog, "inference", InferenceSettings).device,
    }
    return [
        f"{left.name}: {problem}"
        for left in leaving
        for room, device in devices.items()
        if f"params:{room}" in left.node.inputs
        for problem in _device_problems(left, room, device, settings)
    ]


def _device_problems(left: Leaving, room: str, device: str, settings: RemoteSettings) -> list[str]:
    if device == "cpu" and left.machine.gpu:
        return [f"{room}.device is cpu on a machine with {left.machine.gpu[0]}, paid for and idle; set {room}.device: cuda"]
    if device != "cuda" or settings.backend == "subprocess":
        return []
    problems = []
    if not left.machine.gpu:
        problems.append(f"{room}.device is cuda on a machine without a GPU; set gpu in runner.yml, or {room}.device: cpu")
    if not settings.image.kernel:
        problems.append(f"{room}.device is cuda, whose scan needs mamba-ssm, and the image has none; set image.kernel: true")
    return problems


def unheeded(leaving: Sequence[Leaving], settings: RemoteSettings) -> list[str]:
    """One line on all that runner.yml asks for and processes of this machine do not heed; cores and memory make a price."""
    if settings.backend != "subprocess" or not leaving:
        return []
    of_machine = OF_A_MACHINE if settings.rates is None else OF_A_MACHINE - PRICED
    names = sorted(settings.model_fields_set & OF_A_PROVIDER)
    tags = {tag for left in leaving for tag in left.node.tags}
    for tag, machine in settings.tags.items():
        names += [f"tags.{tag}.{name}" for name in sorted(machine.model_fields_set & of_machine) if tag in tags]
    for left in leaving:
        names += [f"nodes.{left.name}.{name}" for name in sorted(settings.nodes.get(left.name, {}).keys() & of_machine)]
    if not names:
        return []
    return [f"backend subprocess takes this machine as it is: {', '.join(names)} of runner.yml change nothing"]


def unset_secrets(leaving: Sequence[Leaving], settings: RemoteSettings) -> list[str]:
    """Variables of secrets that far nodes of this machine lack: they have those of this process."""
    if settings.backend != "subprocess" or not leaving:
        return []
    missing = unset([key for secret in settings.secrets for key in secret.keys])
    return [f"secrets of runner.yml: {', '.join(missing)} not set here, and far nodes have what is set here"] if missing else []


def too_few_attempts(left: Leaving, hours: float) -> list[str]:
    """A node whose expected hours take more attempts than its retries allow."""
    needed, allowed = attempts_needed(hours, left.machine), attempts_allowed(left.machine)
    if needed <= allowed:
        return []
    limit = f"attempts of {left.machine.timeout_s / 3600:g} h (timeout_s)"
    if needed == inf:
        return [f"{left.name}: {limit} leave no time for work; raise timeout_s in runner.yml"]
    return [
        f"{left.name}: {hours:g} h take {needed:g} {limit}, and {allowed} are allowed; "
        f"set retries.count: {needed - 1:g} or more in runner.yml (a preemption uses up one, too)"
    ]
