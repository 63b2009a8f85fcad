"""The registered model: a version for each detector that can be used, and an alias for the one that finds most.

The alias moves to a new version only where that finds more of the same seizures of dev, at 10 false alarms per 24 h. A tie
leaves it: nobody gains by other weights. So do other dev recordings: their figures cannot be held against each other.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from kedro.io import DataCatalog
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from seizure_pipeline.cache import rows_from_table
from seizure_pipeline.cache.index import cache_fingerprint
from seizure_pipeline.configuration import fingerprint
from seizure_pipeline.evaluation import DEV
from seizure_pipeline.mlflow_runs.model import save_model
from seizure_pipeline.scoring.names import AUROC, COLLAPSED, sensitivity_name

log = logging.getLogger(__name__)
BEST = "best"
RANKED_BY = sensitivity_name(10.0)
DETECTOR, DEV_RECORDINGS, TRAINED_ON = "detector", "dev_recordings", "trained_on"
OF_RUN = ("corpus_fingerprint", "cache_fingerprint", "git_commit")
"""Tags of the run that its version gets too."""
OF_DETECTIONS = ("weights_sha256", "threshold", "post_processing", "stride_s")
RANKED = "ranked"


@dataclass(frozen=True, slots=True)
class MadeDetector:
    """What a run made: weights, the operating point that dev gave them, and what came of it."""

    checkpoint: Path
    facts: Mapping[str, Any]
    operating_point: Mapping[str, Any]
    metrics: Mapping[str, Any]
    dev_recordings: str
    is_collapsed: bool

    @property
    def identity(self) -> str:
        """Fingerprint of all that its detections depend on."""
        return fingerprint({name: self.operating_point[name] for name in OF_DETECTIONS})


def made_detector(catalog: DataCatalog, operating_point: Mapping[str, Any]) -> MadeDetector:
    """The detector of `operating_point`, its other parts from the catalog; CheckpointError where its weights are others now."""
    from seizure_pipeline.model.checkpoint import check_weights, load_checkpoint

    record = catalog.load("checkpoint")
    checkpoint = catalog.load("models") / record["folder"]
    check_weights(checkpoint, operating_point["weights_sha256"])
    _, facts = load_checkpoint(checkpoint)
    history = catalog.load("training_history").set_index("epoch")
    return MadeDetector(
        checkpoint=checkpoint,
        facts=facts,
        operating_point=operating_point,
        metrics=catalog.load("metrics"),
        dev_recordings=dev_fingerprint(catalog.load("trace_index")),
        is_collapsed=bool(history.loc[record["best_epoch"], COLLAPSED]),
    )


def dev_fingerprint(table: pd.DataFrame) -> str:
    """Fingerprint of the recordings of dev in an index and of their seizures; filters and windows do not change it."""
    columns = ["recording_id", "patient_id", "duration_s", "seizures"]
    return fingerprint({"rows": sorted(table.loc[table["split"] == DEV, columns].to_numpy().tolist())})


def training_data(window_index: pd.DataFrame) -> str:
    """What a training on this index reads, in words, and by the fingerprint that its checkpoint keeps."""
    rows = rows_from_table(window_index)
    train = [row for row in rows if row.accepted and row.split == "train"]
    patients = len({row.patient_id for row in train})
    hours = sum(row.duration_s for row in train) / 3600
    return f"{len(train)} recordings of {patients} patients, {hours:.2f} h; cache {cache_fingerprint(rows)}"


def unfit(made: MadeDetector) -> str | None:
    """Why nobody should use a detector; None for one that can be used."""
    point = made.operating_point
    if point["threshold"] is None:
        return f"no threshold meets {point['budget_per_24h']:g} false alarms per 24 h"
    if made.facts["training"]["shuffled_labels"]:
        return "its labels were shuffled"
    if made.is_collapsed:
        return "it collapsed: it says the same everywhere"
    if point["sensitivity"] == 0:
        return f"it finds no seizure of {point['split']} at its threshold"
    return None


class Registry:
    """The versions of one registered model; raises MlflowException where the store fails."""

    def __init__(self, client: mlflow.MlflowClient, name: str) -> None:
        self._client, self.name = client, name

    def register(self, made: MadeDetector, run_id: str) -> str | None:
        """The version of a detector, new unless it has one, and the alias moved if it is the best; None if it is unfit.

        What was done is said in one line."""
        if reason := unfit(made):
            log.info("no model is registered: %s", reason)
            return None
        found = self._client.search_model_versions(f"name='{self.name}' and tags.{DETECTOR}='{made.identity}'")
        version = found[0] if found else self._create(made, run_id)
        again = " again" if found else ""
        log.info("registered model %s: version %s%s; %s", self.name, version.version, again, self._ranked(version))
        return str(version.version)

    def _create(self, made: MadeDetector, run_id: str) -> ModelVersion:
        """A version with all its tags at once: nothing finds it before it is whole."""
        folder = f"model_{made.identity}"  # a run that is taken up again may make another one
        with tempfile.TemporaryDirectory() as temporary:
            save_model(Path(temporary) / folder, made.checkpoint, made.operating_point)
            self._client.log_artifacts(run_id, str(Path(temporary) / folder), folder)
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        run = self._client.get_run(run_id)
        tags = _tags(made, run.data.tags)
        return self._client.create_model_version(self.name, f"{run.info.artifact_uri}/{folder}", run_id, tags=tags)

    def _ranked(self, version: ModelVersion) -> str:
        """Rank a version once, lest the same run again undo an alias that was moved by hand."""
        if RANKED not in version.tags:
            said = self._rank(version)
            self._client.set_model_version_tag(self.name, version.version, RANKED, "once")
            return said
        held = self._held()
        return f"{BEST} stays version {held.version}" if held else f"nothing is {BEST}"

    def _rank(self, version: ModelVersion) -> str:
        """Move the alias to `version` if it is better than the one that has it; which is the best now, and why."""
        held = self._held()
        if held is None:
            self._client.set_registered_model_alias(self.name, BEST, version.version)
            return f"it is {BEST}: there was none"
        if held.version == version.version:
            return f"it is {BEST} already"
        if held.tags.get(DEV_RECORDINGS) != version.tags[DEV_RECORDINGS]:
            return (
                f"{BEST} stays version {held.version}, whose figures are of other dev recordings: give these recordings a "
                f"registered_model of their own in mlflow.yml, or move the alias by hand"
            )
        now, before = (float(each.tags[RANKED_BY]) for each in (version, held))
        if now <= before:
            return f"{BEST} stays version {held.version}: {RANKED_BY} {before:.3f} there, {now:.3f} here"
        self._client.set_registered_model_alias(self.name, BEST, version.version)
        return f"it is {BEST} now: {RANKED_BY} {now:.3f}, version {held.version} has {before:.3f}"

    def _held(self) -> ModelVersion | None:
        aliases = self._client.get_registered_model(self.name).aliases
        return self._client.get_model_version(self.name, aliases[BEST]) if BEST in aliases else None


def _tags(made: MadeDetector, of_run: Mapping[str, str]) -> dict[str, str]:
    point, metrics = made.operating_point, made.metrics
    seizures = f"{metrics['seizures']} seizures in {metrics['hours']:.2f} h"
    read = of_run.get(TRAINED_ON, "")
    cache = made.facts["cache"]
    figures = {name: point[name] for name in ("threshold", "budget_per_24h", "sensitivity", "false_alarms_per_24h")}
    tags = {
        DETECTOR: made.identity,
        DEV_RECORDINGS: made.dev_recordings,
        "dev": f"{seizures}, {metrics['recordings']} recordings of {metrics['patients']} patients",
        TRAINED_ON: read if read.endswith(cache) else f"cache {cache}",  # the index may be another since
        "post_processing": json.dumps(point["post_processing"]),
        "settings_tried": point["settings_tried"],
        "stride_s": point["stride_s"],
        "weights_sha256": point["weights_sha256"],
        "training_run": made.facts["run"],
        **figures,
        **{name: metrics[name] for name in (RANKED_BY, AUROC)},
        **{name: of_run[name] for name in OF_RUN if name in of_run},
    }
    return {name: str(value) for name, value in tags.items()}
