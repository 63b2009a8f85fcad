"""Runs of the modal environment whose data and whose far side lie in folders of a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from folder_backend import FolderBackend
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from test_command_line import REPOSITORY

from seizure_pipeline.cache import IndexRow, PreparationSettings, table_from_rows
from seizure_pipeline.cache.chains import chain_fingerprint
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.pipelines import (
    evaluation,
    ingestion,
    kernel_check,
    populate_cache,
    reporting,
    training,
    verify_cache,
    windowing,
)
from seizure_pipeline.remote.context import RunContext
from seizure_pipeline.remote.plan import preflight
from seizure_pipeline.remote.settings import RemoteSettings

PIPELINES = {
    module.__name__.rpartition(".")[2]: module.create_pipeline()
    for module in (evaluation, ingestion, kernel_check, populate_cache, reporting, training, verify_cache, windowing)
}
CHAIN = chain_fingerprint(PreparationSettings().signals, MontageSettings())
CACHE = "05_model_input/cache"


def configuration(env: str) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(REPOSITORY / "conf"),
        env=env,
        base_env="base",
        config_patterns={"runner": ["runner*"]},
        merge_strategy={"parameters": "soft", "runner": "soft"},
    )


def index_row(name: str, chain: str = CHAIN) -> IndexRow:
    return IndexRow(
        recording_id=name,
        patient_id=name,
        split="train",
        status="accepted",
        reason="",
        file=f"{chain}/{name}.npz",
        size_bytes=100,
        fingerprint="f",
        chain=chain,
        duration_s=60.0,
        stretch_samples=(15360,),
        stretch_start_s=(0.0,),
        seizures=((1.0, 2.0),),
        interpolated=(),
        clipped_samples=0,
        background_windows=0,
        partial_windows=1,
        full_windows=0,
    )


@dataclass
class Planned:
    """A run of the modal environment, with its data and those over there below `root`; change it, then ask."""

    root: Path
    settings: dict[str, Any]
    catalog: DataCatalog
    backend: FolderBackend = field(default_factory=FolderBackend)

    @classmethod
    def of(cls, root: Path, corpus_root: str | None = "s3://bucket/tusz") -> Planned:
        loader = configuration("modal")
        places = {"corpus_root": corpus_root, "copy_from": "s3://bucket/cache", "copy_to": f"{root}/volume/run/{CACHE}"}
        loader.runtime_params = {"data_root": str(root / "here"), **places}
        catalog = DataCatalog.from_config(loader["catalog"], {name: {} for name in loader["credentials"]})
        for room, parameters in loader["parameters"].items():
            catalog[f"params:{room}"] = MemoryDataset(parameters)
        settings = dict(loader["runner"])
        del settings["type"]
        far = root / "volume/run"
        planned = cls(root, {**settings, "far_root": str(far), "volumes": {str(root / "volume"): {"name": "v"}}}, catalog)
        planned.fill_cache("a", "b")
        planned.index(index_row("a"), index_row("b"))
        return planned

    def fill_cache(self, *names: str, chain: str = CHAIN, size: int = 100) -> None:
        folder = self.root / "volume/run" / CACHE / chain
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / f"{name}.npz").write_bytes(bytes(size))

    def index(self, *rows: IndexRow) -> None:
        path = self.root / "here/05_model_input/window_index.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table_from_rows(list(rows)).to_parquet(path)

    def set(self, room: str, **values: Any) -> None:
        self.catalog[f"params:{room}"] = MemoryDataset({**self.catalog.load(f"params:{room}"), **values})

    def problems(self, pipeline: Pipeline, attached: str = "") -> list[str]:
        context = RunContext(project=self.root, data_root=self.root / "here", env="modal")
        registered = [node for each in PIPELINES.values() for node in each.nodes]
        settings = RemoteSettings(**self.settings)
        return preflight.problems(pipeline, self.catalog, settings, self.backend, context, (), attached, registered)
