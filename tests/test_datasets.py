"""A folder of pictures holds what the last run drew, each whole, and nothing else of its kind."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure

from seizure_pipeline.corpora.refusals import log_refusals
from seizure_pipeline.datasets import FiguresDataset
from seizure_pipeline.summary import print_refusals

PNG = b"\x89PNG"


def test_pictures_of_an_earlier_run_go_and_other_files_stay(tmp_path: Path) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path / "pictures"))
    dataset.save({"a.png": Figure(), "b.png": Figure()})
    (tmp_path / "pictures" / "notes.txt").write_text("mine")
    dataset.save({"b.png": Figure()})
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["b.png", "notes.txt"]
    assert (tmp_path / "pictures" / "b.png").read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = FiguresDataset(filepath=str(tmp_path))
    dataset.save({"a.png": Figure()})
    before = (tmp_path / "a.png").read_bytes()

    def half(self: Figure, path: Path, **_: object) -> None:
        path.write_bytes(PNG)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(DatasetError, match="No space left"):
        dataset.save({"a.png": Figure()})
    assert (tmp_path / "a.png").read_bytes() == before


def test_of_many_refusals_the_first_are_shown_and_the_others_counted(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        log_refusals([f"file {number}" for number in range(249)])
    assert len(caplog.messages) == 21
    assert caplog.messages[-1].startswith("refused: 229 more")
    table = pd.DataFrame({"status": ["refused"] * 249 + ["accepted"], "split": "dev", "reason": "because"})
    print_refusals(table, "recordings.parquet")
    printed = capsys.readouterr().out
    assert "1 recordings accepted, 249 refused" in printed
    assert "and 229 more, all by reason in recordings.parquet" in printed
