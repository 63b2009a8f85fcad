"""`kedro doctor`: what is missing is named with what it costs, by the exit status too, and secrets are never shown."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bucket_fixtures import BUCKET, KEY, SECRET, options
from kedro.config import OmegaConfigLoader
from test_command_line import KEDRO, REPOSITORY

from seizure_pipeline.commands import doctor
from seizure_pipeline.commands.doctor import (
    Finding,
    Needs,
    corpus,
    disk,
    gpu,
    memory,
    mlflow_store,
    packages,
    parameters,
    python,
)
from seizure_pipeline.corpora import retries

TOKEN, TOKEN_SECRET = "ak-planted4242", "as-planted-secret-2424"


def kedro_doctor(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = [f"{name}={value}" for name, value in environment.items()]
    command = ["env", *given, str(KEDRO), "doctor", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def needs(env: str, project: Path, **parts: Any) -> Needs:
    patterns = {"runner": ["runner*"], "mlflow": ["mlflow*"]}
    merged = dict.fromkeys(("parameters", *patterns), "soft")
    loader = OmegaConfigLoader(
        str(REPOSITORY / "conf"), env=env, base_env="base", config_patterns=patterns, merge_strategy=merged
    )
    sections = ("parameters", "globals", "runner", "mlflow", "catalog", "credentials")
    configuration = {name: dict(loader[name]) for name in sections} | parts
    return Needs(configuration, project, project / "data")


def test_a_machine_that_has_all_ends_with_status_0_and_one_that_lacks_a_gpu_with_1(project: Path, small_corpus: Path) -> None:
    where = f"corpus_root={small_corpus}"
    small = kedro_doctor(project, "--env", "smoke", "--params", where)
    assert small.returncode == 0, small.stdout + small.stderr
    assert "nothing is missing that this environment needs" in small.stdout
    assert re.search("corpus +│ ok ", small.stdout)
    full = kedro_doctor(project, "--env", "workstation", "--params", f"{where},training.device=cuda")
    assert full.returncode == 1
    assert full.stdout.splitlines()[-1] == "missing: GPU, CUDA, scan kernel"
    assert "runs stop before their first node" in full.stdout
    wrong = kedro_doctor(project, "--env", "nosuch")
    assert wrong.returncode == 1
    assert "no environment 'nosuch'" in wrong.stderr


def test_a_modal_token_is_found_and_never_printed(project: Path) -> None:
    found = kedro_doctor(project, "--env", "modal", MODAL_TOKEN_ID=TOKEN, MODAL_TOKEN_SECRET=TOKEN_SECRET)
    assert "there is one" in found.stdout
    assert "planted" not in found.stdout + found.stderr
    without = kedro_doctor(project, "--env", "modal", MODAL_CONFIG_PATH="/nowhere.toml")
    assert without.returncode == 1
    assert "missing: Modal token, corpus" in without.stdout


def test_help_needs_neither_torch_nor_mlflow_nor_modal() -> None:
    program = (
        "import sys; sys.argv = ['kedro', 'doctor', '--help']; from kedro.framework.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.stderr.write(repr([m for m in ('torch', 'mlflow', 'modal') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    assert "Exit status 0" in done.stdout


@pytest.mark.parametrize(("running", "state"), [((3, 10, 12), "missing"), ((3, 11, 0), "ok"), ((3, 14, 0), "missing")])
def test_only_pythons_that_the_package_allows_are_right(running: tuple[int, ...], state: str) -> None:
    assert python(running).state == state


def test_a_package_that_is_not_here_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages().state == "ok"
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy>=999", "no-such-package", "rich; extra == 'dev'"])
    found = packages()
    assert found.state == "missing"
    assert "numpy>=999 (here: " in found.found
    assert "no-such-package" in found.found
    assert "rich" not in found.found


def test_too_little_memory_or_disk_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory(2.0, 2).state == "missing"
    assert memory(16.0, 2).state == "ok"
    assert disk(tmp_path / "not" / "yet").state == "ok"
    (tmp_path / "file").write_text("a file where a folder should be")
    assert disk(tmp_path / "file").state == "missing"
    full = type(doctor.shutil.disk_usage(tmp_path))(100, 99, 1)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: full)
    assert disk(tmp_path).state == "missing"


def test_an_hour_of_cache_takes_what_is_promised() -> None:
    assert pytest.approx(35.0, abs=0.05) == doctor.CACHE_MB_PER_HOUR


def test_what_asks_for_a_gpu_is_named_unless_it_runs_elsewhere(project: Path) -> None:
    assert needs("workstation", project).cuda_by == ("training.device", "inference.device")
    assert needs("modal", project).cuda_by == ()
    assert needs("smoke", project).cuda_by == ()
    assert {each.state for each in gpu(())} <= {"ok", "absent"}


def test_a_gpu_is_named_and_one_that_its_kernels_are_not_written_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    card = SimpleNamespace(name="NVIDIA V100", total_memory=32 * 2**30, major=7, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    found = {each.subject: each for each in gpu(("training.device",))}
    assert found["GPU"].found == "2 x NVIDIA V100, 32 GiB"
    assert (found["scan kernel"].state, found["scan kernel"].found) == (
        "missing",
        "compute capability 7.0: written for 8.0 and later",
    )
    assert "training.device" in found["scan kernel"].cost
    assert {each.state for each in gpu(())} == {"ok", "absent"}


def test_parameters_that_nothing_reads_are_missing_settings(project: Path) -> None:
    right = needs("smoke", project).configuration
    assert parameters(right).state == "ok"
    assert "trainnig" in parameters({**right, "parameters": {**right["parameters"], "trainnig": {}}}).found


def store(uri: str, project: Path, enabled: bool = True) -> Finding:
    return mlflow_store({"enabled": enabled, "tracking_uri": uri}, project)


def test_the_store_of_mlflow_is_looked_into(tmp_path: Path) -> None:
    assert store("sqlite:///runs.db", tmp_path).state == "ok"
    with sqlite3.connect(tmp_path / "runs.db") as made:
        made.execute("create table runs (id)")
        made.execute("insert into runs values (1)")
    made.close()
    assert store("sqlite:///runs.db", tmp_path).found == "sqlite:///runs.db: 1 runs"
    (tmp_path / "other.db").write_bytes(b"not a database" * 100)
    assert store("sqlite:///other.db", tmp_path).state == "missing"
    assert store("sqlite:///none/runs.db", tmp_path).state == "missing"
    assert store("sqlite:///runs.db", tmp_path, enabled=False).state == "absent"
    elsewhere = store("postgresql://me:secret@host/runs", tmp_path)
    assert elsewhere.state == "absent"
    assert "secret" not in elsewhere.found


@pytest.fixture
def mlflow_server() -> Iterator[str]:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    served = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


def test_a_server_of_mlflow_is_asked(mlflow_server: str, tmp_path: Path) -> None:
    assert store(mlflow_server, tmp_path).state == "ok"
    assert store("http://127.0.0.1:9", tmp_path).state == "missing"


def in_bucket(project: Path, url: str, credentials: dict[str, Any], env: str = "siena") -> Finding:
    place = {"filepath": url, "anonymous": False, "credentials": "corpus_credentials"}
    found = needs(env, project, catalog={"corpus": place}, credentials={"corpus_credentials": credentials})
    return corpus(found)


def test_a_corpus_in_a_bucket_is_listed_or_its_fault_named_without_a_secret(
    client: Any, server: tuple[str, int], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)
    right = options(f"http://{server[0]}:{server[1]}")
    for name in ("one.edf", "two.BDF", "notes.txt"):
        client.put_object(Bucket=BUCKET, Key=f"corpus/{name}", Body=b"x")
    assert in_bucket(project, f"s3://{BUCKET}/corpus", right).found.startswith(f"s3://{BUCKET}/corpus: 2 recordings, listed in")
    assert in_bucket(project, f"s3://{BUCKET}/nothing", right).state == "missing"
    nobody = in_bucket(project, f"s3://{BUCKET}/corpus", options("http://127.0.0.1:9"))
    assert nobody.state == "missing"
    assert not any(secret in json.dumps(dataclasses.asdict(nobody)) for secret in (KEY, SECRET))
    assert in_bucket(project, f"s3://{BUCKET}/corpus", options("http://127.0.0.1:9"), env="modal").state == "absent"


def test_a_bucket_that_never_answers_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LONGEST_LISTING_S", 0.5)
    silent = socket.create_server(("127.0.0.1", 0))
    found = in_bucket(project, f"s3://{BUCKET}/corpus", options(f"http://127.0.0.1:{silent.getsockname()[1]}"))
    silent.close()
    assert found.state == "missing"


def test_a_corpus_that_is_still_to_be_made_or_named_is_told_apart(tmp_path: Path) -> None:
    assert corpus(needs("smoke", tmp_path)).state == "absent"
    assert corpus(needs("workstation", tmp_path)).state == "missing"
    assert corpus(needs("modal", tmp_path)).found == "corpus_root is not set"
