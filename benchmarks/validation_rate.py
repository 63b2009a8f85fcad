"""Windows per second of validation against those of training: the same network, batch size, precision and windows.

usage: python benchmarks/validation_rate.py [--env base|workstation] [--device cpu|cuda] [--batch N] [--rounds N]

Generates a corpus of minutes, caches it, and takes turns: one pass of training steps over the dev recordings' windows (fetch,
forward, loss, backward, update), one validation of the same windows to its last figure. The first turn of each is not
counted (compilation, caches, the baselines, which a run computes once). Prints each turn and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
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
from seizure_pipeline.model.detector import Detector, parameter_groups
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.training.batches import WindowSource
from seizure_pipeline.training.nonfinite import gradient
from seizure_pipeline.training.opening import open_windows
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.validation import Validation, validation_layout
from seizure_pipeline.windows import WindowSettings

CONF = Path(__file__).parents[1] / "conf"
CORPUS = SyntheticSettings(
    train_patients=1,
    dev_patients=3,
    eval_patients=0,
    recordings_per_patient=2,
    shortest_recording_min=4.0,
    longest_recording_min=5.0,
)


def main() -> None:
    arguments = _arguments()
    model_settings, settings = _settings(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        dev = accepted_of_split(_cached(Path(folder) / "corpus", cache), "dev")
        layout = validation_layout(WindowSettings(), settings)
        with open_windows(cache, dev, layout, settings) as held:
            validate = Validation(cache, dev, held, layout, settings, PostProcessingSettings(), Path(folder) / "baselines.json")
            _compare(Detector(model_settings).to(settings.device), held, validate, settings, arguments.rounds)


def _compare(model: Detector, held: WindowSource, validate: Validation, settings: TrainingSettings, rounds: int) -> None:
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.05), lr=1e-5)
    order = np.arange(len(held.kinds))
    turns: dict[str, list[float]] = {"training": [], "validation": []}

    def trained() -> None:
        model.train()
        for batch in held.batches(order, settings.batch_size):
            gradient(model, model, batch, settings)
            optimizer.step()

    work = {"training": trained, "validation": lambda: validate(model)}
    for turn in range(rounds + 1):
        for name, act in work.items():
            began = time.perf_counter()
            act()
            if settings.device == "cuda":
                torch.cuda.synchronize()
            rate = len(order) / (time.perf_counter() - began)
            print(f"{name}: {rate:.1f} windows/s{'' if turn else ' (not counted)'}", flush=True)
            if turn:
                turns[name].append(rate)
    training, validation = (statistics.median(turns[name]) for name in work)
    print(f"{len(order)} windows of 60 s, batches of {settings.batch_size}, {settings.device}, {settings.precision}")
    print(f"training {training:.1f} windows/s, validation {validation:.1f}: {validation / training:.2f} times the rate")


def _cached(corpus: Path, cache: Path) -> list[IndexRow]:
    generate_corpus(corpus, CORPUS)
    place = Folder(str(corpus))
    rows = examine_entries(place, find_entries(place, CorpusSettings()), MontageSettings())
    return build_cache(place, rows, PreparationSettings(workers=1), MontageSettings(), cache)


def _settings(arguments: argparse.Namespace) -> tuple[ModelSettings, TrainingSettings]:
    files = [CONF / "base" / "parameters_training.yml"]
    if arguments.env != "base":
        files.append(CONF / arguments.env / "parameters.yml")
    merged: dict[str, Any] = OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)))  # type: ignore[assignment]
    changed = {"device": arguments.device, "validation_stride_s": 10.0}
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
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    logging.getLogger("seizure_pipeline").setLevel(logging.WARNING)
    main()
