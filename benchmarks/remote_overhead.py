"""What it costs to train in a process of its own: `kedro run --pipelines training` here, and by the runner of conf/isolated.

usage: python benchmarks/remote_overhead.py [epochs] [rounds]      (default 40 epochs, about a minute, in 3 rounds)

Both train the same network on the same cache of a generated corpus, in a project of its own in a temporary folder, with
MLflow; the difference is a second start of Python and Kedro, files that go there and come home, and events. Start-up is the
time from the call to the first step of training there. Medians of interleaved rounds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
CACHED = "05_model_input"


def main() -> None:
    epochs, rounds = (int(given) for given in (*sys.argv[1:], "40", "3")[:2]) if len(sys.argv) < 3 else map(int, sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder))
        times: dict[str, list[float]] = {"smoke": [], "isolated": []}
        startups: list[float] = []
        for number in range(rounds):
            for env, taken_s in times.items():
                root = project / f"data/{env}_{number}"
                shutil.copytree(project / "data/smoke" / CACHED, root / CACHED)
                began_s = time.time()
                _kedro(
                    project,
                    "run",
                    "--pipelines",
                    "training",
                    "--env",
                    env,
                    "--params",
                    f"data_root={root},training.epochs={epochs}",
                )
                taken_s.append(time.time() - began_s)
                if env == "isolated":
                    startups.append(_startup_s(root))
            print(f"round {number + 1}: here {times['smoke'][-1]:.1f} s, isolated {times['isolated'][-1]:.1f} s", flush=True)
    here_s, apart_s = (statistics.median(taken_s) for taken_s in times.values())
    print(f"here {here_s:.1f} s; isolated {apart_s:.1f} s: {apart_s - here_s:+.1f} s, {100 * (apart_s / here_s - 1):+.1f} %")
    print(f"start-up of the far process, up to its first step: {statistics.median(startups):.1f} s")


def _project(folder: Path) -> Path:
    """conf/smoke with its corpus and cache, and conf/isolated on the same parameters."""
    shutil.copytree(REPOSITORY / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "conf/local").mkdir()
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(REPOSITORY / name, folder / name)
    for path in (folder / "conf/smoke").glob("*.yml"):
        shutil.copy(path, folder / "conf/isolated" / path.name)
    _kedro(folder, "generate-corpus", "--env", "smoke")
    _kedro(folder, "run", "--env", "smoke", "--nodes", "list_recordings,cache_recordings")
    return folder


def _kedro(project: Path, *arguments: str) -> None:
    done = subprocess.run([KEDRO, *arguments], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def _startup_s(root: Path) -> float:
    """From the start that the journal tells to the first progress that the far process told."""
    (journal,), (events,) = (root / "remote").glob("*.json"), (root / "remote").glob("*/events.jsonl")
    told = (json.loads(line) for line in events.read_text().splitlines())
    return (
        float(next(event["at_s"] for event in told if event["kind"] == "progress"))
        - json.loads(journal.read_text())["started_s"]
    )


if __name__ == "__main__":
    main()
