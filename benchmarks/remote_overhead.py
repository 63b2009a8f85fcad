"""What it costs to train elsewhere: `kedro run --pipelines training` here, by conf/isolated, and in Modal's containers.

usage: python benchmarks/remote_overhead.py [epochs] [rounds]      (default 40 epochs, about a minute, in 3 rounds)

All train the same network on the same cache of a generated corpus, in a project of its own in a temporary folder, with
MLflow; the difference is a second start of Python and Kedro, files that go there and come home, and events. Modal's client
and containers talk to a control plane on loopback, on this machine: no image is built, nobody waits for a GPU, and the way is
short. Where that control plane is missing they are left out, and that is said. Start-up is the time from the call to the
first step of training there. Medians of interleaved rounds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
CACHED = "05_model_input"
HERE, ELSEWHERE, ON_MODAL = "smoke", "isolated", "plane"
FAR_ROOT, VOLUME = "/vol/data", "seizure-data"
RUNNER = {
    "type": "seizure_pipeline.remote.runner.RemoteRunner",
    "backend": "modal",
    "far_root": FAR_ROOT,
    "volumes": {"/vol": {"name": VOLUME}},
    "tags": {"gpu": {"cpu": 16, "memory_mib": 16384, "timeout_s": 36_000}},
    "bring_home": {"models": ["*/best/*"]},
}


def main() -> None:
    given = sys.argv[1:3]
    epochs, rounds = int(given[0]) if given else 40, int(given[1]) if len(given) > 1 else 3
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        project = _project(Path(folder))
        plane = _plane(Path(folder) / "plane", stack)
        envs = (HERE, ELSEWHERE) if plane is None else (HERE, ELSEWHERE, ON_MODAL)
        times: dict[str, list[float]] = {env: [] for env in envs}
        startups: dict[str, list[float]] = {env: [] for env in envs}
        for number in range(rounds):
            for env in envs:
                taken_s, startup_s = _train(project, env, number, epochs, plane)
                times[env].append(taken_s)
                startups[env].append(startup_s)
            print(
                f"round {number + 1}: " + ", ".join(f"{env} {taken_s[-1]:.1f} s" for env, taken_s in times.items()), flush=True
            )
    here_s = statistics.median(times[HERE])
    for env in envs[1:]:
        apart_s, startup_s = statistics.median(times[env]), statistics.median(startups[env])
        print(f"{env} {apart_s:.1f} s, here {here_s:.1f} s: {apart_s - here_s:+.1f} s, {100 * (apart_s / here_s - 1):+.1f} %")
        print(f"    start-up of the far process, up to its first step: {startup_s:.1f} s")


def _train(project: Path, env: str, number: int, epochs: int, plane: Any) -> tuple[float, float]:
    """Seconds of a training by `env`, and from the call to its first step there (0 where nothing is called)."""
    root = project / f"data/{env}_{number}"
    there = root
    shutil.copytree(project / "data" / HERE / CACHED, root / CACHED)
    named = [f"data_root={root}", f"training.epochs={epochs}", f"training.patience_epochs={epochs}"]
    runner = []
    if env == ON_MODAL:
        there = plane.seed_volume(VOLUME) / "data" / str(number)
        shutil.copytree(root / CACHED, there / CACHED)
        runner = ["--runner-params", f"far_root={FAR_ROOT}/{number}"]
    began_s = time.time()
    _kedro(project, "run", "--pipelines", "training", "--env", env, "--params", ",".join(named), *runner)
    return time.time() - began_s, 0.0 if env == HERE else _startup_s(root, there)


def _project(folder: Path) -> Path:
    """conf/smoke with its corpus and cache; conf/isolated, and one that trains in containers, on the same parameters."""
    for name in ("conf", "src", "requirements"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    (folder / "conf/local").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / "conf" / ON_MODAL).mkdir()
    (folder / "conf" / ON_MODAL / "runner.yml").write_text(yaml.safe_dump(RUNNER))
    for path in (folder / "conf" / HERE).glob("*.yml"):
        for env in (ELSEWHERE, ON_MODAL):
            shutil.copy(path, folder / "conf" / env / path.name)
    _kedro(folder, "generate-corpus", "--env", HERE)
    _kedro(folder, "run", "--env", HERE, "--nodes", "list_recordings,cache_recordings")
    return folder


def _plane(folder: Path, stack: ExitStack) -> Any:
    """Modal's control plane on loopback, for as long as the stack stands; None where there is none."""
    fake = REPOSITORY.parent / "shared/spikes/modal_fake"
    if not fake.is_dir():
        print(f"no control plane of Modal in {fake}: its containers are left out")
        return None
    sys.path.insert(0, str(fake))
    from fakemodal import FakeModal

    plane = stack.enter_context(FakeModal(folder))
    stack.enter_context(plane.environ())
    return plane


def _kedro(project: Path, *arguments: str) -> None:
    done = subprocess.run([KEDRO, *arguments], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def _startup_s(root: Path, there: Path) -> float:
    """From the start that the journal tells to the first progress that the far process told."""
    (journal,), (events,) = (root / "remote").glob("*.json"), (there / "remote").glob("*/events.jsonl")
    told = (json.loads(line) for line in events.read_text().splitlines())
    first_s = float(next(event["at_s"] for event in told if event["kind"] == "progress"))
    return first_s - float(json.loads(journal.read_text())["started_s"])


if __name__ == "__main__":
    main()
