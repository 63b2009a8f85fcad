"""What Modal refuses although its client lets it through; asked for nothing, so that it costs nothing to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from seizure_pipeline.remote.settings import RemoteSettings, Resources

# Modal's guides on GPUs, time-outs, retries, resources, preemption and images, as of its client 1.6.4.
EIGHT = ("T4", "L4", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000", "H100", "H100!", "H200", "B200", "B200+", "B300")
GPUS = dict.fromkeys(EIGHT, 8) | dict.fromkeys(("A10", "A10G"), 4)
LONGEST_ATTEMPT_S = 86_400
MOST_RETRIES = 10
LONGEST_DELAY_S = 60
STEEPEST_BACKOFF = 10
MOST_CORES, FEWEST_CORES = 64, 0.125
MOST_MEMORY_MIB, LEAST_MEMORY_MIB = 344_064, 128
DISK_MIB = (524_288, 3_145_728)
PREEMPTION_GRACE_S = 30
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def refused(settings: RemoteSettings, machines: Sequence[Resources], python: str) -> list[str]:
    """What would be refused of these settings and machines, with a Python of this minor version; a line each."""
    found = [line for machine in machines for line in (*_gpu(machine), *_sizes(machine), *_times(machine), *_retries(machine))]
    return [*dict.fromkeys(found), *_image(settings, python), *_mounts(settings)]


def _gpu(machine: Resources) -> Iterator[str]:
    for name in machine.gpu:
        if name not in GPUS:
            yield f"gpu: {name}: Modal has no such GPU; it has {', '.join(GPUS)} (how many goes to gpu_count)"
        elif machine.gpu_count > GPUS[name]:
            yield f"gpu_count: {machine.gpu_count} x {name}: a machine of Modal's holds at most {GPUS[name]}"


def _sizes(machine: Resources) -> Iterator[str]:
    if not FEWEST_CORES <= machine.cpu <= MOST_CORES:
        yield f"cpu: {machine.cpu:g}: Modal lends {FEWEST_CORES} to {MOST_CORES} cores"
    if not LEAST_MEMORY_MIB <= machine.memory_mib <= MOST_MEMORY_MIB:
        yield f"memory_mib: {machine.memory_mib}: Modal lends {LEAST_MEMORY_MIB} to {MOST_MEMORY_MIB} MiB"
    least, most = DISK_MIB
    if machine.disk_mib is not None and not least <= machine.disk_mib <= most:
        yield f"disk_mib: {machine.disk_mib}: Modal takes {least} to {most} MiB; without the setting there are {least}"


def _times(machine: Resources) -> Iterator[str]:
    for name, seconds in (("timeout_s", machine.timeout_s), ("startup_timeout_s", machine.startup_timeout_s)):
        if seconds > LONGEST_ATTEMPT_S:
            yield f"{name}: {seconds}: Modal ends an attempt after {LONGEST_ATTEMPT_S} s; for more hours set retries.count"
    if machine.grace_s > PREEMPTION_GRACE_S:
        yield f"grace_s: {machine.grace_s:g}: Modal kills a preempted machine after {PREEMPTION_GRACE_S} s"


def _retries(machine: Resources) -> Iterator[str]:
    retries = machine.retries
    if retries.count > MOST_RETRIES:
        yield f"retries.count: {retries.count}: Modal tries again at most {MOST_RETRIES} times"
    for name, seconds in (("delay_s", retries.delay_s), ("longest_delay_s", retries.longest_delay_s)):
        if seconds > LONGEST_DELAY_S:
            yield f"retries.{name}: {seconds:g}: Modal waits at most {LONGEST_DELAY_S} s before it tries again"
    if retries.backoff > STEEPEST_BACKOFF:
        yield f"retries.backoff: {retries.backoff:g}: Modal takes 1 to {STEEPEST_BACKOFF}"


def _image(settings: RemoteSettings, python: str) -> Iterator[str]:
    image = settings.image
    if python not in PYTHONS:
        yield f"Python {python}: Modal's images have {', '.join(PYTHONS)}, and both sides need the same; use one of these here"
    if image.kernel and "devel" not in (image.cuda or ""):
        yield f"image.kernel: its compiler is only in a -devel image of CUDA, and image.cuda is {image.cuda}"


def _mounts(settings: RemoteSettings) -> Iterator[str]:
    for path in (*settings.volumes, *settings.buckets):
        if not PurePosixPath(path).is_absolute() or path.strip("/") in ("", "root", "tmp"):
            yield f"{path}: Modal mounts a volume or bucket at an absolute path, but not at /, /root or /tmp"
    if volume_path(settings, settings.far_root) is None:
        known = ", ".join(settings.volumes) or "there are none"
        yield f"far_root: {settings.far_root} lies on no volume ({known}), and nothing else outlasts the machine"


def volume_path(settings: RemoteSettings, far: str) -> str | None:
    """The mount path of the volume that a far path lies on; None where there is none."""
    found = [path for path in settings.volumes if PurePosixPath(far).is_relative_to(path)]
    return max(found, key=len, default=None)
