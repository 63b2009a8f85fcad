"""The best registered model as a user meets it: loaded by name in a new process, asked by command, served on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from test_command_line import KEDRO, REPOSITORY

from seizure_pipeline.annotations import read_csv_bi

MODEL = "seizure_detector_smoke"
SETTINGS = "data_root=data/served,inference.stride_s=5.0"  # not the default stride: it must travel with the model
ANY_BUDGET = "evaluation.operating_budget_per_24h=100000"  # in minutes of EEG one false alarm is more than the usual one
LOADED = f"""
import json, sys, mlflow, pandas
found = mlflow.pyfunc.load_model("models:/{MODEL}@best").predict(pandas.DataFrame({{"path": sys.argv[1:]}}))
print(json.dumps(found.to_dict(orient="records")))
"""
STARTS_WITHIN_S = 120
LOOPBACK, LISTENING = "0100007F", "0A"  # 127.0.0.1 and the state, as Linux writes them in /proc/net/tcp


@dataclass(frozen=True)
class Trained:
    """A project with a registered model, recordings, and what `kedro run --pipelines detection` found in them."""

    project: Path
    recordings: list[Path]
    detections: list[dict[str, Any]]
    printed: str


@pytest.fixture(scope="module")
def trained(project: Path, small_corpus: Path) -> Trained:
    printed = kedro_run(project, f"corpus_root={small_corpus},training.threads=1,{ANY_BUDGET}")
    recordings = sorted((small_corpus / "edf/dev").rglob("*.edf"))
    kedro_run(project, f"own_recordings={small_corpus / 'edf/dev'}", "--pipelines", "detection")
    detections = []
    for edf in recordings:
        (written,) = (project / "data/served/07_model_output/detections").glob(f"*{edf.stem}.csv_bi")
        detections += [{"path": str(edf), "onset_s": s.onset_s, "offset_s": s.offset_s} for s in read_csv_bi(written)[0]]
    assert detections
    return Trained(project, recordings, detections, printed)


def kedro_run(project: Path, parameters: str, *arguments: str) -> str:
    command = [KEDRO, "run", "--env", "smoke", f"--params={SETTINGS},{parameters}", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def without_confidence(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers as annotation files hold them, to a tenth of a millisecond; a confidence is a probability."""
    assert all(0 < row["confidence"] <= 1 for row in rows)
    return [{"path": row["path"], **{name: round(row[name], 4) for name in ("onset_s", "offset_s")}} for row in rows]


def test_a_run_says_in_one_line_what_it_registered(trained: Trained) -> None:
    (line,) = (line for line in trained.printed.splitlines() if "registered model" in line)
    assert line.endswith(f"registered model {MODEL}: version 1; it is best: there was none")


def test_a_new_process_loads_the_best_by_name_and_detects_what_the_detection_pipeline_does(trained: Trained) -> None:
    command = [sys.executable, "-c", LOADED, *map(str, trained.recordings)]
    done = subprocess.run(command, cwd=trained.project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert without_confidence(json.loads(done.stdout.splitlines()[-1])) == trained.detections


def test_mlflow_models_predict_answers_a_file_of_paths(trained: Trained, tmp_path: Path) -> None:
    asked, answered = tmp_path / "paths.csv", tmp_path / "detections.json"
    asked.write_text("\n".join(["path", *map(str, trained.recordings)]))
    command = [KEDRO.with_name("mlflow"), "models", "predict", "-m", f"models:/{MODEL}@best", "--env-manager", "local"]
    command += ["-t", "csv", "-i", str(asked), "-o", str(answered)]
    done = subprocess.run(command, cwd=trained.project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert without_confidence(json.loads(answered.read_text())["predictions"]) == trained.detections


def serving(model: str, port: int) -> str:
    """What `make serve` would run."""
    asked = ["make", "-n", "-o", ".venv/.installed", "serve", f"MODEL={model}", f"PORT={port}"]
    return subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def test_a_model_that_is_not_registered_is_said_with_those_that_are(trained: Trained) -> None:
    command = ["bash", "-ec", serving("seizure_detektor", 1)]
    done = subprocess.run(command, cwd=trained.project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"seizure_detektor: no such model in MLflow's store; MODEL= takes {MODEL}\n")


@pytest.fixture(scope="module")
def port(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that the lines of `make serve` started."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = int(free.getsockname()[1])
    log = tmp_path_factory.mktemp("server") / "server.log"
    with log.open("wb") as told:
        command = ["bash", "-ec", serving(MODEL, number)]
        server = subprocess.Popen(command, cwd=trained.project, stdout=told, stderr=told, start_new_session=True)
    try:
        wait_until_it_answers(number, server, log)
        yield number
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def wait_until_it_answers(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + STARTS_WITHIN_S
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.5)
        else:
            return


def invoked(port: int, *paths: str) -> tuple[int, Any]:
    """Status and answer of a request for these recordings."""
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    body = json.dumps({"dataframe_records": [{"path": path} for path in paths]})
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    with connection.getresponse() as response:
        answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def test_the_server_answers_a_request_with_the_same_detections(trained: Trained, port: int) -> None:
    status, answer = invoked(port, *map(str, trained.recordings))
    assert status == 200
    assert without_confidence(answer["predictions"]) == trained.detections


def test_the_server_names_the_file_that_it_cannot_read(trained: Trained, port: int, tmp_path: Path) -> None:
    broken = tmp_path / "broken.edf"
    broken.write_bytes(trained.recordings[0].read_bytes()[:-1000])
    for path in (str(tmp_path / "missing.edf"), str(broken)):
        status, answer = invoked(port, str(trained.recordings[0]), path)
        assert status == 400
        assert f"Error: {path}: " in answer["message"]
    assert invoked(port, str(trained.recordings[0]))[0] == 200


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux lists sockets in /proc/net/tcp")
def test_the_server_listens_on_loopback_alone(port: int) -> None:
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [each[1] for each in sockets if each[3] == LISTENING and each[1].endswith(f":{port:04X}")]
    assert listening == [f"{LOOPBACK}:{port:04X}"]
    if Path("/proc/net/tcp6").exists():
        assert f":{port:04X} " not in Path("/proc/net/tcp6").read_text()
