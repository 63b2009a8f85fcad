"""Steps whose loss or gradient is not finite: kept whole on disk before any update, so that they can be done again.

A kept step holds what its numbers follow from: the weights, the windows with their labels, the random state before the
forward pass, the settings. It needs neither the cache nor the run.
"""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from seizure_pipeline.cache.parts import write_whole
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings
from seizure_pipeline.training.batches import Batch
from seizure_pipeline.training.diverged import NUMERIC_ERRORS, TrainingDiverged, diverged
from seizure_pipeline.training.keeping import Keeper
from seizure_pipeline.training.recompute import recompute_activations
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.team import ALONE, Team
from seizure_pipeline.training.update import accumulate_gradients
from seizure_pipeline.windows import RATE_HZ

log = logging.getLogger(__name__)
FOLDER, TENSORS, FACTS = "nonfinite", "step.safetensors", "step.json"
WEIGHTS, BATCH = "model.", ("window_BCT", "ictal_BL", "valid_BL")


class NotFinite(ArithmeticError):
    """A loss or gradient that is no number, or a network that fails because its numbers are none; says which."""


@dataclass(frozen=True)
class Step:
    """An update that is about to be computed, with the random state before it."""

    number: int
    rate: float
    batch: Batch
    random: Mapping[str, Tensor]

    @classmethod
    def begin(cls, number: int, rate: float, batch: Batch) -> Step:
        """The step `number` (from 0) at learning rate `rate`, to be called before anything of it is computed."""
        return cls(number, rate, batch, random_state())


def gradient(
    network: Callable[[Tensor], Tensor], model: Detector, batch: Batch, settings: TrainingSettings, team: Team = ALONE
) -> tuple[float, float]:
    """Set `.grad` of `model`, which `network` runs, to the clipped gradient; returns loss and gradient norm before clipping.

    Both are those of all devices. Raises NotFinite, on each, if either is not finite; on one alone if the network fails there
    since its numbers are none."""
    model.zero_grad(set_to_none=True)
    recordings = sorted(set(batch.recording_ids))
    try:
        loss = accumulate_gradients(network, batch, settings, team)
    except NUMERIC_ERRORS as error:
        raise NotFinite(f"the network fails on recordings {recordings} ({str(error).splitlines()[0]})") from error
    norm = nn.utils.clip_grad_norm_(model.parameters(), settings.optimizer.gradient_norm)
    values = torch.stack([loss, norm]).tolist()  # read together: a step waits for the device once
    for name, value in zip(("loss", "gradient norm"), values, strict=True):
        if not math.isfinite(value):
            whose = f", recordings {recordings}," if team.share.ranks == 1 else f" over {team.share.ranks} devices,"
            raise NotFinite(f"{name} is {value}{whose}")
    return values[0], values[1]


def leave_out(step: Step, model: Detector, keeper: Keeper, team: Team, skipped: int, why: NotFinite) -> None:
    """Keep the step and warn that its update is left out, after `skipped` others.

    Raises TrainingDiverged where that is not allowed, or not any more, or where the other devices cannot know of it."""
    settings, ranks = keeper.settings, [team.share.rank]
    known_to_all = team.share.ranks > 1 and not isinstance(why.__cause__, NUMERIC_ERRORS)
    if known_to_all:
        why, ranks = _by_device(step, model, settings, team, why)
    keep_step(keeper.folder, model, step, settings, team, why)
    if known_to_all:
        team.meet()  # the first that raises ends all, and each is to have kept its windows
    command = " or ".join(f"`{reproducing(_place(keeper.folder, step, team, rank))}`" for rank in ranks)
    also = f"; training.on_nonfinite: skip would leave the update out. The step is kept: {command} does it again"
    if settings.on_nonfinite == "stop" or (team.share.ranks > 1 and not known_to_all):
        raise diverged(str(why), step.number, step.rate, also) from (why.__cause__ or why)
    if skipped >= settings.nonfinite_skips_max:
        also = f". {skipped} updates were left out, training.nonfinite_skips_max allows no more. {command} does it again"
        raise diverged(str(why), step.number, step.rate, also) from (why.__cause__ or why)
    if team.leads:
        log.warning(
            "%s at step %d: its update is left out, number %d of at most %d. %s does it again",
            *(why, step.number, skipped + 1, settings.nonfinite_skips_max, command),
        )


