"""Nodes of detection; torch is imported when a node runs, so that start-up stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seizure_pipeline.corpora import Folder
from seizure_pipeline.exports import DetectionSettings
from seizure_pipeline.inference.settings import InferenceSettings


def detect_seizures(
    own_recordings: Folder,
    checkpoint: dict[str, Any],
    models: Path,
    operating_point: dict[str, Any],
    inference: InferenceSettings,
    detection: DetectionSettings,
    detections: Path,
) -> pd.DataFrame:
    """A file or a folder of EDF files -> the files that `detection` names of each, and a table of what was found."""
    from seizure_pipeline.detection import find_in_folder, load_chain

    chain = load_chain(models / checkpoint["folder"], operating_point, inference)
    return pd.DataFrame(find_in_folder(chain, own_recordings, detections, detection))
