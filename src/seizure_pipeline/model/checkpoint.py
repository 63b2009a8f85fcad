"""A trained detector on disk: `weights.safetensors` and `config.json`, which carries the SHA-256 of the weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings

WEIGHTS_NAME, CONFIG_NAME = "weights.safetensors", "config.json"
FORMAT = 1
CONFIG_KEYS = {"format", "model", "facts", "weights_sha256"}


class CheckpointError(ValueError):
    """A checkpoint that cannot be trusted; the message names the file and the rule it breaks."""


def save_checkpoint(folder: Path, model: Detector, facts: Mapping[str, Any]) -> None:
    """Write weights, then the config that vouches for them; a crash in between leaves a checkpoint that is refused.

    `facts` are JSON values that a user of the weights needs: montage, sampling rate, window, operating threshold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()})
    config = {
        "format": FORMAT,
        "model": model.settings.model_dump(mode="json"),
        "facts": dict(facts),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n"
    _replace(folder / WEIGHTS_NAME, weights)
    _replace(folder / CONFIG_NAME, text.encode())


def load_checkpoint(folder: Path) -> tuple[Detector, dict[str, Any]]:
    """Detector (on the CPU, in evaluation mode) and facts; raises CheckpointError if anything does not fit."""
    config = _read_config(folder / CONFIG_NAME)
    weights = _read(folder / WEIGHTS_NAME)
    found = hashlib.sha256(weights).hexdigest()
    if found != config["weights_sha256"]:
        raise CheckpointError(
            f"{folder / WEIGHTS_NAME}: SHA-256 is {found[:16]}..., the rule is {config['weights_sha256'][:16]}... "
            f"as {CONFIG_NAME} says: torn or changed after it was written"
        )
    try:
        model = Detector(ModelSettings.model_validate(config["model"]))
    except ValidationError as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: the model's settings are not valid: {error}") from error
    try:
        model.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{folder / WEIGHTS_NAME}: weights do not fit the model's settings: {error}") from error
    return model.eval(), config["facts"]


def check_weights(folder: Path, weights_sha256: str) -> None:
    """Raise CheckpointError if the checkpoint in `folder` holds other weights than those of this SHA-256."""
    found = _read_config(folder / CONFIG_NAME)["weights_sha256"]
    if found != weights_sha256:
        raise CheckpointError(f"{folder}: weights {found[:16]}..., wanted are {weights_sha256[:16]}...; run training again")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(_read(path))
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: not JSON ({error})") from error
    if not isinstance(config, dict) or set(config) != CONFIG_KEYS:
        raise CheckpointError(f"{path}: the rule is an object with exactly the keys {sorted(CONFIG_KEYS)}")
    if config["format"] != FORMAT:
        raise CheckpointError(f"{path}: format is {config['format']}, the rule is {FORMAT}")
    return config


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); a checkpoint has both files") from error


def _replace(path: Path, content: bytes) -> None:
    """Write beside the target, force to disk, rename over it, and force the rename to disk."""
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