def _by_device(
    step: Step, model: Detector, settings: TrainingSettings, team: Team, why: NotFinite
) -> tuple[NotFinite, list[int]]:
    """`why` with what is not finite on which device, as `reproduce` will find it, and the ranks of those devices.

    All of them where each is finite alone: a sum may be too large though no part of it is."""
    _put_random(step.random)
    own = ""
    try:
        gradient(model, model, step.batch, settings)
    except NotFinite as error:
        own = str(error).rstrip(",")
    broken = {rank: found for rank, found in enumerate(team.each(own)) if found}
    told = ", ".join(f"on device {rank} alone {found}" for rank, found in broken.items()) or "on each device alone finite"
    return NotFinite(f"{why} {told},"), list(broken) or list(range(team.share.ranks))


def keep_step(folder: Path, model: Detector, step: Step, settings: TrainingSettings, team: Team, why: NotFinite) -> Path:
    """Write the step below a run's folder, tensors first; returns where. Of several devices each keeps its windows."""
    folder = _place(folder, step, team, team.share.rank)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{WEIGHTS}{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {name: getattr(step.batch, name) for name in BATCH} | dict(step.random)
    write_whole(folder / TENSORS, save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
    starts_s = np.asarray(step.batch.first_sample) / RATE_HZ
    facts = {
        "found": str(why),
        "step": step.number,
        "learning_rate": step.rate,
        "windows": [
            {"recording_id": name, "start_s": float(start_s)}  # of the recording with gaps cut out
            for name, start_s in zip(step.batch.recording_ids, starts_s, strict=True)
        ],
        "reproduce": reproducing(folder),
        "model": model.settings.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
    }
    write_whole(folder / FACTS, json.dumps(facts, indent=2).encode())
    return folder


def _place(folder: Path, step: Step, team: Team, rank: int) -> Path:
    """Where device `rank` keeps the step, below a run's folder."""
    return folder / FOLDER / (f"step_{step.number}" if team.share.ranks == 1 else f"step_{step.number}_rank_{rank}")


def reproducing(folder: Path) -> str:
    """The command that does a kept step again."""
    return f"kedro reproduce-step {shlex.quote(str(folder))}"


def reproduce(folder: Path, device: str | None = None) -> tuple[float, float]:
    """Compute a kept step again, on the device that it ran on or on another; its loss and gradient norm.

    Raises TrainingDiverged with what is not finite, ValueError for a folder that does not hold a whole step. Dropout draws
    the same on the same kind of device alone, and otherwise than in a network that was compiled: then numbers that are finite
    here are warned of, since they prove nothing."""
    facts, tensors = _read(folder)
    settings = TrainingSettings.model_validate(facts["training"])
    settings = settings.model_copy(update={"device": device or settings.device})
    model = Detector(ModelSettings.model_validate(facts["model"])).to(settings.device)
    model.load_state_dict({n.removeprefix(WEIGHTS): t for n, t in tensors.items() if n.startswith(WEIGHTS)})
    if settings.activation_checkpointing:
        recompute_activations(model)
    batch = _batch(facts, tensors, settings.device)
    _put_random(tensors)
    try:
        numbers = gradient(model.train(), model, batch, settings)
    except NotFinite as error:
        raise TrainingDiverged(f"{error} again at step {facts['step']}") from (error.__cause__ or error)
    if settings.compile:
        log.warning(
            "%s: the run was compiled, and here the network runs as it is, where dropout draws other numbers: that these are "
            "finite does not prove that those of the run were",
            folder,
        )
    return numbers


def _batch(facts: Mapping[str, Any], tensors: Mapping[str, Tensor], device: str) -> Batch:
    names = [window["recording_id"] for window in facts["windows"]]
    starts = np.array([round(window["start_s"] * RATE_HZ) for window in facts["windows"]], dtype=np.int32)
    window_BCT, ictal_BL, valid_BL = (tensors[name].to(device) for name in BATCH)
    return Batch(window_BCT, ictal_BL, valid_BL, np.arange(len(names), dtype=np.int32), starts, names)


def random_state() -> dict[str, Tensor]:
    """What the next random numbers of this process follow from."""
    state = {"random": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def _put_random(tensors: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random"])
    if "random_cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random_cuda"])


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        return json.loads((folder / FACTS).read_bytes()), load((folder / TENSORS).read_bytes())
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{folder}: not a step that was kept whole, which has {TENSORS} and {FACTS} ({error})") from error
