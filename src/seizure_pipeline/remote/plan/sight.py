"""Rules on the datasets of far nodes: each is where its node runs, and comes home where a local node reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from seizure_pipeline.configuration import nearest
from seizure_pipeline.corpora.places import S3_PROTOCOLS, protocol_of
from seizure_pipeline.datasets import CorpusDataset, FolderDataset
from seizure_pipeline.remote.files.staging import LARGEST_BYTES
from seizure_pipeline.remote.files.travel import Catalog, Dataset, Leaving
from seizure_pipeline.remote.settings import RemoteSettings

SIGNING_KEYS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_SHARED_CREDENTIALS_FILE"})
WHERE_PLACES_ARE_SET = "globals.yml of the environment, or --params"


def out_of_sight(leaving: Sequence[Leaving]) -> list[str]:
    """Datasets that the far side could not see: in memory, outside data_root, a folder of this machine."""
    nodes_of: dict[str, list[str]] = {}
    for left in leaving:
        for dataset in left.datasets:
            if (problem := _why_unseen(dataset)) is not None:
                nodes_of.setdefault(problem, []).append(left.name)
    return [f"{', '.join(dict.fromkeys(nodes))}: {problem}" for problem, nodes in nodes_of.items()]


def _why_unseen(dataset: Dataset) -> str | None:
    name, here = dataset.name, dataset.here
    if dataset.kind == "memory":
        return (
            f"dataset {name} has no entry in the catalog and would stay in this process's memory; a far node's datasets are "
            f"files; add `{name}: {{type: ..., filepath: ${{_root}}/...}}` to conf/base/catalog.yml"
        )
    if dataset.kind == "corpus" and not here:
        return f"{name} names no place; set it to s3://... in {WHERE_PLACES_ARE_SET} (catalog.yml says by which name)"
    if dataset.kind == "corpus" and not dataset.there:
        return (
            f"{name} is {here}, a folder of this machine; the far one sees URLs and what is mounted there; copy it with "
            f"populate_cache and set s3://... or a path below one of volumes and buckets in {WHERE_PLACES_ARE_SET}"
        )
    if dataset.kind != "parameter" and not dataset.there:
        return f"{name} is {here}, outside data_root, below which all lies that a far node reads and makes; use ${{_root}}/..."
    return None


def not_there_to_carry(pipeline: Pipeline, leaving: Sequence[Leaving]) -> list[str]:
    """Files that far nodes read, and that are missing here or too large to be carried."""
    readers: dict[Dataset, list[str]] = {}
    for left in leaving:
        for dataset in left.of_kind("file"):
            if not dataset.is_output and dataset.name in pipeline.inputs():
                readers.setdefault(dataset, []).append(left.name)
    return [
        f"{', '.join(names)}: {why}" for dataset, names in readers.items() if (why := _why_not_carried(dataset)) is not None
    ]


def _why_not_carried(dataset: Dataset) -> str | None:
    path = Path(dataset.here)
    if not path.is_file():
        return f"{dataset.name} is not here ({path}), and no node of this run makes it; run the pipeline that does first"
    if (size := path.stat().st_size) > LARGEST_BYTES:
        return (
            f"{dataset.name} has {size / 2**20:,.0f} MiB; no more than {LARGEST_BYTES // 2**20} MiB are carried; "
            f"give it a FolderDataset, which stays over there ({path})"
        )
    return None


def unsigned_buckets(leaving: Sequence[Leaving], catalog: Catalog, settings: RemoteSettings) -> list[str]:
    """Buckets that want credentials, where none of the far machine's secrets holds any."""
    if settings.backend == "subprocess" or any(SIGNING_KEYS & set(secret.keys) for secret in settings.secrets):
        return []
    return [
        f"{left.name}: {dataset.name} is {dataset.here}, not read anonymously, and no secret holds AWS_ACCESS_KEY_ID; name one "
        f"under `secrets` in runner.yml, or set the dataset's `anonymous` in {WHERE_PLACES_ARE_SET}"
        for left in leaving
        for dataset in left.of_kind("corpus")
        if protocol_of(dataset.here) in S3_PROTOCOLS and not _anonymous(catalog.get(dataset.name))
    ]


def _anonymous(dataset: object) -> bool:
    return isinstance(dataset, CorpusDataset) and bool(dataset._describe()["anonymous"])


def fillers_of(name: str, pipeline: Pipeline, catalog: Catalog) -> list[Node]:
    """The nodes of a pipeline that fill a folder."""
    names = filled_by(name, catalog)
    return [node for node in pipeline.nodes if node.name in names]


def filled_by(name: str, catalog: Catalog) -> set[str]:
    """Names of all nodes that fill a folder, as `metadata.filled_by` of its catalog entry lists them."""
    metadata = getattr(catalog.get(name), "metadata", None) or {}
    return set(metadata.get("filled_by", []))


def folders_apart(pipeline: Pipeline, catalog: Catalog, leaving: Sequence[Leaving], settings: RemoteSettings) -> list[str]:
    """Folders that one node fills on one side and another reads on the other, unless both sides have one data_root."""
    if all(dataset.here == dataset.there for left in leaving for dataset in left.of_kind("folder")):
        return []
    far = {left.name for left in leaving}
    problems = []
    for node in pipeline.nodes:
        for name in node.inputs:
            if name.startswith("params:") or not isinstance(catalog.get(name), FolderDataset):
                continue
            fillers = [filler.name for filler in fillers_of(name, pipeline, catalog) if filler.name != node.name]
            there, here = [f for f in fillers if f in far], [f for f in fillers if f not in far]
            if node.name not in far and there and not settings.bring_home.get(name):
                problems.append(
                    f"{node.name}: runs here and reads the folder {name}, which {there[0]} fills over there; add "
                    f'`bring_home: {{{name}: ["**"]}}` to runner.yml, or give {node.name} a tag of it'
                )
            if node.name in far and here:
                problems.append(
                    f"{node.name}: runs elsewhere and reads the folder {name}, which {here[0]} fills here; folders do not "
                    f"travel there; give {here[0]} a tag of runner.yml in its pipeline.py"
                )
    return problems


def wrongly_brought_home(catalog: Catalog, settings: RemoteSettings) -> list[str]:
    """Names under `bring_home` that are no folder of the catalog."""
    wrong = [name for name in settings.bring_home if name not in catalog or not isinstance(catalog.get(name), FolderDataset)]
    folders = [name for name in catalog if isinstance(catalog.get(name), FolderDataset)] if wrong else []
    return [
        f"runner.yml: bring_home names {name}, which is no FolderDataset of the catalog; files come home by "
        f"themselves{nearest(name, folders)}"
        for name in wrong
    ]
