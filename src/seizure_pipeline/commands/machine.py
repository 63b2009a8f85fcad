"""What `kedro doctor` asks of the machine itself: Python, packages, memory, disk, GPU, git."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from seizure_pipeline.commands.findings import Finding

DISTRIBUTION = "seizure-pipeline"
GIB = 2**30
LEAST_DISK_GIB = 1.0  # beside the cache: a generated corpus (0.4 GB), models, traces, pictures and reports of some runs
SHOWN_GIB = 0.05
LEAST_MEMORY_GIB = 4.0  # two workers of windowing with up to 1 GB each (cache/prepare.py), torch and this process beside them
CACHE_MB_PER_HOUR = 19 * 256 * 2 * 3600 / 1e6  # electrodes, samples a second, bytes
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def python(running: tuple[int, ...]) -> Finding:
    """Whether the package allows the Python that runs."""
    allowed = SpecifierSet(distribution(DISTRIBUTION).metadata["Requires-Python"])
    found = ".".join(str(part) for part in running)
    if found in allowed:
        return Finding("Python", "ok", found)
    return Finding("Python", "missing", found, f"nothing is promised: the package asks for Python {allowed}")


def packages() -> Finding:
    """Whether every package that this one asks for is here, in a version that it allows."""
    asked = [Requirement(line) for line in requires(DISTRIBUTION) or []]
    needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    here = {each.name: _version(each.name) for each in needed}
    wrong = [f"{each} (here: {here[each.name] or 'none'})" for each in needed if not _allows(each, here[each.name])]
    if not wrong:
        return Finding("packages", "ok", f"{len(needed)} asked for, all here")
    return Finding("packages", "missing", "; ".join(wrong), "imports fail: install the package again, with its constraints")


def _allows(asked: Requirement, here: str | None) -> bool:
    return here is not None and asked.specifier.contains(here, prereleases=True)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def memory(total_gib: float, cores: int) -> Finding:
    """Whether memory suffices for the default run."""
    found = f"{total_gib:.1f} GiB for {cores} processor cores"
    if total_gib >= LEAST_MEMORY_GIB:
        return Finding("memory", "ok", found)
    return Finding("memory", "missing", found, f"below {LEAST_MEMORY_GIB:g} GiB a run may be killed in windowing or training")


def memory_bytes() -> float:
    """Memory of this machine, or what its container may use of it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.is_file() else "max"
    return float(min(machine, int(limit))) if limit.isdigit() else float(machine)


def disk(data_root: Path, corpus_h: float | None, cached_gib: float) -> Finding:
    """Whether there is room for what runs write below `data_root`, and leave to write it.

    `corpus_h` are the hours of EEG that go into the cache there, None where they are not known; `cached_gib` of it are
    there already."""
    place = next(folder for folder in (data_root.absolute(), *data_root.absolute().parents) if folder.exists())
    free_gib = shutil.disk_usage(place).free / GIB
    found = f"{free_gib:.1f} GiB free at {place}"
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return Finding("disk", "missing", f"{place} takes no files", "no run can keep its results: set data_root elsewhere")
    rate_gib = CACHE_MB_PER_HOUR * 1e6 / GIB
    to_come_gib = max(0.0, (corpus_h or 0.0) * rate_gib - cached_gib)
    cache = f" and {to_come_gib:.1f} GiB for the cache of {corpus_h:,.0f} h of EEG" if to_come_gib >= SHOWN_GIB else ""
    needed = f"{LEAST_DISK_GIB:g} GiB for results{cache}"
    if free_gib < LEAST_DISK_GIB + to_come_gib:
        cost = f"runs write about {needed}, and stop on a full disk: set data_root elsewhere"
        return Finding("disk", "missing", found, cost)
    if corpus_h is None:
        room_h = (free_gib - LEAST_DISK_GIB) / rate_gib
        return Finding("disk", "ok", f"{found}: the cache of {room_h:,.0f} h of EEG; the corpus's hours are not known")
    return Finding("disk", "ok", f"{found}; runs write about {needed}")


def gpu(cuda_by: tuple[str, ...]) -> Iterator[Finding]:
    """The GPU, the CUDA that torch was built for, and the scan kernel, for which parameters `cuda_by` ask."""
    import torch

    from seizure_pipeline.model.cuda.compiler import LEAST_CAPABILITY

    cost = f"{' and '.join(cuda_by)} ask for it: runs stop before their first node"
    if not torch.cuda.is_available():
        yield Finding("GPU", "missing", "none that torch sees", cost)
        built = torch.version.cuda
        yield Finding("CUDA", "ok" if built else "missing", f"torch {torch.__version__} is built for {built or 'CPUs only'}")
        yield Finding("scan kernel", "missing", "not looked at without a GPU", cost)
        return
    properties = torch.cuda.get_device_properties(0)
    yield Finding("GPU", "ok", f"{torch.cuda.device_count()} x {properties.name}, {properties.total_memory / GIB:.0f} GiB")
    yield Finding("CUDA", "ok", f"{torch.version.cuda}, by torch {torch.__version__}")
    capability = f"compute capability {properties.major}.{properties.minor}"
    if (properties.major, properties.minor) >= LEAST_CAPABILITY:
        found = f"its own; {capability}; kedro run --pipelines kernel_check says whether it is right"
        yield Finding("scan kernel", "ok", found)
    else:
        yield Finding("scan kernel", "missing", "{}: written for {}.{} and later".format(capability, *LEAST_CAPABILITY), cost)


def git() -> Finding:
    """Whether runs can say of which commit they are."""
    if where := shutil.which("git"):
        return Finding("git", "ok", where)
    return Finding("git", "absent", "not on the path", "MLflow's runs do not say from which commit they are")
