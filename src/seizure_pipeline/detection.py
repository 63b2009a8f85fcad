"""A trained detector on anybody's recordings: one EDF in, detections and their files out."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seizure_pipeline.annotations import Seizures
from seizure_pipeline.cache import CachedSignal, prepare
from seizure_pipeline.cache.fill import REFUSALS
from seizure_pipeline.corpora import CorpusError, Folder
from seizure_pipeline.corpora.folder import FileFacts
from seizure_pipeline.corpora.table import named
from seizure_pipeline.exports import (
    BIDS_FOLDER,
    DetectionSettings,
    ExportedEvents,
    ExportError,
    ExportFiles,
    bids_events_paths,
    start_bids_tree,
    write_exports,
)
from seizure_pipeline.inference.settings import InferenceSettings
from seizure_pipeline.inference.traces import check_device, probability_trace
from seizure_pipeline.model.checkpoint import check_weights, load_checkpoint
from seizure_pipeline.model.detector import Detector
from seizure_pipeline.montage import ELECTRODES, MontageSettings
from seizure_pipeline.pages import recording_page
from seizure_pipeline.progress import follow
from seizure_pipeline.recordings import Recording, open_recording
from seizure_pipeline.scoring import Detection, PostProcessingSettings, Trace, detect
from seizure_pipeline.signals import SignalSettings
from seizure_pipeline.windows import TOKEN_RATE_HZ, Layout, WindowSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedChain:
    """A detector with everything that its recordings must go through, as its checkpoint says, and its threshold."""

    model: Detector
    signals: SignalSettings
    montage: MontageSettings
    windows: WindowSettings
    threshold: float
    post_processing: PostProcessingSettings
    inference: InferenceSettings
    run: str


@dataclass(frozen=True)
class DetectedRecording:
    """What was found in one recording; detections in seconds of the file's clock."""

    recording: Recording
    signal: CachedSignal
    probability_L: NDArray[np.float32]
    detections: tuple[Detection, ...]
    interpolated: tuple[str, ...]


def load_chain(checkpoint: Path, operating_point: dict[str, Any], inference: InferenceSettings) -> TrainedChain:
    """The chain of a checkpoint with its threshold.

    Raises CheckpointError if the threshold was chosen for other weights, ValueError if there is no threshold, if it was
    chosen with another stride, or if the electrodes are not those of this package."""
    model, facts = load_checkpoint(checkpoint)
    check_device(inference.device, model=model.settings)
    if tuple(facts["electrodes"]) != ELECTRODES:
        raise ValueError(f"{checkpoint}: trained on electrodes {facts['electrodes']}, this package has {ELECTRODES}")
    check_weights(checkpoint, operating_point["weights_sha256"])
    if inference.stride_s != operating_point["stride_s"]:
        raise ValueError(
            f"{checkpoint}: inference.stride_s is {inference.stride_s:g} s, its threshold was chosen with "
            f"{operating_point['stride_s']:g} s; detect with that, or evaluate again with this"
        )
    if operating_point["threshold"] is None:
        raise ValueError(
            f"{checkpoint}: no threshold met {operating_point['budget_per_24h']:g} false alarms per 24 h on split "
            f"{operating_point['split']}, and without one nothing can be detected; train longer, or on more recordings, and "
            f"evaluate again (the environment smoke is too small for a threshold)"
        )
    return TrainedChain(
        model=model.to(inference.device),
        signals=SignalSettings(**facts["signals"]),
        montage=MontageSettings(**facts["montage"]),
        windows=WindowSettings(**facts["windows"]),
        threshold=operating_point["threshold"],
        post_processing=PostProcessingSettings(**operating_point["post_processing"]),
        inference=inference,
        run=facts["run"],
    )


def detect_recording(chain: TrainedChain, edf: Path, scratch: Path | None = None) -> DetectedRecording:
    """Seizures in one EDF file; raises RecordingError, MontageError or SignalError with the reason of a refusal.

    A recording of many hours takes a nameless file in the folder `scratch`, by default the system's for such files."""
    recording = open_recording(edf)
    with prepare(recording, chain.signals, chain.montage, scratch) as prepared:
        signal = CachedSignal(prepared.signal(), prepared.layout, prepared.step_sd)
    probability_L = probability_trace(chain.model, signal, chain.windows, chain.inference)
    layout = signal.layout
    trace = Trace(
        recording_id=edf.stem,
        patient_id=edf.stem,
        rate_hz=TOKEN_RATE_HZ,
        probability=probability_L,
        duration_s=layout.duration_s,
        stretch_starts=layout.token_starts,
    )
    found = detect(trace, chain.threshold, chain.post_processing)
    in_file_clock = tuple(_in_file_clock(layout, detection) for detection in found)
    return DetectedRecording(recording, signal, probability_L, in_file_clock, prepared.interpolated)


