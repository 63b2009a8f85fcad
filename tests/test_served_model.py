"""The detector as MLflow keeps it: which ones get a version, which of them is the best, and what the saved model answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
from edf_files import edf, ramp, signal
from kedro.io import DataCatalog, MemoryDataset
from made_models import SMALL
from made_runs import POINT, Store
from mlflow.exceptions import MlflowException
from noise_corpus import build, write_recording

from seizure_pipeline.cache import table_from_rows
from seizure_pipeline.detection import detect_recording, load_chain
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.mlflow_runs.model import save_model
from seizure_pipeline.mlflow_runs.registry import MadeDetector, Registry, dev_fingerprint, made_detector, training_data
from seizure_pipeline.model.checkpoint import CheckpointError, save_checkpoint
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.scoring import Detection, PostProcessingSettings
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.windows import WindowSettings

NAME, TRAINED_FROM = "detector", "0123456789abcdef"
FACTS = {
    "run": "fedcba9876543210",
    "cache": TRAINED_FROM,
    "electrodes": list(ELECTRODES),
    "signals": SignalSettings().model_dump(mode="json"),
    "montage": MontageSettings().model_dump(mode="json"),
    "windows": WindowSettings(window_s=4.0).model_dump(mode="json"),
    "training": {"shuffled_labels": False},
}
SAYS = "seizure_pipeline.mlflow_runs.registry"
METRICS = {"sensitivity_at_10fa": 0.5, "auroc": 0.9, "seizures": 8, "hours": 2.0, "recordings": 4, "patients": 3}
FAR = InferenceSettings(stride_s=4.0)
BY_FAR = {"stride_s": 4.0}
CLOSE = InferenceSettings(stride_s=1.0, batch_size=8)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # windows this short take longer with more beside other tests
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was never trained, with weights six times what it begins with, so that its probability moves."""
    torch.manual_seed(3)
    model = Detector(SMALL, 0.5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6.0)
    folder = tmp_path_factory.mktemp("models") / "best"
    save_checkpoint(folder, model, FACTS)
    return folder


@pytest.fixture(scope="module")
def point(checkpoint: Path) -> dict[str, Any]:
    """An operating point at which the network detects every rise of its probability."""
    weights = json.loads((checkpoint / "config.json").read_text())["weights_sha256"]
    each = PostProcessingSettings(off_ratio=1.0, merge_gap_s=0.0, min_duration_s=0.0).model_dump(mode="json")
    return POINT | {"weights_sha256": weights, "post_processing": each, "stride_s": CLOSE.stride_s}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recording(tmp_path_factory.mktemp("own"), duration_s=20)


