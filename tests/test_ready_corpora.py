"""The ready environments of public corpora, on a local copy: what a user does who has downloaded them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SHARED
from kedro.config import OmegaConfigLoader
from test_command_line import KEDRO, REPOSITORY
from test_layouts import chb_mit, siena

from seizure_pipeline.annotations.chb_mit import blocks_of
from seizure_pipeline.cache import PreparationSettings
from seizure_pipeline.corpora import CorpusSettings
from seizure_pipeline.evaluation import EvaluationSettings
from seizure_pipeline.settings import CONFIG_LOADER_ARGS


def configuration(env: str) -> OmegaConfigLoader:
    return OmegaConfigLoader(str(REPOSITORY / "conf"), env=env, **CONFIG_LOADER_ARGS)


def parameters(env: str) -> dict[str, Any]:
    return dict(configuration(env)["parameters"])


@pytest.mark.parametrize(
    ("env", "root"),
    [("chb_mit", "s3://physionet-open/chbmit/1.0.0"), ("siena", "s3://physionet-open/siena-scalp-eeg/1.0.0")],
)
def test_a_ready_environment_reads_the_open_bucket_unsigned(env: str, root: str) -> None:
    corpus = configuration(env)["catalog"]["corpus"]
    assert (corpus["filepath"], corpus["anonymous"]) == (root, True)


@pytest.mark.parametrize(("env", "mains_hz"), [("chb_mit", 60.0), ("siena", 50.0)])
def test_a_ready_environment_filters_the_mains_of_its_country_and_lets_no_recording_go_unnoticed(
    env: str, mains_hz: float
) -> None:
    settings = parameters(env)
    assert PreparationSettings.model_validate(settings["windowing"]).signals.notch_hz == mains_hz
    assert EvaluationSettings.model_validate(settings["evaluation"]).allow_refused is False


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is missing")
def test_what_chb_mit_leaves_out_is_what_no_summary_lists() -> None:
    published = SHARED / "annotations" / "chb_mit"
    listed = {block.name for path in published.glob("*-summary.txt") for block in blocks_of(path.read_text(), path.name)}
    unlisted = {path for path in (published / "RECORDS").read_text().split() if Path(path).name not in listed}
    assert set(CorpusSettings.model_validate(parameters("chb_mit")["corpus"]).exclude) == unlisted


@pytest.mark.parametrize(("env", "first"), [("chb_mit", "chb01"), ("siena", "PN00")])
def test_a_ready_environment_lists_a_local_copy(project: Path, tmp_path: Path, env: str, first: str) -> None:
    root = tmp_path / "corpus"
    for k in range(5):
        if env == "chb_mit":
            chb_mit(root, f"chb0{k + 1}", {f"chb0{k + 1}_01.edf": ((10, 20),)})
        else:
            siena(root, f"PN0{k}", f"PN0{k}-1.edf", f"PN0{k}-1.edf")
    places = f"corpus_root={root},data_root={tmp_path / 'data'}"
    command = [KEDRO, "run", "--env", env, "--pipelines", "ingestion", f"--params={places}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "data/02_intermediate/recordings.parquet").set_index("patient_id")
    assert (table["status"] == "accepted").all()
    assert sorted(table["split"]) == ["dev", "eval", "train", "train", "train"]
    assert table.loc[first, "seizures"] == ("[[10.0, 20.0]]" if env == "chb_mit" else "[[10.0, 30.0]]")
