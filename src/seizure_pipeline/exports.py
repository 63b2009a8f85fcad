"""Events of recordings in the forms that others read: csv_bi, events TSV, a BIDS tree as SzCORE wants it, EDF+ annotations."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias, get_args

from seizure_pipeline.annotations import Confidences, Seizures, write_csv_bi, write_events_tsv, write_whole
from seizure_pipeline.configuration import Settings
from seizure_pipeline.recordings import Note, RecordingError, write_annotated_copy
from seizure_pipeline.scored_files import BIDS_NAME, NEDC_NAME

log = logging.getLogger(__name__)
Export: TypeAlias = Literal["csv_bi", "tsv", "picture", "bids", "edf"]
ENDINGS: dict[Export, str] = {"csv_bi": ".csv_bi", "tsv": "_events.tsv", "picture": ".png"}
BIDS_FOLDER = "bids"
BIDS_VERSION = "1.8.0"  # as epilepsy2bids 0.0.7
COLUMNS = {
    "onset": "Start of the event in seconds from the start of the recording.",
    "duration": "Length of the event in seconds.",
    "eventType": {"Description": "What the event is.", "Levels": {"sz": "A seizure.", "bckg": "No seizure."}},
    "confidence": "Confidence of the detector, from 0 to 1.",
    "channels": "Channels that the event concerns; n/a: not said.",
    "dateTime": "Start of the recording.",
    "recordingDuration": "Length of the recording in seconds.",
}


class ExportError(ValueError):
    """An export that cannot be made of a recording; the message says which and why."""


class DetectionSettings(Settings):
    """What is written of each recording: `name.csv_bi`, `name_events.tsv` and `name.png`, an events TSV in the BIDS tree
    `bids`, and `name_annotated.edf`, a copy of the recording (with whatever it says of the patient) that holds the
    detections as annotations."""

    exports: tuple[Export, ...] = ("csv_bi", "tsv", "picture")


@dataclass(frozen=True, slots=True)
class ExportedEvents:
    """Events of one recording, in seconds of the file's clock: `span_s` is that clock at the recording's end."""

    seizures: Seizures
    span_s: float
    confidences: Confidences = None
    start: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """Which `exports` are made of the recording `name` in `folder`; `suffix` is the recording's own, .edf or .bdf.

    `bids_path` is its place in the BIDS tree, where there is one."""

    folder: Path
    name: str
    suffix: str
    bids_path: str | None
    exports: tuple[Export, ...]

    def path(self, export: Export) -> Path:
        """The file of an export."""
        if export == "bids":
            return self.folder / BIDS_FOLDER / str(self.bids_path)
        return self.folder / f"{self.name}{ENDINGS.get(export, f'_annotated{self.suffix}')}"

    def remove(self) -> None:
        """Remove what an earlier run exported of this recording."""
        for export in get_args(Export):
            if export != "bids" or self.bids_path:
                self.path(export).unlink(missing_ok=True)


def write_exports(events: ExportedEvents, recording: Path, files: ExportFiles) -> None:
    """Write what `files` asks for but the picture; raises ExportError where there can be no annotated copy of `recording`.

    What a copy's header has no room for is logged as a warning, without the text itself."""
    facts = (events.seizures, events.span_s, events.confidences)
    if "csv_bi" in files.exports:
        write_csv_bi(files.path("csv_bi"), files.name, *facts)
    if "tsv" in files.exports:
        write_events_tsv(files.path("tsv"), *facts, events.start)
    if "bids" in files.exports:
        files.path("bids").parent.mkdir(parents=True, exist_ok=True)
        write_events_tsv(files.path("bids"), *facts, events.start)
    if "edf" in files.exports:
        try:
            for left_out in write_annotated_copy(recording, files.path("edf"), _notes(events)):
                log.warning("%s: %s", files.path("edf"), left_out)
        except RecordingError as refusal:
            raise ExportError(f"no annotated copy: {refusal}") from refusal


def _notes(events: ExportedEvents) -> list[Note]:
    confidences: Sequence[float | None] = events.confidences or [None] * len(events.seizures)
    return [
        Note(event.onset_s, event.offset_s - event.onset_s, _text(confidence))
        for event, confidence in zip(events.seizures, confidences, strict=True)
    ]


def _text(confidence: float | None) -> str:
    return "seizure" if confidence is None else f"seizure, detected with confidence {confidence:.4f}"


def start_bids_tree(root: Path) -> None:
    """Write what says that the folder `root` is a BIDS dataset of detections, and what the columns of its tables mean."""
    root.mkdir(parents=True, exist_ok=True)
    maker = {"Name": "seizure_pipeline", "Version": version("seizure-pipeline")}
    about = {
        "Name": "Detected seizures",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [maker],
    }
    columns = {name: {"Description": said} if isinstance(said, str) else said for name, said in COLUMNS.items()}
    for name, content in (("dataset_description.json", about), ("events.json", columns)):
        write_whole(root / name, [json.dumps(content, indent=2)])


def bids_events_paths(recordings: Sequence[str]) -> dict[str, str]:
    """The path of the events TSV in a BIDS tree for each of `recordings`, relative paths of files.

    A BIDS name keeps its entities, so that a hypothesis lies where SzCORE looks for it beside its reference. NEDC's
    aaaaaaaa_s001_t000 becomes sub-aaaaaaaa, ses-001, run-000. Any other recording belongs to the subject of its folder, or
    of its own name directly in the root, letters and digits alone, in session 01; runs count from 00 in the order of paths.
    Raises ExportError where two recordings would have one path."""
    paths: dict[str, str] = {}
    runs: dict[str, int] = defaultdict(int)
    for recording in sorted(recordings):
        stem = PurePosixPath(recording).stem.removesuffix("_eeg")
        if found := BIDS_NAME.fullmatch(stem):
            paths[recording] = _path(found.group(1), found.group(2), f"{stem}_events.tsv")
        elif found := NEDC_NAME.fullmatch(stem):
            paths[recording] = _szcore_path(*found.groups())
        else:
            subject = re.sub("[^A-Za-z0-9]", "", str(PurePosixPath(recording).parent)) or re.sub("[^A-Za-z0-9]", "", stem)
            paths[recording] = _szcore_path(subject, "01", f"{runs[subject]:02d}")
            runs[subject] += 1
    counts = Counter(paths.values())
    if twice := [recording for recording, path in paths.items() if counts[path] > 1 or "sub-_" in path]:
        raise ExportError(f"{', '.join(twice[:10])}: no BIDS name of their own; rename them or leave out the export bids")
    return paths


def _szcore_path(subject: str, session: str, run: str) -> str:
    stem = f"sub-{subject}_ses-{session}_task-szMonitoring_run-{run}"
    return _path(f"sub-{subject}", f"ses-{session}", f"{stem}_events.tsv")


def _path(subject: str, session: str | None, name: str) -> str:
    return "/".join(part for part in (subject, session, "eeg", name) if part)
