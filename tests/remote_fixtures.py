"""A project whose training takes seconds, near and far: a corpus of minutes cached once, the smallest model, three epochs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from seizure_pipeline.configuration import flatten
from seizure_pipeline.remote.context import source_fingerprint
from seizure_pipeline.remote.far.machine import python_version
from seizure_pipeline.remote.records import Request

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
STREAM = {"features": 4, "layers": 1, "state": 4, "head_dim": 4, "expand": 1}
PARAMETERS = {
    "model": {
        "tcn_channels": [8],
        "tcn_dilations": [1, 2],
        "tcn_strides": [8, 2],
        "token_kernel": 1,
        "electrode_stream": STREAM,
        "pair_stream": STREAM,
        "positions": 4,
        "head_features": 8,
    },
    "training": {
        "epochs": 3,
        "batch_size": 2,
        "patience_epochs": 3,
        "collapse_patience": 1000,
        "checkpoint_steps": 1,
        "log_every_steps": 4,
        "threads": 1,
        "sampling": {"max_partial": 5},
        "optimizer": {"learning_rate": 1.0e-3},
    },
    "windowing": {"windows": {"stride_s": 4.0}, "workers": 1},
}
"""Every step is followed by a checkpoint, so that a test can tell by events where a training is."""
ODD_NODES = '''
"""Nodes that do at once, or badly, what far nodes do."""

import logging
import os
import signal
import time

from kedro.pipeline import Node, Pipeline

from seizure_pipeline import announcements, tracking
from seizure_pipeline.corpora import CorpusError

log = logging.getLogger(__name__)


def say(settings):
    log.info("it says")
    logging.getLogger("elsewhere").info("of no interest")
    logging.getLogger("elsewhere").warning("of interest")
    announcements.announce("checkpoint", path="somewhere", step=7)
    tracking.report({"loss": 0.5, "undefined": None}, 1)
    tracking.report({"loss": 0.25}, 2)
    return {"threads": settings["threads"]}


def refuse(settings):
    raise CorpusError("recording 7 is refused")


def leak(settings):
    secret = os.environ["PLANTED"]
    log.warning("with %s", secret)
    print("printed", secret, flush=True)
    announcements.announce("checkpoint", path=f"s3://{secret}@bucket", step=1)
    raise ValueError(secret + 5_000_000 * "x" + secret)


def die(settings):
    print("its last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def wait(settings):
    announcements.announce("checkpoint", path="waiting", step=0)
    while True:
        announcements.stop_if_asked()
        time.sleep(0.05)


def hang(settings):
    announcements.announce("checkpoint", path="hanging", step=0)
    while True:
        time.sleep(0.05)


def devour(settings):
    held = []
    while True:
        held.append(20_000_000 * b"x")


def create_pipeline():
    quiet = [Node(node, "params:training", None, name=node.__name__) for node in (refuse, leak, die, wait, hang, devour)]
    return Pipeline([Node(say, "params:training", "operating_point", name="say"), *quiet])
'''
"""A pipeline `odd` that the package does not have."""
STEPS, LOGGED_EVERY = 9, 4
"""Steps of an epoch of this training, and of how many one is told."""
LONGER_EPOCHS = 12
LONGER = {"training": {"epochs": LONGER_EPOCHS, "patience_epochs": LONGER_EPOCHS}}
"""Parameters of a run in which there are always steps left after several interruptions."""
ROOT = "05_model_input"
"""Folder below a data root with what training reads."""


@pytest.fixture(scope="session")
def far_project(tmp_path_factory: pytest.TempPathFactory, small_corpus: Path) -> Path:
    """A project with its corpus cached: `--env far` sends `gpu` nodes to a subprocess, `--env near` runs the same here.

    Its data root is data/near for `near`, data/far here and far_root there for `far`; all three hold the cache."""
    project = tmp_path_factory.mktemp("far_project")
    for name in ("conf", "src"):
        shutil.copytree(REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, project / name)
    (project / "conf/local").mkdir()
    for env in ("near", "far"):
        shutil.copytree(project / "conf/smoke", project / "conf" / env)
        write(project / "conf" / env / "parameters.yml", PARAMETERS)
        write(project / "conf" / env / "globals.yml", {"corpus_root": str(small_corpus), "data_root": f"data/{env}"})
    write(project / "conf/far/runner.yml", runner_settings(project / "far_root"))
    done = run_kedro(project, "--env", "near", "--nodes", "list_recordings,cache_recordings")
    assert done.returncode == 0, done.stderr
    for root in (project / "data/far", project / "far_root"):
        add_cache(project, root)
    return project


@pytest.fixture(scope="session")
def undisturbed(far_project: Path) -> str:
    """SHA-256 of the last weights of a plain local training."""
    done = run_kedro(far_project, "--env", "near", "--pipelines", "training")
    assert done.returncode == 0, done.stderr
    return last_weights(far_project / "data/near")


@pytest.fixture(scope="session")
def longer_undisturbed(far_project: Path) -> str:
    """SHA-256 of the last weights of a plain local training with LONGER."""
    root = add_cache(far_project, far_project / "data/longer")
    chosen = dotted({"data_root": "data/longer", **LONGER})
    done = run_kedro(far_project, "--env", "near", "--pipelines", "training", "--params", chosen)
    assert done.returncode == 0, done.stderr
    return last_weights(root)


@pytest.fixture(scope="session")
def odd_project(tmp_path_factory: pytest.TempPathFactory, far_project: Path) -> Path:
    """The same project with a pipeline `odd` of nodes that do badly, or at once, what far nodes do; it trains nothing."""
    project = tmp_path_factory.mktemp("odd") / "project"
    shutil.copytree(far_project, project, ignore=shutil.ignore_patterns("data", "far_root", "mlflow.db", "mlruns"))
    package = project / "src/seizure_pipeline/pipelines/odd"
    package.mkdir()
    (package / "__init__.py").write_text(ODD_NODES)
    return project


def runner_settings(far_root: Path) -> dict[str, object]:
    """What runner.yml of env `far` holds."""
    return {
        "type": "seizure_pipeline.remote.runner.RemoteRunner",
        "backend": "subprocess",
        "far_root": str(far_root),
        "tags": {"gpu": {"timeout_s": 600, "grace_s": 20.0, "retries": {"count": 3, "delay_s": 0.1}}},
        "bring_home": {"models": ["*/best/*"]},
    }


def add_cache(project: Path, root: Path) -> Path:
    """Give the data root `root` the cache and its index, as hard links; returns it."""
    shutil.copytree(project / "data/near" / ROOT, root / ROOT, copy_function=os.link)
    return root


def last_weights(root: Path) -> str:
    """SHA-256 of the weights of the last epoch of the one training run below the data root `root`."""
    (weights,) = root.glob("06_models/*/last/weights.safetensors")
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def run_kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`kedro run` in a project."""
    return subprocess.run([KEDRO, "run", *arguments], cwd=project, capture_output=True, text=True, check=False)


def dotted(parameters: dict[str, Any]) -> str:
    """Runtime parameters as the command line takes them."""
    return ",".join(f"{name}={value}" for name, value in flatten(parameters))


def request_for(project: Path, far_root: Path, **changes: Any) -> Request:
    """A request to train the fixture's project on the data below `far_root`."""
    facts: dict[str, Any] = {
        "call": "call-1",
        "node": "train",
        "env": "far",
        "pipelines": ("training",),
        "params": {},
        "run_id": "2026-01-01T00.00.00.000Z",
        "far_root": str(far_root),
        "code": source_fingerprint(project),
        "python": python_version(),
        "timeout_s": 600.0,
        "grace_s": 20.0,
    }
    return Request(**{**facts, **changes})


def processes_of(text: str) -> list[int]:
    """Processes of this machine whose command line holds `text`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                if text in (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                    found.append(int(folder.name))
    return found


def write(path: Path, settings: object) -> None:
    """Write a configuration file."""
    path.write_text(yaml.safe_dump(settings))
