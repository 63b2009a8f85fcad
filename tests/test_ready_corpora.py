"""The ready environments of public corpora, on a local copy: what a user does who has downloaded them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest
from test_command_line import KEDRO
from test_layouts import chb_mit, siena


@pytest.mark.parametrize(("env", "first", "notch_hz"), [("chb_mit", "chb01", 60.0), ("siena", "PN00", 50.0)])
def test_a_ready_environment_lists_a_local_copy(project: Path, tmp_path: Path, env: str, first: str, notch_hz: float) -> None:
    root = tmp_path / "corpus"
    for k in range(5):
        if env == "chb_mit":
            chb_mit(root, f"chb0{k + 1}", {f"chb0{k + 1}_01.edf": ((10, 20),)})
        else:
            siena(root, f"PN0{k}", f"PN0{k}-1.edf", f"PN0{k}-1.edf")
    parameters = f"corpus_root={root},data_root={tmp_path / 'data'}"
    command = [KEDRO, "run", "--env", env, "--pipelines", "ingestion", f"--params={parameters}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "data/02_intermediate/recordings.parquet").set_index("patient_id")
    assert (table["status"] == "accepted").all()
    assert sorted(table["split"]) == ["dev", "eval", "train", "train", "train"]
    assert table.loc[first, "seizures"] == ("[[10.0, 20.0]]" if env == "chb_mit" else "[[10.0, 30.0]]")
    assert f"notch_hz: {notch_hz}" in (project / "conf" / env / "parameters.yml").read_text()
