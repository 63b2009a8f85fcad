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
import time
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

from seizure_pipeline.commands import machine, reach
from seizure_pipeline.commands.doctor import examine, parameters
from seizure_pipeline.commands.findings import Finding, Needs
from seizure_pipeline.commands.machine import CACHE_MB_PER_HOUR, GIB, disk, gpu, memory, packages, python
from seizure_pipeline.commands.reach import Question, corpus, mlflow_store
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
from seizure_pipeline.model.cuda.compiler import LEAST_CAPABILITY
from seizure_pipeline.recordings import open_recording

NAMES = {"experiment": "seizures", "registered_model": "detector"}
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
    *_, unasked, last = small.stdout.splitlines()
    assert last == "nothing is missing that this environment needs"
    assert unasked.endswith("does without: GPU, CUDA, scan kernel, Modal token")
    assert re.search("corpus +│ ok ", small.stdout)
    full = kedro_doctor(project, "--env", "workstation", "--params", f"{where},training.device=cuda")
    assert full.returncode == 1
    built_for_cuda = torch.version.cuda is not None
    assert full.stdout.splitlines()[-1] == f"missing: GPU, {'' if built_for_cuda else 'CUDA, '}scan kernel"
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
    assert "Exit status 0" in heavy_of("--help", cwd=REPOSITORY)


def test_what_an_environment_does_without_is_not_even_imported(project: Path) -> None:
    assert "nothing is missing" in heavy_of("--env", "smoke", cwd=project)


def heavy_of(*arguments: str, cwd: Path) -> str:
    """What `kedro doctor` prints, where none of torch, mlflow and modal is imported for it."""
    program = (
        f"import sys; sys.argv = ['kedro', 'doctor', *{arguments}]; from kedro.framework.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.stderr.write(repr([m for m in ('torch', 'mlflow', 'modal') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
    return done.stdout


@pytest.mark.parametrize(("running", "state"), [((3, 10, 12), "missing"), ((3, 11, 0), "ok"), ((3, 14, 0), "missing")])
def test_only_pythons_that_the_package_allows_are_right(running: tuple[int, ...], state: str) -> None:
    assert python(running).state == state


def test_a_package_that_is_not_here_or_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packages().state == "ok"
    monkeypatch.setattr(machine, "requires", lambda _: ["numpy>=999", "no-such-package", "rich; extra == 'dev'"])
    found = packages()
    assert found.state == "missing"
    assert "numpy>=999 (here: " in found.found
    assert "no-such-package" in found.found
    assert "rich" not in found.found


def test_too_little_memory_or_disk_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory(2.0, 2).state == "missing"
    assert memory(16.0, 2).state == "ok"
    with_room(monkeypatch, tmp_path, 2 * GIB)
    assert disk(tmp_path / "not" / "yet", 1.0, 0.0).state == "ok"
    (tmp_path / "file").write_text("a file where a folder should be")
    assert disk(tmp_path / "file", 1.0, 0.0).state == "missing"
    with_room(monkeypatch, tmp_path, 1)
    assert disk(tmp_path, 0.0, 0.0).state == "missing"


def with_room(monkeypatch: pytest.MonkeyPatch, folder: Path, free_bytes: int) -> None:
    usage = type(machine.shutil.disk_usage(folder))(2 * free_bytes, free_bytes, free_bytes)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)


def test_the_disk_is_judged_by_what_the_cache_of_the_corpus_takes_and_what_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room(monkeypatch, tmp_path, 20 * GIB)
    cache_gib = 983 * 35.0208e6 / GIB  # CHB-MIT
    refused = disk(tmp_path, 983.0, 0.0)
    assert refused.state == "missing"
    assert "32.1 GiB for the cache of 983 h" in refused.cost
    assert disk(tmp_path, 983.0, 14.0).state == "ok"
    assert disk(tmp_path, 983.0, cache_gib).found.endswith("runs write about 1 GiB for results")
    assert "the corpus's hours are not known" in disk(tmp_path, None, 0.0).found


