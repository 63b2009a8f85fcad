"""The whole state of a training run in one file, written atomically: what a killed run continues from, bit for bit.

Two generations are kept, `state.safetensors` and `state_before.safetensors`. Each carries the SHA-256 of all that it holds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from seizure_pipeline.cache.parts import write_whole

log = logging.getLogger(__name__)
FORMAT = "2"
DIGEST = "sha256"
REFUSED = ".refused"  # added to the name of a file that is not read any more


StepRecord = dict[str, float]
STEP_COLUMNS = ("step", "train_loss", "gradient_norm", "windows_per_s", "learning_rate")


@dataclass
class Sums:
    """Sums over some steps: of the loss and the gradient norm over windows, of windows, and of the time they took."""

    loss_sum: float = 0.0
    windows: int = 0
    gradient_norm_sum: float = 0.0
    training_s: float = 0.0

    def add(self, loss: float, norm: float, windows: int, took_s: float) -> None:
        """Count a step."""
        self.windows += windows
        self.loss_sum += loss * windows
        self.gradient_norm_sum += norm * windows
        self.training_s += took_s

    def means(self) -> dict[str, float]:
        """Loss and gradient norm of a window, and windows per second."""
        share = 1 / self.windows if self.windows else math.nan  # every update may have been left out
        return {
            "train_loss": self.loss_sum * share,
            "gradient_norm": self.gradient_norm_sum * share,
            "windows_per_s": self.windows / self.training_s,
        }


@dataclass
class Progress(Sums):
    """How far a run is: epochs done, steps done within the current one and in all, sums over the epoch, the best yet.

    The first `taken_over` epochs are those of the run that it goes on from. `lately` sums since the last of `steps`, the
    numbers that were logged within epochs (STEP_COLUMNS)."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_score: tuple[float, float] = (-1.0, -1.0)
    best_epoch: int = 0
    finished: bool = False
    taken_over: int = 0
    nonfinite_skips: int = 0
    history: list[dict[str, float | None]] = field(default_factory=list)
    lately: Sums = field(default_factory=Sums)
    steps: list[StepRecord] = field(default_factory=list)

    def begin_epoch(self) -> None:
        """Stand before the first step of an epoch."""
        self.step_in_epoch = self.windows = 0
        self.loss_sum = self.gradient_norm_sum = self.training_s = 0.0


@dataclass
class Trained:
    """What training changes: the network, its optimizer, and the average of its weights where one is kept."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None = None


class StateError(ValueError):
    """A state that was torn or changed after it was written; the message names the file."""


def save_state(path: Path, trained: Trained, progress: Progress, run: str) -> None:
    """Write weights, moments, random state and progress of run `run`, its fingerprint; the state that was there is kept."""
    tensors = _weights_of(trained) | {f"optimizer.{name}": tensor for name, tensor in _moments(trained.optimizer).items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    if progress.steps:  # not among the facts: their length is limited, and a long run has many
        rows = [[record[name] for name in STEP_COLUMNS] for record in progress.steps]
        tensors["steps"] = torch.tensor(rows, dtype=torch.float64)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    facts = {"format": FORMAT, "run": run, "progress": json.dumps(asdict(replace(progress, steps=[])))}
    content = save(tensors, metadata={**facts, DIGEST: _digest(tensors, facts)})
    if path.exists():
        path.replace(state_before(path))
    write_whole(path, content)


def load_state(path: Path, trained: Trained, run: str) -> Progress | None:
    """Put the newest whole state of run `run` back; None where there is none.

    A file that is torn or was changed is put aside, and the one before it is used instead. Raises StateError where there is
    no other, ValueError for a state of another run, format or network."""
    refused: list[StateError] = []
    for file in (path, state_before(path)):
        if not file.exists():
            continue
        try:
            tensors, facts = _read(file)
        except StateError as error:
            refused.append(error)
            continue
        progress = _put_back(file, tensors, facts, trained, run)
        if refused:
            log.warning("%s; the state before it is used, of epoch %d, step %d", refused[0], progress.epoch + 1, progress.step)
            path.replace(path.with_name(path.name + REFUSED))  # else the next save would put it in place of the good one
        return progress
    if refused:
        raise StateError(f"{'; '.join(map(str, refused))}; remove that to start the run again")
    return None


def state_before(path: Path) -> Path:
    """Where the state lies that was written before the one at `path`."""
    return path.with_stem(f"{path.stem}_before")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    content = path.read_bytes()
    try:
        tensors = load(content)
        facts = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    except (SafetensorError, ValueError, KeyError) as error:
        raise StateError(f"{path}: not a whole training state ({error})") from error
    found, told = _digest(tensors, {name: fact for name, fact in facts.items() if name != DIGEST}), facts.get(DIGEST)
    if found != told:
        raise StateError(f"{path}: SHA-256 of what it holds is {found[:16]}..., it says {str(told)[:16]}...: changed since")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _put_back(path: Path, tensors: dict[str, Tensor], facts: dict[str, str], trained: Trained, run: str) -> Progress:
    if facts["run"] != run or facts["format"] != FORMAT:
        raise ValueError(
            f"{path}: format {facts['format']} of run {facts['run']}, not {FORMAT} of {run}; remove it to start again"
        )
    _put_weights(path, tensors, trained)
    _put_moments(trained.optimizer, _below("optimizer.", tensors))
    torch.set_rng_state(tensors["random"])
    if "random_cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random_cuda"])
    return _progress(json.loads(facts["progress"]), tensors.get("steps"))


def _weights_of(trained: Trained) -> dict[str, Tensor]:
    tensors = {f"model.{name}": tensor for name, tensor in trained.model.state_dict().items()}
    if trained.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in trained.average.state_dict().items()}
    return tensors


def _put_weights(path: Path, tensors: dict[str, Tensor], trained: Trained) -> None:
    weights = _below("model.", tensors)
    try:
        trained.model.load_state_dict(weights)
        if trained.average is not None:  # a run that takes over one without an average begins it with its weights
            trained.average.load_state_dict(_below("average.", tensors) or weights)
    except RuntimeError as error:
        raise ValueError(f"{path}: weights of another network ({' '.join(str(error).split())})") from error


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _progress(values: dict[str, Any], steps: Tensor | None) -> Progress:
    progress = Progress(**{**values, "best_score": tuple(values["best_score"]), "lately": Sums(**values.get("lately", {}))})
    if steps is not None:
        progress.steps = [_step_record(row) for row in steps.tolist()]
    return progress


def _step_record(row: list[float]) -> StepRecord:
    return {name: int(value) if name == "step" else value for name, value in zip(STEP_COLUMNS, row, strict=True)}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def _put_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
