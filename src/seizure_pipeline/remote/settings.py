"""Settings of a runner that sends nodes elsewhere: `conf/<env>/runner.yml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from seizure_pipeline.configuration import Settings

ONE_COMMAND_ONLY = frozenset({"attach", "detach", "dry_run"})
"""Settings that say what to do now, not how."""


class RetrySettings(Settings):
    """Attempts after the first: so many, `delay_s` after a failure, each time `backoff` times as long."""

    count: int = Field(0, ge=0)
    delay_s: float = Field(1.0, ge=0)
    backoff: float = Field(2.0, ge=1)
    longest_delay_s: float = Field(60.0, ge=1)


class Resources(Settings):
    """One machine: `gpu` names are tried in their order, of `gpu_count` each; memory and disk in MiB, times per attempt."""

    gpu: tuple[str, ...] = ()
    gpu_count: int = Field(1, ge=1)
    cpu: float = Field(2.0, gt=0)
    memory_mib: int = Field(8192, gt=0)
    disk_mib: int | None = Field(None, gt=0)
    timeout_s: int = Field(86_400, gt=0)
    startup_timeout_s: int = Field(1800, gt=0)
    grace_s: float = Field(25.0, gt=0)
    retries: RetrySettings = RetrySettings()
    region: tuple[str, ...] = ()

    @field_validator("gpu", "region", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class VolumeSettings(Settings):
    """A volume of the provider, there under the path that is its key in `volumes`."""

    name: str
    version: Literal[1, 2] = 2


class BucketSettings(Settings):
    """A bucket mounted for reading, there under the path that is its key in `buckets`; `secret` names its credentials."""

    bucket: str
    prefix: str | None = None
    secret: str | None = None
    endpoint_url: str | None = None


class SecretSettings(Settings):
    """A secret that the provider keeps, and the environment variables that it must hold."""

    name: str
    keys: tuple[str, ...] = Field(min_length=1)


class ImageSettings(Settings):
    """What the far machine's software is made of; packages and their versions are those of pyproject.toml."""

    cuda: str | None = None
    apt: tuple[str, ...] = ()
    kernel: bool = False


class Rates(Settings):
    """Prices in US dollars an hour as of a day: of each GPU, of a core, of a GiB of memory."""

    as_of: str
    gpu: dict[str, float]
    core: float
    memory_gib: float


class RemoteSettings(Settings):
    """Which nodes leave (by tag), for which machine, with what mounted, and what of their work comes home.

    `far_root` is `data_root` over there: a path on a volume (modal), a folder (subprocess). `nodes` overrides fields of the
    resources of single nodes; `bring_home` names, for folders that far nodes fill, the patterns of files to fetch, in the
    folder that a node's record names where it names one. One `far_root` serves one `data_root`.
    `expected_hours` of a node is the guess of its cost where no earlier run tells it. Nodes of `kept` depend on nothing but
    their input datasets, parameters and the code: finished and unchanged, they are not sent again.
    """

    backend: Literal["modal", "subprocess"]
    app: str = "seizure-pipeline"
    far_root: str
    tags: dict[str, Resources]
    nodes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    volumes: dict[str, VolumeSettings] = Field(default_factory=dict)
    buckets: dict[str, BucketSettings] = Field(default_factory=dict)
    secrets: tuple[SecretSettings, ...] = ()
    image: ImageSettings = ImageSettings()
    bring_home: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    kept: tuple[str, ...] = ()
    budget_usd: float | None = Field(None, gt=0)
    expected_hours: dict[str, float] = Field(default_factory=dict)
    rates: Rates | None = None
    patience_s: float = Field(900.0, gt=0)
    dry_run: bool = False
    detach: bool = False
    attach: str | None = None

    def resources(self, node: str, tags: set[str]) -> Resources | None:
        """The machine for a node, None where it stays here. ValueError for a node with several of these tags."""
        found = sorted(tags & set(self.tags))
        if not found:
            return None
        if len(found) > 1:
            raise ValueError(f"node {node} carries the tags {found} of runner.yml; a node goes to one kind of machine")
        return Resources.model_validate({**self.tags[found[0]].model_dump(), **self.nodes.get(node, {})})
