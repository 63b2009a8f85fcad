"""The corpus on disk: what is missing is generated, what is there is kept, a foreign folder is left alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from seizure_pipeline.announcements import stop_if_asked
from seizure_pipeline.corpora.records import CorpusError
from seizure_pipeline.corpora.synthetic.files import PARTS, part_of, remove_parts, write_annotation, write_edf
from seizure_pipeline.corpora.synthetic.plan import PlannedRecording, plan
from seizure_pipeline.corpora.synthetic.recording import generate_channels
from seizure_pipeline.corpora.synthetic.requirements import (
    GENERATOR_VERSION,
    SyntheticSettings,
    corpus_fingerprint,
)
from seizure_pipeline.progress import ProgressMeter
from seizure_pipeline.workers import in_processes

CARD = "corpus.json"
WORTH_A_POOL_S = 3600.0  # below an hour of EEG, starting processes takes longer than they save


def generate_corpus(root: Path, settings: SyntheticSettings, processes: int = 2) -> None:
    """Bring the folder `root` to the corpus of these settings, generating only the recordings that are missing.

    Each recording depends on the settings and its own name, never on what else was generated, and appears whole
    or not at all, so that a killed run goes on where it stopped. A corpus of other settings is replaced.
    Raises CorpusError if `root` holds files but no corpus of this generator.
    """
    _prepare_folder(root, settings)
    missing = [planned for planned in plan(settings) if not _is_there(root, planned)]
    if not missing:
        return
    with ProgressMeter("generate corpus", len(missing), "recordings") as meter:
        if processes == 1 or sum(planned.duration_s for planned in missing) < WORTH_A_POOL_S:
            for planned in missing:
                meter.advance(note=generate_recording(root, planned, settings.seed))
                stop_if_asked()
        else:
            jobs = [(root, planned, settings.seed) for planned in missing]
            for name in in_processes(generate_recording, jobs, processes):
                meter.advance(note=name)
                stop_if_asked()


def generate_recording(root: Path, planned: PlannedRecording, seed: int) -> str:
    """Generate one recording and its annotation; returns its name."""
    path = root / planned.edf_path
    write_annotation(path.with_suffix(".csv_bi"), planned.seizures, planned.duration_s)
    write_edf(path, generate_channels(planned, seed), planned.patient.habits.rate_hz)
    return planned.recording_id


def _is_there(root: Path, planned: PlannedRecording) -> bool:
    path = root / planned.edf_path
    return path.exists() and path.with_suffix(".csv_bi").exists()


def _prepare_folder(root: Path, settings: SyntheticSettings) -> None:
    card = {"fingerprint": corpus_fingerprint(settings), "generator_version": GENERATOR_VERSION}
    found = _read_card(root)
    remove_parts(root)
    if found == card:
        return
    if found is not None and (root / "edf").exists():
        shutil.rmtree(root / "edf")
    root.mkdir(parents=True, exist_ok=True)
    part = part_of(root / CARD)
    part.write_text(json.dumps(card | {"settings": settings.model_dump(mode="json")}, indent=2) + "\n", encoding="utf-8")
    os.replace(part, root / CARD)


def _read_card(root: Path) -> dict[str, object] | None:
    """Fingerprint and version of the corpus in `root`, None for an empty folder."""
    path = root / CARD
    if not path.exists():
        if root.exists() and (not root.is_dir() or any(not entry.match(PARTS) for entry in root.iterdir())):
            raise CorpusError(f"{root} holds files but no {CARD}: a corpus is generated into an empty folder only")
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: found[key] for key in ("fingerprint", "generator_version")}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} is no card of a generated corpus: {error!r}") from error
