"""The whole state of a training run in one file, written atomically: what a killed run continues from, bit for bit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

FORMAT = "1"


@dataclass
class Progress:
    """How far a run is: epochs done, steps done within the current one and in all, sums over the epoch, the best yet."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    windows: int = 0
    gradient_norm_sum: float = 0.0
    training_s: float = 0.0
    best_score: tuple[float, float] = (-1.0, -1.0)
    best_epoch: int = 0
    finished: bool = False
    history: list[dict[str, float | None]] = field(default_factory=list)


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, run: str) -> None:
    """Write weights, optimizer moments, random state and progress of run `run` (its fingerprint) to one file."""
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    save_file(tensors, temporary, metadata={"format": FORMAT, "run": run, "progress": json.dumps(asdict(progress))})
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
    return _progress(json.loads(facts["progress"]))


def _progress(values: dict[str, Any]) -> Progress:
    return Progress(**{**values, "best_score": tuple(values["best_score"])})


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def _put_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
