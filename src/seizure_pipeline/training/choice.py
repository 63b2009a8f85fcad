"""Which backing windows come from, by size, device and free memory; the choice changes no window."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from seizure_pipeline.training.backings import Backing, Resident, Ring
from seizure_pipeline.training.settings import FeedingSettings
from seizure_pipeline.training.stored import FileSignals, MappedSignals, StoredSignal

log = logging.getLogger(__name__)
THREADS_FROM_MEMORY = 2  # two copy as fast as memory does (measured: benchmarks/feeding.py)
THREADS_FROM_DISK = 8  # a disk answers several reads at once


@dataclass(frozen=True)
class Choice:
    """A backing's name and the reason for it."""

    kind: str
    reason: str


def open_backing(
    stored: Sequence[StoredSignal], samples: int, settings: FeedingSettings, device: torch.device
) -> tuple[Backing, Choice]:
    """The backing for windows of `samples` samples of these signals; says in the log which, why and how large it is.

    Raises RuntimeError if `resident` is asked for and cannot fit."""
    size = sum(signal.size_bytes for signal in stored)
    choice = choose(size, settings, device.type, free_on_device(device), available_memory())
    log.info("windows come from %s: %s of signals, %s", choice.kind, _gigabytes(size), choice.reason)
    if choice.kind == "resident":
        return Resident(stored, samples, device), choice
    from_disk = choice.kind == "disk"
    signals = FileSignals(stored) if from_disk else MappedSignals(stored)
    threads = settings.threads or (THREADS_FROM_DISK if from_disk else THREADS_FROM_MEMORY)
    return Ring(signals, stored[0].channels, samples, device, threads, settings.ahead), choice


def choose(size: int, settings: FeedingSettings, device: str, on_device: int, in_memory: int) -> Choice:
    """The backing for `size` bytes of signals, with so many bytes free on the device and in memory.

    On a CPU the files in memory are as near as a copy of them: `auto` takes the ring there."""
    if settings.kind == "resident" and size > on_device:
        raise RuntimeError(
            f"training.feeding.kind is 'resident', but {_gigabytes(size)} of signals do not fit into {_gigabytes(on_device)} "
            f"free on the device; set it to 'auto'"
        )
    if settings.kind != "auto":
        return Choice(settings.kind, "as training.feeding.kind says")
    if device != "cpu" and size <= settings.device_share * on_device:
        return Choice("resident", f"within {settings.device_share:.0%} of {_gigabytes(on_device)} free on the device")
    if size <= settings.memory_share * in_memory:
        return Choice("ring", f"within {settings.memory_share:.0%} of {_gigabytes(in_memory)} of free memory")
    return Choice("disk", f"over {settings.memory_share:.0%} of {_gigabytes(in_memory)} of free memory")


def free_on_device(device: torch.device) -> int:
    """Bytes free on a GPU; of the CPU, those of the memory."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else available_memory()


def available_memory() -> int:
    """Bytes that new data may take, files kept in memory counted as free; all memory where the system does not say."""
    facts = Path("/proc/meminfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(1024 * int(line.split()[1]), _group_limit())
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _group_limit() -> int:
    """Bytes that the container may take."""
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return int(text) if text.isdigit() else 1 << 62


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
