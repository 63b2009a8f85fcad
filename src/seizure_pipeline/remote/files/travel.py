"""What of a far node's datasets travels, what lies over there, and what the far side cannot see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import ValidationError

from seizure_pipeline.corpora.places import LOCAL_PROTOCOLS, local_path_of, protocol_of
from seizure_pipeline.datasets import CorpusDataset, FiguresDataset, FolderDataset
from seizure_pipeline.remote.settings import RemoteSettings, Resources

Catalog: TypeAlias = "CatalogProtocol[Any, Any]"
Kind = Literal["parameter", "file", "pictures", "folder", "corpus", "memory"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of a far node: where it lies here and over there, empty where it does not or cannot be seen.

    A `file` and `pictures` travel; a `folder` lives over there; a `corpus` is one place for both sides."""

    name: str
    kind: Kind
    here: str
    there: str
    is_output: bool


@dataclass(frozen=True, slots=True)
class Leaving:
    """A node that runs elsewhere, for its machine, with its datasets in the node's order, inputs first."""

    node: Node
    machine: Resources
    datasets: tuple[Dataset, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node.name)

    def of_kind(self, *kinds: Kind) -> list[Dataset]:
        """Its datasets of these kinds."""
        return [dataset for dataset in self.datasets if dataset.kind in kinds]


def leaving_nodes(pipeline: Pipeline, catalog: Catalog, settings: RemoteSettings, data_root: Path) -> list[Leaving]:
    """The nodes of a pipeline that run elsewhere, in the order in which they run.

    Raises ValueError for one whose tags or overrides in runner.yml say no machine."""
    found = []
    for node in pipeline.nodes:
        machine = _machine(node, settings)
        if machine is not None:
            names = [(name, False) for name in node.inputs] + [(name, True) for name in node.outputs]
            datasets = [placed(name, is_output, catalog, settings, data_root) for name, is_output in names]
            found.append(Leaving(node, machine, tuple(datasets)))
    return found


def _machine(node: Node, settings: RemoteSettings) -> Resources | None:
    try:
        return settings.resources(node.name, set(node.tags))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(f"nodes.{node.name}: {wrong}") from None


def placed(name: str, is_output: bool, catalog: Catalog, settings: RemoteSettings, data_root: Path) -> Dataset:
    """Where a dataset of a far node lies on both sides."""
    if name == "parameters" or name.startswith("params:"):
        return Dataset(name, "parameter", "", "", is_output)
    dataset = catalog.get(name)
    filepath = getattr(dataset, "_filepath", None)
    if filepath is None:
        return Dataset(name, "memory", "", "", is_output)
    if isinstance(dataset, CorpusDataset):
        return Dataset(name, "corpus", str(filepath), _seen_as(str(filepath), settings), is_output)
    there = far_path(Path(str(filepath)), settings, data_root)
    return Dataset(name, _kind(dataset), str(filepath), there, is_output)


def far_path(here: Path, settings: RemoteSettings, data_root: Path) -> str:
    """The same place below `far_root`; empty for a path that is not below `data_root`."""
    if not here.is_relative_to(data_root):
        return ""
    return str(PurePosixPath(settings.far_root) / here.relative_to(data_root))


def is_mounted(path: str, settings: RemoteSettings) -> bool:
    """Whether an absolute path lies on a volume or a bucket of the far machine."""
    mounts = (*settings.volumes, *settings.buckets)
    return any(PurePosixPath(path).is_relative_to(mount) for mount in mounts)


def is_one_folder(settings: RemoteSettings, data_root: Path) -> bool:
    """Whether both sides work in one folder of this machine, so that nothing travels."""
    return settings.backend == "subprocess" and Path(settings.far_root).resolve() == data_root.resolve()


def _seen_as(url: str, settings: RemoteSettings) -> str:
    if not url or protocol_of(url) not in LOCAL_PROTOCOLS:
        return url
    path = str(local_path_of(url))
    return path if settings.backend == "subprocess" or is_mounted(path, settings) else ""


def _kind(dataset: Any) -> Kind:
    if isinstance(dataset, FolderDataset):
        return "folder"
    return "pictures" if isinstance(dataset, FiguresDataset) else "file"
