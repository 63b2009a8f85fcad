"""The registered MLflow model: a table of EDF paths in, a table of detections out. MLflow runs this file to load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from seizure_pipeline.detection import TrainedChain, detect_recording, load_chain
from seizure_pipeline.inference.settings import InferenceSettings

COLUMNS = ["path", "onset_s", "offset_s", "confidence"]


class SeizureDetector(PythonModel):
    """Detections of the checkpoint at its operating threshold."""

    def __init__(self) -> None:
        self._chain: TrainedChain | None = None

    def load_context(self, context: Any) -> None:
        """Load the weights and the threshold from the model's artifacts."""
        point = json.loads(Path(context.artifacts["operating_point"]).read_text())
        self._chain = load_chain(Path(context.artifacts["checkpoint"]), point, InferenceSettings())

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row per detection in the files of column `path`, in seconds of each file's clock."""
        assert self._chain is not None
        rows = [
            (path, found.onset_s, found.offset_s, found.confidence)
            for path in model_input["path"]
            for found in detect_recording(self._chain, Path(path)).detections
        ]
        return pd.DataFrame(rows, columns=COLUMNS)


set_model(SeizureDetector())
