"""How large branches start beside their residual paths (initialisation.BRANCH_SHARE), and what a short training makes of it.

usage: python benchmarks/first_scale.py [--shares 0.1 0.3 0.5 torch] [--seeds 1 2 3]      (five minutes a training)

Trains the small preset of conf/base on a generated corpus, as `make run` does, once for each share and seed, and prints the
AUROC on dev after each epoch. `torch` leaves all weights as torch's layers have them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
TORCHS = "torch"
PROGRAM = """
import sys
from seizure_pipeline.model import detector, initialisation
if (share := sys.argv.pop(1)) == "torch":
    detector.initialise_residuals = detector.keep_mean_square = lambda *_: None
else:
    initialisation.BRANCH_SHARE = float(share)
from kedro.framework.cli import main
main()
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shares", nargs="+", default=["0.1", "0.3", "0.5", TORCHS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("conf", "src"):
            shutil.copytree(REPOSITORY / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
        (project / "conf/local").mkdir()
        shutil.copy(REPOSITORY / "pyproject.toml", project)
        _run(project, str(KEDRO), "generate-corpus")
        _run(project, str(KEDRO), "run", "--pipelines", "ingestion,windowing")
        last: dict[str, list[float]] = {}
        for seed in given.seeds:
            for share in given.shares:
                auroc = _train(project, share, seed)
                last.setdefault(share, []).append(auroc[-1])
                print(f"share {share}, seed {seed}: " + " ".join(f"{value:.3f}" for value in auroc), flush=True)
    for share, values in last.items():
        print(f"share {share}: {statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")


def _train(project: Path, share: str, seed: int) -> list[float]:
    root = f"data/{share}_{seed}"
    shutil.copytree(project / "data/05_model_input", project / root / "05_model_input")
    named = f"data_root={root},training.seed={seed}"
    _run(project, sys.executable, "-c", PROGRAM, share, "run", "--pipelines", "training", "--params", named)
    history = pd.read_csv(project / root / "07_model_output/training_history.csv")
    return [float(value) for value in history["auroc"]]


def _run(project: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
