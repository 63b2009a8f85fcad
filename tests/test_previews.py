"""What kedro-viz is given to show: a description of every dataset, and its beginning without Markdown's marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from seizure_pipeline.datasets import (
    ArraysDataset,
    CorpusDataset,
    FactsDataset,
    FiguresDataset,
    FolderDataset,
    PageDataset,
    RecordsDataset,
    TableDataset,
)

CATALOG = Path(__file__).parents[1] / "conf" / "base" / "catalog.yml"
LAYERS = sorted(path.name for path in (CATALOG.parents[2] / "data").iterdir() if path.name[:2].isdigit())
DESCRIPTION = "Whose a_b < 3: *all* of `them`"
METADATA = {"description": DESCRIPTION}
SHOWN = "Whose a b &lt; 3: all of them"
KINDS = (TableDataset, RecordsDataset, FactsDataset, FolderDataset, ArraysDataset, PageDataset, CorpusDataset)
ENTRIES = {name: entry for name, entry in yaml.safe_load(CATALOG.read_text()).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_dataset_has_one_line_of_description_and_the_layer_of_its_folder(name: str) -> None:
    metadata, entry = ENTRIES[name]["metadata"], ENTRIES[name]
    assert 10 < len(metadata["description"]) <= 110
    assert "\n" not in metadata["description"]
    place = str(entry.get("filepath", entry.get("path")))
    named = [part for part in place.split("/") if part[:2].isdigit()]
    assert metadata["kedro-viz"]["layer"] in (named or LAYERS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_that_is_not_there_yet_shows_its_description(kind: Any, tmp_path: Path) -> None:
    shown = kind(filepath=str(tmp_path / "none"), metadata=METADATA).preview()
    if kind is FactsDataset:
        assert json.loads(shown) == METADATA
    else:
        assert SHOWN in shown


def test_tables_are_shown_with_short_numbers_and_cells_and_without_marks(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"recording_id": ["a_s1_t0", "b"], "auroc": [0.123456789, np.nan], "note": ["x" * 30 + "y" * 20, "<b>*"]}
    )
    shown = {}
    for kind, end in ((TableDataset, "csv"), (RecordsDataset, "parquet")):
        dataset = kind(filepath=str(tmp_path / f"table.{end}"), metadata=METADATA)
        dataset.save(table)
        shown[kind] = dataset.preview(nrows=2)
        for expected in (SHOWN, "recording id", "a s1 t0", ">0.1235<", f"{'x' * 19}…{'y' * 20}", "&lt;b&gt;"):
            assert expected in shown[kind]
        assert not set("_*`\n") & set(shown[kind])
        assert "nan" not in shown[kind].lower()


def test_folders_arrays_facts_and_pictures_show_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(1_500_000))
    assert "1 files, 1.5 MB" in FolderDataset(filepath=str(tmp_path), metadata=METADATA).preview()
    arrays = ArraysDataset(filepath=str(tmp_path / "arrays.npz"))
    arrays.save({"counts": np.zeros((2, 3), np.int32)})
    assert "<td>counts</td> <td>int32</td> <td>2 x 3</td>" in arrays.preview()
    facts = FactsDataset(filepath=str(tmp_path / "facts.json"), metadata=METADATA)
    facts.save({"auroc": 0.5})
    assert list(json.loads(facts.preview())) == ["description", "auroc"]
    figures = FiguresDataset(filepath=str(tmp_path / "figures"))
    assert figures.preview().startswith("iVBORw0KGgo")  # says that there is none yet
    figures.save({"b.png": Figure(), "a.png": Figure(figsize=(1, 1))})
    assert figures.preview().startswith("iVBORw0KGgo")  # PNG in base64


def test_facts_that_are_records_are_shown_below_their_description(tmp_path: Path) -> None:
    dataset = FactsDataset(filepath=str(tmp_path / "facts.json"), metadata=METADATA)
    dataset.save([{"name": "a"}])
    assert json.loads(dataset.preview()) == METADATA | {"records": [{"name": "a"}]}