@pytest.fixture(scope="module")
def saved(checkpoint: Path, point: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MLflow model of the network, whose threshold belongs to windows a second apart."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(folder, checkpoint, point)
    return folder


def predicted(model: Path, *paths: str, **config: Any) -> pd.DataFrame:
    loaded = mlflow.pyfunc.load_model(str(model), model_config=config or None)
    answer: pd.DataFrame = loaded.predict(pd.DataFrame({"path": list(paths)}))
    return answer


def detected(checkpoint: Path, point: dict[str, Any], inference: InferenceSettings, edf: Path) -> list[Detection]:
    """What the detection pipeline finds by these settings."""
    return list(detect_recording(load_chain(checkpoint, point, inference), edf).detections)


def told(answer: pd.DataFrame) -> list[Detection]:
    return [Detection(*numbers) for numbers in answer[["onset_s", "offset_s", "confidence"]].itertuples(index=False)]


def test_the_saved_model_detects_what_the_settings_of_its_threshold_detect_and_others_do_not(
    saved: Path, checkpoint: Path, point: dict[str, Any], recording: Path
) -> None:
    expected = detected(checkpoint, point, CLOSE, recording)
    assert len(expected) > 20
    answer = predicted(saved, str(recording))
    assert told(answer) == expected
    assert set(answer["path"]) == {str(recording)}
    assert expected != detected(checkpoint, point | BY_FAR, FAR, recording)
    told_twice = predicted(saved, str(recording), str(recording), batch_size=64)
    assert told(told_twice) == 2 * expected


def test_the_saved_model_has_nothing_to_unpickle(saved: Path) -> None:
    endings = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert endings == {"", ".json", ".py", ".safetensors", ".txt", ".yaml"}
    (nameless,) = (path for path in saved.rglob("*") if path.is_file() and not path.suffix)
    assert nameless.name == "MLmodel"


def test_its_example_fits_its_signature(saved: Path) -> None:
    model = mlflow.models.Model.load(str(saved))
    example = model.load_input_example(str(saved))
    assert list(example.columns) == model.get_input_schema().input_names() == ["path"]
    assert model.get_output_schema().input_names() == ["path", "onset_s", "offset_s", "confidence"]


def test_a_missing_file_a_broken_one_and_one_of_other_channels_are_named_with_their_reason(
    saved: Path, recording: Path, tmp_path: Path
) -> None:
    broken, foreign = tmp_path / "broken.edf", tmp_path / "foreign.edf"
    broken.write_bytes(recording.read_bytes()[:-1000])
    foreign.write_bytes(edf([signal("ECG")], ramp(2)))
    wrong = {tmp_path / "missing.edf": "No such file", broken: "bytes", foreign: "Fp1", tmp_path: "cannot be read"}
    for path, reason in wrong.items():
        with pytest.raises(MlflowException, match=reason) as refusal:
            predicted(saved, str(recording), str(path))
        assert str(path) in str(refusal.value)
        assert refusal.value.get_http_status_code() == 400


@dataclass
class Registered:
    """A store with the registered model of `NAME`, and the lines that it said of it."""

    store: Store
    made: MadeDetector
    caplog: pytest.LogCaptureFixture
    threshold: float = 0.5

    def register(self, **changes: Any) -> tuple[str | None, str]:
        """The version that a detector gets in a run of its own, and the one line that is said of that."""
        self.caplog.clear()
        registry = Registry(self.store.client, NAME)
        version = registry.register(replace(self.made, **changes), self.store.log("training+evaluation"))
        (line,) = (record.getMessage() for record in self.caplog.records if record.name == SAYS)
        return version, line

    def scored(self, sensitivity: float, **changes: Any) -> tuple[str | None, str]:
        """The same of a detector with other weights that finds this share of the seizures."""
        self.threshold += 0.001
        point = {**self.made.operating_point, "threshold": self.threshold}
        return self.register(metrics=METRICS | {"sensitivity_at_10fa": sensitivity}, operating_point=point, **changes)

    @property
    def best(self) -> str:
        return str(self.store.client.get_model_version_by_alias(NAME, "best").version)

    @property
    def versions(self) -> list[Any]:
        return list(self.store.client.search_model_versions(f"name='{NAME}'"))


@pytest.fixture
def registered(checkpoint: Path, point: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Registered:
    caplog.set_level(logging.INFO, SAYS)
    made = MadeDetector(checkpoint, FACTS, point, METRICS, "dev of seven", is_collapsed=False)
    return Registered(Store(tmp_path), made, caplog)


def test_best_moves_only_to_a_version_that_finds_more_of_the_same_dev(registered: Registered) -> None:
    steps = [
        (0.5, {}, "1", "there was none"),
        (0.4, {}, "1", "best stays version 1: sensitivity_at_10fa 0.500 there, 0.400 here"),
        (0.5, {}, "1", "best stays version 1"),
        (0.7, {}, "4", "it is best now: sensitivity_at_10fa 0.700, version 1 has 0.500"),
        (0.9, {"dev_recordings": "other dev"}, "4", "best stays version 4, whose figures are of other dev recordings"),
        (0.6, {}, "4", "best stays version 4"),
    ]
    for number, (sensitivity, changes, best, said) in enumerate(steps, 1):
        version, line = registered.scored(sensitivity, **changes)
        assert version == str(number)
        assert f"registered model {NAME}: version {number};" in line
        assert said in line
        assert registered.best == best


def test_an_alias_that_was_moved_by_hand_is_what_later_versions_must_beat(registered: Registered) -> None:
    registered.scored(0.7)
    registered.scored(0.3)
    registered.store.client.set_registered_model_alias(NAME, "best", "2")
    registered.scored(0.5)
    assert registered.best == "3"


def test_the_same_detector_again_does_not_undo_an_alias_that_was_moved_by_hand(registered: Registered) -> None:
    registered.scored(0.3)
    registered.scored(0.7)
    registered.store.client.set_registered_model_alias(NAME, "best", "1")
    registered.threshold -= 0.001
    assert "version 2 again; best stays version 1" in registered.scored(0.7)[1]
    assert registered.best == "1"


def test_another_stride_than_that_of_the_threshold_is_refused(checkpoint: Path, point: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"inference.stride_s is 4 s, its threshold was chosen with 1 s"):
        load_chain(checkpoint, point, FAR)


def test_a_version_carries_its_threshold_what_it_found_and_what_it_was_trained_on(registered: Registered) -> None:
    run_id = registered.store.log(
        "a run", trained_on=f"9 recordings of 3 patients, 4.00 h; cache {TRAINED_FROM}", git_commit="c"
    )
    Registry(registered.store.client, NAME).register(registered.made, run_id)
    (version,) = registered.versions
    tags, point = version.tags, registered.made.operating_point
    for name in ("threshold", "budget_per_24h", "sensitivity", "false_alarms_per_24h"):
        assert float(tags[name]) == point[name]
    assert json.loads(tags["post_processing"]) == point["post_processing"]
    assert (float(tags["stride_s"]), float(tags["sensitivity_at_10fa"])) == (1.0, 0.5)
    assert (tags["dev"], tags["git_commit"]) == ("8 seizures in 2.00 h, 4 recordings of 3 patients", "c")
    assert tags["trained_on"].startswith("9 recordings of 3 patients, 4.00 h")
    assert version.run_id == run_id


def test_an_index_that_changed_since_training_is_not_what_a_version_was_trained_on(registered: Registered) -> None:
    run_id = registered.store.log("a run", trained_on="9 recordings of 3 patients, 4.00 h; cache ffffffffffffffff")
    Registry(registered.store.client, NAME).register(registered.made, run_id)
    assert registered.versions[0].tags["trained_on"] == f"cache {TRAINED_FROM}"


def test_the_same_detector_is_registered_once_and_one_by_another_stride_is_another(registered: Registered) -> None:
    assert registered.register()[0] == "1"
    version, line = registered.register()
    assert version == "1"
    assert "version 1 again; best stays version 1" in line
    assert registered.register(operating_point=registered.made.operating_point | BY_FAR)[0] == "2"
    sources = {version.source for version in registered.versions}
    assert len(sources) == 2


def test_a_run_that_makes_a_second_detector_leaves_the_first_as_it_was(registered: Registered, recording: Path) -> None:
    registry, run_id = Registry(registered.store.client, NAME), registered.store.log("a run")
    registry.register(registered.made, run_id)
    first = predicted(Path(registered.versions[0].source.removeprefix("file://")), str(recording))
    registry.register(replace(registered.made, operating_point=registered.made.operating_point | BY_FAR), run_id)
    (again,) = (version for version in registered.versions if str(version.version) == "1")
    assert predicted(Path(again.source.removeprefix("file://")), str(recording)).equals(first)


@pytest.mark.parametrize(
    ("of_point", "changes", "reason"),
    [
        ({"threshold": None}, {}, "no threshold meets 10 false alarms per 24 h"),
        ({"sensitivity": 0.0}, {}, "it finds no seizure of dev at its threshold"),
        ({}, {"facts": FACTS | {"training": {"shuffled_labels": True}}}, "its labels were shuffled"),
        ({}, {"is_collapsed": True}, "it collapsed"),
    ],
)
def test_what_nobody_should_use_gets_no_version(
    registered: Registered, of_point: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    point = {**registered.made.operating_point, **of_point}
    version, line = registered.register(operating_point=point, **changes)
    assert version is None
    assert f"no model is registered: {reason}" in line
    assert registered.versions == []


def test_dev_is_another_where_a_seizure_or_a_recording_is_and_the_same_by_other_filters(tmp_path: Path) -> None:
    for number in range(4):
        write_recording(tmp_path / "corpus", f"a{number}", number)
    rows = [
        replace(row, split="train" if number == 0 else "dev")
        for number, row in enumerate(build(tmp_path / "corpus", tmp_path / "cache"))
    ]
    known = dev_fingerprint(table_from_rows(rows))
    moved = replace(rows[1], seizures=((13.0, 18.0),))
    refiltered = [replace(row, chain="other", fingerprint="other", clipped_samples=5) for row in rows]
    for same in (rows[::-1], rows[1:], refiltered):
        assert dev_fingerprint(table_from_rows(same)) == known
    for other in ([*rows[:1], moved, *rows[2:]], rows[:-1], [replace(rows[0], split="dev"), *rows[1:]]):
        assert dev_fingerprint(table_from_rows(other)) != known
    assert training_data(table_from_rows(rows)).startswith("1 recordings of 1 patients, 0.01 h; cache ")


def test_what_a_run_made_is_put_together_from_its_datasets(checkpoint: Path, point: dict[str, Any], tmp_path: Path) -> None:
    write_recording(tmp_path / "corpus")
    index = table_from_rows([replace(row, split="dev") for row in build(tmp_path / "corpus", tmp_path / "cache")])
    weights = point["weights_sha256"]
    made = {
        "checkpoint": {"folder": "best", "weights_sha256": weights, "best_epoch": 2},
        "models": checkpoint.parent,
        "training_history": pd.DataFrame({"epoch": [1, 2, 3], "collapsed": [0.0, 1.0, 0.0]}),
        "metrics": METRICS,
        "trace_index": index,
    }
    catalog = DataCatalog({name: MemoryDataset(data) for name, data in made.items()})
    found = made_detector(catalog, point)
    assert (found.operating_point, found.facts, found.is_collapsed) == (point, FACTS, True)
    with pytest.raises(CheckpointError, match="run training again"):
        made_detector(catalog, point | {"weights_sha256": "0" * 64})
