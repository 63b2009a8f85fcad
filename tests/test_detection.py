"""Detection on recordings of one's own: where it writes while it works."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import edfio
import pytest
from edf_files import edf, ramp, signal

from seizure_pipeline import detection
from seizure_pipeline.annotations import read_csv_bi, read_events_tsv
from seizure_pipeline.corpora import CorpusError, Folder
from seizure_pipeline.exports import DetectionSettings
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.model.settings import ModelSettings, StreamSettings
from seizure_pipeline.montage import MontageSettings
from seizure_pipeline.recordings import RecordingError
from seizure_pipeline.scoring import PostProcessingSettings
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.windows import WindowSettings


def test_a_long_recording_takes_its_scratch_file_on_the_disk_of_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[object] = []

    @contextmanager
    def prepare(recording: object, signals: object, montage: object, scratch: object) -> Iterator[None]:
        folders.append(scratch)
        raise RecordingError("refused here")
        yield

    monkeypatch.setattr(detection, "prepare", prepare)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "one.edf").write_bytes(edf([signal()], ramp(2)))
    with pytest.raises(CorpusError, match="refused here"):
        detection.find_in_folder(chain(), Folder(str(tmp_path / "own")), tmp_path / "found", DetectionSettings())
    assert folders == [tmp_path / "found"]


def test_every_export_of_a_recording_says_the_same(small_corpus: Path, tmp_path: Path) -> None:
    edf = sorted((small_corpus / "edf" / "dev").rglob("*.edf"))[0]
    settings = DetectionSettings(exports=("csv_bi", "tsv", "picture", "bids", "edf"))
    alarming = dataclasses.replace(chain(), threshold=1e-6)
    (line,) = detection.find_in_folder(alarming, Folder(str(edf)), tmp_path, settings)
    assert (line["status"], line["reason"], line["detections"]) == ("detected", "", 1)
    seizures, duration_s = read_csv_bi(tmp_path / f"{edf.stem}.csv_bi")
    (in_bids,) = (tmp_path / "bids").rglob("*_events.tsv")
    assert in_bids.read_bytes() == (tmp_path / f"{edf.stem}_events.tsv").read_bytes()
    assert read_events_tsv(in_bids) == (seizures, duration_s)
    copy = edfio.read_edf(tmp_path / f"{edf.stem}_annotated.edf")
    assert [(note.onset, note.duration) for note in copy.annotations] == [(0.0, duration_s)]
    assert (tmp_path / f"{edf.stem}.png").is_file()
    detection.find_in_folder(alarming, Folder(str(edf)), tmp_path, DetectionSettings(exports=("csv_bi",)))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [f"{edf.stem}.csv_bi"]


def chain() -> detection.TrainedChain:
    stream = StreamSettings(features=4, layers=1, state=4, head_dim=4, expand=1)
    model = ModelSettings(
        tcn_channels=(8,), tcn_dilations=(1, 2), tcn_strides=(8, 2), token_kernel=1, electrode_stream=stream, pair_stream=stream
    )
    return detection.TrainedChain(
        model=Detector(model, 0.1),
        signals=SignalSettings(),
        montage=MontageSettings(),
        windows=WindowSettings(),
        threshold=0.5,
        post_processing=PostProcessingSettings(),
        inference=InferenceSettings(),
        run="run",
    )
