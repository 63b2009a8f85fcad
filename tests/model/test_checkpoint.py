import json
from pathlib import Path

import pytest
import torch

from seizure_pipeline.model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings, StreamSettings

SETTINGS = ModelSettings(
    tcn_channels=(4,),
    tcn_dilations=(1, 2),
    tcn_strides=(4, 4),
    token_kernel=1,
    electrode_stream=StreamSettings(features=4, layers=1, state=4, head_dim=4),
    pair_stream=StreamSettings(features=4, layers=1, state=2, head_dim=4),
    head_features=8,
)
FACTS = {"montage": ["Fp1", "F3"], "sampling_rate_hz": 256.0, "window_s": 60.0, "threshold": 0.4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "best", Detector(SETTINGS), FACTS)
    return tmp_path / "best"


def test_loaded_detector_gives_the_same_logits_and_facts(tmp_path: Path) -> None:
    model = Detector(SETTINGS).eval()
    save_checkpoint(tmp_path, model, FACTS)
    loaded, facts = load_checkpoint(tmp_path)
    window = torch.randn(2, 19, 160)
    assert torch.equal(loaded(window), model(window))
    assert (facts, loaded.settings) == (FACTS, SETTINGS)
    assert not loaded.training


def test_only_the_two_files_remain_and_no_pickle(folder: Path) -> None:
    save_checkpoint(folder, Detector(SETTINGS), FACTS)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights.safetensors"]
    assert json.loads((folder / "config.json").read_text())["facts"] == FACTS


def test_weights_of_another_save_are_refused(folder: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "other", Detector(SETTINGS), FACTS)
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: SHA-256"):
        load_checkpoint(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="torn or changed"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"format": 2}, "format is 2"),
        ({"extra": 1}, "exactly the keys"),
        ({"model": {"layers": 3}}, "settings are not valid"),
        ({"model": SETTINGS.model_dump(mode="json") | {"head_features": 16}}, "do not fit"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder: Path, change: dict[str, object], rule: str) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=rule):
        load_checkpoint(folder)


def test_a_config_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: not JSON"):
        load_checkpoint(folder)


def test_a_save_that_fails_leaves_the_old_checkpoint_whole(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="Out of range float"):
        save_checkpoint(folder, Detector(SETTINGS), {"threshold": float("nan")})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
