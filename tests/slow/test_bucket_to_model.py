"""From recordings in a bucket to a trained detector in one command, with credentials from conf and nowhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from bucket_fixtures import KEY, SECRET, options
from conftest import REPOSITORY
from fault_proxy import SLOW_DOWN, Fault, Proxy

KEDRO = str(Path(sys.executable).with_name("kedro"))


@pytest.fixture
def own_project(tmp_path: Path, proxy: Proxy) -> Path:
    """A copy of the project whose environment `smoke` has credentials for the server, and no others are to be found."""
    for name in ("conf", "src"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    chosen = {name: options(proxy.url) for name in ("corpus_credentials", "copy_from_credentials", "copy_to_credentials")}
    (tmp_path / "conf/smoke/credentials.yml").write_text(yaml.safe_dump(chosen))
    return tmp_path


def kedro_run(project: Path, *arguments: str) -> str:
    without = [word for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE") for word in ("-u", f"AWS_{name}")]
    command = ["env", *without, KEDRO, "run", "--env", "smoke", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def holding(text: str, *folders: Path) -> list[str]:
    """Files below `folders` that hold `text` anywhere in their bytes."""
    files = [path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*")) if path.is_file()]
    return [str(path) for path in files if text.encode() in path.read_bytes()]


@pytest.mark.slow
def test_one_command_goes_from_a_bucket_to_a_trained_model_and_shows_no_secret(
    own_project: Path, small_corpus: Path, client: Any, proxy: Proxy
) -> None:
    for path in small_corpus.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "recordings", f"tusz/{path.relative_to(small_corpus)}")
    proxy.faults.append(Fault("error", times=2, status=503, body=SLOW_DOWN))
    printed = kedro_run(own_project, "--params=corpus_root=s3://recordings/tusz,data_root=data,training.threads=1")
    assert "attempt 2 of 6" in printed
    assert list((own_project / "data/06_models").rglob("*.safetensors"))
    recordings = pd.read_parquet(own_project / "data/02_intermediate/recordings.parquet")
    assert list(recordings["status"].unique()) == ["accepted"]
    for secret in (SECRET, KEY):
        assert secret not in printed
        assert holding(secret, own_project / "data", own_project / "mlflow.db") == []


@pytest.mark.slow
def test_a_corpus_is_copied_from_a_bucket_by_one_command_and_the_next_copies_nothing(
    own_project: Path, small_corpus: Path, client: Any, proxy: Proxy
) -> None:
    for path in small_corpus.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), "recordings", f"tusz/{path.relative_to(small_corpus)}")
    command = ("--pipeline=populate_cache", "--params=copy_from=s3://recordings/tusz,copy_to=data/here,data_root=data")
    printed = kedro_run(own_project, *command)
    assert "copied" in printed
    files = [path for path in small_corpus.rglob("*") if path.is_file()]
    for path in files:
        assert (own_project / "data/here" / path.relative_to(small_corpus)).read_bytes() == path.read_bytes()
    assert f"0 of them in place of what had changed at the source, {len(files)} kept" in kedro_run(own_project, *command)
    table = pd.read_csv(own_project / "data/08_reporting/copied_files.csv")
    assert set(table["status"]) == {"kept"}
    assert holding(SECRET, own_project / "data", own_project / "mlflow.db") == []
