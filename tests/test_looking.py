"""What the notebooks look at beside single recordings: a corpus as a whole, and two runs of an MLflow store."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import Patient, Store, counts
from matplotlib.patches import Rectangle

from seizure_pipeline.corpora import RecordingRow
from seizure_pipeline.evaluation.paired import compare_counts, figures_table
from seizure_pipeline.figures import corpus_figure
from seizure_pipeline.mlflow_runs.counts import CountedRuns, RunNotFound
from seizure_pipeline.scoring.bootstrap import BootstrapSettings

GOOD, BAD = ([Patient(f"p{k}", 3, found, 0) for k in range(6)] for found in (3, 1))
ROW = RecordingRow(
    recording_id="r", patient_id="p", split="train", path="r.edf", status="accepted", reason="", duration_s=600.0, span_s=600.0,
    rate_hz=256.0, channels=(), interpolated=(), unused=(), seizures=((10.0, 40.0),), lists_seizures=True, size_bytes=1,
    token="", header_sha256="",
)  # fmt: skip


def bars(axes: object) -> list[Rectangle]:
    return [each for each in axes.patches if isinstance(each, Rectangle)]  # type: ignore[attr-defined]


def test_the_picture_of_a_corpus_counts_every_recording_and_every_seizure_once() -> None:
    refused = replace(ROW, recording_id="x", status="refused", reason="no", duration_s=0.0, seizures=())
    quiet = replace(ROW, recording_id="q", patient_id="d", split="dev", seizures=())
    rows = [ROW, replace(ROW, recording_id="s", seizures=((1.0, 20.0), (50.0, 99.0))), quiet, refused]
    splits, recordings, patients, seizures = corpus_figure(rows).axes
    assert [bar.get_width() for bar in bars(splits)] == [2, 1, 1, 0, 0, 0]  # taken and refused of train, dev, eval
    assert [text.get_text().strip() for text in splits.texts] == ["0.33 h of 1 patient", "0.17 h of 1 patient", "none"]
    assert "1 of 4 refused" in splits.get_xlabel()
    assert [bar.get_height() for bar in bars(patients)] == [3, 0]
    assert sum(bar.get_height() for bar in bars(recordings)) == 3
    assert sum(bar.get_height() for bar in bars(seizures)) == 3


def test_a_corpus_of_refusals_alone_is_drawn_too(tmp_path: Path) -> None:
    corpus_figure([replace(ROW, status="refused", seizures=())]).savefig(tmp_path / "corpus.png", dpi=30)


def test_the_newest_pair_is_the_newest_scored_run_and_the_one_before_on_the_same_recordings(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunNotFound, match=r"holds 0 of two runs with patient_counts\.npz on the same recordings"):
        CountedRuns(store.uri).newest_pair()
    store.log("older", counts(BAD), corpus_fingerprint="one")
    store.log("old", counts(BAD), corpus_fingerprint="one")
    store.log("elsewhere", counts(GOOD), corpus_fingerprint="two")
    store.log("new", counts(GOOD), corpus_fingerprint="one")
    a, b = CountedRuns(store.uri).newest_pair()
    assert (a.name, b.name) == ("old", "new")


def test_the_table_of_figures_says_what_the_comparison_says() -> None:
    (split,) = compare_counts(counts(BAD), counts(GOOD), BootstrapSettings(resamples=100))
    table = figures_table(split)
    assert list(table.index) == [each.name for each in split.figures]
    np.testing.assert_allclose(table["B"] - table["A"], table["B - A"])
    assert table.loc["sensitivity_at_10fa", ["A", "B"]].tolist() == pytest.approx([1 / 3, 1])
    assert (table["low"] <= table["B - A"]).all()
    few = compare_counts(counts(BAD[:3]), counts(GOOD[:3]), BootstrapSettings(resamples=100))
    assert figures_table(few[0])[["low", "high"]].isna().all(axis=None)
    assert Counter(figures_table(few[0]).columns) == Counter(table.columns)
