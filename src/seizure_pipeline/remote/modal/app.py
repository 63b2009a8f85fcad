"""What is deployed to Modal: one function in an app of its own, with the machine, image, mounts and secrets of conf."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import modal

from seizure_pipeline.remote.modal.image import image_of
from seizure_pipeline.remote.records import Request
from seizure_pipeline.remote.settings import BucketSettings, RemoteSettings, Resources

FUNCTION = "attempt"
LONGEST_NAME = 64


def name_of(settings: RemoteSettings, request: Request) -> str:
    """The name of the app for a call: each has its own, which goes when the call ended.

    One that calls share would be deployed over while another call runs in it, whose next attempt would get other code, and
    nobody could tell when it is used no more."""
    ending = f"-{request.call}"
    return f"{settings.app[: LONGEST_NAME - len(ending)]}{ending}"


def queue_name(settings: RemoteSettings) -> str:
    """The queue of all calls; each has its partitions in it."""
    return f"{settings.app}-events"


def app_of(
    name: str, settings: RemoteSettings, machine: Resources, project: Path, shipped: Path
) -> tuple[modal.App, modal.Function[..., str, str]]:
    """The app, and the function in it, to be deployed; `shipped` holds the files that go along."""
    app = modal.App(name, include_source=False)
    put_in = app.function(
        name=FUNCTION,
        image=image_of(settings.image, project, shipped),
        volumes=_mounts(settings),
        secrets=[secret_of(secret.name, secret.keys) for secret in settings.secrets],
        serialized=True,  # it puts the shipped source on the path before it imports any of it
        include_source=False,
        single_use_containers=True,  # an attempt never meets what an earlier one left in memory or on a disk
        max_containers=1,  # a start that was asked for twice waits, and finds the outcome of the first
        **_machine(machine),
    )
    return app, put_in(_function())


def volumes_of(settings: RemoteSettings, *, create: bool = True) -> dict[str, modal.Volume]:
    """The volumes by their mount paths; with `create` they are made where there are none."""
    return {
        path: modal.Volume.from_name(volume.name, create_if_missing=create, version=volume.version if create else None)
        for path, volume in settings.volumes.items()
    }


def secret_of(name: str, keys: Sequence[str] = ()) -> modal.Secret:
    """A secret that Modal keeps, which must hold `keys`."""
    return modal.Secret.from_name(name, required_keys=list(keys))


def _machine(machine: Resources) -> dict[str, Any]:
    retries = machine.retries
    gpus = [name if machine.gpu_count == 1 else f"{name}:{machine.gpu_count}" for name in machine.gpu]
    return {
        "gpu": gpus[0] if len(gpus) == 1 else gpus or None,
        "cpu": machine.cpu,
        "memory": machine.memory_mib,
        "ephemeral_disk": machine.disk_mib,
        "timeout": machine.timeout_s,
        "startup_timeout": machine.startup_timeout_s,
        "region": list(machine.region) or None,
        "retries": modal.Retries(
            max_retries=retries.count,
            backoff_coefficient=retries.backoff,
            initial_delay=retries.delay_s,
            max_delay=retries.longest_delay_s,
        ),
    }


def _mounts(settings: RemoteSettings) -> dict[str | PurePosixPath, modal.Volume | modal.CloudBucketMount]:
    mounts: dict[str | PurePosixPath, modal.Volume | modal.CloudBucketMount] = {}
    mounts.update(volumes_of(settings))
    mounts.update({path: _bucket(bucket) for path, bucket in settings.buckets.items()})
    return mounts


def _bucket(bucket: BucketSettings) -> modal.CloudBucketMount:
    return modal.CloudBucketMount(
        bucket.bucket,
        bucket_endpoint_url=bucket.endpoint_url,
        key_prefix=f"{bucket.prefix.strip('/')}/" if bucket.prefix else None,
        secret=secret_of(bucket.secret) if bucket.secret else None,
        read_only=True,
    )


def _function() -> Callable[[str, str, Sequence[str], str], str]:
    def run(request: str, queue: str, volumes: Sequence[str], project: str) -> str:
        import sys

        sys.path.insert(0, f"{project}/src")
        from seizure_pipeline.remote.modal.function import attempt

        return attempt(request, queue, volumes, project)

    return run
