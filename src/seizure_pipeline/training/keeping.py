"""What a run leaves on disk while it goes on: its state, and the checkpoints `last`, `best` and of every few epochs."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seizure_pipeline.announcements import announce
from seizure_pipeline.model.checkpoint import CONFIG_NAME, save_checkpoint
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.training.settings import TrainingSettings
from seizure_pipeline.training.state import Progress, Trained, load_state, save_state

STATE = "state.safetensors"
EPOCH = "epoch_"


@dataclass
class Keeper:
    """Writes into `folder` what run `name` leaves; `facts` go into its checkpoints' config."""

    folder: Path
    name: str
    facts: dict[str, Any]
    settings: TrainingSettings
    saved_s: float = field(default_factory=time.monotonic)

    def load(self, trained: Trained) -> Progress | None:
        """Put back what an earlier process saved; see `load_state`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return load_state(self.folder / STATE, trained, self.name)

    def save(self, trained: Trained, progress: Progress) -> None:
        """Save the state."""
        path = self.folder / STATE
        save_state(path, trained, progress, self.name)
        self.saved_s = time.monotonic()
        announce("checkpoint", path=str(path), step=progress.step)

    def is_due(self, step_in_epoch: int) -> bool:
        """Whether so many steps or minutes of an epoch have passed that the state is to be saved."""
        minutes = self.settings.checkpoint_minutes
        is_late = minutes is not None and time.monotonic() - self.saved_s >= 60 * minutes
        return is_late or step_in_epoch % self.settings.checkpoint_steps == 0

    def has_weights_of(self, progress: Progress) -> bool:
        """Whether `last` holds the weights of the epoch that `progress` closed."""
        config = self.folder / "last" / CONFIG_NAME
        return config.is_file() and json.loads(config.read_bytes())["facts"].get("epoch") == progress.epoch

    def keep_weights(self, model: Detector, progress: Progress, score: tuple[float, float]) -> None:
        """Write the checkpoints of the epoch that `progress` closes; it was scored `score`."""
        names = ["last"]
        every = self.settings.checkpoint_epochs
        if every is not None and progress.epoch % every == 0:
            names.append(f"{EPOCH}{progress.epoch:05d}")
        if progress.best_epoch == progress.epoch:
            names.insert(0, "best")  # `last` comes last: it says that all are there
        for name in names:
            save_checkpoint(self.folder / name, model, {**self.facts, "epoch": progress.epoch, "score": list(score)})
            announce("checkpoint", path=str(self.folder / name), step=progress.step)
        for old in sorted(self.folder.glob(f"{EPOCH}*"))[: -self.settings.checkpoints_kept]:
            shutil.rmtree(old)


class Bystander(Keeper):
    """Of a process that does not lead: it reads what was saved, and writes nothing."""

    def save(self, trained: Trained, progress: Progress) -> None:
        """Leave it to the process that leads."""

    def keep_weights(self, model: Detector, progress: Progress, score: tuple[float, float]) -> None:
        """Leave it to the process that leads."""
