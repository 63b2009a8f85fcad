"""The detector as an MLflow model that takes EDF paths."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from seizure_pipeline.inference.settings import InferenceSettings

SERVED_MODEL = Path(__file__).with_name("served_model.py")
REQUIREMENTS = ["seizure-pipeline"]
EXAMPLE_PATH = "/recordings/patient_s001_t000.edf"


def save_model(target: Path, checkpoint: Path, operating_point: Mapping[str, Any]) -> None:
    """Write an MLflow model that takes EDF paths and returns detections; weights stay safetensors, nothing is pickled.

    What its detections depend on is fixed with its threshold: weights, post-processing, stride. Where they
    are computed is the choice of whoever loads it: `model_config` has `device`, the CPU unless told, and `batch_size`."""
    point = target.parent / "operating_point.json"
    point.write_text(json.dumps(dict(operating_point)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about type hints; the signature is explicit
        mlflow.pyfunc.save_model(
            path=target,
            python_model=str(SERVED_MODEL),
            artifacts={"checkpoint": str(checkpoint), "operating_point": str(point)},
            pip_requirements=REQUIREMENTS,
            signature=_signature(),
            input_example=pd.DataFrame({"path": [EXAMPLE_PATH]}),
            model_config={"device": "cpu", "batch_size": InferenceSettings().batch_size},
        )


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [ColSpec("string", "path")]
    numbers = [ColSpec("double", name) for name in ("onset_s", "offset_s", "confidence")]
    return ModelSignature(Schema(inputs), Schema([*inputs, *numbers]))
