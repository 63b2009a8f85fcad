"""A run that goes on from the state of another: what may differ is named, all else that differs is refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizure_pipeline.cache.parts import write_whole
from seizure_pipeline.configuration import fingerprint, flatten
from seizure_pipeline.model.checkpoint import load_checkpoint, save_checkpoint
from seizure_pipeline.training.keeping import STATE, Keeper
from seizure_pipeline.training.state import Progress, Trained, load_state

log = logging.getLogger(__name__)
RECIPE = "recipe.json"
OWN = ("training.resume_from",)
ORDER = ("cache", "windows", "training.seed", "training.batch_size", "training.sampling")
"""What decides the order of an epoch's windows, by dotted name."""
VALIDATION = ("cache", "windows", "post_processing", "training.validation_stride_s")
"""What decides the scores of the same weights."""


@dataclass(frozen=True)
class Predecessor:
    """The run to go on from, whether our epochs have other windows than its own, and whether ours are validated otherwise."""

    folder: Path
    name: str
    has_other_order: bool
    has_other_validation: bool

    def hand_over(self, keeper: Keeper, trained: Trained) -> Progress:
        """Put its state into `trained`, its checkpoints into the folder of `keeper`; returns how far it is.

        An epoch under way begins again where it would go on with other windows; scores of another validation are not compared
        with ours, and the next epoch is then the best so far. Raises ValueError for a run without state."""
        for kept in (self.folder / name for name in ("last", "best")):
            if kept.is_dir():  # before the state is put back: making a network draws random numbers
                model, facts = load_checkpoint(kept)
                save_checkpoint(keeper.folder / kept.name, model, {**facts, **keeper.facts})
        progress = load_state(self.folder / STATE, trained, self.name)
        if progress is None:
            raise ValueError(f"{self.folder / STATE}: not there; training.resume_from needs the state of run {self.name}")
        if self.has_other_order and progress.step_in_epoch:
            log.info(
                "run %s had %d steps of epoch %d, which begins again", self.name, progress.step_in_epoch, progress.epoch + 1
            )
            progress.begin_epoch()
        progress.taken_over = progress.epoch
        if self.has_other_validation:
            progress.best_score, progress.best_epoch = Progress.best_score, Progress.best_epoch
        return progress


def write_recipe(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Keep what a run's name is the fingerprint of in the folder of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / RECIPE, (json.dumps(recipe, indent=2, sort_keys=True) + "\n").encode())


def find_predecessor(models: Path, name: str, recipe: Mapping[str, Any], may_differ: Iterable[str]) -> Predecessor:
    """The run `name` below `models`, if its recipe and ours differ in what is named alone.

    A name stands for all below it. Raises ValueError naming every other difference with both values, a run that is not
    there, a recipe that was changed, and a name that no recipe has."""
    path = models / name / RECIPE
    if not path.is_file():
        raise ValueError(f"{path}: not there; training.resume_from names a run whose folder holds its recipe")
    before = json.loads(path.read_bytes())
    if fingerprint(before) != name:
        raise ValueError(f"{path}: its fingerprint is {fingerprint(before)}, the rule is {name}: changed since")
    theirs, ours = (dict(flatten(values)) for values in (before, json.loads(json.dumps(recipe))))
    permitted = tuple(may_differ)
    for each in permitted:
        if not any(_is_below(key, (each,)) for key in {*theirs, *ours}):
            raise ValueError(f"training.may_differ: {each!r} names no setting of a run, such as training.epochs")
    different = sorted(key for key in {*theirs, *ours} - {*OWN} if theirs.get(key) != ours.get(key))
    refused = [key for key in different if not _is_below(key, permitted)]
    if refused:
        told = "; ".join(f"{key} is {ours.get(key)!r}, was {theirs.get(key)!r}" for key in refused)
        raise ValueError(f"run {name} differs from what would go on from it: {told}; training.may_differ names what may")
    return Predecessor(models / name, name, *(any(_is_below(key, what) for key in different) for what in (ORDER, VALIDATION)))


def _is_below(key: str, names: Iterable[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)