def test_the_hours_of_a_corpus_are_told_by_the_headers_of_some_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SyntheticSettings(
        train_patients=3, dev_patients=2, eval_patients=0, recordings_per_patient=4, longest_recording_min=4.0
    )
    generate_corpus(tmp_path / "corpus", settings)
    truth_h = sum(open_recording(path).duration_s for path in (tmp_path / "corpus").rglob("*.edf")) / 3600
    place = {"filepath": str(tmp_path / "corpus"), "anonymous": False, "credentials": "none"}
    catalog = {"corpus": place, "window_cache": {"filepath": "cache"}}
    asked = needs("smoke", tmp_path, catalog=catalog, credentials={})
    seen = corpus(asked)
    assert len(seen.recordings) == 20
    assert seen.hours() == pytest.approx(truth_h, rel=0.05)
    assert settings.expected_hours == pytest.approx(truth_h, rel=0.2)
    with_room(monkeypatch, tmp_path, round(GIB + truth_h * 35.0208e6 / 2))
    found = {each.subject: each.state for each in examine(asked)}
    assert found["disk"] == "missing"
    assert not {"GPU", "CUDA", "scan kernel", "Modal token"} & found.keys()


def test_an_hour_of_cache_takes_what_is_promised() -> None:
    assert pytest.approx(35.0, abs=0.05) == CACHE_MB_PER_HOUR


def test_what_asks_for_a_gpu_is_named_unless_it_runs_elsewhere(project: Path) -> None:
    assert needs("workstation", project).cuda_by == ("training.device", "inference.device")
    assert needs("modal", project).cuda_by == ()
    assert needs("smoke", project).cuda_by == ()


def test_a_gpu_is_named_and_one_that_its_kernels_are_not_written_for_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    card = SimpleNamespace(name="NVIDIA V100", total_memory=32 * 2**30, major=7, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    found = {each.subject: each for each in gpu(("training.device",))}
    assert found["GPU"].found == "2 x NVIDIA V100, 32 GiB"
    assert (found["scan kernel"].state, found["scan kernel"].found) == (
        "missing",
        "compute capability 7.0: written for {}.{} and later".format(*LEAST_CAPABILITY),
    )
    assert "training.device" in found["scan kernel"].cost


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
    return corpus(found).finding


def test_a_corpus_in_a_bucket_is_listed_or_its_fault_named_without_a_secret(
    client: Any, server: tuple[str, int], project: Path
) -> None:
    right = options(f"http://{server[0]}:{server[1]}")
    for name in ("one.edf", "two.BDF", "notes.txt"):
        client.put_object(Bucket=BUCKET, Key=f"corpus/{name}", Body=b"x")
    assert in_bucket(project, f"s3://{BUCKET}/corpus", right).found.startswith(f"s3://{BUCKET}/corpus: 2 recordings, listed in")
    assert in_bucket(project, f"s3://{BUCKET}/nothing", right).state == "missing"
    nobody = in_bucket(project, f"s3://{BUCKET}/corpus", options("http://127.0.0.1:9"))
    assert nobody.state == "missing"
    assert nobody.found == f"s3://{BUCKET}/corpus: not reached; is there no network?"
    assert not any(secret in json.dumps(dataclasses.asdict(nobody)) for secret in (KEY, SECRET))
    assert in_bucket(project, f"s3://{BUCKET}/corpus", options("http://127.0.0.1:9"), env="modal").state == "absent"


def test_places_that_never_answer_are_given_up_together_after_a_short_time(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "LONGEST_ANSWER_S", 2.0)
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    place = {"filepath": f"s3://{BUCKET}/corpus", "anonymous": False, "credentials": "corpus_credentials"}
    catalog = {"corpus": place, "window_cache": {"filepath": "cache"}}
    server = {"enabled": True, "tracking_uri": url}
    asked = needs("siena", project, catalog=catalog, credentials={"corpus_credentials": options(url)}, mlflow=server | NAMES)
    began_s = time.monotonic()
    found = {each.subject: each for each in examine(asked)}
    spent_s = time.monotonic() - began_s
    silent.close()
    assert spent_s < 2 * 2.0
    assert (found["corpus"].state, found["MLflow"].state) == ("missing", "missing")
    assert "not reached" in found["corpus"].found
    assert "hours are not known" in found["disk"].found


def test_what_goes_wrong_in_a_question_is_raised_where_its_answer_is_waited_for() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Question(lambda: int("none")).answer(0)


def test_a_corpus_that_is_still_to_be_made_or_named_is_told_apart(tmp_path: Path) -> None:
    assert corpus(needs("smoke", tmp_path)).finding.state == "absent"
    assert corpus(needs("workstation", tmp_path)).finding.state == "missing"
    assert corpus(needs("modal", tmp_path)).finding.found == "corpus_root is not set"
