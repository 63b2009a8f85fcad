"""Windows per second of training as it is fed, of training on a batch that lies on the device, and of validation.

usage: python benchmarks/training_rate.py [--env base|workstation] [--device cpu|cuda] [--feeding auto|resident|ring|disk]
       [--batch N] [--patients N] [--rounds N]

Generates a corpus, caches it, and takes turns with the same network, batch size, precision and windows: steps (fetch, forward,
loss, backward, update) over the dev recordings' windows in random order, whole batches alone; as many steps on one batch again
and again; one validation of all those windows to its last figure. The first turn of each is not counted (compilation, caches,
the baselines, which a run computes once). Prints each turn and the ratios of the medians.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from seizure_pipeline.cache import IndexRow, PreparationSettings, build_cache
from seizure_pipeline.cache.index import accepted_of_split
from seizure_pipeline.corpora import CorpusSettings, Folder, examine_entries, find_entries
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings
from seizure_pipeline.model.compiling import compiled
from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.training.batches import Batch, WindowSource
from seizure_pipeline.training.nonfinite import gradient
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.validation import Validation, validation_layout
from seizure_pipeline.windows import WindowSettings

CONF = Path(__file__).parents[1] / "conf"


def main() -> None:
    arguments = _arguments()
    model_settings, settings = _settings(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        dev = accepted_of_split(_cached(Path(folder) / "corpus", cache, arguments.patients), "dev")
        layout = validation_layout(WindowSettings(), settings)
        with open_windows(cache, dev, layout, settings) as held:
            validate = Validation(cache, dev, held, layout, settings, PostProcessingSettings(), Path(folder) / "baselines.json")
            _compare(Detector(model_settings).to(settings.device), held, validate, settings, arguments.rounds)


def _compare(model: Detector, held: WindowSource, validate: Validation, settings: TrainingSettings, rounds: int) -> None:
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-5)
    network = compiled(model, settings.batch_size, settings.deterministic) if settings.compile else model
    windows = len(held.kinds)
    steps = windows // settings.batch_size
    order = np.random.default_rng(0).permutation(windows)[: steps * settings.batch_size]
    still = next(held.batches(order, settings.batch_size))
    still = replace(still, window_BCT=still.window_BCT.clone(), ictal_BL=still.ictal_BL.clone())

    def train(batches: Iterable[Batch]) -> None:
        model.train()
        for batch in batches:
            gradient(network, model, batch, settings)
            optimizer.step()

    work: dict[str, tuple[int, Callable[[], object]]] = {
        "training": (order.size, lambda: train(held.batches(order, settings.batch_size))),
        "training on one batch": (order.size, lambda: train(repeat(still, steps))),
        "validation": (windows, lambda: validate(model)),
    }
    turns: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, (count, act) in work.items():
            began = time.perf_counter()
            act()
            if settings.device == "cuda":
                torch.cuda.synchronize()
            rate = count / (time.perf_counter() - began)
            print(f"{name}: {rate:.1f} windows/s{'' if turn else ' (not counted)'}", flush=True)
            if turn:
                turns[name].append(rate)
    _print_ratios(settings, windows, *(statistics.median(rates) for rates in turns.values()))


def _print_ratios(settings: TrainingSettings, windows: int, training: float, still: float, validation: float) -> None:
    where = torch.cuda.get_device_name() if settings.device == "cuda" else "CPU"
    print(f"{where}, torch {torch.__version__}, {'compiled' if settings.compile else 'not compiled'}")
    print(f"{windows} windows of 60 s, batches of {settings.batch_size}, {settings.precision}, {settings.feeding.kind}")
    print(
        f"training {training:.1f} windows/s, on one batch {still:.1f}: {100 * (still / training - 1):.1f} % longer as it is fed"
    )
    print(f"validation {validation:.1f} windows/s: {validation / training:.2f} times training's rate")


def _cached(corpus: Path, cache: Path, patients: int) -> list[IndexRow]:
    settings = SyntheticSettings(
        train_patients=1,
        dev_patients=patients,
        eval_patients=0,
        recordings_per_patient=2,
        shortest_recording_min=4.0,
        longest_recording_min=5.0,
    )
    generate_corpus(corpus, settings)
    place = Folder(str(corpus))
    rows = examine_entries(place, find_entries(place, CorpusSettings()), MontageSettings())
    return build_cache(place, rows, PreparationSettings(workers=1), MontageSettings(), cache)


def _settings(arguments: argparse.Namespace) -> tuple[ModelSettings, TrainingSettings]:
    files = [CONF / "base" / "parameters_training.yml"]
    if arguments.env != "base":
        files.append(CONF / arguments.env / "parameters.yml")
    merged: dict[str, Any] = OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)))  # type: ignore[assignment]
    changed: dict[str, Any] = {"device": arguments.device, "validation_stride_s": 10.0, "feeding": {"kind": arguments.feeding}}
    if arguments.batch:
        changed["batch_size"] = arguments.batch
    if arguments.precision:
        changed["precision"] = arguments.precision
    return ModelSettings(**merged["model"]), TrainingSettings(**{**merged["training"], **changed})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--env", default="base", choices=["base", "workstation"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", choices=["float32", "bfloat16"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--feeding", default="auto", choices=["auto", "resident", "ring", "disk"])
    parser.add_argument("--patients", type=int, default=3, help="of the dev split, 9 minutes of each")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    logging.getLogger("seizure_pipeline").setLevel(logging.WARNING)
    main()
