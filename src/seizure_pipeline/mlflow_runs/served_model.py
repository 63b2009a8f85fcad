"""The registered MLflow model: a table of EDF paths in, a table of detections out. MLflow runs this file to load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from seizure_pipeline.cache.fill import REFUSALS
from seizure_pipeline.corpora.table import named
from seizure_pipeline.detection import TrainedChain, detect_recording, load_chain
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.scoring import Detection

COLUMNS = ["path", "onset_s", "offset_s", "confidence"]


class SeizureDetector(PythonModel):
    """Detections of the checkpoint at its operating threshold."""

    def __init__(self) -> None:
        self._chain: TrainedChain | None = None

    def load_context(self, context: Any) -> None:
        """Load the weights and the threshold from the model's artifacts; the stride is the one that goes with the threshold."""
        point = json.loads(Path(context.artifacts["operating_point"]).read_text())
        inference = InferenceSettings(stride_s=point["stride_s"], **context.model_config)
        self._chain = load_chain(Path(context.artifacts["checkpoint"]), point, inference)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row per detection in the files of column `path`, in seconds of each file's clock; none for a file without any.

        Raises MlflowException, which a server answers with status 400, for a file that is not there or is refused."""
        assert self._chain is not None
        rows = [
            (path, found.onset_s, found.offset_s, found.confidence)
            for path in model_input["path"]
            for found in _detections(self._chain, path)
        ]
        return pd.DataFrame(rows, columns=COLUMNS)


def _detections(chain: TrainedChain, path: str) -> tuple[Detection, ...]:
    try:
        return detect_recording(chain, Path(path)).detections
    except OSError as error:
        raise MlflowException.invalid_parameter_value(f"{path}: cannot be read ({error.strerror or error})") from error
    except REFUSALS as refusal:
        raise MlflowException.invalid_parameter_value(named(path, refusal)) from refusal


set_model(SeizureDetector())
