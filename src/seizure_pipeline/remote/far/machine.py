"""The machine that a node runs on over there: what it is, how busy it is, whether it ran out of memory."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import seizure_pipeline
from seizure_pipeline.remote.backend import RemoteError
from seizure_pipeline.remote.context import source_fingerprint
from seizure_pipeline.remote.records import Request

NVIDIA = "nvidia-smi"
GPU_COLUMNS = ("utilization.gpu", "memory.used", "memory.total", "power.draw")
ANSWER_S = 20.0


class Mismatch(RemoteError):
    """The far machine has another Python or other code than the one that asked."""


def python_version() -> str:
    """Minor version of this Python, as 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def check_same(request: Request, project: Path) -> None:
    """Raise Mismatch unless this process has the Python and the code that the request was made with."""
    if request.python != python_version():
        raise Mismatch(f"asked from Python {request.python}, this machine has {python_version()}; give both the same")
    running, source = Path(seizure_pipeline.__file__).resolve(), (project / "src").resolve()
    if not running.is_relative_to(source):
        raise Mismatch(f"the code that runs is {running.parent}, not that of {source}")
    found = source_fingerprint(project)
    if found != request.code:
        raise Mismatch(
            f"asked with source and configuration {request.code}, {project} has {found}: changed since the node was "
            f"started; start it again"
        )


def facts() -> dict[str, str]:
    """Host, Python, torch and GPUs, by name; empty for a GPU that is not there."""
    gpus = _ask_gpus("name", "driver_version")
    return {
        "host": socket.gethostname(),
        "python": sys.version.split()[0],
        "torch": version("torch"),
        "gpu": "; ".join(", driver ".join(row) for row in gpus),
    }


def gpu_names() -> list[str]:
    """The GPUs of this machine, as their driver calls them."""
    return [row[0] for row in _ask_gpus("name")]


class Gauge:
    """How busy the machine is, under the names that MLflow gives to system metrics (without its `system/`)."""

    def __init__(self) -> None:
        self._cpu = _cpu_ticks()

    def read(self) -> dict[str, float]:
        """CPU since the last reading, memory and each GPU now; only what this system tells."""
        return {**self._cpu_use(), **_memory_use(), **_gpu_use()}

    def _cpu_use(self) -> dict[str, float]:
        before, self._cpu = self._cpu, _cpu_ticks()
        total, idle = (now - then for now, then in zip(self._cpu, before, strict=True))
        return {"cpu_utilization_percentage": 100 * (1 - idle / total)} if total > 0 else {}


def oom_kills() -> int:
    """Processes that were killed for lack of memory in this container, or on this machine where it tells no more."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")):
        if path.exists():
            counts = dict(line.split(" ", 1) for line in path.read_text().splitlines())
            return int(counts.get("oom_kill", 0))
    return 0


def _cpu_ticks() -> tuple[int, int]:
    """Ticks in all and idle ones, of all cores since the machine started."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0, 0
    ticks = [int(count) for count in path.read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _memory_use() -> dict[str, float]:
    path = Path("/proc/meminfo")
    if not path.exists():
        return {}
    kib = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in path.read_text().splitlines())}
    used = kib["MemTotal"] - kib["MemAvailable"]
    return {
        "system_memory_usage_megabytes": used * 1024 / 1e6,
        "system_memory_usage_percentage": 100 * used / kib["MemTotal"],
    }


def _gpu_use() -> dict[str, float]:
    metrics: dict[str, float] = {}
    for number, row in enumerate(_ask_gpus(*GPU_COLUMNS)):
        use, used_mib, total_mib, watts = (float(cell) if cell[:1].isdigit() else None for cell in row)
        known = {
            "utilization_percentage": use,
            "memory_usage_megabytes": None if used_mib is None else used_mib * 1024**2 / 1e6,
            "memory_usage_percentage": None if used_mib is None or not total_mib else 100 * used_mib / total_mib,
            "power_usage_watts": watts,
        }
        metrics |= {f"gpu_{number}_{name}": value for name, value in known.items() if value is not None}
    return metrics


def _ask_gpus(*columns: str) -> list[list[str]]:
    """A row for each GPU; none where there is no driver, or it does not answer."""
    if shutil.which(NVIDIA) is None:
        return []
    command = [NVIDIA, f"--query-gpu={','.join(columns)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ANSWER_S)
    except (subprocess.SubprocessError, OSError):
        return []  # a GPU that is gone shows in the node itself
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