def _in_file_clock(layout: Layout, detection: Detection) -> Detection:
    onset_s, offset_s = layout.file_clock_interval(detection.onset_s, detection.offset_s)
    return Detection(onset_s, offset_s, detection.confidence)


def write_detections(detected: DetectedRecording, edf: Path, files: ExportFiles, threshold: float) -> None:
    """Write the files of one recording that were asked for; raises ExportError where there can be no copy of `edf`."""
    found, recording = detected.detections, detected.recording
    intervals = [(d.onset_s, d.offset_s) for d in found]
    if "picture" in files.exports:
        figure = recording_page(detected.signal, detected.probability_L, threshold, (), intervals, files.name)
        figure.savefig(files.path("picture"), dpi=110)
    seizures, confidences = Seizures.from_intervals(intervals), [d.confidence for d in found]
    write_exports(ExportedEvents(seizures, recording.span_s, confidences, recording.start), edf, files)


def find_in_folder(chain: TrainedChain, recordings: Folder, target: Path, settings: DetectionSettings) -> list[dict[str, Any]]:
    """Run every EDF or BDF below `recordings`, write the files of each below `target`, and list what was found.

    A refused file is listed with its reason, and so is a recording of which there can be no annotated copy. Raises
    CorpusError where there is no such file, two would write files of one name, or all are refused."""
    files = [file.path for file in _files(recordings) if file.path.lower().endswith((".edf", ".bdf"))]
    if not files:
        raise CorpusError(f"{recordings.url}: holds no file that ends in .edf or .bdf; detection needs at least one")
    names = Counter(_name_of(path) for path in files)
    if twice := [path for path in files if names[_name_of(path)] > 1]:
        raise CorpusError(f"{recordings.url}: {twice} would write files of one name; rename or run them apart")
    log.info("threshold %.4f of run %s, probability must reach it", chain.threshold, chain.run)
    target.mkdir(parents=True, exist_ok=True)
    written = _written(files, target, settings, recordings.url)
    lines = [
        _find_in_file(chain, recordings, path, each) for path, each in follow(written.items(), "detecting", len(files), "files")
    ]
    if all(line["status"] == "refused" for line in lines):
        raise CorpusError(f"{recordings.url}: all {len(lines)} files are refused, the first because: {lines[0]['reason']}")
    return lines


def _written(paths: list[str], target: Path, settings: DetectionSettings, where: str) -> dict[str, ExportFiles]:
    """What is written of each recording, by its path; begins the BIDS tree where one is asked for."""
    bids: dict[str, str] = {}
    if "bids" in settings.exports:
        try:
            bids = bids_events_paths(paths)
        except ExportError as error:
            raise CorpusError(f"{where}: {error}") from error
        start_bids_tree(target / BIDS_FOLDER)
    return {
        path: ExportFiles(target, _name_of(path), PurePosixPath(path).suffix, bids.get(path), settings.exports)
        for path in paths
    }


def _files(recordings: Folder) -> list[FileFacts]:
    try:
        return recordings.files()
    except FileNotFoundError as error:
        raise CorpusError(f"{error}; set where the recordings are by --params own_recordings=...") from error


def _name_of(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")).replace("/", "_")


def _find_in_file(chain: TrainedChain, recordings: Folder, path: str, files: ExportFiles) -> dict[str, Any]:
    files.remove()
    line: dict[str, Any] = {"file": path, "status": "detected", "reason": "", "detections": 0, "duration_s": 0.0}
    try:
        with recordings.local(path) as edf:
            detected = detect_recording(chain, edf, files.folder)
            write_detections(detected, edf, files, chain.threshold)
    except ExportError as error:
        log.warning("%s", named(path, error))
        line["reason"] = named(path, error)
    except REFUSALS as refusal:
        log.warning("refused: %s", named(path, refusal))
        return {
            **line,
            "status": "refused",
            "reason": named(path, refusal),
            "highest_probability": None,
            "alarmed_s": 0.0,
            "interpolated": "",
        }
    log.info("%s: %d detections in %.0f s", path, len(detected.detections), detected.recording.duration_s)
    return {
        **line,
        "detections": len(detected.detections),
        "duration_s": detected.recording.duration_s,
        "highest_probability": float(detected.probability_L.max()),
        "alarmed_s": sum(d.offset_s - d.onset_s for d in detected.detections),
        "interpolated": " ".join(detected.interpolated),
    }
