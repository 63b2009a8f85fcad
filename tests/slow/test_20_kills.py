"""A training that is killed at twenty random moments ends as one that nobody disturbed, bit for bit."""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file
from test_announcements import curves
from test_training import MODEL, Cache, Recipe, cache, recipe_with, train

from seizure_pipeline import announcements
from seizure_pipeline.announcements import Stopped
from seizure_pipeline.cache import rows_from_table, table_from_rows

__all__ = ["cache"]
log = logging.getLogger(__name__)
KILLS = 20
RECIPE = Recipe(
    **{
        **vars(recipe_with(epochs=18, patience_epochs=18, ema_decay=0.9, accumulate_steps=2, checkpoint_epochs=3)),
        "model": MODEL.model_copy(update={"tcn_dropout": 0.2, "graph_dropout": 0.2}),
    }
)


def attempt() -> None:
    """In a process of its own: train, and say on standard output when the first step is done."""
    folder, models = map(Path, sys.argv[1:])
    announcements.listen(lambda _, facts: print(facts["done"], flush=True) if facts.get("unit") == "steps" else None)  # noqa: T201
    try:
        train((folder, rows_from_table(pd.read_parquet(folder / "index.parquet"))), models, RECIPE)
    except Stopped:
        sys.exit(75)


def test_twenty_kills_change_no_bit(cache: Cache, tmp_path: Path) -> None:
    table_from_rows(cache[1]).to_parquet(cache[0] / "index.parquet")
    began_s = time.monotonic()
    whole = train(cache, tmp_path / "whole", RECIPE)
    whole_s = time.monotonic() - began_s
    log.info("undisturbed: %d epochs in %.1f s", whole.epochs, whole_s)
    chance = random.Random(20)
    longest_s = 1.3 * whole_s / KILLS  # so that the last kill comes before the end, yet most of the run is under fire
    killed = []
    while len(killed) < KILLS:
        number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        ended, after_s = kill(cache[0], tmp_path / "killed", number, chance.uniform(0, longest_s))
        assert ended == (75 if number in (signal.SIGTERM, signal.SIGINT) else -number), (
            f"no longer running at kill {len(killed)}"
        )
        killed.append(f"{number.name} after {after_s:.2f} s")
    log.info("kills: %s", ", ".join(killed))
    continued = train(cache, tmp_path / "killed", RECIPE)
    assert curves(continued) == curves(whole)
    for file in ("state", "state_before", "last/weights", "best/weights", "epoch_00015/weights", "epoch_00018/weights"):
        ours, theirs = (load_file(run.folder.parent / f"{file}.safetensors") for run in (whole, continued))
        assert ours.keys() == theirs.keys()
        different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
        assert set(different) <= {"steps"}, file  # they hold windows per second
        log.info("%s: %d tensors alike", file, len(ours) - len(different))


def kill(folder: Path, models: Path, number: signal.Signals, after_s: float) -> tuple[int, float]:
    """Train in another process and send it a signal that long after its first step; its exit status, and that time."""
    here = Path(__file__).parent
    program = f"import sys; sys.path[:0] = {[str(here), str(here.parent)]}; from test_20_kills import attempt; attempt()"
    command = [sys.executable, "-W", "ignore", "-c", program]
    with subprocess.Popen([*command, str(folder), str(models)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(number)
        process.stdout.read()
        return process.wait(60), after_s
