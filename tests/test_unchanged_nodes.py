"""The local runner leaves out what is made already, wherever results go."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from seizure_pipeline.datasets import FolderDataset
from seizure_pipeline.runner import UnchangedNodesRunner


def test_results_go_to_a_folder_that_is_not_there_yet_and_are_made_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    def run(number: int) -> int:
        catalog = DataCatalog(
            {
                "params:number": MemoryDataset(number),
                "doubled": JSONDataset(filepath=str(tmp_path / "elsewhere/doubled.json")),
                "reporting": FolderDataset(filepath=str(tmp_path / "named_by_the_user/08_reporting")),
            }
        )
        UnchangedNodesRunner().run(Pipeline([Node(double, "params:number", "doubled", name="double", tags="pure")]), catalog)
        return int(catalog.load("doubled"))

    assert [run(3), run(3), run(4)] == [6, 6, 8]
    assert calls == [3, 4]
