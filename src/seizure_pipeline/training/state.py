"""The whole state of a training run in one file, written atomically: what a killed run continues from, bit for bit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FORMAT = "1"


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
        return {
            "train_loss": self.loss_sum / self.windows,
            "gradient_norm": self.gradient_norm_sum / self.windows,
            "windows_per_s": self.windows / self.training_s,
        }


@dataclass
class Progress(Sums):
    """How far a run is: epochs done, steps done within the current one and in all, sums over the epoch, the best yet.

    `lately` sums since the last of `steps`, the numbers that were logged within epochs (STEP_COLUMNS)."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_score: tuple[float, float] = (-1.0, -1.0)
    best_epoch: int = 0
    finished: bool = False
    history: list[dict[str, float | None]] = field(default_factory=list)
    lately: Sums = field(default_factory=Sums)
    steps: list[StepRecord] = field(default_factory=list)


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, run: str) -> None:
    """Write weights, optimizer moments, random state and progress of run `run` (its fingerprint) to one file."""
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    if progress.steps:  # not among the facts: their length is limited, and a long run has many
        rows = [[record[name] for name in STEP_COLUMNS] for record in progress.steps]
        tensors["steps"] = torch.tensor(rows, dtype=torch.float64)
    facts = asdict(replace(progress, steps=[]))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    save_file(tensors, temporary, metadata={"format": FORMAT, "run": run, "progress": json.dumps(facts)})
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, run: str) -> Progress | None:
    """Put a saved state of run `run` back; None where there is none.

    Raises ValueError if the file belongs to another run or cannot be read whole."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole training state ({error}); remove it to start again") from error
    if facts.get("run") != run or facts.get("format") != FORMAT:
        raise ValueError(f"{path}: state of run {facts.get('run')}, not of {run}; remove it to start again")
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    _put_moments(optimizer, {n.removeprefix("optimizer."): t for n, t in tensors.items() if n.startswith("optimizer.")})
    torch.set_rng_state(tensors["random"])
    if "random_cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random_cuda"])
    return _progress(json.loads(facts["progress"]), tensors.get("steps"))


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
