"""The detector as an MLflow model that takes EDF paths."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import mlflow

SERVED_MODEL = Path(__file__).with_name("served_model.py")
REQUIREMENTS = ["seizure-pipeline"]


def save_model(target: Path, checkpoint: Path, operating_point: dict[str, Any]) -> None:
    """Write an MLflow model that takes EDF paths and returns detections; weights stay safetensors, nothing is pickled."""
    point = target.parent / "operating_point.json"
    point.write_text(json.dumps(operating_point))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about type hints and input examples; the signature is explicit
        mlflow.pyfunc.save_model(
            path=target,
            python_model=str(SERVED_MODEL),
            artifacts={"checkpoint": str(checkpoint), "operating_point": str(point)},
            pip_requirements=REQUIREMENTS,
            signature=_signature(),
        )


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [ColSpec("string", "path")]
    numbers = [ColSpec("double", name) for name in ("onset_s", "offset_s", "confidence")]
    return ModelSignature(Schema(inputs), Schema([*inputs, *numbers]))
